"""The Step lens without a server: what the cell computes at each step, number by number."""

from dataclasses import replace
from functools import partial
from typing import Any

from models.core.saved_cell import SavedCell
from viz.components.cell_diagram import CELL_DIAGRAM, cell_diagram_data
from viz.components.equations import EQUATIONS, layer_equations_data
from viz.components.gate_sum import GATE_SUM, gate_sum_data
from viz.components.heatmap import HEATMAP, heatmap_data
from viz.components.player import PLAYER, player_data
from viz.components.prediction import PREDICTION, prediction_data
from viz.i18n import _
from viz.panel_texts.step_texts import (
    cell_text,
    equations_text,
    gate_sum_text,
    prediction_text,
    units_at_all_steps_text,
    units_now_text,
)
from viz.payloads.excerpt import make_excerpt, unit_count
from viz.payloads.heatmap_image import heatmap_image
from viz.payloads.layer_payload import (
    excerpt_payload,
    layer_fits,
    layer_payload,
    nearby_payload,
    nearby_steps,
    weight_units,
)
from viz.show.run_source import RunSource, chosen_place, excerpt_sentence, layer_sentence
from viz.show.shown_view import ShownPanel, ShownView, ViewContent


def step_view(source: RunSource, view_id: str, chosen: dict[str, Any]) -> ShownView:
    """Return the view. Raises Problem: the run has no such layer, step, unit or quantity."""
    place = chosen_place(source, chosen)
    run, name = source.run, place["layer"]
    layer, step, unit = run.trace.layers[name], place["step"], place["unit"]
    weights = weight_units(layer, unit)
    steps = units = None
    if layer_fits(run, name):
        payloads = [layer_payload(view_id, run, name, weights)]
    else:
        excerpt = make_excerpt(layer, run.row, run.labels_of(name), step, unit)
        near = nearby_steps(run, name, step)
        within = [each for each in weights if each in excerpt.columns]
        first = excerpt_payload(view_id, run, name, excerpt, heatmap_image(layer, run.row), within)
        payloads = [first, nearby_payload(first, run, name, near)]
        steps, units = near.steps, excerpt.units
    return ShownView(
        view_id,
        "step",
        place,
        tuple(payloads),
        partial(_content, source, view_id, place, steps, units),
        {"step": int(layer.lengths[run.row]), "unit": unit_count(layer)},
        steps,
        units,
        None if source.address is None else replace(source.address, layer=name),
        layer.quantities,
    )


def _content(
    source: RunSource,
    view_id: str,
    place: dict[str, Any],
    steps: tuple[int, int] | None,
    units: tuple[int, int] | None,
) -> ViewContent:
    run, layer = source.run, source.run.trace.layers[place["layer"]]
    panels = [
        ShownPanel("cell", cell_text(layer), CELL_DIAGRAM, cell_diagram_data(view_id), "left"),
        ShownPanel("equations", equations_text(), EQUATIONS, layer_equations_data(layer, view_id=view_id), "left"),
    ]
    if run.prediction is not None or not run.outputs:
        panels.append(ShownPanel("prediction", prediction_text(run), PREDICTION, prediction_data(view_id), "right"))
    if not isinstance(layer, SavedCell):
        data = gate_sum_data(view_id)
        data["words"] = {**data["words"], "waiting": _("The weights of unit {unit} are not contained here.")}
        panels.append(ShownPanel("sum", gate_sum_text(), GATE_SUM, data, "right"))
    panels += [
        ShownPanel("units_now", units_now_text(layer), HEATMAP, heatmap_data(view_id, form="step")),
        ShownPanel("units_at_all_steps", units_at_all_steps_text(), HEATMAP, heatmap_data(view_id, form="sequence")),
    ]
    view = {**place, "revision": 1}
    return ViewContent(
        source.title(_("Step")),
        f"{layer_sentence(layer, int(layer.lengths[run.row]))} {source.origin()}",
        tuple(panels),
        (PLAYER, player_data(view_id, view=view)),
        () if steps is None or units is None else (excerpt_sentence(steps, units),),
    )
