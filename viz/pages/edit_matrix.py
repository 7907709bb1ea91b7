"""The weight matrices: pick an entry, drag it or type it."""

import numpy as np
import streamlit as st

from models.edit_text import number, write_edit
from models.edits import Change, Edits, Place
from models.problem import Problem
from models.reading import Reading
from models.text import display
from models.weight_edits import Parameters
from viz.components.knobs import Knob
from viz.components.matrix import matrix, picked_in
from viz.i18n import _, told
from viz.names import quantity_names
from viz.pages import edit_sources, sources
from viz.pages.edit_gradients import loss_of
from viz.pages.edit_live import Part, follow_all
from viz.pages.edit_sources import VIEW_ID, edits_of, put
from viz.pages.edit_turn import turning
from viz.pages.panel import panel
from viz.session import Session

NAME, TINT, ROW, COLUMN = "edit_weights", "edit_tint", "edit_row", "edit_column"


def weights(here: Session, reading: Reading) -> tuple[Part, Part]:
    """The matrix and the entry that is picked; gives what draws the matrix, and the entry's slider."""
    known = edit_sources.parameters(here)
    with panel(
        _("The weights"),
        _("Tint by sensitivity first: which weights does the loss feel? Pick one of those and drag it."),
    ):
        name, gate, by = _choose(here, known)
        values = _block(known, name, gate)
        rows, columns = _names(known, name, reading, values.shape)
        row, column = picked(name, gate, values.shape)
        tint = _sensitivity(here, known, name, gate) if by == "sensitivity" else None
        spot = st.container()

        def draw(_after: Reading) -> None:
            with spot:
                matrix(
                    VIEW_ID,
                    _block(edit_sources.parameters(here), name, gate),
                    rows=rows,
                    columns=columns,
                    tint=tint,
                    picked=(row, column),
                    title=_title(name, gate),
                    key=_key(name, gate),
                    on_picked=lambda: _pick(name, gate),
                )

        return draw, _entry(here, place_of(known, name, gate, row, column), float(values[row, column]), values)


def place_of(known: Parameters, name: str, gate: str | None, row: int | None, column: int | None) -> Place:
    """The part of a matrix or bias that an edit names; ``row`` counts within the gate's block."""
    return Place(name, gate, row, column if known.arrays[name].dim() > 1 else None)


def chosen(known: Parameters) -> tuple[str, str | None]:
    """The matrix and gate that are shown."""
    name = str(st.session_state.get(NAME))
    if name not in known.arrays:
        name = next(each for each in known.arrays if each.endswith("weight_hh"))
    gates = gates_of(known, name)
    gate = st.session_state.get(f"edit_gate_{name}")
    return name, gate if gate in gates else next(iter(gates), None)


def gates_of(known: Parameters, name: str) -> tuple[str, ...]:
    """The gates whose rows a matrix or bias has."""
    layer, _dot, kind = name.rpartition(".")
    return known.cells[layer].gates if layer in known.cells and kind != "weight_hr" else ()


def picked(name: str, gate: str | None, shape: tuple[int, ...]) -> tuple[int, int]:
    """The entry that is picked."""
    row, column = st.session_state.get(f"picked_{name}_{gate}", (0, 0))
    return min(row, shape[0] - 1), min(column, shape[1] - 1)


def _choose(here: Session, known: Parameters) -> tuple[str, str | None, str]:
    gate: str | None
    name, gate = chosen(known)
    st.session_state[NAME] = name
    which, block = st.columns(2, gap="medium")
    with which:
        name = str(st.selectbox(_("Weights"), list(known.arrays), key=NAME))
    gates, names = gates_of(known, name), quantity_names()
    gate = None
    if gates:
        with block:
            key = f"edit_gate_{name}"
            if st.session_state.get(key) not in gates:
                st.session_state[key] = "forget_gate" if "forget_gate" in gates else gates[0]
            gate = str(st.selectbox(_("Gate"), gates, format_func=names.__getitem__, key=key))
    words = {"value": _("value"), "sensitivity": _("sensitivity |dL/dW|")}
    by = st.segmented_control(
        _("Tint by"), list(words), format_func=words.__getitem__, default="value", required=True, key=TINT
    )
    return name, gate, by or "value"


