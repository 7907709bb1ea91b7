"""The trajectory of the hidden state in the plane of its first two principal components."""

from typing import Any

from models.states.pca import PrincipalPlane, thin_trajectory
from viz.colours import palette
from viz.components import Component, float32_text
from viz.components.streamlit_host import mount
from viz.i18n import _

STATE_TRAJECTORY = Component("state_trajectory")

BLOCKS = 1000
"""Blocks of steps of a run that is too long to draw all of its states; of each block, the outermost are drawn."""


def state_trajectory(view_id: str, plane: PrincipalPlane, *, page: tuple[int, int], key: str) -> None:
    """Mount the trajectory of the T states of the trace in the store `view_id`, with a marker at the current step.

    Args:
        view_id: the store that `trace_loader` loaded.
        plane: the coordinates of each state.
        page: the steps of which all coordinates are sent, of a run that is too long; of the others, the outermost.
        key: of the component in the page.
    """
    mount(STATE_TRAJECTORY, state_trajectory_data(view_id, plane, page=page), key=key)


def state_trajectory_data(view_id: str, plane: PrincipalPlane, *, page: tuple[int, int]) -> dict[str, Any]:
    """Return the data of the trajectory; arguments as of `state_trajectory`."""
    steps = thin_trajectory(plane.points, page, BLOCKS)
    return {
        "view_id": view_id,
        "points": float32_text(plane.points[steps]),
        "steps": None if len(steps) == len(plane.points) else steps.tolist(),
        "explained": [f"{100 * share:.0f}%" for share in plane.explained],
        "palette": palette(),
        "words": _words(),
    }


def _words() -> dict[str, str]:
    return {
        "label": _("Path of the hidden state in the plane of its first two principal components"),
        "axis": _("principal component {n}: {share} of the variance"),
        "readout": _("Step {step}, token '{token}': ({x}, {y})"),
        "step_token": _("step {step}, token '{token}'"),
        "save": _("Save as PNG"),
    }
