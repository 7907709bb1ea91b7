"""One more edit, by menu: of a part of a matrix, a unit, a held gate, a starting state, a token, or a file."""

from collections.abc import Callable
from typing import Any, Literal, cast

import streamlit as st

from models.core.messages import Problem
from models.core.parse_numbers import parse_number
from models.edits import edit as kinds
from models.edits.edit import Edit
from models.edits.matrix_csv import read_csv, write_csv
from models.edits.weight_edits import Parameters
from models.networks.forward_run import ForwardRun
from viz.i18n import _
from viz.pages.edit import edit_cache
from viz.pages.edit.weight_selection import chosen, picked, place_of
from viz.pages.page_elements import panel
from viz.quantity_names import quantity_names
from viz.session import Session

KIND = "edit_kind"


def actions(session: Session, reading: ForwardRun) -> None:
    """The menu, and the button that adds the edit."""
    known = edit_cache.parameters(session)
    kinds = {
        "part": _("Part of the weight matrix"),
        "unit": _("Unit"),
        "hold": _("Fix a gate or state"),
        "start": _("Initial state"),
        "token": _("Token"),
        "patch": _("Gate or state from another text (patching)"),
        "csv": _("Matrix from a file"),
    }
    with panel(_("Add an edit"), _("Change one thing at a time, so that you know which change caused the effect.")):
        kind = st.selectbox(_("What to change"), list(kinds), format_func=kinds.__getitem__, key=KIND)
        parts: dict[str, Callable[[], Callable[[], Edit] | None]] = {
            "part": lambda: _part(known),
            "unit": lambda: _unit(session, known),
            "hold": lambda: _hold(session, reading),
            "start": lambda: _start(session, reading),
            "token": lambda: _token(session),
            "patch": lambda: _patch(session, reading),
            "csv": lambda: _csv(session, known),
        }
        make = parts[kind]()
        st.button(
            _("Add this edit"),
            key=f"add_{kind}",
            icon=":material/add:",
            disabled=make is None,
            on_click=(lambda: edit_cache.add(session, make)) if make else None,
        )


def _said(key: str) -> Any:
    return st.session_state[key]


def _pair() -> tuple[Any, Any]:
    return tuple(st.columns(2, vertical_alignment="bottom"))  # type: ignore[return-value]


def _part(known: Parameters) -> Callable[[], Edit]:
    name, gate = chosen(known)
    values = known.arrays[name]
    parts = {"row": _("row"), "column": _("column"), "block": _("gate block"), "all": _("whole matrix")}
    if values.dim() == 1:
        del parts["column"]
    if gate is None:
        del parts["block"]
    hows = {
        "=": _("set to"),
        "*=": _("multiply by"),
        "+=": _("add"),
        "radius": _("spectral radius"),
        "bits": _("quantize (number of bits)"),
        "noise": _("add noise (standard deviation)"),
    }
    first, second = _pair()
    with first:
        part = st.selectbox(
            _("Part containing the selected entry"), list(parts), format_func=parts.__getitem__, key="part_what"
        )
    with second:
        how = st.selectbox(_("Type of change"), list(hows), format_func=hows.__getitem__, key="part_how")
    usual = {"=": "0", "*=": "0.5", "+=": "0.1", "radius": "1", "bits": "4", "noise": "0.1"}[how]
    value, seed = _pair()
    with value:
        st.text_input(_("Value"), usual, key=f"part_{how}")
    if how == "noise":
        with seed:
            st.number_input(_("Random seed"), 0, 10**9 - 1, 0, key="part_seed")
    size = len(values) // max(1, len(known.cells[name.rpartition(".")[0]].gates)) if gate else len(values)
    row, column = picked(name, gate, (size, values[0].numel()))

    def make() -> Edit:
        place = place_of(
            known,
            name,
            None if part == "all" or (part == "column") else gate,
            row if part == "row" else None,
            column if part == "column" else None,
        )
        amount = parse_number(_said(f"part_{how}"))
        if how == "radius":
            return kinds.SpectralRadius(place, amount)
        if how == "bits":
            if amount != int(amount):
                raise Problem(
                    "The number of bits must be an integer, not {bits}. Enter an integer.", bits=f"{amount:g}"
                )
            return kinds.Quantize(place, int(amount))
        if how == "noise":
            return kinds.Noise(place, amount, int(_said("part_seed")))
        return kinds.WeightChange(place, cast(Literal["=", "+=", "*="], how), amount)

    return make


def _unit(session: Session, known: Parameters) -> Callable[[], Edit]:
    layer = session.view.layer or ""
    hows = {
        "writes": _("cut its outputs: multiply outgoing weights by"),
        "reads": _("cut its inputs: multiply incoming weights and biases by"),
        "zero": _("fix its hidden state at 0 (ablation)"),
        "mean": _("fix its hidden state at its mean"),
    }
    if "forget_gate" in known.cells[layer].gates and f"{layer}.bias_ih" in known.arrays:
        hows["forget"] = _("set its forget gate bias to")
    st.caption(
        _("Unit {unit} of {layer}, selected in the playback controls above").format(unit=session.view.unit, layer=layer)
    )
    how = st.selectbox(_("Type of change"), list(hows), format_func=hows.__getitem__, key="unit_how")
    if how not in ("zero", "mean"):
        st.text_input(_("Value"), "1" if how == "forget" else "0", key=f"unit_{how}")

    def make() -> Edit:
        unit = session.view.unit or 0
        if how == "zero" or how == "mean":
            return kinds.Ablate(layer, unit, "zero" if how == "zero" else "mean")
        amount = parse_number(_said(f"unit_{how}"))
        if how == "forget":
            return kinds.ForgetBias(layer, amount, unit)
        place = kinds.Place(f"{layer}.{how}", None, unit)
        return kinds.WeightChange(place, "=" if amount == 0 else "*=", amount)

    return make


