"""Every lens on a telephone and in a window, light and dark: no violation of WCAG 2.2 AA, nothing cut, targets of 44 px.

One visit of each lens does all of it, because most of the time goes into opening the page.
"""

import pytest
from playwright.sync_api import Page

from models.training.training_loop import train
from models.training.training_options import TrainingOptions
from tests.support.accessibility import axe_violations, layout_faults, show_all
from tests.support.browser import opened_page, rerun, serve, show_scheme, until
from tests.support.specimens import specimens
from tests.viz.pages.room.test_room_browser import open_room

PAGES = {
    "step": "/?net=counter&panel=*",
    "states": "/states?net=counter&panel=*",
    "gradients": "/gradients?net=counter&panel=*",
    "edit": "/edit?net=counter&panel=*&edits=rnn.l0.forget_gate@9=0",
    "attention": "/attention?net=dates-dot&text=4 May 2024&panel=*&attend=temperature=0.5",
    "train": "/train?run=run&panel=*",
    "checkpoint": "/checkpoint?net=counter&panel=*",
    "layer": "/layer?panel=*",
    "language": "/language?panel=*",
    "search": "/search?net=counter&panel=*",
    "room": "/room",
    "lessons": "/lessons",
    "questions": "/lessons?lesson=one-step&section=1",
}
"""A page of each lens, with all of its panels; short sequences and small networks, so that the visit is short."""

FINGER = 44
"""Pixels of the smallest target of a finger; that of a pointer, 24, is a rule of axe-core."""


@pytest.fixture(scope="module")
def lenses(tmp_path_factory):
    """The app with a training run, for the Train lens."""
    runs = tmp_path_factory.mktemp("runs")
    options = TrainingOptions(task="counting", units=8, embedding=0, examples=100, steps=40, record_every=10)
    train(options, runs / "run")
    with serve(str(runs)) as url:
        yield url


def open_file(page: Page) -> None:
    """Open a checkpoint with defects, so that the page has its warnings."""
    file = {"name": "sick.pt", "mimeType": "application/octet-stream", "buffer": specimens()["sick.pt"]}
    rerun(page, lambda: page.locator('[data-testid="stFileUploaderDropzoneInput"]').first.set_input_files(file))


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_lens_is_for_every_reader(lenses, browser, name):
    with opened_page(browser, lenses + PAGES[name], width=390, height=844, touch=True) as page:
        if name == "checkpoint":
            open_file(page)
        if name == "room":
            until(page, lambda: _is(axe_violations(page), []))
            open_room(page)
        show_all(page)
        until(page, lambda: _is(layout_faults(page, FINGER), []))
        until(page, lambda: _is(axe_violations(page), []))

        for scheme, width in (("dark", 390), ("dark", 1440), ("light", 1440)):
            show_scheme(page, scheme, width=width)
            until(page, lambda: _is(axe_violations(page), []))


def _is(found: list[str], wanted: list[str]) -> None:
    assert found == wanted, "\n".join(found)