def _block(known: Parameters, name: str, gate: str | None, of: np.ndarray | None = None) -> np.ndarray:
    """One gate's rows, or all, as a matrix."""
    values = known.arrays[name].numpy() if of is None else of
    values = values.reshape(len(values), -1)
    if gate is None:
        return values
    gates = gates_of(known, name)
    size = len(values) // len(gates)
    return values[gates.index(gate) * size : (gates.index(gate) + 1) * size]


def _sensitivity(here: Session, known: Parameters, name: str, gate: str | None) -> np.ndarray | None:
    loss = loss_of(here)
    st.caption(
        _("L is minus the log of the probability of the final answer.")
        if loss.asked == "answer"
        else _("L is the loss summed over all steps.")
    )
    try:
        found = edit_sources.sensitivity(
            here.view.net or "", here.view.text or "", sources.active(here.view.edits), loss
        )
    except Problem as problem:
        st.caption(told(problem))
        return None
    return _block(known, name, gate, found[name])


def _names(known: Parameters, name: str, reading: Reading, shape: tuple[int, ...]) -> tuple[list[str], list[str]]:
    """What rows and columns stand for: units, and where they do, symbols."""
    layer, _dot, kind = name.rpartition(".")
    rows, columns = ([str(index) for index in range(count)] for count in shape)
    symbols = getattr(reading.prediction, "vocabulary", None)
    if symbols is not None and layer not in known.cells and shape[0] == len(symbols):
        rows = [display(symbol) for symbol in symbols]
    inputs = reading.input_names
    if kind == "weight_ih" and inputs is not None and layer.endswith(("l0", "l0_reverse")) and len(inputs) == shape[1]:
        columns = [display(symbol) for symbol in inputs]
    return rows, columns


def _title(name: str, gate: str | None) -> str:
    return name if gate is None else f"{name}, {quantity_names()[gate]}"


def _key(name: str, gate: str | None) -> str:
    return f"matrix_{name}_{gate}"


def _pick(name: str, gate: str | None) -> None:
    place = picked_in(_key(name, gate))
    if place is not None:
        st.session_state[f"picked_{name}_{gate}"] = place
    follow_all()


def _entry(here: Session, place: Place, value: float, values: np.ndarray) -> Part:
    """The picked entry: a slider, and its exact value to type. Gives what draws the slider."""
    where = write_edit(Change(place, "=", 0.0)).removesuffix("=0")
    slider, exact = st.columns([3, 2], gap="medium", vertical_alignment="bottom")
    key = f"entry_{where}_{here.turns}"
    most = st.session_state.setdefault(f"{key}_most", max(1.0, float(np.ceil(1.5 * np.abs(values).max()))))

    def turned(number: float) -> Edits:
        return _set(edits_of(here), place, number)

    with slider:
        part = turning(here, Knob("value", where, -most, most, most / 500, value, follows=True), key, turned)
    with exact:
        # Another value is another box: one that was set from here while a slider moves would be heard as typed.
        shown = str(np.float32(value))
        box = f"exact_{where}_{here.turns}_{shown}"
        st.text_input(_("Exact value"), shown, key=box, on_change=lambda: _type(here, place, box))
    return part


def _set(edits: Edits, place: Place, value: float) -> Edits:
    """The list with the entry set: in the last edit, if that is the same entry's."""
    edit = Change(place, "=", value)
    if edits.entries:
        last = edits.entries[-1]
        if last.on and isinstance(last.edit, Change) and last.edit.how == "=" and last.edit.place == place:
            return edits.swap(len(edits.entries) - 1, edit)
    return edits.add(edit)


def _type(here: Session, place: Place, box: str) -> None:
    try:
        value = number(st.session_state[box])
    except Problem as problem:
        here.notices.clear()
        here.notice(told(problem))
        return
    put(here, _set(edits_of(here), place, value))
