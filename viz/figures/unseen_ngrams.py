"""The share of n-grams of held-out text that were never counted, by their length."""

from collections.abc import Sequence

import plotly.graph_objects as go

from viz.colours import BEFORE_AFTER, Theme
from viz.figures.figure_cache import cached_figure
from viz.figures.style import apply_style
from viz.i18n import _


@cached_figure
def unseen_ngrams(shares: Sequence[float], *, marked: int | None = None, theme: Theme = "light") -> go.Figure:
    """Draw a bar for each length n, with its share written above it.

    Args:
        shares: of n = 1, 2, ...
        marked: the length whose bar has another colour; None for none.
        theme: "light" or "dark".
    """
    usual, other = (colours[theme] for colours in BEFORE_AFTER)
    lengths = list(range(1, len(shares) + 1))
    figure = go.Figure()
    figure.add_bar(
        x=lengths,
        y=list(shares),
        marker={"color": [other if length == marked else usual for length in lengths]},
        text=[f"{share:.0%}" for share in shares],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="n = %{x}: %{y:.1%}<extra></extra>",
    )
    figure.update_xaxes(title_text=_("n (words of an n-gram)"), tickvals=lengths)
    figure.update_yaxes(title_text=_("never counted"), range=[0, 1.08], tickformat=".0%")
    return apply_style(figure, theme, height=300).update_layout(hovermode="closest", bargap=0.45)
