"""Curves over the training steps of a run, with the step that is shown marked in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from viz.colours import NOT_FINITE, THEMES
from viz.components import Component
from viz.figures.recorded_curves import RecordedCurve
from viz.i18n import _

TRAINING_CHART = Component("training_chart", shared=("svg_chart",))

Scale = Literal["linear", "log", "auto", "percent"]


@dataclass(frozen=True)
class TrainingPlot:
    """One plot.

    Attributes:
        title: of the vertical axis.
        curves: how each scalar is drawn.
        scale: "auto" is logarithmic if the values differ by a factor of more than 50; "percent" is from 0 to 1.
        bound: a value that is marked by a horizontal line, and its name.
    """

    title: str
    curves: Sequence[RecordedCurve]
    scale: Scale = "linear"
    bound: tuple[float, str] | None = None


def training_chart_data(view_id: str, plots: Sequence[TrainingPlot], *, name: str) -> dict[str, Any]:
    """Return the data of the plots, drawn side by side.

    Args:
        view_id: the store of a `viz.payloads.training_payload`.
        plots: the plots.
        name: of the SVG file that a reader saves.
    """
    return {
        "view_id": view_id,
        "name": name,
        "palette": {theme: {"not_finite": NOT_FINITE[theme]} for theme in THEMES},
        "plots": [
            {
                "title": plot.title,
                "scale": plot.scale,
                "bound": plot.bound,
                "curves": [
                    {"scalar": each.scalar, "title": each.title, "colours": dict(each.colours), "dash": each.dash,
                     "width": each.width}
                    for each in plot.curves
                ],
            }
            for plot in plots
        ],
        "words": {
            "training_step": _("training step"),
            "at": _("training step {token}"),
            "save": _("Save as SVG"),
        },
    }  # fmt: skip
