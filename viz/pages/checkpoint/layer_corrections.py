"""Settings of layers that a file does not specify: the assumptions, and controls to correct them."""

from itertools import permutations
from typing import Any, cast

import streamlit as st

from models.checkpoints.parsing.contents import FoundLayer
from models.core.activations import ACTIVATIONS
from models.core.cells import Kind
from models.core.messages import Problem
from viz.escape import escape_markdown
from viz.i18n import _
from viz.pages.checkpoint.file_upload import view_checkpoint
from viz.pages.checkpoint.setting_names import setting_names
from viz.pages.checkpoint_store import Correction, OpenedCheckpoint
from viz.pages.page_elements import show_problem
from viz.quantity_names import quantity_names
from viz.session import Session

GATE_LETTERS = {
    "RNN": {"a": "preactivation"},
    "LSTM": {"i": "input_gate", "f": "forget_gate", "g": "candidate", "o": "output_gate"},
    "GRU": {"r": "reset_gate", "z": "update_gate", "n": "candidate"},
}
ORDER_SOURCES = {
    "ifgo": "PyTorch, Keras",
    "iofg": "ONNX",
    "igfo": "TensorFlow 1",
    "gifo": "Chainer",
    "rzn": "PyTorch",
    "zrn": "Keras, ONNX",
}
"""Gate orders, and the frameworks that use them."""


def layer_corrections(session: Session, opened: OpenedCheckpoint) -> None:
    """Show the controls; nothing if the file specifies all settings and none was corrected."""
    found = opened.checkpoint.found
    unspecified = {name: layer for name, layer in found.items() if layer.assumed}
    names = list(dict.fromkeys([*unspecified, *(each.layer for each in opened.corrections)]))
    if not names:
        return
    with st.expander(_("Information missing from the file"), icon=":material/help:", expanded=bool(unspecified)):
        by_assumption: dict[str, list[str]] = {}
        for name, layer in unspecified.items():
            by_assumption.setdefault(_assumptions(layer), []).append(name)
        for assumption, layers in by_assumption.items():
            st.markdown(f"**{escape_markdown(', '.join(layers))}**: {assumption}")
        key = f"{opened.file.digest[:12]}"
        name = st.selectbox(_("Layer"), names, key=f"correct_layer_{key}") if len(names) > 1 else names[0]
        correction = _controls(opened, name, found[name], f"{key}_{name}")
        if st.button(_("Apply"), key=f"correct_{key}", icon=":material/check:"):
            try:
                changed = opened.corrected(correction)
            except Problem as problem:
                show_problem(problem)
                return
            view_checkpoint(session, changed, instead=opened.name)
            st.rerun()


def _assumptions(layer: FoundLayer) -> str:
    names = setting_names()
    left = ", ".join(names.get(each, each) for each in layer.assumed)
    text = _("assumed, because the file does not specify it: {what}.").format(what=left)
    if layer.certainty < 1:
        text += " " + _("Confidence that this is a recurrent layer: {share}.").format(share=f"{layer.certainty:.0%}")
    return text


def _controls(opened: OpenedCheckpoint, name: str, layer: FoundLayer, key: str) -> Correction:
    before = next((each for each in opened.corrections if each.layer == name), Correction(name))
    columns = st.columns(4, gap="medium", vertical_alignment="bottom")
    kinds = list(GATE_LETTERS)
    with columns[0]:
        kind = str(st.selectbox(_("Cell type"), kinds, kinds.index(layer.kind), key=f"correct_kind_{key}"))
    order: tuple[str, ...] = ()
    if kind != "RNN":
        with columns[1]:
            order = _order(kind, before.order or layer.order, key)
    options: dict[str, Any] = {}
    functions = ["nonlinearity"] if kind == "RNN" else ["recurrent_activation", "activation"]
    for column, option in zip(columns[1 if kind == "RNN" else 2 :], functions, strict=False):
        with column:
            default = "sigmoid" if option == "recurrent_activation" else "tanh"
            now = str(layer.options.get(option, default))
            offered = list(dict.fromkeys([default, *ACTIVATIONS]))
            label = setting_names()[option]
            options[option] = st.selectbox(
                label[:1].upper() + label[1:], offered, offered.index(now), key=f"correct_{option}_{key}"
            )
    if kind == "LSTM" and "norm" in layer.options:
        now_epsilon = float(layer.options["norm"])
        options["norm"] = st.selectbox(
            _("Epsilon of the layer norms"), sorted({1e-3, 1e-5, 1e-6, now_epsilon}, key=lambda each: each != now_epsilon),
            format_func=lambda epsilon: f"{epsilon:g}", key=f"correct_norm_{key}",
        )  # fmt: skip
    if kind == "GRU":
        places = {
            True: _("after the recurrent matrix product (PyTorch, cuDNN)"),
            False: _("before the recurrent matrix product (Cho et al. 2014, older Keras)"),
        }
        now_after = bool(layer.options.get("reset_after", True))
        options["reset_after"] = st.radio(
            _("Position of the reset gate"), list(places), 0 if now_after else 1, format_func=places.__getitem__,
            key=f"correct_reset_{key}", horizontal=True,
        )  # fmt: skip
    return Correction(name, cast(Kind, kind), order, tuple(sorted(options.items())))


def _order(kind: str, before: tuple[str, ...], key: str) -> tuple[str, ...]:
    letters = GATE_LETTERS[kind]
    orders = list(
        dict.fromkeys(
            [*(each for each in ORDER_SOURCES if set(each) == set(letters)), *map("".join, permutations(letters))]
        )
    )
    now = "".join(letter for gate in before for letter, name in letters.items() if name == gate)
    names = quantity_names()
    chosen = st.selectbox(
        _("Gate order"),
        orders,
        orders.index(now) if now in orders else 0,
        format_func=lambda order: " ".join(order) + (f" · {ORDER_SOURCES[order]}" if order in ORDER_SOURCES else ""),
        key=f"correct_order_{key}_{kind}",
        help=", ".join(f"{letter}: {names[gate]}" for letter, gate in letters.items()),
    )
    return tuple(letters[letter] for letter in chosen)
