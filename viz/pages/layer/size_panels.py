"""The panel of a layer's parameters: the formula with the sizes, and the three cells side by side."""

from __future__ import annotations

import streamlit as st

from models.layer_calls.call_run import CallRun
from models.layer_calls.layer_parameters import recurrent_parameters
from viz.i18n import _
from viz.pages.page_elements import caption, dense_table
from viz.pages.panels import panel
from viz.pages.screen_reader_table import HiddenNumber, hidden_numbers

CELLS = ("RNN", "GRU", "LSTM")


def layer_parameters_panel(run: CallRun) -> None:
    """Declare the panel."""

    @panel(
        "layer_parameters",
        _("Number of parameters"),
        _("The same inputs and units in all three cells: how many sums does each compute, and how many biases?"),
    )
    def draw() -> None:
        call = run.call
        inputs = run.x.shape[2]
        options = {"use_bias": call.use_bias, "reset_after": call.reset_after}
        chosen = recurrent_parameters(call.cell, inputs, call.units, "keras", **options)
        biases = {0: "", 1: "+ H", 2: "+ 2H"}[chosen.biases]
        numbers = {0: "", 1: f"+ {call.units}", 2: f"+ 2 \\cdot {call.units}"}[chosen.biases]
        st.latex(
            rf"\mathrm{{{call.cell}}}: \; G\,(H D + H^2 {biases}) = {chosen.gates}\,({call.units} \cdot {inputs} + "
            rf"{call.units}^2 {numbers}) = {_thousands(chosen.total)}"
        )
        rows, listed = [], []
        plain = recurrent_parameters("RNN", inputs, call.units, "keras", use_bias=False).total
        keras_title = _("Keras, with biases") if call.use_bias else _("Keras, without biases")
        torch_title = _("PyTorch, with biases") if call.use_bias else _("PyTorch, without biases")
        for cell in CELLS:
            keras = recurrent_parameters(cell, inputs, call.units, "keras", **options)
            torch = recurrent_parameters(cell, inputs, call.units, "pytorch", use_bias=call.use_bias)
            kernels = recurrent_parameters(cell, inputs, call.units, "keras", use_bias=False).total
            rows.append(
                {
                    _("Cell"): ("▸ " if cell == call.cell else "") + cell,
                    _("Sums (G)"): str(keras.gates),
                    _("W_x, W_h"): f"{kernels:,}",
                    _("to the RNN"): f"{kernels / plain:g} : 1",
                    keras_title: f"{keras.total:,}",
                    torch_title: f"{torch.total:,}",
                }
            )
            listed += [
                HiddenNumber("parameters", f"{lib}.{cell}", each.total, 0)
                for lib, each in (("Keras", keras), ("PyTorch", torch))
            ]
        dense_table(rows)
        hidden_numbers(listed, _("Number of parameters"), "layer_parameters")
        caption(
            _(
                "A GRU has 3/4 of the weights of an LSTM of the same size: 1 : 3 : 4. That is fewer, but not many times "
                "fewer."
            )
        )
        _stack_table(run)


def _stack_table(run: CallRun) -> None:
    """Show the parameters of all levels and directions, as ``model.summary()`` counts them."""
    call = run.call
    options = {"use_bias": call.use_bias, "reset_after": call.reset_after}
    if call.layers == 1 and not call.merge and call.source != "text":
        return
    rows, total = [], 0
    if call.source == "text":
        total += run.given.rows * call.embedding
        rows.append(
            {
                _("Layer"): "Embedding",
                _("Formula"): f"V · D = {run.given.rows} · {call.embedding}",
                _("Parameters (Keras)"): f"{run.given.rows * call.embedding:,}",
            }
        )
    for level, size in enumerate(call.input_sizes(run.x.shape[2])):
        count = recurrent_parameters(call.cell, size, call.units, "keras", **options)
        own = count.total * call.directions
        total += own
        twice = "2 · " if call.merge else ""
        bias = {0: "", 1: f" + {call.units}", 2: f" + 2 · {call.units}"}[count.biases]
        rows.append(
            {
                _("Layer"): f"{call.cell} {level + 1}",
                _("Formula"): f"{twice}{count.gates} · ({call.units} · {size} + {call.units}²{bias})",
                _("Parameters (Keras)"): f"{own:,}",
            }
        )
    rows.append({_("Layer"): _("all"), _("Formula"): "", _("Parameters (Keras)"): f"{total:,}"})
    st.markdown(f"**{_('As model.summary() counts them')}**")
    dense_table(rows)


def _thousands(number: int) -> str:
    return f"{number:,}".replace(",", "{,}")
