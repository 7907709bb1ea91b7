"""Cached computations of the Edit page, shared by all sessions and read-only; and functions that change the list of edits."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import streamlit as st

from models.core.messages import Problem
from models.edits.edit import Edit, Edits
from models.edits.edit_effects import EditEffects, edit_effects
from models.edits.edited_network import weight_sensitivity
from models.edits.tracked_effects import TrackedEffect, tracked_effect
from models.edits.weight_edits import Parameters, apply_weight_edits, parameters_of
from models.gradients.losses import Loss
from models.networks.forward_run import ForwardRun
from viz.components.array_loader import LoadedArray, loaded_array
from viz.i18n import translate
from viz.pages import cache
from viz.pages.states import states_cache
from viz.payloads.edited_payload import edited_payload
from viz.session import Session

VIEW_ID, CHANGED_ID = "edit", "edit_changed"
MAX_CACHED = 16


def unedited_run(session: Session) -> ForwardRun:
    """Return the run of the network on the text without edits."""
    return cache.forward_run(session.view.net or "", session.view.text or "")


def step_origins(session: Session) -> Sequence[int | None] | None:
    """Return the original step of each step of the edited text (None for an inserted one), or None without token edits."""
    if not session.edits.tokens:
        return None
    return (
        cache.edited_network(session.view.net or "", cache.active_edits(session.edits))
        .sequence(session.view.text or "")
        .origin
    )


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def run_effects(
    first: ForwardRun, second: ForwardRun, steps: Sequence[int | None] | None, answer_alone: bool = False
) -> EditEffects:
    """Return what changed between two runs."""
    return edit_effects(first, second, steps, answer_only=answer_alone)


def tracked_unit_effect(
    session: Session, first: ForwardRun, second: ForwardRun, steps: Sequence[int | None] | None
) -> TrackedEffect | None:
    """Return the effect on a unit that tracks a property in the unedited network, or None."""
    net, text = session.view.net or "", session.view.text or ""
    rankings = {layer: states_cache.ranked_units(net, text, layer) for layer in first.trace.layers}
    return tracked_effect(first, second, rankings, steps)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def state_change_payload(
    first: ForwardRun, second: ForwardRun, layer: str, quantity: str, steps: Sequence[int | None] | None
) -> bytes:
    """Return the payload of a gate or state and the predictions before and after."""
    return edited_payload(CHANGED_ID, first, second, layer, quantity, unedited_values(first, layer, quantity).id, steps)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def unedited_values(first: ForwardRun, layer: str, quantity: str) -> LoadedArray:
    """Return the values of a gate or state before the edits, to be sent once."""
    return loaded_array(states_cache.state_values(first, layer, quantity))


def edited_parameters(session: Session) -> Parameters:
    """Return the edited parameters by the names that edits use."""
    return parameters_with(session, cache.weight_edits(session.edits))


def parameters_with(session: Session, edits: Edits) -> Parameters:
    """Return the parameters with these edits of weights instead of the session's."""
    return _edited(session.view.net or "", edits)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def _edited(net: str, edits: Edits) -> Parameters:
    parameters = _parameters(net)
    return replace(parameters, arrays={**parameters.arrays, **apply_weight_edits(parameters, edits.weights)})


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED)
def _parameters(net: str) -> Parameters:
    return parameters_of(cache.network(net).module)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def loss_sensitivity(
    net: str, text: str, edits: Edits, loss: Loss, layer: str | None = None
) -> tuple[dict[str, np.ndarray], int | None]:
    """Return |dL/dW| of every parameter, and the target of the last step.

    ``layer`` is the layer of a unit's loss. Raises Problem if the loss is not defined for this run.
    """
    done = cache.edited_network(net, edits).differentiate(text, loss, layer)
    return weight_sensitivity(done), done.target


def apply_edits(session: Session, edits: Edits, *, drag: str | None = None, rested: bool = True) -> None:
    """Apply ``edits``, or show why one does not fit and change nothing.

    Args:
        session: the session.
        edits: the complete list.
        drag: identifies the slider drag that this value is part of; None for a single change.
        rested: whether the slider has stopped.
    """
    try:
        cache.forward_run(session.view.net or "", session.view.text or "", edits)
    except ValueError as problem:
        session.notices.clear()
        session.add_notice(translate(problem))
        return
    if drag is None:
        session.set_edits(edits)
    else:
        session.drag_edits(edits, drag, rested=rested)


def add_edit(session: Session, make: Callable[[], Edit]) -> None:
    """Append the edit that ``make`` returns, or show its Problem."""
    try:
        edit = make()
    except Problem as problem:
        session.notices.clear()
        session.add_notice(translate(problem))
        return
    apply_edits(session, session.edits.add(edit))
