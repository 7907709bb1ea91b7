"""The cell diagram: one unit of a cell at one step, with its value on every wire."""

from typing import Any

from viz.colours import palette
from viz.components import Component
from viz.components.shared.cell_math import meanings, names
from viz.components.streamlit_host import mount
from viz.i18n import _

CELL_DIAGRAM = Component("cell_diagram", ("cell_math", "swipe"))


def cell_diagram(*, view_id: str = "step", key: str = "cell_diagram") -> None:
    """Draw the textbook diagram of the cell of the view's layer, with the chosen unit's values on its wires.

    The trace comes from the view's store (`viz.components.trace_loader`). A wire's width follows the magnitude of its
    value, a gate's opening its value. Clicking a part chooses its quantity for the whole view.
    """
    mount(CELL_DIAGRAM, cell_diagram_data(view_id), key=key)


def cell_diagram_data(view_id: str) -> dict[str, Any]:
    """Return the data of the diagram."""
    return {"view_id": view_id, "palette": palette(), "words": _words()}


def _words() -> dict[str, object]:
    return {
        "names": names(),
        "meanings": meanings(),
        "titles": {
            "LSTM": _("Diagram of an LSTM cell"),
            "GRU": _("Diagram of a GRU cell"),
            "RNN": _("Diagram of an RNN cell"),
        },
        "descriptions": {
            "LSTM": _(
                "The cell state runs straight through: it is multiplied by the forget gate, then input gate × candidate "
                "is added. The hidden state is the output gate times {activation} of the cell state."
            ),
            "LSTM_peepholes": _(
                "The cell state runs straight through: it is multiplied by the forget gate, then input gate × candidate "
                "is added. The hidden state is the output gate times {activation} of the cell state. Peepholes lead the "
                "previous cell state to the input and the forget gate, and the new cell state to the output gate."
            ),
            "GRU": _(
                "The hidden state runs straight through: it is multiplied by the update gate z, then (1 − z) × candidate "
                "is added (some textbooks swap z and 1 − z). The reset gate multiplies the recurrent part of the candidate "
                "(W_hn h + b_hn)."
            ),
            "GRU_reset_before": _(
                "The hidden state runs straight through: it is multiplied by the update gate z, then (1 − z) × candidate "
                "is added (some textbooks swap z and 1 − z). The reset gate multiplies the previous hidden state before "
                "W_hn (Cho et al. 2014)."
            ),
            "coupled": _("The forget gate is 1 minus the input gate."),
            "multiplicative": _(
                "The intermediate state m is the product of W_mx x and W_mh h, unit by unit. The gates and the candidate "
                "receive it in place of the previous hidden state."
            ),
            "norm": _(
                "LN marks a layer norm: of the products of all gates with the input, and of those with the hidden state."
            ),
            "cell_norm": _("The sum is normalized before it becomes the cell state."),
            "own": _(
                "A box for each gate and state, in the order of computation. A dot on a line shows that the equation "
                "uses that value."
            ),
            "RNN": _(
                "The input part and the recurrent part are added; the activation function of the sum gives the hidden "
                "state."
            ),
        },
        "hint": _(
            "Line width shows magnitude; how far a gate is open shows its value. Select a part for an explanation."
        ),
        "hint_own": _("Line width shows magnitude. Select a part to see its value alone."),
        "save": _("SVG"),
        "save_long": _("Download the diagram as SVG"),
    }
