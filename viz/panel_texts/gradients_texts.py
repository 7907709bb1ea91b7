"""Titles and captions of the panels of the Gradients lens."""

from viz.i18n import _
from viz.panel_texts import PanelText


def gradient_norms_text() -> PanelText:
    """Return the text of the gradient norms at each time step."""
    return PanelText(
        _("1 · Gradient norm at each time step (backpropagation through time)"),
        _(
            "Moving away from the loss, does the gradient norm fall (vanishing gradient), rise (exploding "
            "gradient) or stay constant? On the log axis a straight line means exponential decay or growth."
        ),
    )


def gradient_map_text() -> PanelText:
    """Return the text of the map of all losses and all states."""
    return PanelText(
        _("2 · Gradient map: which loss reaches which time step?"),
        _(
            "Each row is one loss. Which rows stay strong far from the diagonal? From those losses the network "
            "can learn long-term dependencies."
        ),
    )


def gradient_map_rows(unit: int | None) -> str:
    """Return what a row of the map is: the loss of the prediction, or the value of ``unit``."""
    if unit is None:
        return _("Each row: the loss l of the prediction after time step t")
    return _("Each row: l = hidden state of unit {unit} at time step t").format(unit=unit)
