"""A quantity by time step over the training: the gradient of each state, or the saturation of a gate."""

import numpy as np
import plotly.graph_objects as go

from models.runs.open_run import StepMap
from viz.colours import NOT_FINITE, Theme, plotly_scale, unit_scale
from viz.figures.figure_cache import cached_figure
from viz.figures.log_norm_axis import power_text
from viz.figures.style import FOREGROUND, apply_style
from viz.i18n import _

MAX_COLUMNS, MAX_POSITIONS = 320, 256
"""Rows of the map that are drawn, as columns of the picture, and time steps."""

FIRST_GATE = {"LSTM": "forget_gate", "GRU": "update_gate", "RNN": "preactivation"}
"""The gate whose map is drawn at first, by the kind of cell."""

MAX_DECADES = 12.0
"""Powers of ten that the colours of a logarithmic map show below its largest value."""


@cached_figure
def training_map(
    values: StepMap, *, title: str, log: bool, marked: int | None = None, theme: Theme = "light"
) -> go.Figure:
    """Draw a map: training steps across, time steps up, the value as a colour; NaN and infinity have their own.

    Where the run has more recorded training steps than the picture has columns, every second, third, … is drawn, never an
    average, and always the newest and the first with a NaN or infinity.

    Args:
        values: of the run.
        title: of the colours.
        log: whether the colours are logarithmic (norms); otherwise they are shares from 0 to 1.
        marked: a training step that is marked by a vertical line.
        theme: "light" or "dark".
    """
    broken = not_finite(values)
    rows = drawn_rows(values, broken)
    steps = values.steps[rows]
    shown, broken = values.values[rows].T.astype(np.float32), broken[rows].T  # as recorded, and half of float64 to send
    shown[~np.isfinite(shown)] = np.nan
    middles = values.positions + 1 + (values.width - 1) / 2
    figure = go.Figure()
    place = _("training step {step} · time step {position}").format(step="%{x:,}", position="%{y:.0f}")
    if log:
        colours, bar = _log_colours(shown)
        form = "%{customdata:.3~g}"
    else:
        colours, bar = shown, {"zmin": 0.0, "zmax": 1.0, "colorbar": {"tickformat": ".0%"}}
        form = "%{z:.1%}"
    bar["colorbar"] |= {"title": {"text": title, "side": "right"}, "thickness": 12, "tickfont": {"size": 12}}
    figure.add_heatmap(
        x=steps,
        y=middles,
        z=colours,
        customdata=shown if log else None,
        colorscale=plotly_scale(unit_scale(theme)),
        hovertemplate=f"{place} · {form}<extra></extra>",
        hoverongaps=False,
        **bar,
    )
    if broken.any():
        figure.add_heatmap(
            x=steps,
            y=middles,
            z=np.where(broken, 1.0, np.nan),
            colorscale=[[0, NOT_FINITE[theme]], [1, NOT_FINITE[theme]]],
            showscale=False,
            hovertemplate=f"{place} · {_('NaN or ∞')}<extra></extra>",
            hoverongaps=False,
        )
    if marked is not None:
        figure.add_vline(x=marked, line={"width": 1.5, "dash": "dot", "color": FOREGROUND[theme]})
    figure.update_xaxes(title_text=_("training step"), tickformat=",d", showgrid=False, nticks=7)
    figure.update_yaxes(title_text=_("time step"), showgrid=False, tickformat=",d", automargin=True, title_standoff=8)
    figure = apply_style(figure, theme, height=380)
    return figure.update_layout(hovermode="closest", uirevision="training", margin={"t": 16, "r": 8})


def not_finite(values: StepMap) -> np.ndarray:
    """Return where a map has NaN or infinity at a time step that exists, (N, P) bool."""
    return (values.positions[None, :] < values.lengths[:, None]) & ~np.isfinite(values.values)


def drawn_rows(values: StepMap, broken: np.ndarray, most: int = MAX_COLUMNS) -> list[int]:
    """Return the indices of at most about ``most`` rows to draw; ``broken`` (N, P) is where a value is NaN or infinite."""
    count = len(values.steps)
    every = max(1, -(-count // most))
    rows = set(range(0, count, every)) | ({count - 1} if count else set())
    first = np.flatnonzero(broken.any(1))
    return sorted(rows | set(first[:1].tolist()))


def _log_colours(shown: np.ndarray) -> tuple[np.ndarray, dict]:
    """Return the powers of ten of positive values (exact zeros get the lowest colour), and the settings of their scale."""
    positive = shown[np.isfinite(shown) & (shown > 0)]
    high = float(np.log10(positive.max())) if len(positive) else 0.0
    low = max(float(np.log10(positive.min())) if len(positive) else -1.0, high - MAX_DECADES)
    high = max(high, low + 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = np.maximum(np.log10(shown), np.float32(low))
    pitch = max(1, int(np.ceil((high - low) / 7)))
    ticks = [power for power in range(int(np.floor(low)), int(np.ceil(high)) + 1, pitch) if low <= power <= high]
    texts = list(map(power_text, ticks))
    if len(ticks) < 2:
        ticks, texts = [low, high], [f"{10**low:.2g}", f"{10**high:.2g}"]  # type: ignore[list-item]
    return powers, {"zmin": low, "zmax": high, "colorbar": {"tickvals": ticks, "ticktext": texts}}
