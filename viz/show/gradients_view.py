"""The Gradients lens without a server: the gradient of every loss with respect to every state."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from models.core.local_derivatives import has_local_derivatives
from models.core.messages import Problem
from models.core.saved_cell import SavedCell
from models.gradients.losses import output_loss_grad, select_sequence
from models.gradients.module_backward import LayerStack, chained_stack, module_paths
from models.networks.input_sequence import input_sequence
from viz.components.gradient_heatmap import GRADIENT_HEATMAP, gradient_heatmap_data
from viz.i18n import _
from viz.panel_texts import PanelText
from viz.panel_texts.gradients_texts import gradient_map_rows, gradient_map_text
from viz.payloads.gradient_payload import loss_rows, norms_payload, stack_payload
from viz.show.check_arguments import checked_index
from viz.show.run_source import RunSource, chosen_place, layer_sentence
from viz.show.shown_view import ShownPanel, ShownView, ViewContent


def gradients_view(source: RunSource, view_id: str, chosen: dict[str, Any]) -> ShownView:
    """Return the view of the gradient map of a layer: by the network's own losses where it has one at each step.

    Of a recorded run, and of a network with one answer, the loss at t is the value of the chosen unit at t.

    Raises:
        Problem: the run has no such layer, step or unit, or its Jacobians cannot be computed.
    """
    place = chosen_place(source, {**chosen, "quantity": None})
    run, network, name = source.run, source.network, place["layer"]
    layer = run.trace.layers[name]
    if isinstance(layer, SavedCell) or not has_local_derivatives(layer):
        raise Problem("The gradient map of this layer cannot be computed: the derivatives of its cell are not known.")
    stack: LayerStack
    unit: int | None = None
    if network is not None and source.text is not None and has_own_losses(source):
        stack = chained_stack(run.trace.layers, name.rpartition(".")[0])
        paths = module_paths(run.trace.layers, stack)
        given = input_sequence(network, source.text).given
        grad = output_loss_grad(network, network.module, given, None, paths)
    else:
        outputs = layer.weights.output_size  # fewer than the units in a projected LSTM
        unit = min(place["unit"], outputs - 1)
        if chosen.get("unit") is not None:
            unit = checked_index("unit", place["unit"], 0, outputs)
        stack = [[select_sequence(layer, run.row)]]
        grad = torch.zeros_like(stack[0][0].recording.hidden)
        grad[..., unit] = 1.0
    step = None if chosen.get("step") is None else place["step"]
    return map_view(source, view_id, name, unit, stack_payload(view_id, run, name, stack, grad), step=step)


def has_own_losses(source: RunSource) -> bool:
    """Return whether the losses are those of a network that has one at each step, not the values of a unit."""
    return source.network is not None and source.text is not None and source.network.card.predicts in ("next", "tag")


def map_view(
    source: RunSource, view_id: str, name: str, unit: int | None, payload: bytes, *, step: int | None = None
) -> ShownView:
    """Return the view of a gradient map.

    Args:
        source: the run.
        view_id: the browser's store.
        name: the layer.
        unit: the unit whose values are the losses; None for the network's own losses.
        payload: of `viz.payloads.gradient_payload.stack_payload`.
        step: the state that is shown first; None for the one that is farthest from the last loss.
    """
    layer, steps = source.run.trace.layers[name], len(source.run.labels_of(name))
    row = 0 if layer.reverse else len(loss_rows(steps)) - 1
    farthest = steps - 1 if layer.reverse else 0
    first = {"step": farthest if step is None else step, "unit": row, "revision": 1}
    return ShownView(
        view_id,
        "gradients",
        first,
        (payload,),
        partial(_content, source, view_id, name, unit, first),
        {"step": steps, "unit": len(loss_rows(steps))},
        address=None if source.address is None else replace(source.address, layer=name),
        link_fields=(),
    )


def _content(source: RunSource, view_id: str, name: str, unit: int | None, first: Mapping[str, int]) -> ViewContent:
    layer = source.run.trace.layers[name]
    return ViewContent(
        source.title(_("Gradients")),
        f"{layer_sentence(layer, int(layer.lengths[source.run.row]))} {source.origin()}",
        (_map_panel(view_id, first, (gradient_map_rows(unit),)),),
    )


def _map_panel(view_id: str, first: Mapping[str, int], notes: tuple[str, ...] = ()) -> ShownPanel:
    title, look_for = gradient_map_text()
    data = gradient_heatmap_data(view_id, view=first)
    return ShownPanel(
        "gradient_map", PanelText(title.partition(" · ")[2], look_for), GRADIENT_HEATMAP, data, notes=notes
    )


def norms_view(norms: Mapping[str, np.ndarray], view_id: str, chosen: dict[str, Any]) -> ShownView:
    """Return the view of a result of ``models.gradient_map``: norms (B, T, T) by layer name.

    Raises:
        Problem: there is no such layer, step or sequence, or it has losses at some steps only.
    """
    name = list(norms)[-1] if chosen.get("layer") is None else chosen["layer"]
    if name not in norms:
        raise Problem("There is no layer “{name}”. Choose one of these: {names}.", name=name, names=", ".join(norms))
    values = np.asarray(norms[name])
    if values.ndim != 3 or values.shape[1] != values.shape[2] or not values.size:
        raise Problem(
            "A gradient map is shown with as many losses as time steps, (batch, steps, steps), not {shape}. Compute it "
            "without `rows`.",
            shape=values.shape,
        )
    steps = values.shape[2]
    step = 0 if chosen.get("step") is None else checked_index("step", chosen["step"], 0, steps)
    sequence = checked_index("row", chosen["row"], 0, len(values))
    rows = loss_rows(steps)
    first = {"step": step, "unit": len(rows) - 1, "revision": 1}
    reverse = name.endswith("_reverse")

    def content() -> ViewContent:
        title = f"{_('Gradient map')} · {name}"
        sentence = _("Norms of the gradients of {steps} losses with respect to the hidden states of {layer}.").format(
            steps=steps, layer=name
        )
        return ViewContent(title, sentence, (_map_panel(view_id, first),))

    payload = norms_payload(view_id, name, values[sequence][rows], rows, reverse)
    return ShownView(
        view_id, "gradients", first, (payload,), content, {"step": steps, "unit": len(rows)}, link_fields=()
    )
