"""The panel that adds an edit: of a weight matrix, a unit, a clamped gate, an initial state, a token, or from a file."""

from collections.abc import Callable
from math import isfinite
from typing import Any, Literal, cast

import streamlit as st

from models.core.messages import Problem
from models.core.parse_numbers import parse_number
from models.edits.edit import (
    Ablate,
    Clamp,
    Edit,
    ForgetBias,
    InitialState,
    Noise,
    Patch,
    Place,
    Quantize,
    SpectralRadius,
    TokenEdit,
    WeightChange,
)
from models.edits.matrix_csv import read_csv, write_csv
from models.edits.weight_edits import Parameters
from models.networks.forward_run import ForwardRun
from viz.escape import escape_markdown, file_name, widget_key
from viz.i18n import _
from viz.pages import cache
from viz.pages.edit import edit_cache
from viz.pages.edit.weight_selection import edit_place, selected_entry, selected_matrix
from viz.pages.panels import panel
from viz.pages.upload_box import upload_box
from viz.quantity_names import quantity_names
from viz.session import Session

KIND_KEY = "edit_kind"


def add_edit_panel(session: Session, run: ForwardRun) -> None:
    """Show the menu of edits and the button that adds one."""
    parameters = edit_cache.edited_parameters(session)
    kinds = {
        "part": _("Part of the weight matrix"),
        "unit": _("Unit"),
        "hold": _("Fix a gate or state"),
        "start": _("Initial state"),
        "token": _("Token"),
        "patch": _("Gate or state from another text (patching)"),
        "csv": _("Matrix from a file"),
    }

    @panel(
        "add_edit",
        _("Add an edit"),
        _("Change one thing at a time, so that you know which change caused the effect."),
        opened=True,
    )
    def draw_add_edit() -> None:
        kind = st.selectbox(_("What to change"), list(kinds), format_func=kinds.__getitem__, key=KIND_KEY)
        parts: dict[str, Callable[[], Callable[[], Edit] | None]] = {
            "part": lambda: _part(parameters),
            "unit": lambda: _unit(session, parameters),
            "hold": lambda: _clamp(session, run),
            "start": lambda: _initial_state(session, run),
            "token": lambda: _token(session),
            "patch": lambda: _patch(session, run),
            "csv": lambda: _csv(session, parameters),
        }
        make = parts[kind]()
        st.button(
            _("Add this edit"),
            key=f"add_{kind}",
            icon=":material/add:",
            disabled=make is None,
            on_click=(lambda: edit_cache.add_edit(session, make)) if make else None,
        )


def _widget_value(key: str) -> Any:
    value = st.session_state.get(key)
    if value is None or (isinstance(value, float) and not isfinite(value)):  # the same message changed the controls
        raise Problem("The controls of this edit have changed. Choose its values again.")
    return value


def _two_columns() -> tuple[Any, Any]:
    return tuple(st.columns(2, vertical_alignment="bottom"))  # type: ignore[return-value]


