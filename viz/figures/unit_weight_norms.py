"""Norms of each unit's incoming and outgoing weights: units without an effect are at the edges."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme, kind_colour
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, apply_style
from viz.i18n import _

SYMBOLS = ("x", "diamond", "square", "triangle-up", "star")

MAX_NAMED = 4
"""Units at the same point that are listed in its label."""


@cached_figure
def unit_weight_norms(
    incoming: np.ndarray,
    outgoing: np.ndarray,
    kind: str,
    marked: Mapping[str, Sequence[int]],
    *,
    theme: Theme = "light",
) -> go.Figure:
    """Draw a dot for each unit: x is the norm of its incoming weights, y that of its outgoing weights.

    Args:
        incoming: (H), 0 for a unit without incoming weights.
        outgoing: (H), 0 for a unit that nothing depends on.
        kind: the cell type.
        marked: name of a group -> units that are drawn with their own symbol.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    # For translators: the numbers are filled by the browser.
    hover = _("unit {unit}: incoming {reads}, outgoing {read}").format(
        unit="%{customdata}", reads="%{x:.3g}", read="%{y:.3g}"
    )
    taken = {unit for units in marked.values() for unit in units}
    groups = [(_("units"), [unit for unit in range(len(incoming)) if unit not in taken], "circle")]
    groups += [(name, list(units), mark) for (name, units), mark in zip(marked.items(), SYMBOLS, strict=False) if units]
    for name, units, mark in groups:
        plain = mark == "circle"
        colour = kind_colour(kind, theme) if plain else FOREGROUND[theme]
        figure.add_scatter(
            x=incoming[units], y=outgoing[units], mode="markers" if plain else "markers+text", name=name, customdata=units,
            text=None if plain else _labels(units, incoming, outgoing), hovertemplate=hover,
            textposition=["top left" if incoming[unit] > 0.8 * incoming.max() else "top right" for unit in units],
            marker={"color": colour, "symbol": mark, "size": 7 if plain else 11, "opacity": 0.65 if plain else 1},
        )  # fmt: skip
    for axis, values, title in (
        (figure.update_xaxes, incoming, _("norm of the incoming weights")),
        (figure.update_yaxes, outgoing, _("norm of the outgoing weights")),
    ):
        most = float(values[np.isfinite(values)].max(initial=0)) or 1.0
        axis(range=[-0.05 * most, 1.1 * most], title_text=title)
    return apply_style(figure, theme, height=460).update_layout(hovermode="closest")


def _labels(units: Sequence[int], incoming: np.ndarray, outgoing: np.ndarray) -> list[str]:
    """Return the text beside each unit; of units at the same point the first lists all."""
    places: dict[tuple[str, str], list[int]] = {}
    for unit in units:
        places.setdefault((f"{incoming[unit]:.3g}", f"{outgoing[unit]:.3g}"), []).append(unit)
    texts = {
        at[0]: ", ".join(map(str, at[:MAX_NAMED])) + (" …" if len(at) > MAX_NAMED else "") for at in places.values()
    }
    return [texts.get(unit, "") for unit in units]
