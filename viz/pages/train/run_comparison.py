"""The panel that compares runs: loss and accuracy on one axis, parameters, seconds, accuracy by distance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from models.core.cells import GATE_COUNTS
from models.core.messages import Problem
from models.training.bundled_tasks import recall_accuracy_by_distance
from models.training.trained_network import read_card
from models.training.training_seconds import training_seconds
from viz.figures.accuracy_by_distance import accuracy_by_distance
from viz.figures.training_curves import TrainingCurve, training_curves
from viz.i18n import _
from viz.pages.page_elements import caption, dense_table, page_theme
from viz.pages.panels import panel
from viz.pages.run_folders import find_run, is_own, listed_runs
from viz.pages.train.live_chart import live_chart
from viz.pages.train.run_names import RUNS, run_title
from viz.pages.train.seed_groups import SeedGroup, group_by_seed
from viz.pages.train.shown_run import ShownRun, live, open_shown_run
from viz.pages.trained_networks import find_trained, nearest_snapshot, network_name
from viz.pages.view_widgets import view_choice, view_widget
from viz.session import Session

MAX_COMPARED, MAX_GROUPS = 30, 6
"""Runs that are compared, and curves of one kind: one for each run, or for all runs that differ in the seed alone."""

DISTANCES = (5, 10, 15, 20, 25, 30, 40)
"""Words between the city and the end of a text at which the accuracy is measured."""
TEXTS = 100
"""Texts for each distance."""


def run_comparison_panel(session: Session, shown: ShownRun) -> None:
    """Declare the panel; ``shown`` is the run of the page, which is compared if no others are chosen."""

    @panel(
        "run_comparison",
        _("Comparison of runs"),
        _("Solid: validation, dotted: training. Which run learns faster, which one overfits, and what does it cost?"),
        opened=False,
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
        runs = _open_runs(session, shown, chosen[:MAX_COMPARED])
        if not runs:
            caption(_("Choose at least one run."))
            return
        groups = group_by_seed(runs, page_theme())
        if len(groups) > MAX_GROUPS:
            caption(_("Only the first {n} lines are drawn. Choose fewer runs to see others.").format(n=MAX_GROUPS))
            groups = groups[:MAX_GROUPS]
        live(next((run for run in runs if run.is_live), runs[0]), "comparison", lambda: _curves(groups))
        _accuracy_by_distance(groups)


def _open_runs(session: Session, shown: ShownRun, names: Sequence[str]) -> list[ShownRun]:
    """Return the runs of these names that exist, of which ``shown`` is open already."""
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
    return found


def _curves(groups: Sequence[SeedGroup]) -> None:
    theme = page_theme()
    drawn = [
        (quantity, title, percent, curves)
        for quantity, title, percent in (("loss", _("loss"), False), ("accuracy", _("accuracy"), True))
        if (curves := [curve for each in groups for curve in _of_group(each, quantity)])
    ]
    if drawn:
        for place, (quantity, title, percent, curves) in zip(st.columns(len(drawn)), drawn, strict=True):
            with place:
                draw_figure = partial(
                    training_curves,
                    curves,
                    title=title,
                    scale="linear" if percent else "auto",
                    percent=percent,
                    height=360,
                    theme=theme,
                )
                live_chart(draw_figure, f"compared_{quantity}", "comparison", quantity)
    norms = [curve for each in groups if (curve := each.curve("gradient_norm/total", each.title, width=1.4))]
    if norms:
        draw_figure = partial(
            training_curves, norms, title=_("gradient norm before clipping"), scale="log", theme=theme
        )
        live_chart(draw_figure, "compared_norms", "comparison", "gradient-norm")
    if any(len(each.runs) > 1 for each in groups):
        caption(
            _(
                "Line: the mean over the seeds. Band: from the lowest to the highest run. Both up to the last training step "
                "that all runs of a line have reached."
            )
        )
    _table(groups)


def _of_group(group: SeedGroup, quantity: str) -> list[TrainingCurve]:
    """Return the curves of training and validation."""
    found = (
        group.curve(f"{quantity}/validation", group.title, width=2.4),
        group.curve(f"{quantity}/train", f"{group.title} · {_('training')}", dash="dot", width=1.0),
    )
    return [each for each in found if each is not None]


def _table(groups: Sequence[SeedGroup]) -> None:
    """Show the numbers of each run or group of runs, and the equation of the numbers of parameters."""
    rows = []
    for each in groups:
        first = each.runs[0]
        rows.append(
            {
                _("Run"): each.title,
                _("Recurrent parameters"): _formula(first),
                _("All parameters"): _parameters(first),
                _("Seconds"): each.mean_and_range([training_seconds(run.folder) for run in each.runs], "{:,.0f}"),
                _("Validation loss"): each.mean_and_range(each.last("loss/validation"), "{:.4g}"),
                _("Validation accuracy"): each.mean_and_range(each.last("accuracy/validation"), "{:.1%}"),
            }
        )
    dense_table(rows)
    if len({each.cell for each in groups if each.cell is not None}) > 1:
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


def _accuracy_by_distance(groups: Sequence[SeedGroup]) -> None:
    """Measure, on a click, the accuracy of the task ``recall`` at each distance, on new texts."""
    recall = [each for each in groups if each.runs[0].options is not None and each.runs[0].options.task == "recall"]
    if not recall:
        return
    if not st.toggle(_("Measure the accuracy by distance on new texts"), key="train_by_distance"):
        return
    measured, colours = {}, []
    for each in recall:
        steps = [(run, nearest_snapshot(run.folder, None)) for run in each.runs]
        found = [
            measure_by_distance(network_name(run.name, run.folder, step)) for run, step in steps if step is not None
        ]
        if found:
            measured[each.title] = {distance: [values[distance] for values in found] for distance in found[0]}
            colours.append(each.colour)
    if measured:
        draw_figure = partial(accuracy_by_distance, measured, colours, theme=page_theme())
        live_chart(draw_figure, "by_distance", "comparison", "accuracy-by-distance")
        caption(_("{n} new texts at each distance, by the network of the last snapshot.").format(n=TEXTS))


@st.cache_resource(show_spinner=False, max_entries=200)
def measure_by_distance(name: str) -> dict[int, float]:
    """Return the accuracy of a network of the task ``recall`` by the distance of the city."""
    network = find_trained(name)
    return {} if network is None else recall_accuracy_by_distance(network.module, DISTANCES, TEXTS)
