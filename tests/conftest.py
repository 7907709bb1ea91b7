"""Fixtures (the running app and a browser, started once in each worker that needs them), and how tests are distributed."""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, Page
from threadpoolctl import threadpool_limits

from tests.support.browser import NO_CHROMIUM, find_chromium, launch_browser, opened_page, serve, with_open_panels

THREADS = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2
torch.set_num_threads(THREADS)
threadpool_limits(THREADS)
settings.register_profile("unrolled", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unrolled")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the workers of `-n auto`: one a core, four at most; none for named files, which one process runs sooner."""
    folders = any(Path(name).is_dir() for name in config.args)
    return min(os.cpu_count() or 1, 4) if folders else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a browser, and run them last: an error in the engine is then reported first.

    In CI such a test runs a second time if it fails, and pytest counts it as rerun: there a browser that is killed for
    memory should not fail an hour's work. Elsewhere it fails at once, so that a race is found where it can be mended.
    """
    for item in items:
        if {"browser", "open_page"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("browser")
        if os.environ.get("CI") and item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print why tests ran a second time: what passes then may be a race."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.write_sep("_", f"Reran {report.nodeid}")
        terminalreporter.line(report.longreprtext)


def pytest_collection_finish() -> None:
    """Leave what was imported out of garbage collections, as `viz.runtime` does in the app.

    Where Keras is imported, Streamlit collects after every run of a page, which would take half a second each.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def component_packages_searched_once() -> Iterator[None]:
    """Search the installed packages for components once a process: every `AppTest` would parse all packages' metadata."""
    with pytest.MonkeyPatch.context() as patch:
        if "streamlit" in sys.modules:  # else no test of this run has an `AppTest`
            from streamlit.components.v2 import manifest_scanner

            patch.setattr(
                manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests)
            )
        yield


@pytest.fixture(scope="session")
def app() -> Iterator[str]:
    """Return the address of the running app."""
    with serve() as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium; without one the test is skipped, but fails where CI is set."""
    if not find_chromium():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(NO_CHROMIUM)
    with launch_browser() as started:
        yield started


@pytest.fixture
def open_page(app: str, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page of the app, settled: `open_page("/?step=3", scheme="dark", width=1024)`.

    All panels of the page are open unless the path has ``panel``. The test fails in the end if a page wrote an error to the
    browser's console.
    """
    with ExitStack() as pages:
        yield lambda path="/", **options: pages.enter_context(
            opened_page(browser, app + with_open_panels(path), **options)
        )
