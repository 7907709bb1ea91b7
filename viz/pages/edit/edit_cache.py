"""What the Edit lens computes, kept for all sessions and never written to; and how an edit comes into the list."""

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
from viz.i18n import translate
from viz.pages import cache
from viz.pages.states import states_cache as states_sources
from viz.payloads.edited_payload import changed_payload
from viz.session import Session

VIEW_ID, CHANGED_ID = "edit", "edit_changed"
KEPT = 16


def before(session: Session) -> ForwardRun:
    """What the network does with the text where nothing is edited."""
    return cache.forward_run(session.view.net or "", session.view.text or "")


def origin(session: Session) -> Sequence[int | None] | None:
    """Which step of the text each edited step was; None where they are the same."""
    if not session.edits.tokens:
        return None
    return (
        cache.edited_network(session.view.net or "", cache.active_edits(session.edits))
        .sequence(session.view.text or "")
        .origin
    )


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=cache.HASH_FUNCS)
def compared(
    first: ForwardRun, second: ForwardRun, steps: Sequence[int | None] | None, answer_alone: bool = False
) -> EditEffects:
    """What changed from one reading to the other."""
    return edit_effects(first, second, steps, answer_only=answer_alone)


def tracked(
    session: Session, first: ForwardRun, second: ForwardRun, steps: Sequence[int | None] | None
) -> TrackedEffect | None:
    """What became of the units that track something in the network as it is."""
    net, text = session.view.net or "", session.view.text or ""
    rankings = {layer: states_sources.ranking(net, text, layer) for layer in first.trace.layers}
    return tracked_effect(first, second, rankings, steps)


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=cache.HASH_FUNCS)
def changed(
    first: ForwardRun, second: ForwardRun, layer: str, quantity: str, steps: Sequence[int | None] | None
) -> bytes:
    """A gate or state and the predictions, before and after, for the browser."""
    return changed_payload(CHANGED_ID, first, second, layer, quantity, steps)


def parameters(session: Session) -> Parameters:
    """The parameters as they are edited, by the names that edits use."""
    return _edited(session.view.net or "", cache.weight_edits(session.edits))


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=cache.HASH_FUNCS)
def _edited(net: str, edits: Edits) -> Parameters:
    known = _parameters(net)
    return replace(known, arrays={**known.arrays, **apply_weight_edits(known, edits.weights)})


@st.cache_resource(show_spinner=False, max_entries=KEPT)
def _parameters(net: str) -> Parameters:
    return parameters_of(cache.network(net).module)


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=cache.HASH_FUNCS)
def sensitivity(
    net: str, text: str, edits: Edits, loss: Loss, layer: str | None = None
) -> tuple[dict[str, np.ndarray], int | None]:
    """|dL/dW| of every parameter, and what the last step was asked for; ``layer`` is that of a unit's loss.

    Raises Problem: that loss cannot be had.
    """
    done = cache.edited_network(net, edits).differentiate(text, loss, layer)
    return weight_sensitivity(done), done.target


def put(session: Session, edits: Edits, *, drag: str | None = None, rested: bool = True) -> None:
    """Show the network with ``edits``; if one does not fit, say so in one sentence and change nothing.

    Args:
        session: the session.
        edits: all of them.
        drag: the drag of a slider that this is one value of.
        rested: whether that slider stands still.
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


def add(session: Session, make: Callable[[], Edit]) -> None:
    """Put one more edit at the end of the list, if it can be had."""
    try:
        edit = make()
    except Problem as problem:
        session.notices.clear()
        session.add_notice(translate(problem))
        return
    put(session, session.edits.add(edit))
