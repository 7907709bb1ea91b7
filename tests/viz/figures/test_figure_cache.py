"""The cache of figures: the same arguments give the same figure, any other value, theme or language another one."""

import sys
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from viz.figures import figure_cache
from viz.figures.figure_cache import cached_figure
from viz.figures.gradient_norms import gradient_norms
from viz.i18n import use_language

LABELS = ("a", "b", "c")


@pytest.fixture(autouse=True)
def _empty(monkeypatch):
    monkeypatch.setattr(figure_cache, "_figures", type(figure_cache._figures)())


def test_the_same_values_are_drawn_once():
    values = np.array([1.0, 2.0, 3.0], np.float32)
    first = gradient_norms({"hidden": values}, LABELS)
    assert gradient_norms({"hidden": values.copy()}, LABELS) is first


@pytest.mark.parametrize("place", range(3))
def test_another_value_gives_another_figure(place):
    values = np.array([1.0, 2.0, 3.0], np.float32)
    first = gradient_norms({"hidden": values}, LABELS)
    values[place] = np.nextafter(values[place], np.float32(9))  # in place: the figure is not found by the array itself
    second = gradient_norms({"hidden": values}, LABELS)
    assert second is not first
    assert np.asarray(second.data[0].y)[place] == values[place]


def test_one_value_of_millions_counts():
    values = np.zeros(3_000_000, np.float32)
    drawn = cached_figure(lambda values: go.Figure(layout={"title": {"text": str(values.max())}}))
    first = drawn(values)
    values[1_234_567] = 1
    assert drawn(values) is not first and drawn(values).layout.title.text == "1.0"


def test_theme_and_language_count():
    values = {"hidden": np.array([1.0, 2.0, 3.0], np.float32)}
    light, dark = gradient_norms(values, LABELS), gradient_norms(values, LABELS, theme="dark")
    with use_language("ko"):
        korean = gradient_norms(values, LABELS)
        assert korean.layout.xaxis.title.text != light.layout.xaxis.title.text
    assert light.layout.paper_bgcolor != dark.layout.paper_bgcolor
    assert gradient_norms(values, LABELS) is light


def test_what_cannot_be_pickled_is_drawn_each_time():
    drawn = cached_figure(lambda steps: go.Figure(go.Scatter(y=list(steps))))
    assert [list(drawn(step for step in range(n)).data[0].y) for n in (2, 3)] == [[0, 1], [0, 1, 2]]


def test_old_figures_are_forgotten_by_their_size(monkeypatch):
    monkeypatch.setattr(figure_cache, "MAX_BYTES", 3 * 8_200)
    drawn = cached_figure(lambda values: go.Figure(layout={"title": {"text": str(values[0])}}))
    made = [drawn(np.full(1000, float(n))) for n in range(5)]
    assert len(figure_cache._figures) == 3
    assert [drawn(np.full(1000, float(n))) is made[n] for n in (4, 3, 2, 1)] == [True, True, True, False]


def test_every_figure_is_cached():
    root = Path(sys.modules["viz.figures"].__path__[0])
    for path in root.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.stem not in ("style", "figure_texts", "figure_cache"):
            assert text.count(") -> go.Figure:") == text.count("@cached_figure"), path.name
