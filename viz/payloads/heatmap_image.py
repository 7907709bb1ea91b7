"""An image of all gates and states of a layer in blocks, each with its mean, minimum and maximum.

A window that is small enough is exact: every block is one value (``models.states.downsample``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.core.trace import LayerTrace
from models.networks.forward_run import ForwardRun
from models.states.downsample import DownsampledWindow, downsample
from viz.payloads.excerpt import Excerpt, describe_excerpt, excerpt_columns, max_magnitude, shorten_token

MAX_IMAGE_BYTES = 600_000
"""Bytes of an image."""


@dataclass(frozen=True)
class Window:
    """A part of a heatmap: steps, and positions in the order of the units; each as the first and the one after the last."""

    steps: tuple[int, int]
    places: tuple[int, int]


@dataclass(frozen=True, eq=False)
class HeatmapImage:
    """All gates and states of a layer in blocks.

    Attributes:
        arrays: "detail_mean:QUANTITY" (t, h), and "low", "high" if a block is more than one value; the edges of the
            blocks, "steps" (t + 1) and "places" (h + 1), and the "units" in the order drawn.
        most: by signed quantity, the largest magnitude of its values.
    """

    arrays: dict[str, np.ndarray]
    most: dict[str, float]


def heatmap_image(
    layer: LayerTrace, row: int = 0, window: Window | None = None, order: np.ndarray | None = None
) -> HeatmapImage:
    """Return all gates and states in at most ``MAX_IMAGE_BYTES`` bytes of blocks; exact if the window is small enough.

    Args:
        layer: the forward run.
        row: which sequence of the batch.
        window: the part to show; None for all.
        order: (H), the units in the order in which they are drawn; None for their own.
    """
    steps = int(layer.lengths[row])
    room = MAX_IMAGE_BYTES // len(layer.quantities)
    arrays: dict[str, np.ndarray] = {}
    for quantity in layer.quantities:
        values = layer[quantity][row, :steps]
        blocks = _blocks(values, window, order, room)
        parts = {"mean": blocks.mean} if blocks.exact else {"mean": blocks.mean, "low": blocks.low, "high": blocks.high}
        parts |= {"steps": blocks.step_edges, "places": blocks.unit_edges, "units": blocks.units}
        arrays |= {f"detail_{part}:{quantity}": array for part, array in parts.items()}
    return HeatmapImage(arrays, no_image(layer, row).most)


def no_image(layer: LayerTrace, row: int = 0) -> HeatmapImage:
    """Return the largest magnitudes without an image, for a page that has no heatmap."""
    steps, signed = int(layer.lengths[row]), set(layer.quantities) - set(layer.cell_equations.zero_one_gates)
    return HeatmapImage(
        {}, {name: max_magnitude(layer[name][row, :steps]) for name in layer.quantities if name in signed}
    )


def _blocks(values: np.ndarray, window: Window | None, order: np.ndarray | None, room: int) -> DownsampledWindow:
    units = values.shape[1]
    if order is not None:  # a projected state has fewer units
        order = order[order < units]
    window = window or Window((0, len(values)), (0, units))
    steps, places = slice(*window.steps), slice(*window.places)
    if not range(*places.indices(units)):
        places = slice(None)
    shown = len(range(*steps.indices(len(values)))) * len(range(*places.indices(units)))
    cells = room // 4 if 4 * shown <= room else room // 12  # exact, or mean, lowest and highest
    return downsample(values, max(1, cells), steps, places, order)


def excerpt_parts(run: ForwardRun, name: str, excerpt: Excerpt, image: HeatmapImage, *, near: bool) -> dict[str, Any]:
    """Return what is sent of a layer that is too large: its quantities without values, an excerpt, and the image.

    ``near``: whether the values near the step are sent after it.
    """
    layer, row = run.trace.layers[name], run.row
    return {
        "numbers": dict.fromkeys(layer.quantities),
        "labels": [shorten_token(label) for label in run.labels_of(name)[excerpt.page.slice]],
        "arrays": excerpt_columns(layer, row, excerpt) | image.arrays,
        "excerpt": describe_excerpt(layer, row, excerpt, run.serial, near=near) | {"most": image.most},
    }
