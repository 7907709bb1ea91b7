"""The weight matrices: select an entry, drag a slider or type its value."""

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
from viz.components.array_loader import LoadedArray, array_loader, loaded_array
from viz.components.sliders import Slider
from viz.components.weight_matrix import changed_places, picked_entry, weight_matrix
from viz.escape import widget_key
from viz.i18n import _, translate
from viz.pages import cache
from viz.pages.edit import edit_cache
from viz.pages.edit.edit_cache import VIEW_ID, apply_edits
from viz.pages.edit.edit_slider import live_slider
from viz.pages.edit.live_redraw import DrawPart, RedrawParts, rerun_page
from viz.pages.edit.weight_selection import (
    MATRIX_KEY,
    MATRIX_LAYER_KEY,
    axis_names,
    edit_place,
    entry_template,
    gate_block,
    gate_key,
    keep_selection,
    matrix_gates,
    select_entry,
    selected_entry,
    selected_matrix,
    set_entry,
)
from viz.pages.edit.weight_table import weight_table
from viz.pages.gradients.loss_choice import describe_loss, loss_menu
from viz.pages.panels import panel
from viz.pages.synced_widget import ignore_if_replaced
from viz.pages.view_widgets import view_buttons
from viz.quantity_names import quantity_names
from viz.session import Session, get_session

COLOR_BY_KEY = "edit_tint"


def weight_matrix_panel(session: Session, run: ForwardRun, parts: RedrawParts) -> None:
    """Declare the panel of the matrix and the selected entry; it adds what draws them, and the loss, to ``parts``."""

    @panel(
        "matrix",
        _("Weight matrix"),
        _(
            "Each cell is one weight. Color by sensitivity |∂L/∂W| first: which weights affect the loss most? "
            "Select one and change it with the slider."
        ),
    )
    def draw_matrix_panel() -> None:
        parameters = edit_cache.edited_parameters(session)
        name, gate, by = _choose(parameters)
        values = gate_block(parameters, name, gate)
        rows, columns = axis_names(parameters, name, run)
        row, column = selected_entry(name, gate, values.shape)
        loss = loss_menu(session, run) if by == "sensitivity" else None
        tint = _sensitivity(session, run, loss) if loss else None
        template = entry_template(parameters, name, run)
        gate_name = quantity_names()[gate] if gate else ""
        base = _base(session, name, gate, values)
        array_loader(base, key="edit_matrix_values")
        place = st.container()

        def draw(_after: ForwardRun) -> None:
            with place:
                weight_matrix(
                    VIEW_ID,
                    gate_block(edit_cache.edited_parameters(session), name, gate),
                    rows=rows,
                    columns=columns,
                    base=base,
                    colour_values=None if tint is None else gate_block(parameters, name, gate, tint[name]),
                    picked=(row, column),
                    title=f"{name}, {gate_name}" if gate else name,
                    entry=template.replace("{gate}", gate_name),
                    key=_key(name, gate),
                    on_picked=lambda: _pick(name, gate),
                )

        part = _entry(session, edit_place(parameters, name, gate, row, column), float(values[row, column]), values)
        weight_table(session, name, gate, values, rows, columns, parameters)
        parts.preparations.append(lambda _after: edit_cache.edited_parameters(session))
        parts.drawings.append(draw)
        parts.sliders.append(part)
        parts.loss = loss


def _base(session: Session, name: str, gate: str | None, values: np.ndarray) -> LoadedArray:
    """Return the block from which few of the ``values`` differ: without edits, or else without the last one.

    It stays as it is while a slider changes the last edit, so that it is sent once."""
    edits = cache.weight_edits(session.edits).entries
    for kept in (edits[:0], edits[:-1]):
        before = gate_block(edit_cache.parameters_with(session, Edits(kept)), name, gate)
        if changed_places(before, values) is not None:
            return loaded_array(before)
    return loaded_array(values)


def _choose(parameters: Parameters) -> tuple[str, str | None, str]:
    name, gate = selected_matrix(parameters)
    st.session_state[MATRIX_KEY] = name
    st.session_state[MATRIX_LAYER_KEY] = get_session().view.layer
    which, block = st.columns(2, gap="medium")
    with which:
        name = str(st.selectbox(_("Weights"), list(parameters.arrays), key=MATRIX_KEY))
    gates, names = matrix_gates(parameters, name), quantity_names()
    if gates:
        with block:
            st.session_state[gate_key(name)] = gate
            gate = str(st.selectbox(_("Gate"), gates, format_func=names.__getitem__, key=gate_key(name)))
    words = {"value": _("value"), "sensitivity": _("sensitivity |∂L/∂W|")}
    by = view_buttons(_("Color by"), words, name="color", key=COLOR_BY_KEY, default="value")
    keep_selection(parameters, name, gate if gates else None)
    return name, gate if gates else None, by


def _sensitivity(session: Session, run: ForwardRun, loss: Loss) -> dict[str, np.ndarray] | None:
    view = session.view
    unit_layer = view.layer if loss.kind == "unit" else None
    edits = cache.active_edits(session.edits)
    try:
        found, target = edit_cache.loss_sensitivity(view.net or "", view.text or "", edits, loss, unit_layer)
    except Problem as problem:
        st.caption(translate(problem))
        return None
    st.caption(describe_loss(session, run, loss, target))
    return found


def _key(name: str, gate: str | None) -> str:
    return f"matrix_{widget_key(name, gate)}"


def _pick(name: str, gate: str | None) -> None:
    place = picked_entry(_key(name, gate))
    if place is not None:
        select_entry(name, gate, *place)
    rerun_page()


def _entry(session: Session, place: Place, value: float, values: np.ndarray) -> DrawPart:
    """Show the selected entry: a slider, and its exact value to type. Return the function that draws the slider."""
    where = write_edit(WeightChange(place, "=", 0.0)).removesuffix("=0")
    slider, exact = st.columns([3, 2], gap="medium", vertical_alignment="bottom")
    key = f"entry_{widget_key(where)}_{session.slider_generation}"
    most = st.session_state.setdefault(f"{key}_most", max(1.0, ceil(1.5 * float(np.abs(values).max()))))

    def edits_at(number: float) -> Edits:
        return set_entry(session.edits, place, number)

    with slider:
        part = live_slider(session, Slider("value", where, -most, most, most / 500, value, follows=True), key, edits_at)
    with exact:
        # Each value has a text box with its own key: a box that the slider changed would report its value as typed.
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
    apply_edits(session, set_entry(session.edits, place, value))
