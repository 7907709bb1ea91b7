"""The selected matrix, gate and entry of the Edit page, and the labels of rows, columns and entries."""

import numpy as np
import streamlit as st

from models.core.cells import NORM_NAMES
from models.core.tokenize_text import display
from models.edits.edit import Edits, Place, WeightChange
from models.edits.weight_edits import Parameters
from models.networks.forward_run import ForwardRun
from viz.escape import widget_key
from viz.i18n import _, language
from viz.pages.view_widgets import TEXT, view_choice
from viz.session import get_session
from viz.view_options import format_options

MATRIX_KEY = "edit_weights"
MATRIX_LAYER_KEY = "edit_weights_layer"
"""The session state key of the layer that the view had when the matrix was selected."""
LINK_KEY = "edit_link"
"""The session state key of the link's options of which the matrix was selected."""


def selected_matrix(parameters: Parameters) -> tuple[str, str | None]:
    """Return the name of the selected matrix and its selected gate (None for a matrix without gates).

    Until another one is selected, it is that of the link, or else W_hh of the view's layer.
    """
    _select_by_link(parameters)
    name = str(st.session_state.get(MATRIX_KEY))
    if name not in parameters.arrays or st.session_state.get(MATRIX_LAYER_KEY) != get_session().view.layer:
        name = _default_matrix(parameters)
    gate = st.session_state.get(gate_key(name))
    return name, gate if gate in matrix_gates(parameters, name) else _default_gate(parameters, name)


def keep_selection(parameters: Parameters, name: str, gate: str | None) -> None:
    """Write the selected matrix and gate to the view's options, unless they are the default ones."""
    session = get_session()
    chosen = {
        "matrix": None if name == _default_matrix(parameters) else name,
        "gate": None if gate == _default_gate(parameters, name) else gate,
    }
    options = {key: value for key, value in (session.view_options | chosen).items() if value is not None}
    session.fill_defaults(look=format_options(options))


def _default_matrix(parameters: Parameters) -> str:
    own = f"{get_session().view.layer}.weight_hh"
    return own if own in parameters.arrays else next(each for each in parameters.arrays if each.endswith("weight_hh"))


def _default_gate(parameters: Parameters, name: str) -> str | None:
    gates = matrix_gates(parameters, name)
    return "forget_gate" if "forget_gate" in gates else next(iter(gates), None)


def _select_by_link(parameters: Parameters) -> None:
    """Select the matrix and gate of the address that the reader opened, once."""
    options = get_session().link_options
    if st.session_state.get(LINK_KEY) is options:
        return
    st.session_state[LINK_KEY] = options
    name = view_choice("matrix", TEXT, _default_matrix(parameters), parameters.arrays.__contains__)
    gate = view_choice("gate", TEXT, "", matrix_gates(parameters, name).__contains__)
    if "matrix" in options or gate:
        st.session_state[MATRIX_KEY] = name
        st.session_state[MATRIX_LAYER_KEY] = get_session().view.layer
    if gate:
        st.session_state[gate_key(name)] = gate


def gate_key(name: str) -> str:
    """Return the session state key of a matrix's selected gate."""
    return f"edit_gate_{widget_key(name)}"


def matrix_gates(parameters: Parameters, name: str) -> tuple[str, ...]:
    """Return the gates of a matrix's or bias's row blocks; () if it has none."""
    layer, _dot, kind = name.rpartition(".")
    return parameters.cells[layer].row_gates(kind) if layer in parameters.cells else ()


def gate_block(parameters: Parameters, name: str, gate: str | None, of: np.ndarray | None = None) -> np.ndarray:
    """Return one gate's rows of a matrix, or all; a bias as one column.

    ``of`` is an array of the same shape to use instead of the parameter."""
    values = parameters.arrays[name].numpy() if of is None else of
    values = values.reshape(len(values), -1)
    if gate is None:
        return values
    gates = matrix_gates(parameters, name)
    size = len(values) // len(gates)
    return values[gates.index(gate) * size : (gates.index(gate) + 1) * size]


