"""Lyapunov exponents of a run: the growth rates of small differences."""

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme, quantity_colour
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, apply_style
from viz.i18n import _


@cached_figure
def lyapunov(exponents: np.ndarray, *, theme: Theme = "light") -> go.Figure:
    """Draw the exponents (N), largest first, per step in natural units; differences grow above the line at 0."""
    figure = go.Figure()
    shown = np.where(np.isfinite(exponents), exponents, np.nan)
    figure.add_scatter(
        x=list(range(1, len(shown) + 1)),
        y=[None if np.isnan(value) else float(value) for value in shown],
        customdata=np.exp(shown).tolist(),
        mode="markers",
        marker={"color": quantity_colour("output_gate", theme), "size": 6},
        hovertemplate="%{y:.4f} · × %{customdata:.3~g} " + _("per time step"),
        showlegend=False,
    )
    figure.add_hline(y=0, line={"color": FOREGROUND[theme], "width": 1, "dash": "dash"})
    figure.update_xaxes(title_text=_("direction, largest exponent first"))
    figure.update_yaxes(title_text=_("Lyapunov exponent"))
    return apply_style(figure, theme, height=300)
