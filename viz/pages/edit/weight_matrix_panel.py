"""The weight matrices: pick an entry, drag it or type it."""

from math import ceil

import numpy as np
import streamlit as st

from models.core.messages import Problem
from models.core.parse_numbers import parse_number
from models.edits.edit import Edits, Place, WeightChange
from models.edits.edit_syntax import write_edit
from models.edits.weight_edits import Parameters
from models.gradients.losses import Loss
from models.networks.forward_run import ForwardRun
from viz.components.sliders import Slider
from viz.components.weight_matrix import picked_entry, weight_matrix
from viz.i18n import _, translate
from viz.pages import cache
from viz.pages.edit import edit_cache as edit_sources
from viz.pages.edit.edit_cache import VIEW_ID, put
from viz.pages.edit.edit_slider import turning
from viz.pages.edit.live_redraw import Part, follow_all
from viz.pages.edit.weight_selection import (
    NAME,
    axis_names,
    block_of,
    chosen,
    entry_template,
    gate_key,
    gates_of,
    pick,
    picked,
    place_of,
    with_entry,
)
from viz.pages.edit.weight_table import table
from viz.pages.gradients.loss_choice import in_words, pick_loss
from viz.pages.page_elements import panel
from viz.pages.synced_widget import ignore_if_replaced
from viz.quantity_names import quantity_names
from viz.session import Session

TINT = "edit_tint"


def weights(session: Session, reading: ForwardRun) -> tuple[Part, Part, Loss | None]:
    """The matrix and the entry that is picked; gives what draws the matrix and the entry's slider, and the loss if asked."""
    known = edit_sources.parameters(session)
    with panel(
        _("Weight matrix"),
        _(
            "Each cell is one weight. Color by sensitivity |∂L/∂W| first: which weights affect the loss most? "
            "Select one and change it with the slider."
        ),
    ):
        name, gate, by = _choose(known)
        values = block_of(known, name, gate)
        rows, columns = axis_names(known, name, reading)
        row, column = picked(name, gate, values.shape)
        loss = pick_loss(session, reading) if by == "sensitivity" else None
        tint = _sensitivity(session, reading, loss) if loss else None
        template = entry_template(known, name, reading)
        told_gate = quantity_names()[gate] if gate else ""
        spot = st.container()

        def draw(_after: ForwardRun) -> None:
            with spot:
                weight_matrix(
                    VIEW_ID,
                    block_of(edit_sources.parameters(session), name, gate),
                    rows=rows,
                    columns=columns,
                    tint=None if tint is None else block_of(known, name, gate, tint[name]),
                    picked=(row, column),
                    title=f"{name}, {told_gate}" if gate else name,
                    entry=template.replace("{gate}", told_gate),
                    key=_key(name, gate),
                    on_picked=lambda: _pick(name, gate),
                )

        part = _entry(session, place_of(known, name, gate, row, column), float(values[row, column]), values)
        table(session, name, gate, values, rows, columns, known)
        return draw, part, loss


def _choose(known: Parameters) -> tuple[str, str | None, str]:
    name, gate = chosen(known)
    st.session_state[NAME] = name
    which, block = st.columns(2, gap="medium")
    with which:
        name = str(st.selectbox(_("Weights"), list(known.arrays), key=NAME))
    gates, names = gates_of(known, name), quantity_names()
    if gates:
        with block:
            st.session_state[gate_key(name)] = gate
            gate = str(st.selectbox(_("Gate"), gates, format_func=names.__getitem__, key=gate_key(name)))
    words = {"value": _("value"), "sensitivity": _("sensitivity |∂L/∂W|")}
    by = st.segmented_control(
        _("Color by"), list(words), format_func=words.__getitem__, default="value", required=True, key=TINT
    )
    return name, gate if gates else None, by or "value"


def _sensitivity(session: Session, reading: ForwardRun, loss: Loss) -> dict[str, np.ndarray] | None:
    view = session.view
    asked_of = view.layer if loss.kind == "unit" else None
    edits = cache.active_edits(session.edits)
    try:
        found, target = edit_sources.sensitivity(view.net or "", view.text or "", edits, loss, asked_of)
    except Problem as problem:
        st.caption(translate(problem))
        return None
    st.caption(in_words(session, reading, loss, target))
    return found


def _key(name: str, gate: str | None) -> str:
    return f"matrix_{name}_{gate}"


def _pick(name: str, gate: str | None) -> None:
    place = picked_entry(_key(name, gate))
    if place is not None:
        pick(name, gate, *place)
    follow_all()


def _entry(session: Session, place: Place, value: float, values: np.ndarray) -> Part:
    """The picked entry: a slider, and its exact value to type. Gives what draws the slider."""
    where = write_edit(WeightChange(place, "=", 0.0)).removesuffix("=0")
    slider, exact = st.columns([3, 2], gap="medium", vertical_alignment="bottom")
    key = f"entry_{where}_{session.slider_generation}"
    most = st.session_state.setdefault(f"{key}_most", max(1.0, ceil(1.5 * float(np.abs(values).max()))))

    def turned(number: float) -> Edits:
        return with_entry(session.edits, place, number)

    with slider:
        part = turning(session, Slider("value", where, -most, most, most / 500, value, follows=True), key, turned)
    with exact:
        # Another value is another box: one that was set from here while a slider moves would be heard as typed.
        shown = str(np.float32(value))
        box = f"exact_{where}_{session.slider_generation}_{shown}"
        st.text_input(
            _("Exact value"),
            shown,
            key=box,
            on_change=ignore_if_replaced("exact", box, lambda: _type(session, place, box)),
        )
    return part


def _type(session: Session, place: Place, box: str) -> None:
    try:
        value = parse_number(st.session_state[box])
    except Problem as problem:
        session.notices.clear()
        session.add_notice(translate(problem))
        return
    put(session, with_entry(session.edits, place, value))