def selected_entry(name: str, gate: str | None, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the selected entry: its row within the gate's block, and its column."""
    row, column = st.session_state.get(f"picked_{widget_key(name, gate)}", (0, 0))
    return min(row, shape[0] - 1), min(column, shape[1] - 1)


def select_entry(name: str, gate: str | None, row: int, column: int) -> None:
    """Select a matrix, a gate and an entry."""
    st.session_state[MATRIX_KEY] = name
    st.session_state[MATRIX_LAYER_KEY] = get_session().view.layer
    if gate is not None:
        st.session_state[gate_key(name)] = gate
    st.session_state[f"picked_{widget_key(name, gate)}"] = (row, column)


def edit_place(parameters: Parameters, name: str, gate: str | None, row: int | None, column: int | None) -> Place:
    """Return the part of a matrix or bias as edits name it; ``row`` counts within the gate's block."""
    return Place(name, gate, row, column if parameters.arrays[name].dim() > 1 else None)


def set_entry(edits: Edits, place: Place, value: float) -> Edits:
    """Return the edits with an entry set; replaces the last edit if it sets the same entry."""
    edit = WeightChange(place, "=", value)
    if edits.entries:
        last = edits.entries[-1]
        if last.on and isinstance(last.edit, WeightChange) and last.edit.how == "=" and last.edit.place == place:
            return edits.swap(len(edits.entries) - 1, edit)
    return edits.add(edit)


def axis_names(parameters: Parameters, name: str, run: ForwardRun) -> tuple[list[str], list[str]]:
    """Return the labels of rows (of one gate) and columns: classes, tokens of the vocabulary or inputs, else numbers."""
    layer, _dot, kind = name.rpartition(".")
    shape = gate_block(parameters, name, next(iter(matrix_gates(parameters, name)), None)).shape
    rows, columns = ([str(index) for index in range(count)] for count in shape)
    classes = getattr(run.prediction, "classes", None)
    symbols = classes[language()] if classes is not None else getattr(run.prediction, "vocabulary", None)
    if symbols is not None and layer not in parameters.cells and shape[0] == len(symbols):
        rows = list(map(display, symbols))
    inputs = run.input_names
    if (
        kind in ("weight_ih", "weight_mx")
        and inputs is not None
        and layer.endswith(("l0", "l0_reverse"))
        and len(inputs) == shape[1]
    ):
        columns = list(map(display, inputs))
    return rows, columns


def entry_template(parameters: Parameters, name: str, run: ForwardRun) -> str:
    """Return the description of a matrix entry as a template with {gate}, {row} and {column}."""
    layer, _dot, kind = name.rpartition(".")
    if layer in parameters.cells and kind in ("bias_ih", "bias_hh"):
        return _("{gate} of unit {row}, bias")
    if layer in parameters.cells and kind == "weight_ch":
        return _("{gate} of unit {row}, peephole")
    if layer in parameters.cells and kind in NORM_NAMES:
        return (
            _("{gate} of unit {row}, gain of the layer norm")
            if "gain" in kind
            else _("{gate} of unit {row}, shift of the layer norm")
        )
    if layer in parameters.cells and kind == parameters.cells[layer].hidden_weight:
        return _("{gate} of unit {row}, from unit {column} at the previous time step")
    if layer in parameters.cells and kind == "weight_hh":
        return _("{gate} of unit {row}, from the intermediate state of unit {column}")
    if layer in parameters.cells and kind in ("weight_ih", "weight_mx"):
        if parameters.columns_are_units(name):
            return _("{gate} of unit {row}, from unit {column} of the layer below")
        named = run.input_names is not None and layer.endswith(("l0", "l0_reverse"))
        return _("{gate} of unit {row}, from “{column}”") if named else _("{gate} of unit {row}, from input {column}")
    if parameters.columns_are_units(name):
        return _("score of “{row}”, from unit {column}")
    if parameters.arrays[name].dim() == 1:
        return _("“{row}”, bias")
    return _("“{row}”, column {column}")
