"""Titles and captions of the panels of the States lens."""

from models.states.pca import PrincipalPlane
from viz.i18n import _
from viz.panel_texts import PanelText


def units_over_time_text() -> PanelText:
    """Return the text of the heatmaps of all gates and states."""
    return PanelText(
        _("All units at all time steps"),
        _(
            "Rows are units, columns are time steps. Sort by similarity and look for bands of units that change "
            "together. Vertical edges mark time steps at which many units change."
        ),
    )


def colored_text_text() -> PanelText:
    """Return the text of the sequence colored by one unit."""
    return PanelText(
        _("Text colored by one unit"),
        _("Look for a color that stays constant over a span and changes where something in the text changes."),
    )


def trajectory_text() -> PanelText:
    """Return the text of the path of the hidden state."""
    return PanelText(
        _("Path of the hidden state (PCA)"),
        _(
            "Start playback: where does the path turn or loop? This is a 2-D projection, so points that "
            "look close may be far apart."
        ),
    )


def projection_note(plane: PrincipalPlane, units: int) -> str:
    """Return how many units are projected and what share of the variance the plane explains; "" for a single unit."""
    if plane.variance == 0:
        return _("The hidden state does not change in this sequence, so its path is a single point.")
    if units == 1:
        return ""
    return _(
        "The {units} units are projected onto two directions (principal component analysis, PCA), which "
        "explain {share} of the variance. Faint points are early time steps, strong ones late."
    ).format(units=units, share=f"{100 * plane.explained.sum():.0f}%")
