"""A recurrent layer folded, as one cell with a loop, and unrolled, as a row of cells that pass the hidden state on."""

from typing import Any

import numpy as np

from models.layer_calls.call_run import CallRun, DirectionStates
from viz.colours import NOT_FINITE, Theme, signed_scale
from viz.components import Component, float32_text
from viz.components.streamlit_host import mount
from viz.i18n import _

FOLDED_NETWORK = Component("folded_network")

MAX_CELLS, MAX_DRAWN_UNITS = 12, 6
"""Time steps and units that are drawn."""


def folded_network(run: CallRun, layer: DirectionStates, *, row: int, theme: Theme, key: str) -> None:
    """Mount the drawing of one level of a call in one direction, for sequence ``row``."""
    mount(FOLDED_NETWORK, folded_network_data(run, layer, row=row, theme=theme), key=key)


def folded_network_data(run: CallRun, layer: DirectionStates, *, row: int, theme: Theme) -> dict[str, Any]:
    """Return the data of the drawing, its cells in the order of computation; arguments as of `folded_network`."""
    start, stop = run.spans[row]
    hidden, labels = layer.states["hidden"][row, start:stop], run.given.labels(row, run.call)[start:stop]
    steps = list(range(1, stop - start + 1))
    if layer.backwards:
        hidden, labels, steps = hidden[::-1], labels[::-1], steps[::-1]
    before = steps[0] + 1 if layer.backwards else 0
    states = np.concatenate([np.zeros_like(hidden[:1]), hidden])[: MAX_CELLS + 1, :MAX_DRAWN_UNITS]
    is_text = run.call.source == "text"
    return {
        "view_id": "folded",
        "theme": theme,
        "colours": list(signed_scale(theme)),
        "not_finite": NOT_FINITE[theme],
        "cell": run.call.cell,
        "inputs": [label or _("padding") if is_text else "" for label in labels[:MAX_CELLS]],
        "input": "y" if layer.level else "x",
        "steps": [before, *steps[:MAX_CELLS]],
        "states": float32_text(states),
        "units": states.shape[1],
        "words": {
            "unroll": _("Unroll"),
            "fold": _("Fold"),
            "label": _("The layer unrolled over its time steps, or folded into one cell with a loop"),
        },
    }
