"""The path of the states in their principal plane."""

import numpy as np

from models.plane import Plane
from viz.colours import palette
from viz.components import define
from viz.i18n import _


def path(view_id: str, plane: Plane, *, key: str) -> None:
    """Mount the path of the T states of the trace in the store `view_id`; a marker stands at the current step.

    Args:
        view_id: the store that `sequence` loaded.
        plane: where each of its states lies.
        key: of the component in the page.
    """
    largest = float(np.abs(plane.points).max(initial=0)) or 1.0
    digits = 5 - int(np.floor(np.log10(largest)))
    define("path")(
        key=key,
        data={
            "component": "path",
            "view_id": view_id,
            "points": [[round(float(x), digits), round(float(y), digits)] for x, y in plane.points],
            "explained": [f"{100 * share:.0f}%" for share in plane.explained],
            "palette": palette(),
            "words": _words(),
        },
        height="content",
    )


def _words() -> dict[str, str]:
    return {
        "label": _("The path of the hidden state in its principal plane"),
        "axis": _("direction {n}: {share} of the variance"),
        "told": _("Step {step}, token '{token}': ({x}, {y})"),
        "step_token": _("step {step}, token '{token}'"),
        "save": _("Save as PNG"),
    }
