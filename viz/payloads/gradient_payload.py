"""All gradients of a layer as the bytes that the browser draws as a map."""

from collections.abc import Sequence

import numpy as np

from models.core.trace import LayerTrace
from models.gradients.path_split import PathMap
from viz.payloads.binary_payload import pack

MOST_ROWS = 240
"""Losses that a picture can show."""


def rows_shown(steps: int) -> list[int]:
    """The steps whose losses are followed: all of them, or evenly spaced ones, the last always among them."""
    if steps <= MOST_ROWS:
        return list(range(steps))
    return [int(step) for step in np.linspace(0, steps - 1, MOST_ROWS).round()]


def gradient_payload(
    view_id: str,
    layer: LayerTrace,
    norms: np.ndarray,
    paths: PathMap | None,
    rows: Sequence[int],
    labels: Sequence[str],
    stacked: bool,
) -> bytes:
    """The payload of the map.

    In it a step is the state's (k), and a unit is the place of the loss among ``rows``.

    Args:
        view_id: the store that it is for.
        layer: whose states they are.
        norms: (R, T), of d l_t / d h_k.
        paths: its split, (1, R, T) each; None in an RNN, which has no line to split off.
        rows: the R steps of the losses.
        labels: T strings, one a step.
        stacked: whether further layers lie above or below, through which a gradient can go too.
    """
    arrays = {}
    if paths is not None:
        arrays = {"carried": paths.total[0].T, "straight": paths.carry_path[0].T, "other": paths.other_paths[0].T}
    return pack(
        view_id,
        layer=layer.name,
        kind=layer.kind,
        gates={},
        states={"hidden": norms.T},
        arrays=arrays,
        tokens=labels,
        options={"rows": list(rows), "reverse": layer.reverse, "stacked": stacked},
    )
