"""The panels of what a call returns: the states with the returned tensors marked, and the call as lines of code."""

from __future__ import annotations

import numpy as np
import streamlit as st

from models.layer_calls.call_lines import IMPORTS, keras_lines, pytorch_lines
from models.layer_calls.call_run import CallRun
from models.layer_calls.returned_tensors import ReturnedTensor, has_pytorch_layer, keras_tensors, pytorch_tensors
from viz.components.reports import word
from viz.components.returned_states import returned_states, tensor_axes, tensor_names
from viz.components.streamlit_host import reported
from viz.i18n import _, translate
from viz.pages.layer.call_controls import chosen_sequence
from viz.pages.page_elements import caption, dense_table, page_theme
from viz.pages.panels import panel
from viz.pages.screen_reader_table import HiddenNumber, hidden_numbers
from viz.pages.view_widgets import TEXT, view_choice
from viz.session import get_session

STATES = "returned_states"
"""Key of the component with the states."""

MAX_LISTED = 200
"""Numbers of a returned tensor that are listed for screen readers."""


def returned_states_panel(run: CallRun) -> None:
    """Declare the panel of all states and the tensors among them."""

    @panel(
        "returned_states",
        _("States, and what the call returns"),
        _(
            "Every state of the layer: time steps across, units up. Choose a returned tensor: which of these numbers does it "
            "contain, and which are lost?"
        ),
    )
    def draw() -> None:
        returned = _by_library(run)
        names = tensor_names(returned)
        chosen = view_choice("tensor", TEXT, names[0], names.__contains__)
        returned_states(
            run,
            returned,
            chosen,
            row=chosen_sequence(run),
            theme=page_theme(),
            key=STATES,
            on_choice=lambda: _choose(names),
        )
        for sentence in _sentences(run):
            caption(sentence)


def _choose(names: list[str]) -> None:
    """Put the tensor that the reader chose into the view."""
    found = reported(STATES, "tensor", {"name": word})
    if found is not None and found["name"] in names:
        get_session().set_view_options(tensor=None if found["name"] == names[0] else found["name"])


def _by_library(run: CallRun) -> list[tuple[str, tuple[ReturnedTensor, ...]]]:
    return [("Keras", keras_tensors(run)), ("PyTorch", pytorch_tensors(run))]


def _sentences(run: CallRun) -> list[str]:
    """Return what is to be said about these tensors."""
    call, found = run.call, []
    if not all(np.isfinite(values).all() for level in run.levels for each in level for values in each.states.values()):
        found.append(_("Some states are NaN or infinite: the products are too large for float32. Use smaller numbers."))
    if call.source == "numbers" and not call.data:
        found.append(
            _(
                "The input is the 4 × 5 numbers of the lecture notes, as a batch of one sequence: (1, 4, 5). With "
                "Bidirectional(LSTM(3)) and all kernels 0.1 the output is 0.6303139 and 0.70387346 in float32. The notes "
                "also print 0.6301636 and 0.7037439: computed on a GPU, which rounds the factors of matrix products to "
                "TF32 (10 bits after the binary point, not 23)."
            )
        )
        found.append(
            _(
                "Only the arrays of the notes with all kernels 0.1 can be reproduced. The other layers there have random "
                "weights and no seed: every run prints other numbers, also two runs in the same text."
            )
        )
    if call.tf32:
        found.append(
            _(
                "TF32 rounds each factor of a product to 10 bits after the binary point: 4.2 becomes 4.1992188. The sums "
                "stay in float32."
            )
        )
    if call.merge == "concat" and not call.return_sequences:
        found.append(
            _(
                "Each half is the state after that direction has taken in the whole sequence: the forward layer at the last "
                "time step, the backward layer at the first one. The last row of return_sequences=True is something else: "
                "there the backward half has taken in only the last input."
            )
        )
    if call.return_state and not call.return_sequences and not call.merge:
        found.append(_("output and state_h are the same numbers here: both are the last hidden state."))
    if call.return_state and call.return_sequences and not call.merge and not run.is_masked:
        found.append(_("The last row of output is state_h."))
    if call.go_backwards and call.return_sequences:
        found.append(
            _(
                "With go_backwards=True the rows of output are in the order of computation: the first row is the state after "
                "the last input. PyTorch has no such argument; its line turns the input around."
            )
        )
    if run.given.is_padded and not call.mask:
        found.append(
            _(
                "The padding is not masked: the layer takes the zeros as input and its state changes there, even if the "
                "embedding's row of id 0 stands for nothing."
            )
        )
    if run.is_masked:
        found.append(
            _(
                "Masked time steps are crossed out: the state stays as it is. Keras keeps their rows in the output, "
                "as 0 if the layer is bidirectional; PyTorch's packed sequences move the padding behind the sequence, and "
                "its rows are 0."
            )
        )
    if call.layers > 1 and call.return_state:
        found.append(_("Keras returns the states of the last layer alone; PyTorch's h_n has a row for every layer."))
    return found


def call_lines_panel(run: CallRun) -> None:
    """Declare the panel of the lines of code and the table of returned tensors."""

    @panel(
        "call_lines",
        _("The same call in Keras and in PyTorch"),
        _("Change an argument above and see which word of each line changes. sequences is the list of the inputs."),
    )
    def draw() -> None:
        for place, (library, code, tensors) in zip(
            st.columns(2, gap="medium"),
            (("Keras", keras_lines(run), keras_tensors(run)), ("PyTorch", pytorch_lines(run), pytorch_tensors(run))),
            strict=True,
        ):
            with place:
                st.markdown(f"**{library}**")
                if not code:
                    caption(_("PyTorch's GRU has no reset_after=False: its reset gate always acts after the product."))
                    continue
                imports = IMPORTS[library.lower()]
                st.code("\n".join([*imports, *code]), language="python", wrap_lines=True)
                _table(library, tensors)
        if has_pytorch_layer(run) and run.call.cell != "GRU" and run.call.use_bias:
            caption(
                _(
                    "Keras's layer has one bias for each gate; PyTorch adds two, b_ih and b_hh, of which only the sum counts."
                )
            )


def _table(library: str, tensors: tuple[ReturnedTensor, ...]) -> None:
    """Show the returned tensors of a library: name, shape with its axes, meaning."""
    rows = []
    for tensor in tensors:
        axes = ", ".join(tensor_axes()[axis] for axis in tensor.axes)
        rows.append(
            {
                _("Tensor"): tensor.name,
                _("Shape"): str(tensor.values.shape).replace(" ", "\u00a0"),
                _("Axes"): f"({axes})",
                _("Meaning"): translate(tensor.meaning),
            }
        )
    dense_table(rows)
    numbers = [
        HiddenNumber("returned", f"{library}.{tensor.name}", value, index)
        for tensor in tensors
        for index, value in enumerate(tensor.values.reshape(-1)[:MAX_LISTED].tolist())
    ]
    hidden_numbers(numbers, library, f"returned_{library}")
