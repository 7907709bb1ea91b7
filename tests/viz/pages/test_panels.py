"""The panels of every page: a folded one computes nothing, and the address names the open ones."""

import pytest
import streamlit as st

from models.training.training_loop import train
from models.training.training_options import TrainingOptions
from tests.support.lens_page import run, start
from viz.pages.panels import FIRST_OPEN, PAGE_PANELS, Panel

LENSES = ("step", "states", "gradients", "edit", "attention", "layer", "language", "checkpoint")


@pytest.fixture
def calls(monkeypatch):
    """Count the calls of each panel's function."""
    found = {}
    original = Panel.__init__

    def counted(self, name, title, look_for, draw, *rest):
        def call():
            found[name] = found.get(name, 0) + 1
            return draw()

        original(self, name, title, look_for, call, *rest)

    monkeypatch.setattr(Panel, "__init__", counted)
    return found


def declared(page) -> list[Panel]:
    """Return the panels of the page's last run."""
    return page.session_state[PAGE_PANELS].panels


def panel_of(page) -> str:
    """Return the panels that the page's address names."""
    value = page.query_params["panel"]
    return value[-1] if isinstance(value, list) else value


def buttons(page, kind: str) -> set[str]:
    """Return the names of the panels that have a button of a kind: "fold" or "unfold"."""
    return {each.key.removeprefix(f"{kind}_") for each in page.button if (each.key or "").startswith(f"{kind}_")}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a short training run, whose panels the Train lens shows."""
    folder = tmp_path_factory.mktemp("runs")
    train(TrainingOptions(task="counting", units=4, embedding=0, examples=24, steps=4, record_every=2), folder / "a")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("lens", [*LENSES, "train"])
def test_a_folded_panel_is_not_computed(lens, calls, runs):
    page = start(lens, opened=runs, panel="-none")
    names = [each.name for each in declared(page)]
    folded = {each.name for each in declared(page) if not each.is_open}
    assert len(set(names)) == len(names) > FIRST_OPEN - 1
    assert set(calls) == set(names) - folded and set(calls.values()) == {1}
    assert buttons(page, "unfold") == folded and buttons(page, "fold") == set(calls)
    if lens != "edit":  # without edits it has no others
        assert folded and len(calls) == FIRST_OPEN - (
            lens in ("states", "gradients", "train", "checkpoint")
        )  # a chart among the first is folded


@pytest.mark.slow
def test_a_button_opens_a_panel_and_another_folds_it(calls):
    page = start("step", panel="-none")
    assert "units_now" not in calls
    page.button(key="unfold_units_now").click()
    run(page)
    assert calls["units_now"] == 1 and panel_of(page) == "-none,units_now"
    page.button(key="fold_units_now").click()
    run(page)
    assert calls["units_now"] == 1 and panel_of(page) == "-none"
    page.button(key="fold_cell").click()
    before = calls["cell"]
    run(page)
    assert calls["cell"] == before and panel_of(page) == "-none,-cell"


@pytest.mark.slow
def test_a_link_opens_and_folds_panels(calls):
    page = start("step", panel="unit_curves,-cell,path")
    assert {each.name for each in declared(page) if each.is_open} == {"equations", "prediction", "sum", "unit_curves"}
    assert set(calls) == {"equations", "prediction", "sum", "unit_curves"}


@pytest.mark.slow
def test_projector_mode_computes_one_panel(calls):
    page = start("states", panel="saturation", mode="projector")
    assert set(calls) == {"saturation"}
    assert len(declared(page)) == 10


@pytest.mark.slow
def test_a_change_of_network_keeps_the_open_panels():
    page = start("step", panel="unit_curves")
    page.session_state["unrolled"].navigate(net="counter", text=None, layer=None, unit=None, step=None, quantity=None)
    run(page)
    assert {each.name for each in declared(page) if each.is_open} >= {"unit_curves", "cell"}


@pytest.mark.slow
def test_names_of_panels_differ_between_pages(runs):
    names = [each.name for lens in (*LENSES, "train") for each in declared(start(lens, opened=runs, panel="-none"))]
    assert len(set(names)) == len(names)


@pytest.mark.slow
def test_a_panel_that_was_stopped_says_so(monkeypatch):
    original = Panel.__init__

    def stopped(self, name, title, look_for, draw, *rest):
        original(self, name, title, look_for, st.stop if name == "equations" else draw, *rest)

    monkeypatch.setattr(Panel, "__init__", stopped)
    page = start("step", panel="-none")
    notes = [each.proto.body for each in page.get("html") if "it was stopped" in each.proto.body]
    assert len(notes) == FIRST_OPEN - 1  # all open panels but the first, which was drawn before
