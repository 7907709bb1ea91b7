"""Sentences that say what the value of each gate and state does at one step; the browser fills in the numbers."""

from models.core.cells import Cell
from viz.i18n import _

Cases = dict[str, str]
"""Templates by case: of a gate from 0 to 1 ``"all"``, ``"none"`` and ``"part"``; of a state that is what is kept and what is
added, ``"sum"``; of any other value ``"value"``."""


def value_sentences(cell: Cell) -> dict[str, Cases]:
    """Return the templates of a cell by quantity; {} for a cell of the user's own.

    ``"reset_gate_before"`` are those of a reset gate that multiplies the previous hidden state before the weights do.
    """
    by_kind = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}
    return by_kind[cell.kind]() if cell.kind in by_kind else {}


def _lstm() -> dict[str, Cases]:
    return {
        "intermediate": {
            "value": _(
                "The intermediate state is {value}: {x} from the input, times {h} from the previous hidden state."
            ),
        },
        "input_gate": {
            "all": _("The input gate is {value}: it adds all of the candidate, {candidate}, to the cell state."),
            "part": _("The input gate is {value}: it adds {share} of the candidate, {candidate}, to the cell state."),
            "none": _("The input gate is {value}: it adds nothing of the candidate, {candidate}, to the cell state."),
        },
        "forget_gate": {
            "all": _("The forget gate is {value}: it keeps all of the previous cell state, {cell_prev}."),
            "part": _(
                "The forget gate is {value}: it keeps {share} of the previous cell state, {cell_prev}, and drops the rest."
            ),
            "none": _("The forget gate is {value}: it drops all of the previous cell state, {cell_prev}."),
        },
        "candidate": {
            "value": _(
                "The candidate is {value}: with the input gate at {input_gate}, {added} is added to the cell state."
            )
        },
        "output_gate": {
            "all": _("The output gate is {value}: it outputs all of {function}(c) = {activated}."),
            "part": _("The output gate is {value}: it outputs {share} of {function}(c) = {activated}."),
            "none": _("The output gate is {value}: it outputs nothing of {function}(c) = {activated}."),
        },
        "cell": {
            "sum": _("The cell state changes from {cell_prev} to {value}: {kept} is kept and {added} is added."),
            "value": _("The cell state changes from {cell_prev} to {value}."),
        },
        "hidden": {
            "value": _("The hidden state is {value}: the next time step and the next layer take it as input."),
        },
    }


def _gru() -> dict[str, Cases]:
    return {
        "reset_gate": {
            "all": _("The reset gate is {value}: the candidate uses all of its recurrent part, {recurrent}."),
            "part": _("The reset gate is {value}: the candidate uses {share} of its recurrent part, {recurrent}."),
            "none": _("The reset gate is {value}: the candidate uses nothing of its recurrent part, {recurrent}."),
        },
        "reset_gate_before": {
            "all": _(
                "The reset gate is {value}: the candidates use all of this unit's previous hidden state, {hidden_prev}."
            ),
            "part": _(
                "The reset gate is {value}: the candidates use {share} of this unit's previous hidden state, {hidden_prev}."
            ),
            "none": _(
                "The reset gate is {value}: the candidates use nothing of this unit's previous hidden state, {hidden_prev}."
            ),
        },
        "update_gate": {
            "all": _("The update gate is {value}: the previous hidden state, {hidden_prev}, stays."),
            "part": _(
                "The update gate is {value}: it keeps {share} of the previous hidden state, {hidden_prev}, and takes {rest} "
                "of the candidate, {candidate}."
            ),
            "none": _(
                "The update gate is {value}: the candidate, {candidate}, replaces the previous hidden state, {hidden_prev}."
            ),
        },
        "candidate": {
            "value": _(
                "The candidate is {value}: with the update gate at {update_gate}, {added} is added to the hidden state."
            )
        },
        "hidden": {
            "sum": _("The hidden state changes from {hidden_prev} to {value}: {kept} is kept and {added} is added."),
            "value": _("The hidden state changes from {hidden_prev} to {value}."),
        },
    }


def _rnn() -> dict[str, Cases]:
    return {
        "preactivation": {
            "value": _("The sum is {value}: {x} from the input and {h} from the previous hidden state."),
        },
        "hidden": {"value": _("The hidden state is {value}: {function} of the sum, {preactivation}.")},
    }
