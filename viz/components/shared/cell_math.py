"""Names and one-line explanations of a cell's quantities, for the components that show one unit."""

from viz.i18n import _
from viz.quantity_names import quantity_names


def names() -> dict[str, str]:
    """Return the full name of every gate, state and input of the cells, by its name in a trace."""
    return {
        **quantity_names(),
        "cell_prev": _("previous cell state"),
        "hidden_prev": _("previous hidden state"),
        "input": _("input"),
    }


def meanings() -> dict[str, dict[str, str]]:
    """Return what each quantity does: kind of cell -> quantity -> one sentence."""
    inputs = _("input at this time step; every unit receives the whole vector")
    before = _("hidden state from the previous time step; every unit receives the whole vector")
    return {
        "LSTM": {
            "intermediate": _(
                "a product of two sums, one of the input and one of the previous hidden state; the gates receive the vector "
                "of all units in place of the previous hidden state"
            ),
            "input_gate": _("how much of the candidate is added to the cell state"),
            "forget_gate": _("how much of the previous cell state is kept: 1 keeps all of it, 0 erases it"),
            "candidate": _(
                "new information that may be added to the cell state, between −1 and 1; multiplied by the input gate"
            ),
            "any_candidate": _("new information that may be added to the cell state; multiplied by the input gate"),
            "output_gate": _("how much of the cell state is output as the hidden state"),
            "cell": _("long-term memory: forget gate × previous cell state + input gate × candidate"),
            "normed_cell": _(
                "long-term memory: the layer norm of forget gate × previous cell state + input gate × candidate"
            ),
            "hidden": _("output of the unit; passed to the next time step and to the layer above"),
            "cell_prev": _("long-term memory from the previous time step; multiplied by the forget gate"),
            "hidden_prev": before,
            "input": inputs,
        },
        "GRU": {
            "reset_gate": _("how much of the previous hidden state is used to compute the candidate"),
            "update_gate": _(
                "share z of the previous hidden state that is kept; the candidate gets the share 1 − z (some "
                "textbooks swap z and 1 − z)"
            ),
            "candidate": _("candidate for the new hidden state, between −1 and 1"),
            "any_candidate": _("candidate for the new hidden state"),
            "hidden": _("z × previous hidden state + (1 − z) × candidate, where z is the update gate"),
            "hidden_prev": before,
            "input": inputs,
        },
        "RNN": {
            "preactivation": _("weighted sum: input part + recurrent part, biases included"),
            "hidden": _("activation function of the pre-activation; passed to the next time step"),
            "hidden_prev": before,
            "input": inputs,
        },
    }
