"""The heatmap of gradients: the norm of d loss_t / d hidden_k for every pair of steps t and k."""

from collections.abc import Mapping
from typing import Any

from viz.colours import palette
from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _

GRADIENT_HEATMAP = Component("gradient_heatmap", ("raster",))


def gradient_heatmap(view_id: str, *, view: Mapping[str, int | None], key: str) -> None:
    """Mount the heatmap in the store `view_id` (`viz.payloads.gradient_payload`), and beside it the chosen pair of steps.

    Args:
        view_id: the store that `trace_loader` loaded.
        view: the pair to show, "step" (k) and "unit" (the row of the loss), with the "revision" it belongs to.
        key: of the component in the page.
    """
    mount(GRADIENT_HEATMAP, gradient_heatmap_data(view_id, view=view), key=key)


def gradient_heatmap_data(view_id: str, *, view: Mapping[str, int | None]) -> dict[str, Any]:
    """Return the data of the heatmap; arguments as of `gradient_heatmap`."""
    return {"view_id": view_id, "view": dict(view), "palette": palette(), "words": _words()}


def _words() -> dict[str, str]:
    return {
        "across": _("state at time step k"),
        "down": _("loss at time step t"),
        "loss_at": _("loss at step {step}, input token '{token}'"),
        "state_at": _("state at step {step}, input token '{token}'"),
        "keys": _(
            "Gradient map. Left and right arrow keys change the time step of the state, up and down that of the loss."
        ),
        "explain": _("Click a cell to see that pair. Hatched cells: no path leads there, or the gradient is 0."),
        "thinned": _("{shown} of {steps} losses are shown."),
        "save": _("Save as PNG"),
        "not_finite": _("NaN or ∞"),
        "whole": _("‖∂l/∂h‖ of this pair"),
        "unreachable": _(
            "The loss at time step {loss} does not depend on the state at time step {state}, which is computed later."
        ),
        "vanished": _(
            "Exactly 0: the gradient is too small for floating point (underflow), or every path is cut by a "
            "derivative of 0 or a fixed value."
        ),
        "cut": _(
            "Exactly 0: a fixed value on the path lets no gradient through, or the gradient is too small (underflow)."
        ),
        "nonfinite_states": _(
            "States of this run are NaN or infinite, so this gradient is not valid. A 0 does not mean that it decayed."
        ),
        "broken": _("The gradient is not finite (infinite or NaN)."),
        "same": _("Same time step: the gradient comes directly from the loss, with no recurrent Jacobian in between."),
        "factor": _("On average the gradient norm is multiplied by {factor} per time step of backpropagation."),
        "states": _("s: the full recurrent state, i.e. h (for an LSTM also c) of every layer."),
        "split": _("Gradient by path"),
        "straight_cell": _("cell state path: × f_t only"),
        "straight_hidden": _("hidden state path: × z_t only"),
        "other": _("all other paths (through gates and weights)"),
        "together": _("total"),
        "path_cell": _("cell state path"),
        "path_hidden": _("hidden state path"),
        "sum": _(
            "Vectors drawn to scale: {path} + all other paths = total. The part along the {path} is {share} × as long as "
            "the total."
        ),
        "no_line": _(
            "A vanilla RNN has no direct path such as the cell state of an LSTM: every gradient path goes through W_hh."
        ),
        "no_line_norm": _(
            "A layer norm follows the forget gate here, and it mixes all units: no path goes through the cell state alone."
        ),
        "carried_cell": _("Gradient with respect to the cell state, ∂l/∂c"),
        "carried_hidden": _("Gradient with respect to the hidden state, ∂l/∂h"),
    }
