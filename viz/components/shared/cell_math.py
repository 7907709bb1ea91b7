"""What the components that explain one unit share: the names of its quantities, and what each is for."""

from viz.i18n import _
from viz.quantity_names import quantity_names


def names() -> dict[str, str]:
    """The full name of every quantity of the cells and of what enters them, by its name in a trace."""
    return {
        **quantity_names(),
        "cell_prev": _("cell state of the step before"),
        "hidden_prev": _("hidden state of the step before"),
        "input": _("input"),
    }


def meanings() -> dict[str, dict[str, str]]:
    """What each quantity does, in one line: kind of cell -> quantity -> sentence."""
    inputs = _("what enters at this step; every unit reads the whole vector")
    before = _("what the step before handed on; every unit reads the whole vector")
    return {
        "LSTM": {
            "input_gate": _("how much of the candidate is written into the cell state"),
            "forget_gate": _("how much of the old cell state is kept: 1 keeps all, 0 forgets all"),
            "candidate": _("what is proposed to be written, between −1 and 1"),
            "any_candidate": _("what is proposed to be written"),
            "output_gate": _("how much of the cell state is let out as the hidden state"),
            "cell": _("the memory: what was kept plus what was written"),
            "hidden": _("what the unit tells the next step and the layer above"),
            "cell_prev": _("the memory that the step before left"),
            "hidden_prev": before,
            "input": inputs,
        },
        "GRU": {
            "reset_gate": _("how much of the past the candidate may use"),
            "update_gate": _("how much of the old hidden state is kept; 1 minus it is how much is new"),
            "candidate": _("what is proposed as the new hidden state, between −1 and 1"),
            "any_candidate": _("what is proposed as the new hidden state"),
            "hidden": _("a mixture of the old hidden state and the candidate"),
            "hidden_prev": before,
            "input": inputs,
        },
        "RNN": {
            "preactivation": _("the sum of the input part and the recurrent part"),
            "hidden": _("the preactivation after its nonlinearity; also what the next step reads"),
            "hidden_prev": before,
            "input": inputs,
        },
    }
