"""What the Gradients lens computes, kept for all sessions and never written to."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import streamlit as st
import torch

from models.core.layer_gradients import LayerGradients
from models.core.trace import LayerTrace
from models.edits.edit import Edits
from models.gradients.gradient_map import gradient_map_of
from models.gradients.losses import (
    DifferentiatedRun,
    Loss,
    differentiate,
    gradients_of_unit,
    output_loss_grad,
    select_sequence,
)
from models.gradients.module_backward import LayerStack, Progress, chained_stack
from models.gradients.path_split import path_map_of
from models.networks.forward_run import ForwardRun
from viz.pages import cache
from viz.payloads.gradient_payload import gradient_payload, rows_shown

MAX_CACHED = 32
"""Results that are kept for all sessions together."""


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def differentiated(
    net: str, text: str, loss: Loss, edits: Edits = cache.NO_EDITS, layer: str | None = None
) -> DifferentiatedRun:
    """A bundled network's run after its backward pass, edited. Raises Problem: that loss cannot be had."""
    active = cache.active_edits(edits)
    if active.entries:
        return cache.edited_network(net, active).differentiate(text, loss, layer)
    return differentiate(cache.network(net), text, loss)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def alone(reading: ForwardRun, layer: str) -> LayerTrace:
    """The layer with the reading's sequence alone."""
    return select_sequence(reading.trace.layers[layer], reading.row)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def unit_gradients(reading: ForwardRun, layer: str, loss: Loss) -> LayerGradients:
    """The gradients of a unit's value."""
    return gradients_of_unit(alone(reading, layer), loss)


def gradients(
    reading: ForwardRun, net: str, text: str, layer: str, loss: Loss, edits: Edits = cache.NO_EDITS
) -> LayerGradients:
    """The gradients of ``loss`` in ``layer``, of one sequence. Raises Problem: that loss cannot be had."""
    if loss.kind == "unit" and not edits.interventions:
        return unit_gradients(reading, layer, loss)
    if loss.kind == "saved":
        return alone(reading, layer).gradients
    asked_of = layer if loss.kind == "unit" else None
    return differentiated(net, text, loss, edits, asked_of).trace.layers[layer].gradients


@dataclass(frozen=True)
class Map:
    """A map that is asked for; two are the same if all but the last two are.

    Attributes:
        view_id: the store that it is for.
        net, text, edits, serial: what ran.
        layer: whose states.
        unit: the loss at t is this unit's value at t; None for the network's own loss at t.
        reading: what ran.
        progress: is told how much is done.
    """

    view_id: str
    net: str
    text: str
    edits: Edits
    serial: int
    layer: str
    unit: int | None
    reading: ForwardRun = field(compare=False)
    progress: Progress = field(compare=False)


@lru_cache(maxsize=MAX_CACHED)  # not Streamlit's cache: that would replay the progress bar's every move
def gradient_map(asked: Map) -> bytes:
    """The map, for the browser."""
    reading, layer, unit = asked.reading, asked.layer, asked.unit
    stack: LayerStack
    if unit is None:
        ran_as = cache.edited_network(asked.net, cache.active_edits(asked.edits))
        network = ran_as.network
        stack = chained_stack(reading.trace.layers, layer.rpartition(".")[0])
        held = bool(asked.edits.interventions)
        handed_on = torch.cat([each.recording.hidden for each in stack[-1]], -1) if held else None
        grad = output_loss_grad(network, network.module, ran_as.sequence(asked.text).given, handed_on)
    else:
        stack = [[alone(reading, layer)]]
        grad = torch.zeros_like(stack[0][0].recording.hidden)
        grad[..., unit] = 1.0
    name = layer.rpartition(".")[2]
    rows = rows_shown(grad.shape[1])
    ran = next(each for level in stack for each in level if each.name == layer)
    norms = gradient_map_of(stack, grad, rows, lambda done: asked.progress(done / 2))[name][0]
    paths = None
    if ran.weights.cell.carry is not None:
        paths = path_map_of(stack, grad, rows, lambda done: asked.progress((1 + done) / 2))[name]
    return gradient_payload(asked.view_id, ran, norms, paths, rows, reading.labels_of(layer), stacked=len(stack) > 1)


def norms_of(found: LayerGradients) -> dict[str, np.ndarray]:
    """The L2 norms of dL/dh_t, and of an LSTM's dL/dc_t, (T) each, of the one sequence."""
    states = {"hidden": found.hidden}
    if found.layer.kind == "LSTM":
        states["cell"] = found.cell
    return {name: _norm(values[0]) for name, values in states.items()}


def _norm(values: np.ndarray) -> np.ndarray:
    # summed in float64, in which the squares of small float32 numbers are not yet 0
    return np.sqrt(np.square(values, dtype=np.float64).sum(axis=-1))


def labels(net: str, text: str, edits: Edits = cache.NO_EDITS) -> list[str]:
    """A label for each step of what a bundled network reads."""
    return list(cache.edited_network(net, cache.active_edits(edits)).sequence(text).labels)
