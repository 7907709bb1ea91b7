"""A saved HTML file in Chromium without a network: any request but for the file itself fails the test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.support.browser import TIMEOUT


@contextmanager
def offline_page(
    browser: Browser,
    path: Path,
    *,
    place: str = "",
    scheme: str = "light",
    locale: str = "en-US",
    ready: str = "[data-value]",
) -> Iterator[Page]:
    """Open the file, with ``place`` after #, once its numbers, the elements ``ready``, are there; yields the page.

    Raises:
        AssertionError: on leaving, if the file requested an address or wrote an error to the console.
    """
    complaints: list[str] = []
    context = browser.new_context(offline=True, color_scheme=scheme, locale=locale)
    context.set_default_timeout(TIMEOUT)
    page = context.new_page()
    address = path.as_uri()

    def on_request(request) -> None:
        if request.url.split("#")[0] != address and not request.url.startswith(("data:", "blob:")):
            complaints.append(f"a request to {request.url}")

    page.on("request", on_request)
    page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        page.goto(f"{address}#{place}")
        page.wait_for_selector(ready, state="attached")
        yield page
    finally:
        context.close()
    assert not complaints, "; ".join(complaints)
