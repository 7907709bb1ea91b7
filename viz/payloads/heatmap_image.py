"""A picture of every gate and state of a layer at once, in blocks, each with its mean, lowest and highest value.

A window that is small enough is exact: every block is one number (``models.states.downsample``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.core.trace import LayerTrace
from models.networks.forward_run import Reading
from models.states.downsample import DownsampledWindow, downsample
from viz.payloads.excerpt import Excerpt, columns_of, cut, described, largest

PICTURE = 600_000
"""Bytes of a picture."""


@dataclass(frozen=True)
class Window:
    """A part of a heatmap: steps, and places in the order of the units; each from (included) to (not included)."""

    steps: tuple[int, int]
    places: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Picture:
    """Every gate and state of a layer in blocks.

    Attributes:
        arrays: "detail_mean:QUANTITY" (t, h), and "low", "high" where a block is more than one number; the edges of the
            blocks, "steps" (t + 1) and "places" (h + 1), and the "units" in the order drawn.
        most: by signed quantity, the largest magnitude of all of its numbers.
    """

    arrays: dict[str, np.ndarray]
    most: dict[str, float]


def picture_of(
    layer: LayerTrace, row: int = 0, window: Window | None = None, order: np.ndarray | None = None
) -> Picture:
    """Every gate and state in at most ``PICTURE`` bytes of blocks; exact where the window is small enough.

    Args:
        layer: what ran.
        row: which sequence of the batch.
        window: the part to show; None for all.
        order: (H), the units in the order in which they are drawn; None for their own.
    """
    steps, cell = int(layer.lengths[row]), layer.weights.cell
    room = PICTURE // len(layer.quantities)
    arrays: dict[str, np.ndarray] = {}
    most: dict[str, float] = {}
    for quantity in layer.quantities:
        values = layer[quantity][row, :steps]
        seen = _blocks(values, window, order, room)
        parts = {"mean": seen.mean} if seen.exact else {"mean": seen.mean, "low": seen.low, "high": seen.high}
        parts |= {"steps": seen.step_edges, "places": seen.unit_edges, "units": seen.units}
        arrays |= {f"detail_{part}:{quantity}": array for part, array in parts.items()}
        if quantity not in cell.valves:
            most[quantity] = largest(values)
    return Picture(arrays, most)


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


def excerpted(reading: Reading, name: str, excerpt: Excerpt, picture: Picture, *, near: bool) -> dict[str, Any]:
    """What stands for a layer that is too large to travel whole: its quantities without numbers, an excerpt, the picture.

    ``near``: whether the numbers near the step come after it.
    """
    layer, row = reading.trace.layers[name], reading.row
    return {
        "numbers": dict.fromkeys(layer.quantities),
        "labels": [cut(label) for label in reading.labels_of(name)[excerpt.page.slice]],
        "arrays": columns_of(layer, row, excerpt) | picture.arrays,
        "excerpt": described(layer, row, excerpt, reading.serial, near=near) | {"most": picture.most},
    }
