"""Fixed and slow points of a layer in the principal plane of its states, with trajectories (Sussillo and Barak 2013)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import CURVES, QUANTITY, Theme, faint_colour
from viz.escape import escape_plotly
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, apply_style
from viz.i18n import _

SYMBOLS = {"stable": "circle", "saddle": "diamond", "unstable": "square", "marginal": "triangle-up"}
"""Of each kind of point, so that it is not read by its colour alone; slow points are open."""

DIRECTION_SHARE = 0.12
"""The length of the slowest direction that is drawn at a point, as a share of the width of the trajectories."""


@cached_figure
def fixed_point_plane(
    trajectories: Sequence[np.ndarray],
    own: np.ndarray,
    labels: Sequence[str],
    points: np.ndarray,
    *,
    directions: np.ndarray,
    stability: Sequence[str],
    fixed: np.ndarray,
    notes: Sequence[str],
    explained: np.ndarray,
    theme: Theme = "light",
) -> go.Figure:
    """Draw trajectories of a corpus and of one text, and the points.

    Args:
        trajectories: (T, 2) each, of texts of the corpus.
        own: (T, 2), of the reader's text.
        labels: (T), its tokens.
        points: (K, 2).
        directions: (K, 2), the projected direction of each point's largest eigenvalue, of length 1 before the projection.
        stability: of each point ``"stable"``, ``"saddle"``, ``"unstable"`` or ``"marginal"``.
        fixed: (K) bool; the others are slow points.
        notes: of each point, on hover.
        explained: (2), the share of the variance along each axis.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    gap = np.full((1, 2), np.nan)
    joined = np.concatenate([part for each in trajectories for part in (each, gap)]) if trajectories else gap
    grey = faint_colour(FOREGROUND[theme], 0.25)
    figure.add_scatter(
        x=joined[:, 0], y=joined[:, 1], mode="lines", line={"color": grey, "width": 0.8}, hoverinfo="skip",
        name=_("texts of the corpus"),
    )  # fmt: skip
    colour = QUANTITY["hidden"][theme]
    figure.add_scatter(
        x=own[:, 0],
        y=own[:, 1],
        mode="lines+markers",
        line={"color": colour, "width": 1.8},
        marker={"size": 5, "color": colour},
        text=[f"{step} “{escape_plotly(label)}”" for step, label in enumerate(labels, start=1)],
        hovertemplate="%{text}<extra></extra>",
        name=_("this text"),
    )
    if len(points):
        reach = DIRECTION_SHARE * float(np.ptp(np.concatenate([joined[~np.isnan(joined[:, 0])], own]), axis=0).max())
        ends = np.stack([points - reach * directions, points + reach * directions, np.full_like(points, np.nan)], 1)
        figure.add_scatter(
            x=ends[:, :, 0].ravel(), y=ends[:, :, 1].ravel(), mode="lines", hoverinfo="skip",
            line={"color": CURVES[1][theme], "width": 1.5}, name=_("direction of the largest eigenvalue"),
        )  # fmt: skip
    titles = {
        "stable": _("stable"), "saddle": _("saddle"), "unstable": _("unstable"), "marginal": _("marginal"),
    }  # fmt: skip
    for kind, symbol in SYMBOLS.items():
        for is_fixed in (True, False):
            rows = [row for row, each in enumerate(stability) if each == kind and bool(fixed[row]) == is_fixed]
            if not rows:
                continue
            form = _("fixed point, {kind}") if is_fixed else _("slow point, {kind}")
            figure.add_scatter(
                x=points[rows, 0],
                y=points[rows, 1],
                mode="markers",
                marker={
                    "symbol": symbol if is_fixed else f"{symbol}-open",
                    "size": 13,
                    "color": CURVES[1][theme],
                    "line": {"width": 2, "color": CURVES[1][theme]},
                },
                text=[notes[row] for row in rows],
                hovertemplate="%{text}<extra></extra>",
                name=form.format(kind=titles[kind]),
            )
    for number, axis in enumerate((figure.update_xaxes, figure.update_yaxes), start=1):
        share = float(explained[number - 1])
        axis(title_text=_("principal component {n} ({share:.0%} of the variance)").format(n=number, share=share))
    return apply_style(figure, theme, height=520).update_layout(hovermode="closest", showlegend=True)
