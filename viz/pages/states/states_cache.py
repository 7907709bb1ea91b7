"""Results that the States page computes, cached for all sessions and never modified."""

import numpy as np
import streamlit as st

from models.decoding.run_network import run_network
from models.edits.edit import Edits
from models.networks.forward_run import ForwardRun
from models.states.forward_sensitivity import forward_sensitivity
from models.states.gate_retention import half_life, retention_gate
from models.states.input_sensitivity import InputSensitivity, input_sensitivity
from models.states.padding_effect import PaddingEffect, padding_effect
from models.states.pca import PrincipalPlane, principal_plane
from models.states.saturation import Saturation, gate_saturations
from models.states.tracked_units import tracked_in_halves, tracked_units
from models.states.unit_order import UnitOrder, order_units
from models.states.unit_tracking import Ranking
from models.zoo.catalogue import recall_batches
from viz.pages import cache
from viz.payloads.heatmap_image import HeatmapImage, Window, heatmap_image
from viz.payloads.states_payload import states_payload

MAX_CACHED, MAX_LARGE = 32, 8
"""Cached results of all sessions together, and of these the large ones."""


@st.cache_resource(show_spinner=False, max_entries=MAX_LARGE, hash_funcs=cache.HASH_FUNCS)
def whole_payload(view_id: str, run: ForwardRun, layer: str) -> bytes:
    """Return the payload of a whole layer."""
    return states_payload(view_id, run, layer)


@st.cache_resource(show_spinner=False, max_entries=MAX_LARGE, hash_funcs=cache.HASH_FUNCS)
def layer_heatmap_image(
    run: ForwardRun, layer: str, by: UnitOrder, quantity: str, window: Window | None
) -> HeatmapImage:
    """Return the image of a layer that is too large to be sent as a whole, or of a window of it, in this order of units."""
    order = None if by == "index" else unit_order(run, layer, quantity, by)
    return heatmap_image(run.trace.layers[layer], run.row, window, order)


@st.cache_resource(show_spinner=False, max_entries=2 * MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def unit_order(run: ForwardRun, layer: str, quantity: str, by: UnitOrder) -> np.ndarray:
    """Return the units of a layer in an order, (H)."""
    return order_units(state_values(run, layer, quantity), by)


def state_values(run: ForwardRun, layer: str, quantity: str) -> np.ndarray:
    """Return a gate or state of the sequence, (T, H)."""
    trace = run.trace.layers[layer]
    return trace[quantity][run.row, : int(trace.lengths[run.row])]


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def ranked_units(net: str, text: str, layer: str, edits: Edits = cache.NO_EDITS) -> Ranking:
    """Return the ranking of the units of a bundled network, its weights edited, by the property of the text they track."""
    network = cache.edited_network(net, cache.active_edits(edits)).network
    return tracked_units(network, text, layer, recall_batches=recall_batches(network), run=run_network)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def ranking_in_halves(run: ForwardRun, layer: str) -> Ranking:
    """Return the ranking of the units of a saved run, whose second half is held out."""
    return tracked_in_halves(run, layer)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def gate_saturation(run: ForwardRun, layer: str) -> dict[str, Saturation]:
    """Return how often each gate is nearly closed or open."""
    return gate_saturations(run.trace.layers[layer], run.row)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def state_half_lives(run: ForwardRun, layer: str) -> np.ndarray | None:
    """Return every unit's half-life in steps, (H), or None if the cell has no gate that carries its state over."""
    keep = retention_gate(run.trace.layers[layer], run.row)
    return None if keep is None else half_life(keep)


@st.cache_resource(show_spinner=False, max_entries=8 * MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def input_sensitivity_at(run: ForwardRun, layer: str, step: int) -> InputSensitivity:
    """Return the sensitivity of the state at ``step`` to every input."""
    return input_sensitivity(run.trace.layers[layer], [step], run.row)


@st.cache_resource(show_spinner=False, max_entries=8 * MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def forward_sensitivity_from(run: ForwardRun, layer: str, step: int) -> InputSensitivity:
    """Return the sensitivity of every state to the input at ``step``."""
    return forward_sensitivity(run.trace.layers[layer], step, run.row)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def hidden_plane(run: ForwardRun, layer: str) -> PrincipalPlane:
    """Return the principal plane of the hidden states. Raises Problem: they are not finite."""
    return principal_plane(state_values(run, layer, "hidden"))


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def run_with_padding(net: str, text: str, count: int, edits: Edits = cache.NO_EDITS) -> PaddingEffect:
    """Run a network on a text with padding, with and without the mask. Raises Problem: it cannot be done."""
    return padding_effect(cache.edited_network(net, cache.active_edits(edits)).network, text, count)
