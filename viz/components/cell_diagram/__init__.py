"""The wiring diagram: one unit of a cell at one step, with its number on every wire."""

from viz.colours import palette
from viz.components import define
from viz.components.shared.cell_math import meanings, names
from viz.i18n import _


def wiring(*, view_id: str = "step", key: str = "wiring") -> None:
    """Draw the cell of the view's layer as textbooks do, with the chosen unit's values live on its wires.

    The trace comes from the view's store (`viz.components.trace_loader`). Wires are as thick as their numbers are large,
    gates as open as they are. Clicking a part chooses its quantity for the whole view.
    """
    define("cell_diagram", "cell_math", "diagram_strokes")(
        key=key,
        data={"component": "wiring", "view_id": view_id, "palette": palette(), "words": words()},
        height="content",
    )


def words() -> dict[str, object]:
    """The strings of the diagram, in the language in force."""
    return {
        "names": names(),
        "meanings": meanings(),
        "titles": {
            "LSTM": _("Wiring diagram of an LSTM cell"),
            "GRU": _("Wiring diagram of a GRU cell"),
            "RNN": _("Wiring diagram of an RNN cell"),
        },
        "descriptions": {
            "LSTM": _(
                "The cell state runs along the top: the forget gate multiplies it, then input gate times candidate is added. "
                "The hidden state is the output gate times {activation} of the cell state."
            ),
            "GRU": _(
                "The hidden state runs along the top: the update gate multiplies it, then the candidate times one minus the "
                "update gate is added. The reset gate multiplies the recurrent part of the candidate."
            ),
            "RNN": _(
                "The input part and the recurrent part are added; a nonlinearity makes the hidden state of the sum."
            ),
        },
        "hint": _(
            "Wires are as thick as their numbers are large; gates are as open as they are. Point at a part to read it."
        ),
        "save": _("SVG"),
        "save_long": _("Download the diagram as SVG"),
    }
