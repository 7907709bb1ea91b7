"""Relative change of each weight block of a layer between two checkpoints."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from models.checkpoints.health.compare_checkpoints import BlockChange
from viz.colours import Theme, quantity_colour
from viz.figures.figure_cache import cached_figure
from viz.figures.style import apply_style
from viz.i18n import _
from viz.quantity_names import quantity_names


@cached_figure
def weights_moved(moved: Sequence[BlockChange], *, theme: Theme = "light") -> go.Figure:
    """Draw a bar for each array and gate: the norm of the change relative to the norm before.

    Args:
        moved: changes of one layer; a relative change that is not finite has no bar.
        theme: "light" or "dark".
    """
    figure, names = go.Figure(), quantity_names()
    parts = list(dict.fromkeys(each.part for each in moved))
    # For translators: {cosine} and {largest} are filled by the browser.
    hover = _("relative change {share} · cosine similarity {cosine} · largest single change {largest}").format(
        share="%{y:.2%}", cosine="%{customdata[0]:.4f}", largest="%{customdata[1]:.3g}"
    )
    for gate in dict.fromkeys(each.gate for each in moved):
        own = {each.part: each for each in moved if each.gate == gate}
        figure.add_bar(
            x=parts,
            y=[own[part].relative if part in own and np.isfinite(own[part].relative) else None for part in parts],
            name=names[gate] if gate else "weight_hr",
            marker={"color": quantity_colour(gate or "hidden", theme)},
            customdata=[[own[part].cosine, own[part].largest] if part in own else [None, None] for part in parts],
            hovertemplate=hover,
        )
    figure.update_yaxes(title_text=_("relative change, ‖Δ‖ / ‖before‖"), tickformat=".0%", rangemode="tozero")
    return apply_style(figure, theme, height=340).update_layout(barmode="group", hovermode="closest")
