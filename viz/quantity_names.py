"""The displayed names of gates and states: one place for figures, components and pages."""

from functools import cache

from models.core.cells import Cell
from viz.i18n import _, language, use_language


def quantity_names() -> dict[str, str]:
    """Return the names of gates and states in the language of the page, by the name in the code."""
    return dict(_names(language()))


@cache
def _names(lang: str) -> dict[str, str]:
    with use_language(lang):
        return {
            "input_gate": _("input gate"),
            "forget_gate": _("forget gate"),
            "output_gate": _("output gate"),
            "candidate": _("candidate"),
            "reset_gate": _("reset gate"),
            "update_gate": _("update gate"),
            "preactivation": _("pre-activation"),
            "intermediate": _("intermediate state"),
            "cell": _("cell state"),
            "hidden": _("hidden state"),
        }


def no_valves(cell: Cell) -> str:
    """Return why the gates of a gated cell without `valves` are neither open nor closed."""
    return _(
        "This layer's gates use the activation function {activation}. Its values can fall outside 0 to 1, so "
        "closed (0) and open (1) are not defined for these gates."
    ).format(activation=cell.activations[cell.gates[0]].symbol)