def _part(parameters: Parameters) -> Callable[[], Edit]:
    name, gate = selected_matrix(parameters)
    values = parameters.arrays[name]
    parts = {"row": _("row"), "column": _("column"), "block": _("gate block"), "all": _("whole matrix")}
    if values.dim() == 1:
        del parts["column"]
    if gate is None:
        del parts["block"]
    changes = {
        "=": _("set to"),
        "*=": _("multiply by"),
        "+=": _("add"),
        "radius": _("spectral radius"),
        "bits": _("quantize (number of bits)"),
        "noise": _("add noise (standard deviation)"),
    }
    first, second = _two_columns()
    with first:
        part = st.selectbox(
            _("Part containing the selected entry"), list(parts), format_func=parts.__getitem__, key="part_what"
        )
    with second:
        how = st.selectbox(_("Type of change"), list(changes), format_func=changes.__getitem__, key="part_how")
    default = {"=": "0", "*=": "0.5", "+=": "0.1", "radius": "1", "bits": "4", "noise": "0.1"}[how]
    value, seed = _two_columns()
    with value:
        st.text_input(_("Value"), default, key=f"part_{how}")
    if how == "noise":
        with seed:
            st.number_input(_("Random seed"), 0, 10**9 - 1, 0, key="part_seed")
    size = len(values) // max(1, len(parameters.cells[name.rpartition(".")[0]].gates)) if gate else len(values)
    row, column = selected_entry(name, gate, (size, values[0].numel()))

    def make() -> Edit:
        place = edit_place(
            parameters,
            name,
            None if part == "all" or (part == "column") else gate,
            row if part == "row" else None,
            column if part == "column" else None,
        )
        amount = parse_number(_widget_value(f"part_{how}"))
        if how == "radius":
            return SpectralRadius(place, amount)
        if how == "bits":
            if amount != int(amount):
                raise Problem(
                    "The number of bits must be an integer, not {bits}. Enter an integer.", bits=f"{amount:g}"
                )
            return Quantize(place, int(amount))
        if how == "noise":
            return Noise(place, amount, int(_widget_value("part_seed")))
        return WeightChange(place, cast(Literal["=", "+=", "*="], how), amount)

    return make


def _unit(session: Session, parameters: Parameters) -> Callable[[], Edit]:
    layer = session.view.layer or ""
    changes = {
        "writes": _("cut its outputs: multiply outgoing weights by"),
        "reads": _("cut its inputs: multiply incoming weights and biases by"),
        "zero": _("fix its hidden state at 0 (ablation)"),
        "mean": _("fix its hidden state at its mean"),
    }
    cell = parameters.cells[layer]
    if "forget_gate" in cell.summed_gates and (cell.norm is not None or f"{layer}.bias_ih" in parameters.arrays):
        changes["forget"] = _("set its forget gate bias to")
    st.caption(
        _("Unit {unit} of {layer}, selected in the playback controls above").format(unit=session.view.unit, layer=layer)
    )
    how = st.selectbox(_("Type of change"), list(changes), format_func=changes.__getitem__, key="unit_how")
    if how not in ("zero", "mean"):
        st.text_input(_("Value"), "1" if how == "forget" else "0", key=f"unit_{how}")

    def make() -> Edit:
        unit = session.view.unit or 0
        if how == "zero" or how == "mean":
            return Ablate(layer, unit, "zero" if how == "zero" else "mean")
        amount = parse_number(_widget_value(f"unit_{how}"))
        if how == "forget":
            return ForgetBias(layer, amount, unit)
        place = Place(f"{layer}.{how}", None, unit)
        return WeightChange(place, "=" if amount == 0 else "*=", amount)

    return make


def _clamp(session: Session, run: ForwardRun) -> Callable[[], Edit]:
    layer = session.view.layer or ""
    quantities, names = list(run.trace.layers[layer].quantities), quantity_names()
    steps = len(run.labels_of(layer))
    first, second = _two_columns()
    with first:
        quantity = st.selectbox(
            _("Gate or state"),
            quantities,
            format_func=names.__getitem__,
            key=f"hold_what_{widget_key(layer)}",
        )
    with second:
        scopes = {"one": _("unit {unit}").format(unit=session.view.unit), "all": _("all units")}
        scope = st.selectbox(_("Units affected"), list(scopes), format_func=scopes.__getitem__, key="hold_of")
    first, second = _two_columns()
    with first:
        st.number_input(_("First time step"), 1, None, min((session.view.step or 0) + 1, steps), key="hold_from")
    with second:
        st.number_input(_("Last time step"), 1, None, steps, key="hold_to")
    st.text_input(_("Fixed value"), "0", key="hold_value")

    def make() -> Edit:
        begin, end = int(_widget_value("hold_from")) - 1, int(_widget_value("hold_to")) - 1
        if end < begin:
            raise Problem(
                "The last time step ({last}) is before the first ({first}). Choose a later one.",
                last=end + 1,
                first=begin + 1,
            )
        unit = session.view.unit if scope == "one" else None
        return Clamp(layer, quantity, parse_number(_widget_value("hold_value")), unit, begin, end)

    return make


