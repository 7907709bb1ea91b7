"""What the States lens sends to the browser: a whole layer where it is small, else as much of it as is to be seen.

Of a large layer two things travel: the exact numbers of some units (that which is chosen and its neighbours), and every
gate and state of all units as a picture of blocks, each with its mean, lowest and highest value (`models.detail`). A
window that is small enough is exact again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.detail import Detail, detail
from models.reading import Reading
from models.trace import LayerTrace
from viz.payload import pack

MOST = 2_000_000
"""Bytes that a view may send."""

WHOLE = 1_250_000
"""Bytes of gates and states up to which a layer travels whole."""

COLUMNS, PICTURE = 400_000, 600_000
"""Of a larger layer: bytes of single units, and of the picture of all."""


@dataclass(frozen=True)
class Window:
    """A part of a heatmap: steps, and places in the order of the units; each from (included) to (not included)."""

    steps: tuple[int, int]
    places: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Picture:
    """Every gate and state of a layer in blocks.

    Attributes:
        arrays: "detail_mean:QUANTITY" (t, h), and "low", "high" where a block is more than one number.
        places: by quantity, the edges of the blocks ("steps", "places") and the "units" in the order drawn.
        most: by signed quantity, the largest magnitude of all of its numbers.
    """

    arrays: dict[str, np.ndarray]
    places: dict[str, dict[str, list[int]]]
    most: dict[str, float]


def whole(layer: LayerTrace, row: int = 0) -> bool:
    """Whether every gate and state of the layer travels."""
    return size(layer, row) <= WHOLE


def size(layer: LayerTrace, row: int = 0) -> int:
    """Bytes of every gate and state of one sequence in float32."""
    return 4 * int(layer.lengths[row]) * sum(width(layer, name) for name in layer.quantities)


def width(layer: LayerTrace, quantity: str) -> int:
    """How many values a gate or state has at a step; a projected hidden state has fewer than the layer has units."""
    return layer.weights.output_size if quantity == "hidden" else layer.weights.hidden_size


def states_payload(view_id: str, reading: Reading, name: str, unit: int = 0, picture: Picture | None = None) -> bytes:
    """The payload of the layer ``name``.

    Args:
        view_id: the store that it is for.
        reading: what ran.
        name: the layer.
        unit: the unit that is looked at; it matters where the layer is too large to travel whole.
        picture: of such a layer (``picture_of``).
    """
    layer, row = reading.trace.layers[name], reading.row
    steps, cell = int(layer.lengths[row]), layer.weights.cell
    values = {quantity: layer[quantity][row, :steps] for quantity in layer.quantities}
    options: dict[str, object] = {"reverse": layer.reverse}
    if picture is not None:
        columns = band(layer.weights.hidden_size, unit, max(1, COLUMNS // (4 * steps * len(values))))
        options |= {
            "columns": columns,
            "units": layer.weights.hidden_size,
            "most": picture.most,
            "detail": picture.places,
        }
        values = {quantity: array[:, [k for k in columns if k < array.shape[1]]] for quantity, array in values.items()}
    return pack(
        view_id,
        layer=name,
        kind=layer.kind,
        gates={gate: values[gate] for gate in cell.gates},
        states={state: values[state] for state in cell.states},
        tokens=reading.labels_of(name),
        arrays={} if picture is None else dict(picture.arrays),
        options=options,
    )


def band(units: int, unit: int, room: int) -> list[int]:
    """The units that travel beside ``unit``, at most ``room``: the same ones for each of them, so that they travel once."""
    start = unit // room * room
    return list(range(start, min(start + room, units)))


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
    places: dict[str, dict[str, list[int]]] = {}
    most: dict[str, float] = {}
    for quantity in layer.quantities:
        values = layer[quantity][row, :steps]
        seen = _blocks(values, window, order, room)
        parts = {"mean": seen.mean} if seen.exact else {"mean": seen.mean, "low": seen.low, "high": seen.high}
        arrays |= {f"detail_{part}:{quantity}": array for part, array in parts.items()}
        places[quantity] = {
            "steps": seen.steps.tolist(),
            "places": seen.places.tolist(),
            "units": seen.units.tolist(),
        }
        if cell.ranges[quantity] != (0.0, 1.0):
            most[quantity] = largest(values)
    return Picture(arrays, places, most)


def largest(values: np.ndarray) -> float:
    """The largest magnitude among the finite numbers of ``values``; 0 where there are none."""
    low, high = values.min(initial=0), values.max(initial=0)
    if np.isfinite([low, high]).all():
        return float(max(-low, high))
    finite = values[np.isfinite(values)]
    return float(np.abs(finite).max(initial=0))


def _blocks(values: np.ndarray, window: Window | None, order: np.ndarray | None, room: int) -> Detail:
    units = values.shape[1]
    if order is not None:  # a projected state has fewer units
        order = order[order < units]
    window = window or Window((0, len(values)), (0, units))
    steps, places = slice(*window.steps), slice(*window.places)
    if not range(*places.indices(units)):
        places = slice(None)
    shown = len(range(*steps.indices(len(values)))) * len(range(*places.indices(units)))
    cells = room // 4 if 4 * shown <= room else room // 12  # exact, or mean, lowest and highest
    return detail(values, max(1, cells), steps, places, order)