def _hold(session: Session, reading: ForwardRun) -> Callable[[], Edit]:
    layer = session.view.layer or ""
    quantities, names = list(reading.trace.layers[layer].quantities), quantity_names()
    steps = len(reading.labels_of(layer))
    first, second = _pair()
    with first:
        quantity = st.selectbox(_("Gate or state"), quantities, format_func=names.__getitem__, key=f"hold_what_{layer}")
    with second:
        whose = {"one": _("unit {unit}").format(unit=session.view.unit), "all": _("all units")}
        of = st.selectbox(_("Units affected"), list(whose), format_func=whose.__getitem__, key="hold_of")
    first, second = _pair()
    with first:
        st.number_input(_("First time step"), 1, None, min((session.view.step or 0) + 1, steps), key="hold_from")
    with second:
        st.number_input(_("To time step"), 1, None, steps, key="hold_to")
    st.text_input(_("Fixed value"), "0", key="hold_value")

    def make() -> Edit:
        begin, end = int(_said("hold_from")) - 1, int(_said("hold_to")) - 1
        if end < begin:
            raise Problem(
                "The last time step ({last}) is before the first ({first}). Choose a later one.",
                last=end + 1,
                first=begin + 1,
            )
        unit = session.view.unit if of == "one" else None
        return kinds.Clamp(layer, quantity, parse_number(_said("hold_value")), unit, begin, end)

    return make


def _start(session: Session, reading: ForwardRun) -> Callable[[], Edit]:
    layer = session.view.layer or ""
    states, names = reading.trace.layers[layer].weights.cell.states, quantity_names()
    first, second = _pair()
    with first:
        state = st.selectbox(_("State"), list(states), format_func=names.__getitem__, key=f"start_{layer}")
    with second:
        st.text_input(_("Value before the first time step"), "1", key="start_value")
    st.caption(
        _("Unit {unit} of {layer}, selected in the playback controls above").format(unit=session.view.unit, layer=layer)
    )
    return lambda: kinds.InitialState(
        layer, "cell" if state == "cell" else "hidden", parse_number(_said("start_value")), session.view.unit
    )


def _token(session: Session) -> Callable[[], Edit]:
    hows = {"replace": _("replace with"), "insert": _("insert before"), "delete": _("delete")}
    first, second = _pair()
    with first:
        st.number_input(_("Time step"), 1, None, (session.view.step or 0) + 1, key="token_step")
    with second:
        how = st.selectbox(_("Type of change"), list(hows), format_func=hows.__getitem__, key="token_how")
    if how != "delete":
        st.text_input(_("Token"), key="token_text")

    def make() -> Edit:
        step = int(_said("token_step")) - 1
        if how == "delete":
            return kinds.TokenEdit("delete", step)
        text = str(_said("token_text"))
        if not text:
            raise Problem("The new token is empty. Enter a token.")
        return kinds.TokenEdit("replace" if how == "replace" else "insert", step, text)

    return make


def _patch(session: Session, reading: ForwardRun) -> Callable[[], Edit]:
    layer = session.view.layer or ""
    quantities, names = list(reading.trace.layers[layer].quantities), quantity_names()
    st.text_area(_("Other text"), session.view.text or "", key="patch_text", height=80)
    first, second = _pair()
    with first:
        st.number_input(_("Source time step"), 1, None, (session.view.step or 0) + 1, key="patch_source")
    with second:
        st.number_input(_("To time step"), 1, None, (session.view.step or 0) + 1, key="patch_step")
    first, second = _pair()
    with first:
        quantity = st.selectbox(
            _("Gate or state"), quantities, format_func=names.__getitem__, index=len(quantities) - 1,
            key=f"patch_what_{layer}",
        )  # fmt: skip
    with second:
        whose = {"all": _("all units"), "one": _("unit {unit}").format(unit=session.view.unit)}
        of = st.selectbox(_("Units affected"), list(whose), format_func=whose.__getitem__, key="patch_of")
    return lambda: kinds.Patch(
        layer,
        quantity,
        int(_said("patch_step")) - 1,
        str(_said("patch_text")),
        int(_said("patch_source")) - 1,
        session.view.unit if of == "one" else None,
    )


def _csv(session: Session, known: Parameters) -> Callable[[], Edit] | None:
    name, _gate = chosen(known)
    values = known.arrays[name].numpy()
    st.download_button(
        _("Download {name} as CSV").format(name=name),
        lambda: write_csv(values),
        file_name=f"{session.view.net}-{name}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    given = st.file_uploader(
        _("CSV file with new values for {name}, {size}").format(name=name, size=" × ".join(map(str, values.shape))),
        type=["csv", "txt", "tsv"],
        key="csv_file",
    )
    if given is None:
        return None
    return lambda: read_csv(given.getvalue().decode("utf-8", "replace"), name, values.shape)