def _initial_state(session: Session, run: ForwardRun) -> Callable[[], Edit]:
    layer = session.view.layer or ""
    states, names = run.trace.layers[layer].weights.cell.states, quantity_names()
    first, second = _two_columns()
    with first:
        state = st.selectbox(_("State"), list(states), format_func=names.__getitem__, key=f"start_{widget_key(layer)}")
    with second:
        st.text_input(_("Value before the first time step"), "1", key="start_value")
    st.caption(
        _("Unit {unit} of {layer}, selected in the playback controls above").format(unit=session.view.unit, layer=layer)
    )
    return lambda: InitialState(
        layer, "cell" if state == "cell" else "hidden", parse_number(_widget_value("start_value")), session.view.unit
    )


def _token(session: Session) -> Callable[[], Edit]:
    changes = {"replace": _("replace with"), "insert": _("insert before"), "delete": _("delete")}
    first, second = _two_columns()
    with first:
        st.number_input(_("Time step"), 1, None, (session.view.step or 0) + 1, key="token_step")
    with second:
        how = st.selectbox(_("Type of change"), list(changes), format_func=changes.__getitem__, key="token_how")
    if how != "delete":
        st.text_input(_("Token"), key="token_text")

    def make() -> Edit:
        step = int(_widget_value("token_step")) - 1
        if how == "delete":
            return TokenEdit("delete", step)
        text = str(_widget_value("token_text"))
        if not text:
            raise Problem("The new token is empty. Enter a token.")
        return TokenEdit("replace" if how == "replace" else "insert", step, text)

    return make


def _patch(session: Session, run: ForwardRun) -> Callable[[], Edit]:
    layer = session.view.layer or ""
    quantities, names = list(run.trace.layers[layer].quantities), quantity_names()
    st.text_area(_("Other text"), session.view.text or "", key="patch_text", height=80)
    first, second = _two_columns()
    with first:
        st.number_input(_("Source time step"), 1, None, (session.view.step or 0) + 1, key="patch_source")
    with second:
        st.number_input(_("Target time step"), 1, None, (session.view.step or 0) + 1, key="patch_step")
    first, second = _two_columns()
    with first:
        quantity = st.selectbox(
            _("Gate or state"), quantities, format_func=names.__getitem__, index=len(quantities) - 1,
            key=f"patch_what_{widget_key(layer)}",
        )  # fmt: skip
    with second:
        scopes = {"all": _("all units"), "one": _("unit {unit}").format(unit=session.view.unit)}
        scope = st.selectbox(_("Units affected"), list(scopes), format_func=scopes.__getitem__, key="patch_of")
    return lambda: Patch(
        layer,
        quantity,
        int(_widget_value("patch_step")) - 1,
        str(_widget_value("patch_text")),
        int(_widget_value("patch_source")) - 1,
        session.view.unit if scope == "one" else None,
    )


def _csv(session: Session, parameters: Parameters) -> Callable[[], Edit] | None:
    name, _gate = selected_matrix(parameters)
    values = parameters.arrays[name].numpy()
    st.download_button(
        _("Download {name} as CSV").format(name=escape_markdown(name)),
        lambda: write_csv(values),
        file_name=f"{file_name(cache.download_name(session.view.net or ''))}-{file_name(name)}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    file = upload_box(
        _("CSV file with new values for {name}, {size}").format(
            name=escape_markdown(name), size=" × ".join(map(str, values.shape))
        ),
        type=["csv", "txt", "tsv"],
        key="csv_file",
    )
    if file is None:
        return None
    return lambda: read_csv(file.getvalue().decode("utf-8", "replace"), name, values.shape)
