"""Fixtures: the running app and a browser are started once, when a test first asks for them."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import torch
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, Page

from tests.support.browser import MISSING, chromium, launch, look, serve

torch.set_num_threads(2)
settings.register_profile("unrolled", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unrolled")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the browser last: what is wrong in the engine is then told first."""
    for item in items:
        if {"browser", "look_at"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("browser")
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(scope="session")
def app() -> Iterator[str]:
    """The address of the running app."""
    with serve() as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium; without one the test is skipped, but fails where CI is set."""
    if not chromium():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    with launch() as started:
        yield started


@pytest.fixture
def look_at(app: str, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page of the app: `look_at("/?step=3", scheme="dark", locale="ko-KR", width=1024)`, settled.

    The test fails in the end if a page complained to the browser's console.
    """
    with ExitStack() as pages:
        yield lambda path="/", **how: pages.enter_context(look(browser, app + path, **how))
