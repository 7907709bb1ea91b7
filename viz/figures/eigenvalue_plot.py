"""The eigenvalues of a layer's recurrent blocks in the complex plane, with the unit circle."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from viz.colours import Theme, quantity_colour
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, GRID, apply_style
from viz.i18n import _
from viz.quantity_names import quantity_names

UNIT_CIRCLE = np.exp(1j * np.linspace(0, 2 * np.pi, 181))


@cached_figure
def eigenvalue_plot(eigenvalues: Mapping[str, np.ndarray], *, theme: Theme = "light") -> go.Figure:
    """Draw a complex plane for each gate, all on one scale, with the spectral radius in its title.

    Args:
        eigenvalues: gate -> eigenvalues of its recurrent block, complex, (H).
        theme: "light" or "dark".
    """
    names = quantity_names()
    titles = [_title(names[gate], values) for gate, values in eigenvalues.items()]
    figure = make_subplots(rows=1, cols=len(eigenvalues), subplot_titles=titles, horizontal_spacing=0.04)
    finite = [values[np.isfinite(values)] for values in eigenvalues.values()]
    most = 1.12 * max([1.0, *(float(np.abs(values).max()) for values in finite if len(values))])
    for column, (gate, values) in enumerate(zip(eigenvalues, finite, strict=True), start=1):
        figure.add_scatter(
            x=UNIT_CIRCLE.real, y=UNIT_CIRCLE.imag, mode="lines", line={"color": FOREGROUND[theme], "width": 1.5},
            hoverinfo="skip", showlegend=False, row=1, col=column,
        )  # fmt: skip
        figure.add_scatter(
            x=values.real,
            y=values.imag,
            mode="markers",
            name=names[gate],
            showlegend=False,
            marker={"color": quantity_colour(gate, theme), "size": 7, "opacity": 0.7},
            customdata=np.abs(values),
            hovertemplate="%{x:.4g} %{y:+.4g} i · |λ| = %{customdata:.4g}",
            row=1,
            col=column,
        )
        figure.update_xaxes(row=1, col=column, title_text=_("real part") if column == 1 else None)
    for axis in (figure.update_xaxes, figure.update_yaxes):
        axis(range=[-most, most], zeroline=True, zerolinecolor=GRID[theme], nticks=5)
    figure.update_yaxes(showticklabels=False)
    figure.update_yaxes(showticklabels=True, title_text=_("imaginary part"), col=1)
    for column in range(1, len(eigenvalues) + 1):
        figure.update_yaxes(scaleanchor=f"x{column if column > 1 else ''}", constrain="domain", col=column)
        figure.update_xaxes(constrain="domain", col=column)
    return apply_style(figure, theme, height=360).update_layout(hovermode="closest")


def _title(name: str, values: np.ndarray) -> str:
    radius = float(np.abs(values).max()) if len(values) else 0.0
    return f"{name} · ρ = {radius:.3g}" if np.isfinite(radius) else _("{gate} · not finite").format(gate=name)
