"""Word vectors in the plane of their two principal components."""

from collections.abc import Collection, Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import BEFORE_AFTER, Theme
from viz.escape import escape_plotly
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, apply_style
from viz.i18n import _

ROOM = (0.075, 0.04)
"""The room of a label, as shares of the width and the height of the points."""


@cached_figure
def word_plane(
    words: Sequence[str],
    places: np.ndarray,
    *,
    marked: Collection[str] = (),
    chosen: tuple[str, np.ndarray] | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw a point for each word; where labels would overlap, the later words have theirs on hover only.

    Args:
        words: N words.
        places: (N, 2).
        marked: words whose points have another colour, such as the nearest neighbours of ``chosen``.
        chosen: a word and its place, drawn as a star; it need not be among ``words``. None for none.
        theme: "light" or "dark".
    """
    usual, other = (colours[theme] for colours in BEFORE_AFTER)
    figure = go.Figure()
    star = chosen[0] if chosen is not None else None
    labelled = _labelled(words, places, marked, chosen)
    groups = (
        (False, _("words"), usual, 6),
        (True, _("nearest neighbours"), other, 9),
    )
    for is_marked, name, colour, size in groups:
        rows = [row for row, word in enumerate(words) if (word in marked) == is_marked and word != star]
        figure.add_scatter(
            x=places[rows, 0],
            y=places[rows, 1],
            text=[escape_plotly(words[row]) if row in labelled else "" for row in rows],
            hovertext=[escape_plotly(words[row]) for row in rows],
            name=name,
            mode="markers+text",
            textposition="top center",
            textfont={"size": 13 if is_marked else 11, "color": colour if is_marked else FOREGROUND[theme]},
            marker={"color": colour, "size": size},
            hovertemplate="%{hovertext}: %{x:.3f}, %{y:.3f}<extra></extra>",
        )
    if chosen is not None:
        figure.add_scatter(
            x=[chosen[1][0]],
            y=[chosen[1][1]],
            text=[escape_plotly(chosen[0])],
            name=_("chosen word"),
            mode="markers+text",
            textposition="bottom center",
            textfont={"size": 15, "color": other},
            marker={"color": other, "size": 15, "symbol": "star"},
            hovertemplate="%{text}: %{x:.3f}, %{y:.3f}<extra></extra>",
        )
    figure.update_xaxes(title_text=_("principal component {n}").format(n=1))
    figure.update_yaxes(title_text=_("principal component {n}").format(n=2))
    return apply_style(figure, theme, height=520).update_layout(hovermode="closest", showlegend=True)


def _labelled(
    words: Sequence[str], places: np.ndarray, marked: Collection[str], chosen: tuple[str, np.ndarray] | None
) -> set[int]:
    """Return the rows whose labels have room: marked words first, then in the order of the words."""
    span = np.maximum(np.ptp(places, axis=0), 1e-9) * ROOM
    taken = [] if chosen is None else [chosen[1] - (0, span[1])]  # its label is below it
    found = set()
    for row in sorted(range(len(words)), key=lambda each: words[each] not in marked):
        if all((np.abs(places[row] - other) > span).any() for other in taken):
            found.add(row)
            taken.append(places[row])
    return found
