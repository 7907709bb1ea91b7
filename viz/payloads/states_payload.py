"""What the States lens sends to the browser: a whole layer where it is small, else an excerpt with a picture of all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.core.trace import LayerTrace
from models.networks.forward_run import Reading
from viz.edit_text import fixed_spans
from viz.payloads.binary_payload import pack
from viz.payloads.excerpt import Excerpt, fits, size
from viz.payloads.heatmap_image import Picture, excerpted


def whole(reading: Reading, name: str) -> bool:
    """Whether every gate and state of the layer travels."""
    return fits(size(reading.trace.layers[name], reading.row), reading.labels_of(name))


def states_payload(view_id: str, reading: Reading, name: str) -> bytes:
    """The payload of the layer ``name``."""
    layer = reading.trace.layers[name]
    steps = slice(0, int(layer.lengths[reading.row]))
    numbers = {quantity: layer[quantity][reading.row, steps] for quantity in layer.quantities}
    return _pack(view_id, reading, layer, numbers, reading.labels_of(name))


def states_excerpt(view_id: str, reading: Reading, name: str, excerpt: Excerpt, picture: Picture) -> bytes:
    """What travels of a layer that is too large to travel whole."""
    return _pack(view_id, reading, reading.trace.layers[name], **excerpted(reading, name, excerpt, picture, near=False))


def _pack(
    view_id: str,
    reading: Reading,
    layer: LayerTrace,
    numbers: Mapping[str, np.ndarray | None],
    labels: Sequence[str],
    **more: Any,
) -> bytes:
    cell = layer.weights.cell
    return pack(
        view_id,
        layer=layer.name,
        kind=layer.kind,
        gates={gate: numbers[gate] for gate in cell.gates},
        states={state: numbers[state] for state in cell.states},
        tokens=labels,
        options={"reverse": layer.reverse, "valves": cell.valves, "held": fixed_spans(reading, layer.name)},
        **more,
    )
