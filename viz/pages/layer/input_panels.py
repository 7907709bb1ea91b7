"""Panels: the input text as rows of an embedding, the folded and unrolled layer, an LSTM built gate by gate."""

from __future__ import annotations

import streamlit as st

from models.layer_calls.call_run import CallRun, DirectionStates
from models.layer_calls.dense_output import dense_lines, dense_output
from models.layer_calls.gate_stages import GATE_STAGES
from models.layer_calls.returned_tensors import has_pytorch_layer
from viz.components.embedding_lookup import embedding_lookup
from viz.components.folded_network import MAX_CELLS, MAX_DRAWN_UNITS, folded_network
from viz.components.returned_states import direction_name, direction_title, stage_grids
from viz.i18n import _
from viz.pages.layer.call_controls import argument_control, cached_call, chosen_sequence, example_text
from viz.pages.output_arithmetic import show_output_step
from viz.pages.page_elements import caption, page_theme
from viz.pages.panels import panel
from viz.pages.view_widgets import view_buttons


def embedding_panel(run: CallRun) -> None:
    """Declare the panel of a text as rows of an embedding."""

    @panel(
        "embedding_rows",
        _("From a word to x_t"),
        _("Each word has an id, each id a row of the table, and that row is the input x_t. Which words share a row?"),
        opened=True,
    )
    def draw() -> None:
        embedding_lookup(run, row=chosen_sequence(run), theme=page_theme(), key="embedding_lookup")
        given = run.given
        caption(
            _(
                "Different words: {words}, and id 0 for padding, so that the embedding needs V = {rows} rows. Before "
                "training the rows are random numbers; training moves the rows of words that are used alike closer together."
            ).format(words=len(given.words), rows=given.rows)
        )
        if given.dropped:
            caption(
                _(
                    "num_words = {count} keeps only ids below {count}: {words} of {all} words are in the sequences, the "
                    "others are left out. vocab_size = len(word_index) + 1 would count them and make rows that no id uses."
                ).format(count=run.call.num_words, words=len(given.words), all=len(given.words) + len(given.dropped))
            )


def dense_panel(run: CallRun) -> None:
    """Declare the panel of an output layer after the call."""

    @panel(
        "dense_output",
        _("Output layer after the call"),
        _(
            "A Dense layer turns the output into a probability: z = W h + b, then σ of one logit, or softmax of several."
        ),
        opened=False,
    )
    def draw() -> None:
        call = run.call
        with st.columns(4)[0]:
            argument_control("outputs", call)
        for place, library in zip(st.columns(2, gap="medium"), ("keras", "pytorch"), strict=True):
            if library == "keras" or has_pytorch_layer(run):
                with place:
                    st.code("\n".join(dense_lines(run, library)), language="python", wrap_lines=True)
        if call.return_sequences:
            caption(_("With return_sequences=True it is applied at every time step; here at the last one."))
        names = [str(k + 1) for k in range(call.outputs)]
        found = dense_output(run, chosen_sequence(run))
        show_output_step(found, names, "dense_output", sigmoid=call.outputs == 1)


def folded_panel(run: CallRun) -> None:
    """Declare the panel of the folded and the unrolled layer."""

    @panel(
        "folded_network",
        _("Folded and unrolled"),
        _("One cell with a loop, or a row of cells: what does each cell pass on to the next one?"),
    )
    def draw() -> None:
        layer = _chosen_direction(run)
        folded_network(run, layer, row=chosen_sequence(run), theme=page_theme(), key="folded_network")
        caption(
            _(
                "All cells are the same one, with the same weights, at successive time steps. The first one receives a "
                "hidden state of 0. Only the time steps have to wait for each other: all units of a step, and all sequences "
                "of a batch, are computed at once."
            )
        )
        if layer.backwards:
            caption(_("This direction begins at the last time step, so the cells are in that order."))
        if layer.level:
            caption(_("y is the output of layer {n} at the same time step.").format(n=layer.level))
        if run.given.length > MAX_CELLS or run.call.units > MAX_DRAWN_UNITS:
            caption(
                _("At most {steps} time steps and {units} units are drawn.").format(
                    steps=MAX_CELLS, units=MAX_DRAWN_UNITS
                )
            )


def _chosen_direction(run: CallRun) -> DirectionStates:
    """Show the choice of the layer and direction, if there are several, and return the chosen one."""
    found = {direction_name(each): each for level in run.levels for each in level}
    if len(found) == 1:
        return run.levels[0][0]
    titles = {name: direction_title(run, each) for name, each in found.items()}
    chosen = view_buttons(_("Layer and direction"), titles, name="folded", key="layer_folded", default="l0")
    return found[chosen]


def stages_panel(run: CallRun) -> None:
    """Declare the panel of an LSTM built up gate by gate."""

    @panel(
        "gate_stages",
        _("An LSTM, gate by gate"),
        _(
            "The same input and weights at every stage. What does each gate change in the cell state and the hidden state?"
        ),
        opened=False,
    )
    def draw() -> None:
        call = run.call.with_call_changes(cell="LSTM", merge="", layers=1, go_backwards=False)
        lstm = cached_call(call, example_text())
        row = chosen_sequence(run)
        start, stop = lstm.spans[row]
        stage_grids(
            GATE_STAGES,
            lstm.levels[0][0].weights,
            lstm.x[row, start:stop],
            lstm.given.labels(row, call)[start:stop],
            theme=page_theme(),
            key="gate_stages",
        )
        caption(
            _(
                "⊙ multiplies element by element: unit k of a gate meets only unit k of the state; it is not the dot "
                "product. The cell state passes through no activation, but a forget gate below 1 still loses some of it "
                "at every time step: after n steps the product of n gates is left. A candidate of −1 is written as "
                "strongly as one of +1; 0 writes least."
            )
        )
        if call.initialization == "constant":
            caption(
                _(
                    "All units are alike here, since all weights are equal. Choose other initial weights to tell them apart."
                )
            )
