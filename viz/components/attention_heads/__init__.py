"""The heads of a Transformer as small maps, to see them all and to pick one."""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from viz.colours import palette
from viz.components import define
from viz.i18n import _

MOST = 72
"""Rows and columns of a small map; where there are more positions, a pixel shows the largest of its weights."""


def heads(
    view_id: str,
    found: Mapping[str, Sequence[tuple[str, np.ndarray]]],
    *,
    picked: tuple[str, int],
    revision: int,
    key: str,
    on_picked_change: Callable[[], None],
) -> None:
    """Mount the small maps.

    Args:
        view_id: the store of the view.
        found: kind ("source", "written", "cross") -> (module name, weights (heads, T asking, T asked)) of each layer.
        picked: module name and head that are looked at.
        revision: of the view; comes back with what is picked.
        key: of the component in the page.
        on_picked_change: called when one is picked; the component's state then has "picked", {"name", "head", "revision"}.
    """
    groups = [
        {
            "kind": kind,
            "heads": [
                {"kind": kind, "name": name, "layer": layer, "head": head, "title": name, **_small(weights[head])}
                for layer, (name, weights) in enumerate(layers)
                for head in range(len(weights))
            ],
        }
        for kind, layers in found.items()
    ]
    define("attention_heads", "raster")(
        key=key,
        data={
            "component": "heads",
            "view_id": view_id,
            "groups": groups,
            "picked": {"name": picked[0], "head": picked[1]},
            "view": {"revision": revision},
            "palette": palette(),
            "words": _words(),
        },
        on_picked_change=on_picked_change,
        height="content",
    )


def _small(weights: np.ndarray) -> dict[str, Any]:
    """Weights (T, T') as levels 0..255, row by row, no larger than ``MOST`` each way."""
    for axis in (0, 1):
        count = weights.shape[axis]
        if count > MOST:
            starts = np.arange(MOST) * count // MOST
            weights = np.maximum.reduceat(weights, starts, axis=axis)
    levels = np.rint(np.nan_to_num(weights) * 255).clip(0, 255).astype(np.uint8)
    return {"shape": list(levels.shape), "levels": base64.b64encode(levels.tobytes()).decode()}


def _words() -> dict[str, Any]:
    return {
        "place": _("layer {layer}, head {head}"),
        "layer": _("layer {layer}"),
        "head": _("head {head}"),
        "kinds": {
            "source": _("The source reads itself"),
            "written": _("What is written reads itself"),
            "cross": _("What is written reads the source"),
        },
        "meanings": {
            "source": _("Every symbol of the source (rows) asks every other (columns), all at once."),
            "written": _("Each step asks the symbols written before it; the later half is masked."),
            "cross": _("Each step of the output (rows) asks the source (columns): this is what translates."),
        },
    }
