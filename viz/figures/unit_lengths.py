"""How strongly every unit reads, and how strongly it is read: units that do nothing lie at the edge."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme, kind_colour
from viz.figures.style import INK, finish
from viz.i18n import _

MARKS = ("x", "diamond", "square", "triangle-up", "star")

TOGETHER = 4
"""Units at one place that are named."""


def unit_lengths(
    reads: np.ndarray,
    read: np.ndarray,
    kind: str,
    marked: Mapping[str, Sequence[int]],
    *,
    theme: Theme = "light",
) -> go.Figure:
    """A dot for every unit: across the length of the weights by which it reads, up that of those that read it.

    Args:
        reads: (H), 0 where a unit reads nothing.
        read: (H), 0 where nothing reads it.
        kind: of the cell.
        marked: units to point out, by what they are called.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    # For translators: the numbers are filled by the browser.
    hover = _("unit {unit}: incoming {reads}, outgoing {read}").format(
        unit="%{customdata}", reads="%{x:.3g}", read="%{y:.3g}"
    )
    taken = {unit for units in marked.values() for unit in units}
    groups = [(_("units"), [unit for unit in range(len(reads)) if unit not in taken], "circle")]
    groups += [(name, list(units), mark) for (name, units), mark in zip(marked.items(), MARKS, strict=False) if units]
    for name, units, mark in groups:
        plain = mark == "circle"
        colour = kind_colour(kind, theme) if plain else INK[theme]
        figure.add_scatter(
            x=reads[units], y=read[units], mode="markers" if plain else "markers+text", name=name, customdata=units,
            text=None if plain else _labels(units, reads, read), hovertemplate=hover,
            textposition=["top left" if reads[unit] > 0.8 * reads.max() else "top right" for unit in units],
            marker={"color": colour, "symbol": mark, "size": 7 if plain else 11, "opacity": 0.65 if plain else 1},
        )  # fmt: skip
    for axis, values, title in (
        (figure.update_xaxes, reads, _("norm of the incoming weights")),
        (figure.update_yaxes, read, _("norm of the outgoing weights")),
    ):
        most = float(values[np.isfinite(values)].max(initial=0)) or 1.0
        axis(range=[-0.05 * most, 1.1 * most], title_text=title)
    return finish(figure, theme, height=460).update_layout(hovermode="closest")


def _labels(units: Sequence[int], reads: np.ndarray, read: np.ndarray) -> list[str]:
    """The number of each unit; of those at one place, the first tells all."""
    places: dict[tuple[str, str], list[int]] = {}
    for unit in units:
        places.setdefault((f"{reads[unit]:.3g}", f"{read[unit]:.3g}"), []).append(unit)
    told = {at[0]: ", ".join(map(str, at[:TOGETHER])) + (" …" if len(at) > TOGETHER else "") for at in places.values()}
    return [told.get(unit, "") for unit in units]
