"""Every head of a Transformer as a small attention map; a click chooses one."""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from viz.colours import palette
from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _

ATTENTION_HEADS = Component("attention_heads", ("raster",))

MAX_PIXELS = 72
"""Rows and columns of a small map; where there are more positions, a pixel shows the largest of its weights."""

Layers = Mapping[str, Sequence[tuple[str, np.ndarray]]]
"""Kind ("source", "written", "cross") -> (module name, weights (heads, T queries, T keys)) of each layer."""


def attention_heads(
    view_id: str,
    found: Layers,
    *,
    picked: tuple[str, int],
    revision: int,
    key: str,
    on_picked_change: Callable[[], None],
) -> None:
    """Mount the small maps.

    Args:
        view_id: the store of the view.
        found: the attention weights of each layer.
        picked: module name and head that are marked as chosen.
        revision: of the view; part of the report.
        key: of the component in the page.
        on_picked_change: called when one is chosen; the component's state then has "picked", {"name", "head", "revision"}.
    """
    data = attention_heads_data(view_id, found, picked=picked, revision=revision)
    mount(ATTENTION_HEADS, data, key=key, on={"picked": on_picked_change})


def attention_heads_data(view_id: str, found: Layers, *, picked: tuple[str, int], revision: int) -> dict[str, Any]:
    """Return the data of the small maps; arguments as of `attention_heads`."""
    groups = [
        {
            "kind": kind,
            "heads": [
                {"kind": kind, "name": name, "layer": layer, "head": head, "title": name, **_downsampled(weights[head])}
                for layer, (name, weights) in enumerate(layers)
                for head in range(len(weights))
            ],
        }
        for kind, layers in found.items()
    ]
    return {
        "view_id": view_id,
        "groups": groups,
        "picked": {"name": picked[0], "head": picked[1]},
        "view": {"revision": revision},
        "palette": palette(),
        "words": _words(),
    }


def _downsampled(weights: np.ndarray) -> dict[str, Any]:
    """Return weights (T, T') as levels 0..255, row by row, at most ``MAX_PIXELS`` each way: the maximum of each block."""
    for axis in (0, 1):
        count = weights.shape[axis]
        if count > MAX_PIXELS:
            starts = np.arange(MAX_PIXELS) * count // MAX_PIXELS
            weights = np.maximum.reduceat(weights, starts, axis=axis)
    levels = np.rint(np.where(np.isnan(weights), 0, weights) * 255).clip(0, 255).astype(np.uint8)
    missing = np.flatnonzero(np.isnan(weights)).tolist()  # drawn in a colour of their own
    return {"shape": list(levels.shape), "levels": base64.b64encode(levels.tobytes()).decode(), "nan": missing}


def _words() -> dict[str, Any]:
    return {
        "place": _("layer {layer}, head {head}"),
        "layer": _("layer {layer}"),
        "head": _("head {head}"),
        "kinds": {
            "source": _("Encoder self-attention"),
            "written": _("Masked self-attention (decoder)"),
            "cross": _("Cross-attention (decoder to encoder)"),
        },
        "meanings": {
            "source": _("Each source token (row) attends to all source tokens (columns), in parallel."),
            "written": _(
                "Each position (row) attends only to itself and earlier positions (columns); later positions are "
                "masked."
            ),
            "cross": _("Each output time step (row) attends to the source tokens (columns)."),
        },
    }
