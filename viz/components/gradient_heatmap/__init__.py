"""The map of all gradients: how strongly the loss at each step moves the state at each earlier one."""

from viz.colours import palette
from viz.components import define
from viz.i18n import _


def gradient_map(view_id: str, *, view: dict[str, int | None], key: str) -> None:
    """Mount the map that the store `view_id` holds (`viz.payloads.gradient_payload`), and beside it the pair that is picked in it.

    Args:
        view_id: the store that `sequence` loaded.
        view: the pair to show, "step" (k) and "unit" (the row of the loss), with the "revision" it belongs to.
        key: of the component in the page.
    """
    define("gradient_heatmap", "raster", "gradient_pair")(
        key=key,
        data={"component": "gradient_map", "view_id": view_id, "view": view, "palette": palette(), "words": _words()},
    )


def _words() -> dict[str, str]:
    return {
        "across": _("state at step k"),
        "down": _("loss at step t"),
        "loss_at": _("loss at step {step}, token '{token}'"),
        "state_at": _("state at step {step}, token '{token}'"),
        "keys": _("Gradient map. The arrow keys change the pair: left and right the state, up and down the loss."),
        "explain": _("Click a cell for that pair. Hatched: no path leads there, or nothing is left."),
        "thinned": _("{shown} of {steps} losses are shown."),
        "save": _("Save as PNG"),
        "whole": _("‖∂l/∂h‖ of this pair"),
        "unreachable": _("The loss at step {loss} does not depend on the state at step {state}: it comes later."),
        "vanished": _("Exactly 0 in these numbers: the gradient has faded below what they can hold."),
        "broken": _("Not a finite number."),
        "same": _("The loss reads this state itself: the product is empty."),
        "factor": _("Each step multiplies the length by {factor} on average."),
        "states": _("s is all that a step hands on: h, in an LSTM also c, in a stack those of every layer."),
        "split": _("By which way does it come?"),
        "straight": _("straight along the cell line"),
        "other": _("every other way, through the weights"),
        "together": _("both together"),
        "sum": _(
            "As arrows, drawn to scale: the two add up to the whole. The straight part is {share} × as long as the whole."
        ),
        "no_line": _("A simple RNN has no cell line: every way goes through W_hh."),
        "carried_cell": _("Gradients by the cell state c"),
        "carried_hidden": _("Gradients by the hidden state h"),
    }
