"""What the States lens computes, kept for all sessions and never written to."""

import numpy as np
import streamlit as st

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
from viz.payloads.heatmap_image import Picture, Window, picture_of
from viz.payloads.states_payload import states_payload

MAX_CACHED, MAX_LARGE = 32, 8
"""How many results are kept for all sessions together, and how many of what is large."""


@st.cache_resource(show_spinner=False, max_entries=MAX_LARGE, hash_funcs=cache.HASH_FUNCS)
def payload(view_id: str, reading: ForwardRun, layer: str) -> bytes:
    """A layer for the browser."""
    return states_payload(view_id, reading, layer)


@st.cache_resource(show_spinner=False, max_entries=MAX_LARGE, hash_funcs=cache.HASH_FUNCS)
def picture(reading: ForwardRun, layer: str, by: UnitOrder, quantity: str, window: Window | None) -> Picture:
    """A picture of a layer that is too large to travel whole, or of a window of it, in this order."""
    order = None if by == "index" else ordered(reading, layer, quantity, by)
    return picture_of(reading.trace.layers[layer], reading.row, window, order)


@st.cache_resource(show_spinner=False, max_entries=2 * MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def ordered(reading: ForwardRun, layer: str, quantity: str, by: UnitOrder) -> np.ndarray:
    """The units of a layer in an order, (H)."""
    return order_units(values(reading, layer, quantity), by)


def values(reading: ForwardRun, layer: str, quantity: str) -> np.ndarray:
    """A gate or state of the sequence, (T, H)."""
    ran = reading.trace.layers[layer]
    return ran[quantity][reading.row, : int(ran.lengths[reading.row])]


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def ranking(net: str, text: str, layer: str, edits: Edits = cache.NO_EDITS) -> Ranking:
    """Which units of a bundled network, its weights edited, track what."""
    network = cache.edited_network(net, cache.active_edits(edits)).network
    return tracked_units(network, text, layer, recall_batches=recall_batches(network))


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def ranking_in_halves(reading: ForwardRun, layer: str) -> Ranking:
    """The same of a saved run, its second half held out."""
    return tracked_in_halves(reading, layer)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def saturation(reading: ForwardRun, layer: str) -> dict[str, Saturation]:
    """How often each gate is nearly shut or open."""
    return gate_saturations(reading.trace.layers[layer], reading.row)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def half_lives(reading: ForwardRun, layer: str) -> np.ndarray | None:
    """Every unit's half-life in steps, (H); None for a cell that has no gate to carry its state."""
    keep = retention_gate(reading.trace.layers[layer], reading.row)
    return None if keep is None else half_life(keep)


@st.cache_resource(show_spinner=False, max_entries=8 * MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def survived(reading: ForwardRun, layer: str, step: int) -> InputSensitivity:
    """How much of every input is in the state at ``step``."""
    return input_sensitivity(reading.trace.layers[layer], [step], reading.row)


@st.cache_resource(show_spinner=False, max_entries=8 * MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def reached(reading: ForwardRun, layer: str, step: int) -> InputSensitivity:
    """How much of the input at ``step`` is in every state."""
    return forward_sensitivity(reading.trace.layers[layer], step, reading.row)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def plane(reading: ForwardRun, layer: str) -> PrincipalPlane:
    """The principal plane of the hidden states. Raises Problem: they are not numbers."""
    return principal_plane(values(reading, layer, "hidden"))


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def padding(net: str, text: str, count: int, edits: Edits = cache.NO_EDITS) -> PaddingEffect:
    """A text with padding after it, read with and without the mask. Raises Problem: it cannot be."""
    return padding_effect(cache.edited_network(net, cache.active_edits(edits)).network, text, count)
