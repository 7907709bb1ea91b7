"""Results that the Gradients page computes, cached for all sessions and never modified."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import streamlit as st
import torch

from models.core.layer_gradients import LayerGradients
from models.core.trace import LayerTrace
from models.edits.edit import Edits
from models.gradients.losses import (
    DifferentiatedRun,
    Loss,
    differentiate,
    gradients_of_unit,
    output_loss_grad,
    select_sequence,
)
from models.gradients.module_backward import LayerStack, Progress, chained_stack, module_paths
from models.networks.forward_run import ForwardRun
from viz.pages import cache
from viz.payloads.gradient_payload import stack_payload

MAX_CACHED = 32
"""Cached results of all sessions together."""


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def differentiated(
    net: str, text: str, loss: Loss, edits: Edits = cache.NO_EDITS, layer: str | None = None
) -> DifferentiatedRun:
    """Run a network, edited, forward and backward. Raises Problem: the network does not have that loss."""
    active = cache.active_edits(edits)
    if active.entries:
        return cache.edited_network(net, active).differentiate(text, loss, layer)
    return differentiate(cache.network(net), text, loss)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def single_sequence(run: ForwardRun, layer: str) -> LayerTrace:
    """Return the layer's trace of the run's sequence only."""
    return select_sequence(run.trace.layers[layer], run.row)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def unit_gradients(run: ForwardRun, layer: str, loss: Loss) -> LayerGradients:
    """Return the gradients of a unit's value."""
    return gradients_of_unit(single_sequence(run, layer), loss)


def gradients(
    run: ForwardRun, net: str, text: str, layer: str, loss: Loss, edits: Edits = cache.NO_EDITS
) -> LayerGradients:
    """Return the gradients of ``loss`` in ``layer``, of one sequence. Raises Problem: the network does not have that loss."""
    if loss.kind == "unit" and not edits.interventions:
        return unit_gradients(run, layer, loss)
    if loss.kind == "saved":
        return single_sequence(run, layer).gradients
    unit_layer = layer if loss.kind == "unit" else None
    return differentiated(net, text, loss, edits, unit_layer).trace.layers[layer].gradients


@dataclass(frozen=True)
class GradientMapRequest:
    """The request of a gradient map; two are equal if all fields but the last two are.

    Attributes:
        view_id: the browser's store.
        net, text, edits, serial: what identifies the run.
        layer: of the states.
        unit: the loss at t is this unit's value at t; None for the network's own loss at t.
        classes: of a tagger's own losses, as in ``Loss``.
        run: the forward run.
        progress: called with the part that is done, 0..1.
    """

    view_id: str
    net: str
    text: str
    edits: Edits
    serial: int
    layer: str
    unit: int | None
    classes: tuple[int, ...] | None
    run: ForwardRun = field(compare=False)
    progress: Progress = field(compare=False)


@lru_cache(maxsize=MAX_CACHED)  # not Streamlit's cache, which would replay every update of the progress bar
def requested_map(request: GradientMapRequest) -> bytes:
    """Return the payload of the map. Raises Problem: the network has no loss at each step of the layer."""
    run, layer, unit = request.run, request.layer, request.unit
    stack: LayerStack
    if unit is None:
        edited = cache.edited_network(request.net, cache.active_edits(request.edits))
        network = edited.network
        stack = chained_stack(run.trace.layers, layer.rpartition(".")[0])
        fixed = bool(request.edits.interventions)
        outputs = torch.cat([each.recording.hidden for each in stack[-1]], -1) if fixed else None
        modules = module_paths(run.trace.layers, stack)
        given = edited.sequence(request.text).given
        grad = output_loss_grad(network, network.module, given, outputs, modules, request.classes)
    else:
        stack = [[single_sequence(run, layer)]]
        grad = torch.zeros_like(stack[0][0].recording.hidden)
        grad[..., unit] = 1.0
    return stack_payload(request.view_id, run, layer, stack, grad, request.progress)


def state_gradient_norms(found: LayerGradients) -> dict[str, np.ndarray]:
    """Return the L2 norms of dL/dh_t, and of an LSTM's dL/dc_t, (T) each, of the first sequence."""
    states = {"hidden": found.hidden}
    if found.layer.kind == "LSTM":
        states["cell"] = found.cell
    return {name: step_norms(values[0]) for name, values in states.items()}


def step_norms(values: np.ndarray) -> np.ndarray:
    """Return the L2 norm of each step's values, of the last axis."""
    # Summed in float64, because the squares of small float32 numbers underflow to 0.
    return np.sqrt(np.square(values, dtype=np.float64).sum(axis=-1))


def input_labels(net: str, text: str, edits: Edits = cache.NO_EDITS) -> list[str]:
    """Return a label for each step of the input, after edits."""
    return list(cache.edited_network(net, cache.active_edits(edits)).sequence(text).labels)
