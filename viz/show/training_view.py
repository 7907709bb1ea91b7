"""A run folder without a server: its curves and maps over the training steps."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from models.core.messages import Problem
from models.runs.open_run import RunLayer, TrainingRun, open_run
from models.runs.run_folder import is_run_folder
from models.runs.watch import Watcher
from viz.components.training_chart import TRAINING_CHART, TrainingPlot, training_chart_data
from viz.components.training_heatmap import TRAINING_HEATMAP, training_heatmap_data
from viz.components.training_player import TRAINING_PLAYER, training_player_data
from viz.escape import printable
from viz.figures.recorded_curves import (
    clipping_threshold,
    gate_curves,
    learning_curves,
    norm_curves,
    radius_curves,
    update_curves,
)
from viz.figures.training_map import FIRST_GATE
from viz.i18n import _
from viz.panel_texts import PanelText
from viz.panel_texts.training_texts import (
    gate_curves_text,
    learning_curves_text,
    maps_sentence,
    recurrent_weights_text,
    training_map_text,
    training_norms_text,
)
from viz.payloads.training_payload import TrainingNumbers, training_numbers, training_payload
from viz.show.check_arguments import checked_index
from viz.show.shown_view import ShownPanel, ShownView, ViewContent

Panel = tuple[str, PanelText, Sequence[TrainingPlot]]


def run_of_training(thing: Any) -> TrainingRun | None:
    """Return the run of an opened run folder, of the path of one, or of a training loop under ``watch``; None for others."""
    if isinstance(thing, TrainingRun):
        return thing
    if isinstance(thing, Watcher):
        return open_run(thing.writer.folder)
    if isinstance(thing, str | PathLike) and is_run_folder(Path(fspath(thing))):
        return open_run(thing)
    return None


def training_view(run: TrainingRun, view_id: str, chosen: Mapping[str, Any]) -> ShownView:
    """Return the view of a run: its curves, and the maps of a layer.

    Args:
        run: the run.
        view_id: the browser's store.
        chosen: "layer", whose maps and gates are shown; "step", a training step; "quantity", the gate.

    Raises:
        Problem: nothing was recorded, or there is no such layer, training step or gate.
    """
    layer = _layer(run, chosen["layer"])
    names = [curve.scalar for _name, _text, plots in _panels(run, layer) for plot in plots for curve in plot.curves]
    numbers = training_numbers(run, layer, names)
    steps = tuple(numbers.steps.tolist())
    if not steps:
        raise Problem("Nothing has been recorded in this run yet.")
    gates = [name.partition("/")[2] for name in numbers.maps if name.startswith("saturation/")]
    gate = _gate(gates, layer, chosen["quantity"])
    # At first the newest step that a map has a row of.
    rows = [each.steps[-1] for each in numbers.maps.values()]
    newest = bisect_left(steps, max(rows)) if rows else len(steps) - 1
    step = newest if chosen["step"] is None else place_of_number(steps, chosen["step"])
    place = {"step": step, "unit": 0, "quantity": gate}
    return ShownView(
        view_id,
        "train",
        place,
        (training_payload(view_id, numbers),),
        partial(_content, run, numbers, view_id, place),
        {"step": len(steps), "unit": 1},
        quantities=tuple(gates),
        link_fields=(),
        step_numbers=steps,
    )


def place_of_number(numbers: Sequence[int], value: Any) -> int:
    """Return the place of a training step among those that are contained. Raises Problem: it is not one of them."""
    step = checked_index("step", value, 0, numbers[-1] + 1)
    place = bisect_left(numbers, step)
    if numbers[place] != step:
        raise Problem(
            "Training step {step} is not contained in this view. The nearest ones are {steps}.",
            step=step,
            steps=", ".join(map(str, numbers[max(place - 1, 0) : place + 1])),
        )
    return place


def _layer(run: TrainingRun, name: str | None) -> RunLayer | None:
    if name is not None and name not in run.layers:
        raise Problem(
            "There is no layer “{name}”. Choose one of these: {names}.", name=name, names=", ".join(run.layers)
        )
    return run.layers[name] if name is not None else next(reversed(run.layers.values()), None)


def _gate(gates: Sequence[str], layer: RunLayer | None, chosen: str | None) -> str | None:
    if chosen is not None and chosen not in gates:
        raise Problem(
            "There is no gate or state “{name}”. Choose one of these: {names}.", name=chosen, names=", ".join(gates)
        )
    first = None if layer is None else FIRST_GATE.get(layer.kind)
    return chosen or (first if first in gates else next(iter(gates), None))


def _panels(run: TrainingRun, layer: RunLayer | None) -> list[Panel]:
    """Return the panels of curves: the name, the text, and the plots of each."""
    threshold = clipping_threshold(run.settings)
    bound = None if threshold is None else (threshold, _("threshold {value:g}").format(value=threshold))
    known = run.scalar_names
    panels: list[Panel] = [
        (
            "learning_curves",
            learning_curves_text(),
            (
                TrainingPlot(_("loss"), learning_curves("loss"), "auto"),
                TrainingPlot(_("accuracy"), learning_curves("accuracy"), "percent"),
            ),
        ),
        ("training_norms", training_norms_text(), (TrainingPlot(_("gradient norm"), norm_curves(), "log", bound),)),
    ]
    if layer is not None and layer.gates:
        plots = (
            TrainingPlot(_("saturated units"), gate_curves(layer, "saturation"), "percent"),
            TrainingPlot(_("mean"), gate_curves(layer, "mean")),
        )
        panels.append(("gate_curves", gate_curves_text(layer.name), plots))
    weights = (
        TrainingPlot(_("spectral radius"), radius_curves(run.layers, known), bound=(1.0, "1")),
        TrainingPlot(_("update ÷ weights (norms)"), update_curves(known), "log"),
    )
    return [*panels, ("recurrent_weights", recurrent_weights_text(), weights)]


def _content(run: TrainingRun, numbers: TrainingNumbers, view_id: str, place: Mapping[str, Any]) -> ViewContent:
    view = {**place, "revision": 1}
    panels, groups = [], []
    if numbers.maps:
        note = maps_sentence(run, next(iter(numbers.maps.values())))
        data = training_heatmap_data(view_id, list(numbers.maps), view=view)
        panels.append(ShownPanel("training_map", training_map_text(), TRAINING_HEATMAP, data, notes=(note,)))
    for name, text, plots in _panels(run, numbers.layer):
        found = [plot for plot in plots if any(curve.scalar in numbers.curves for curve in plot.curves)]
        if found:
            panels.append(ShownPanel(name, text, TRAINING_CHART, training_chart_data(view_id, found, name=name)))
        if name in ("learning_curves", "training_norms"):
            groups += [(plot.title, [(curve.scalar, curve.title) for curve in plot.curves]) for plot in found]
    last = int(numbers.steps[-1])
    return ViewContent(
        f"{printable(run.folder.resolve().name)} · {_('Train')}",
        _sentence(run, numbers.layer, last),
        tuple(panels),
        (TRAINING_PLAYER, training_player_data(view_id, groups, view=view, last=last)),
        _notes(numbers),
    )


def _sentence(run: TrainingRun, layer: RunLayer | None, last: int) -> str:
    name = printable(run.folder.resolve().name)
    said = _("The numbers are those that the run “{name}” recorded up to training step {step:,}.").format(
        name=name, step=last
    )
    if layer is None:
        return said
    where = _("Layer {layer}: {kind}, {units} units.").format(
        layer=layer.name, kind=layer.kind, units="?" if layer.units is None else layer.units
    )
    return f"{said} {where}"


def _notes(numbers: TrainingNumbers) -> tuple[str, ...]:
    """Return what is left out of the curves and maps, in one sentence for each."""
    notes = []
    values, rows = numbers.recorded
    drawn = max((len(each.values) for each in numbers.curves.values()), default=0)
    if drawn < values:
        notes.append(
            _(
                "Of the curves, {drawn:,} of {count:,} recorded values are contained; a band shows the lowest and the "
                "highest value up to the next one."
            ).format(drawn=drawn, count=values)
        )
    kept = max((len(each.steps) for each in numbers.maps.values()), default=0)
    if kept < rows:
        notes.append(
            _("Of the maps, {drawn:,} of {count:,} recorded training steps are contained.").format(
                drawn=kept, count=rows
            )
        )
    return tuple(notes)
