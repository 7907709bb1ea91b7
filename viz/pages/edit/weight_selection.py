"""Which matrix is shown, which of its gates and which of its entries; and what they are called."""

import numpy as np
import streamlit as st

from models.core.tokenize_text import display
from models.edits.edit import Edits, Place, WeightChange
from models.edits.weight_edits import Parameters
from models.networks.forward_run import ForwardRun
from viz.i18n import _

NAME = "edit_weights"


def chosen(known: Parameters) -> tuple[str, str | None]:
    """The matrix and gate that are shown."""
    name = str(st.session_state.get(NAME))
    if name not in known.arrays:
        name = next(each for each in known.arrays if each.endswith("weight_hh"))
    gates = gates_of(known, name)
    gate = st.session_state.get(gate_key(name))
    if gate not in gates:
        gate = "forget_gate" if "forget_gate" in gates else next(iter(gates), None)
    return name, gate


def gate_key(name: str) -> str:
    """Where the session holds which gate of a matrix is shown."""
    return f"edit_gate_{name}"


def gates_of(known: Parameters, name: str) -> tuple[str, ...]:
    """The gates whose rows a matrix or bias has."""
    layer, _dot, kind = name.rpartition(".")
    return known.cells[layer].gates if layer in known.cells and kind != "weight_hr" else ()


def block_of(known: Parameters, name: str, gate: str | None, of: np.ndarray | None = None) -> np.ndarray:
    """One gate's rows of a matrix, or all; a bias as one column. ``of`` is of its shape, in its place."""
    values = known.arrays[name].numpy() if of is None else of
    values = values.reshape(len(values), -1)
    if gate is None:
        return values
    gates = gates_of(known, name)
    size = len(values) // len(gates)
    return values[gates.index(gate) * size : (gates.index(gate) + 1) * size]


def picked(name: str, gate: str | None, shape: tuple[int, ...]) -> tuple[int, int]:
    """The entry that is picked: its row in the gate's block, and its column."""
    row, column = st.session_state.get(f"picked_{name}_{gate}", (0, 0))
    return min(row, shape[0] - 1), min(column, shape[1] - 1)


def pick(name: str, gate: str | None, row: int, column: int) -> None:
    """Show a matrix and a gate, and pick an entry."""
    st.session_state[NAME] = name
    if gate is not None:
        st.session_state[gate_key(name)] = gate
    st.session_state[f"picked_{name}_{gate}"] = (row, column)


def place_of(known: Parameters, name: str, gate: str | None, row: int | None, column: int | None) -> Place:
    """The part of a matrix or bias that an edit names; ``row`` counts within the gate's block."""
    return Place(name, gate, row, column if known.arrays[name].dim() > 1 else None)


def with_entry(edits: Edits, place: Place, value: float) -> Edits:
    """The list with an entry set: in the last edit, if that is the same entry's."""
    edit = WeightChange(place, "=", value)
    if edits.entries:
        last = edits.entries[-1]
        if last.on and isinstance(last.edit, WeightChange) and last.edit.how == "=" and last.edit.place == place:
            return edits.swap(len(edits.entries) - 1, edit)
    return edits.add(edit)


def axis_names(known: Parameters, name: str, reading: ForwardRun) -> tuple[list[str], list[str]]:
    """What rows (of one gate) and columns stand for: units, and where they do, symbols."""
    layer, _dot, kind = name.rpartition(".")
    shape = block_of(known, name, next(iter(gates_of(known, name)), None)).shape
    rows, columns = ([str(index) for index in range(count)] for count in shape)
    symbols = getattr(reading.prediction, "vocabulary", None)
    if symbols is not None and layer not in known.cells and shape[0] == len(symbols):
        rows = list(map(display, symbols))
    inputs = reading.input_names
    if kind == "weight_ih" and inputs is not None and layer.endswith(("l0", "l0_reverse")) and len(inputs) == shape[1]:
        columns = list(map(display, inputs))
    return rows, columns


def entry_template(known: Parameters, name: str, reading: ForwardRun) -> str:
    """What an entry of a matrix does, with {gate}, {row} and {column} to be filled in."""
    layer, _dot, kind = name.rpartition(".")
    if layer in known.cells and kind in ("bias_ih", "bias_hh"):
        return _("{gate} of unit {row}, bias")
    if layer in known.cells and kind == "weight_hh":
        return _("{gate} of unit {row}, from unit {column} at the previous time step")
    if layer in known.cells and kind == "weight_ih":
        if known.columns_are_units(name):
            return _("{gate} of unit {row}, from unit {column} of the layer below")
        named = reading.input_names is not None and layer.endswith(("l0", "l0_reverse"))
        return _("{gate} of unit {row}, from “{column}”") if named else _("{gate} of unit {row}, from input {column}")
    if known.columns_are_units(name):
        return _("score of “{row}”, from unit {column}")
    if known.arrays[name].dim() == 1:
        return _("“{row}”, bias")
    return _("“{row}”, column {column}")
