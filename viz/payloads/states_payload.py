"""The payload of the States page: a whole layer if it is small, else an excerpt with an image of all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.core.trace import LayerTrace
from models.networks.forward_run import ForwardRun
from viz.edit_text import fixed_spans
from viz.payloads.binary_payload import pack
from viz.payloads.cell_description import gate_names
from viz.payloads.custom_description import quantity_options
from viz.payloads.excerpt import Excerpt, fits_whole, states_bytes
from viz.payloads.heatmap_image import HeatmapImage, excerpt_parts


def states_fit(run: ForwardRun, name: str) -> bool:
    """Return whether all gates and states of the layer are sent."""
    return fits_whole(states_bytes(run.trace.layers[name], run.row), run.labels_of(name))


def states_payload(view_id: str, run: ForwardRun, name: str) -> bytes:
    """Return the payload of the layer ``name``."""
    layer = run.trace.layers[name]
    steps = slice(0, int(layer.lengths[run.row]))
    numbers = {quantity: layer[quantity][run.row, steps] for quantity in layer.quantities}
    return _pack(view_id, run, layer, numbers, run.labels_of(name))


def states_excerpt(view_id: str, run: ForwardRun, name: str, excerpt: Excerpt, image: HeatmapImage) -> bytes:
    """Return the payload of a layer that is too large to be sent as a whole."""
    return _pack(view_id, run, run.trace.layers[name], **excerpt_parts(run, name, excerpt, image, near=False))


def _pack(
    view_id: str,
    run: ForwardRun,
    layer: LayerTrace,
    numbers: Mapping[str, np.ndarray | None],
    labels: Sequence[str],
    **more: Any,
) -> bytes:
    cell = layer.cell_equations
    return pack(
        view_id,
        layer=layer.name,
        kind=layer.kind,
        gates={gate: numbers[gate] for gate in gate_names(cell)},
        states={state: numbers[state] for state in cell.states},
        tokens=labels,
        options={"reverse": layer.reverse, **quantity_options(cell), "fixed": fixed_spans(run, layer.name)},
        **more,
    )
