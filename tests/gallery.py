"""Photograph every page: `python -m tests.gallery FOLDER [LENS ...]`.

Light and dark, 1440 and 1024 px wide, English and Korean, as FOLDER/step-dark-1024-ko.png; the Checkpoint lens also with
files that something is wrong with, as FOLDER/checkpoint-sick-dark-1024-ko.png.
"""

import sys
from itertools import product
from pathlib import Path

from tests.support.browser import (
    NO_CHROMIUM,
    find_chromium,
    launch_browser,
    opened_page,
    save_screenshot,
    serve,
    settle,
)
from tests.support.specimens import specimens
from viz.pages import LENSES

SCHEMES = ("light", "dark")
WIDTHS = (1440, 1024)
LOCALES = {"en": "en-US", "ko": "ko-KR"}


def main(folder: Path, names: list[str]) -> None:
    """Photograph the lenses of these names, or all of them, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with serve() as url, launch_browser() as browser:
        for lens, scheme, width, lang in product(LENSES, SCHEMES, WIDTHS, LOCALES):
            if names and lens.name not in names:
                continue
            address = url if lens is LENSES[0] else f"{url}/{lens.name}"
            files = {"": b""} | (specimens() if lens.name == "checkpoint" else {})
            for file, content in files.items():
                shown = "-".join(filter(None, (lens.name, file.split(".")[0], scheme, str(width), lang)))
                with opened_page(browser, address, scheme=scheme, width=width, locale=LOCALES[lang]) as page:
                    if file:
                        upload = {"name": file, "mimeType": "application/octet-stream", "buffer": content}
                        page.locator("input[type=file]").first.set_input_files(upload)
                        page.wait_for_timeout(500)
                        settle(page)
                    save_screenshot(page, folder / f"{shown}.png")
                print(folder / f"{shown}.png")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python -m tests.gallery FOLDER [LENS ...]")
    if not find_chromium():
        sys.exit(NO_CHROMIUM)
    main(Path(sys.argv[1]), sys.argv[2:])
