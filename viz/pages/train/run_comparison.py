"""The panel that compares runs: loss and accuracy on one axis, parameters, seconds, accuracy by distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from models.core.cells import GATE_COUNTS
from models.core.messages import Problem
from models.training.bundled_tasks import recall_accuracy_by_distance
from models.training.trained_network import read_card
from models.training.training_seconds import training_seconds
from viz.colours import CURVES, KIND, Theme
from viz.figures.accuracy_by_distance import accuracy_by_distance
from viz.figures.training_curves import TrainingCurve, training_curves
from viz.i18n import _
from viz.pages.page_elements import caption, dense_table, page_theme
from viz.pages.panels import panel
from viz.pages.run_folders import find_run, is_own, listed_runs
from viz.pages.train.live_chart import live_chart
from viz.pages.train.run_header import run_title
from viz.pages.train.shown_run import ShownRun, known_scalars, live, open_shown_run
from viz.pages.trained_networks import find_trained, nearest_snapshot, network_name
from viz.pages.view_widgets import OptionFormat, view_choice, view_widget
from viz.session import Session

MAX_COMPARED = 6
RUNS: OptionFormat[list[str]] = OptionFormat(lambda text: [each for each in text.split(",") if each], ",".join)

DISTANCES = (5, 10, 15, 20, 25, 30, 40)
"""Words between the city and the end of a text at which the accuracy is measured."""
TEXTS = 100
"""Texts for each distance."""


@dataclass(frozen=True, eq=False)
class ComparedRun:
    """A run in the comparison: the run, its title and its colour."""

    run: ShownRun
    title: str
    colour: str


def run_comparison_panel(session: Session, shown: ShownRun) -> None:
    """Declare the panel; ``shown`` is the run of the page, which is compared if no others are chosen."""

    @panel(
        "run_comparison",
        _("Comparison of runs"),
        _("Solid: validation, dotted: training. Which run learns faster, which one overfits, and what does it cost?"),
    )
    def draw() -> None:
        names = list(dict.fromkeys([shown.name, *(entry.name for entry in listed_runs(session))]))
        chosen = view_choice("runs", RUNS, [shown.name])
        names += [name for name in chosen if name not in names]
        view_widget(
            st.multiselect,
            _("Runs to compare"),
            names,
            name="runs",
            key="train_runs",
            form=RUNS,
            default=[shown.name],
            initial_argument="default",
            max_selections=MAX_COMPARED,
            format_func=run_title,
        )
        runs = _compared_runs(session, shown, chosen[:MAX_COMPARED], page_theme())
        if not runs:
            caption(_("Choose at least one run."))
            return
        live_run = next((each.run for each in runs if each.run.is_live), runs[0].run)
        live(live_run, "comparison", lambda: _curves(runs))
        _accuracy_by_distance(session, runs)


def _compared_runs(session: Session, shown: ShownRun, names: Sequence[str], theme: Theme) -> list[ComparedRun]:
    """Return the runs of these names that exist, of which ``shown`` is open already.

    Runs of different cells have the colours of their cells.
    """
    found = []
    for name in names:
        if name == shown.name:
            found.append(shown)
            continue
        try:
            folder = find_run(session, name)
            found.append(open_shown_run(name, folder, is_own(folder), None))
        except Problem:
            continue
    kinds = [None if run.options is None else run.options.cell for run in found]
    by_kind = None not in kinds and len(set(kinds)) == len(kinds)
    return [
        ComparedRun(run, run_title(run.name), (KIND[str(kind)] if by_kind else CURVES[place % len(CURVES)])[theme])
        for place, (run, kind) in enumerate(zip(found, kinds, strict=True))
    ]


def _curves(runs: Sequence[ComparedRun]) -> None:
    theme = page_theme()
    drawn = [
        (quantity, title, percent, curves)
        for quantity, title, percent in (("loss", _("loss"), False), ("accuracy", _("accuracy"), True))
        if (curves := [curve for each in runs for curve in _of_run(each, quantity)])
    ]
    if drawn:
        for place, (quantity, title, percent, curves) in zip(st.columns(len(drawn)), drawn, strict=True):
            with place:
                figure = training_curves(
                    curves, title=title, scale="linear" if percent else "auto", percent=percent, height=360, theme=theme
                )
                live_chart(figure, f"compared_{quantity}", "comparison", quantity)
    norms = [curve for each in runs for curve in _norm(each)]
    if norms:
        figure = training_curves(norms, title=_("gradient norm before clipping"), scale="log", theme=theme)
        live_chart(figure, "compared_norms", "comparison", "gradient-norm")
    _table(runs)


def _of_run(each: ComparedRun, quantity: str) -> list[TrainingCurve]:
    """Return the curves of training and validation of one run."""
    if each.run.recording is None:
        return []
    found = known_scalars(each.run.recording, (f"{quantity}/validation", f"{quantity}/train"))
    styles = {
        f"{quantity}/validation": (each.title, "solid", 2.4),
        f"{quantity}/train": (f"{each.title} · {_('training')}", "dot", 1.0),
    }
    return [
        TrainingCurve(title, *found[name], colour=each.colour, dash=dash, width=width)
        for name, (title, dash, width) in styles.items()
        if name in found
    ]


def _norm(each: ComparedRun) -> list[TrainingCurve]:
    if each.run.recording is None:
        return []
    found = known_scalars(each.run.recording, ("gradient_norm/total",))
    return [TrainingCurve(each.title, *values, colour=each.colour, width=1.4) for values in found.values()]


def _table(runs: Sequence[ComparedRun]) -> None:
    """Show the numbers of each run, and the equation of the numbers of parameters."""
    rows = []
    for each in runs:
        rows.append(
            {
                _("Run"): each.title,
                _("Recurrent parameters"): _formula(each.run),
                _("All parameters"): _parameters(each.run),
                _("Seconds"): _seconds(each.run),
                _("Validation loss"): _last(each.run, "loss/validation"),
                _("Validation accuracy"): _last(each.run, "accuracy/validation", percent=True),
            }
        )
    dense_table(rows)
    if len({each.run.options.cell for each in runs if each.run.options is not None}) > 1:
        st.latex(r"G\,(HD + H^2 + 2H), \quad G = 4 : 3 : 1 \; \text{" + _("for LSTM : GRU : RNN") + "}")


def _formula(run: ShownRun) -> str:
    """Return the number of parameters of the recurrent layers as a sum with its value."""
    options = run.options
    if options is None or run.recording is None:
        return "–"
    gates, total, terms = GATE_COUNTS[options.cell], 0, []
    for layer in run.recording.layers.values():
        if layer.inputs is None or layer.units is None:
            return "–"
        total += gates * layer.units * (layer.inputs + layer.units + 2)
        terms.append(f"{gates}({layer.units}·{layer.inputs} + {layer.units}² + 2·{layer.units})")
    return f"{' + '.join(terms)} = {total:,}"


def _parameters(run: ShownRun) -> str:
    if run.options is None:
        return "–"
    try:
        return f"{read_card(run.folder).parameters:,}"
    except Problem:
        return "–"


def _seconds(run: ShownRun) -> str:
    seconds = training_seconds(run.folder)
    return "–" if seconds is None else f"{seconds:,.0f}"


def _last(run: ShownRun, name: str, *, percent: bool = False) -> str:
    found = {} if run.recording is None else known_scalars(run.recording, (name,))
    if name not in found or not len(found[name][1]):
        return "–"
    value = float(found[name][1][-1])
    return f"{value:.1%}" if percent and np.isfinite(value) else f"{value:.4g}"


def _accuracy_by_distance(session: Session, runs: Sequence[ComparedRun]) -> None:
    """Measure, on a click, the accuracy of the task ``recall`` at each distance, on new texts."""
    recall = [each for each in runs if each.run.options is not None and each.run.options.task == "recall"]
    if not recall:
        return
    if not st.toggle(_("Measure the accuracy by distance on new texts"), key="train_by_distance"):
        return
    measured = {}
    for each in recall:
        step = nearest_snapshot(each.run.folder, None)
        if step is not None:
            measured[each.title] = measure_by_distance(network_name(each.run.name, each.run.folder, step))
    if measured:
        figure = accuracy_by_distance(measured, [each.colour for each in recall], theme=page_theme())
        live_chart(figure, "by_distance", "comparison", "accuracy-by-distance")
        caption(_("{n} new texts at each distance, by the network of the last snapshot.").format(n=TEXTS))


@st.cache_resource(show_spinner=False, max_entries=200)
def measure_by_distance(name: str) -> dict[int, float]:
    """Return the accuracy of a network of the task ``recall`` by the distance of the city."""
    network = find_trained(name)
    return {} if network is None else recall_accuracy_by_distance(network.module, DISTANCES, TEXTS)
