"""The States lens without a server: what each unit did over the whole sequence."""

from dataclasses import replace
from functools import partial
from typing import Any

from models.core.messages import Problem
from models.networks.forward_run import ForwardRun
from models.states.pca import PrincipalPlane, principal_plane
from viz.components.colored_text import COLORED_TEXT, colored_text_data
from viz.components.heatmap import HEATMAP, heatmap_data
from viz.components.player import PLAYER, player_data
from viz.components.state_trajectory import STATE_TRAJECTORY, state_trajectory_data
from viz.i18n import _
from viz.panel_texts.states_texts import colored_text_text, projection_note, trajectory_text, units_over_time_text
from viz.payloads.excerpt import MAX_PAGE, make_excerpt, steps_around, unit_count
from viz.payloads.heatmap_image import heatmap_image
from viz.payloads.states_payload import states_excerpt, states_fit, states_payload
from viz.show.run_source import RunSource, chosen_place, excerpt_sentence, layer_sentence
from viz.show.shown_view import ShownPanel, ShownView, ViewContent


def states_view(source: RunSource, view_id: str, chosen: dict[str, Any]) -> ShownView:
    """Return the view. Raises Problem: the run has no such layer, step, unit or quantity."""
    place = chosen_place(source, chosen)
    run, name = source.run, place["layer"]
    layer = run.trace.layers[name]
    steps = units = None
    if states_fit(run, name):
        payload = states_payload(view_id, run, name)
    else:
        excerpt = make_excerpt(layer, run.row, run.labels_of(name), place["step"], place["unit"])
        payload = states_excerpt(view_id, run, name, excerpt, heatmap_image(layer, run.row))
        steps, units = excerpt.page.steps, excerpt.units
    return ShownView(
        view_id,
        "states",
        place,
        (payload,),
        partial(_content, source, view_id, place, _plane(run, name), steps, units),
        {"step": int(layer.lengths[run.row]), "unit": unit_count(layer)},
        steps,
        units,
        None if source.address is None else replace(source.address, layer=name),
        layer.quantities,
    )


def _plane(run: ForwardRun, name: str) -> PrincipalPlane | None:
    """Return the principal plane of the hidden states; None where there is none."""
    layer = run.trace.layers[name]
    if "hidden" not in layer.quantities:
        return None
    try:
        return principal_plane(layer["hidden"][run.row, : int(layer.lengths[run.row])])
    except Problem:  # states that are not finite
        return None


def _content(
    source: RunSource,
    view_id: str,
    place: dict[str, Any],
    plane: PrincipalPlane | None,
    steps: tuple[int, int] | None,
    units: tuple[int, int] | None,
) -> ViewContent:
    layer = source.run.trace.layers[place["layer"]]
    count = int(layer.lengths[source.run.row])
    panels = [
        ShownPanel("colored_text", colored_text_text(), COLORED_TEXT, colored_text_data(view_id)),
        ShownPanel("units_over_time", units_over_time_text(), HEATMAP, heatmap_data(view_id, form="sequence")),
    ]
    if plane is not None:
        page = steps_around(place["step"], count, MAX_PAGE).steps
        note = projection_note(plane, layer.shape[2])
        data = state_trajectory_data(view_id, plane, page=page)
        panels.append(ShownPanel("path", trajectory_text(), STATE_TRAJECTORY, data, notes=(note,) if note else ()))
    return ViewContent(
        source.title(_("States")),
        f"{layer_sentence(layer, count)} {source.origin()}",
        tuple(panels),
        (PLAYER, player_data(view_id, view={**place, "revision": 1})),
        () if steps is None or units is None else (excerpt_sentence(steps, units),),
    )
