"""The path of the states in their principal plane."""

from models.states.pca import Plane, outermost
from viz.colours import palette
from viz.components import as_text, define
from viz.i18n import _

OUTLINE = 1000
"""Of a run that is too long for all of its states to be drawn: blocks of steps, each with its outermost states."""


def path(view_id: str, plane: Plane, *, page: tuple[int, int], key: str) -> None:
    """Mount the path of the T states of the trace in the store `view_id`; a marker stands at the current step.

    Args:
        view_id: the store that `sequence` loaded.
        plane: where each of its states lies.
        page: the steps whose exact places travel of a run that is too long for all to; of the others, the outermost.
        key: of the component in the page.
    """
    steps = outermost(plane.points, page, OUTLINE)
    define("state_trajectory")(
        key=key,
        data={
            "component": "path",
            "view_id": view_id,
            "points": as_text(plane.points[steps]),
            "steps": None if len(steps) == len(plane.points) else steps.tolist(),
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
