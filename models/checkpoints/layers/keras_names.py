"""Recurrent layers of a file of tensors by Keras's names of them: ``kernel``, ``recurrent_kernel`` and ``bias``.

The file has no configuration, so that the activations are Keras's defaults, and said to be assumed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from models.checkpoints.layers.keras_cells import KernelGroup, are_kernels
from models.checkpoints.layers.keras_kernels import layer_from_kernels
from models.checkpoints.parsing.contents import FoundLayer, StoredTensor

RECURRENT_KERNEL = re.compile(r"(?P<cell>(?:.*[./])?)recurrent_kernel(?P<end>(?::0)?)", re.DOTALL)
DIRECTION = re.compile(r"(?:(?<=^)|(?<=[./]))(?P<direction>forward|backward)_")
"""What Keras puts before the name of each half of a bidirectional layer."""

KERAS = 3
"""Keras's major version, whose defaults are assumed."""


def find_keras_layers(tensors: Mapping[str, StoredTensor]) -> dict[str, FoundLayer]:
    """Return the layers whose tensors are called as Keras calls them, by name; those of other shapes are left out.

    Raises:
        CheckpointError: the bias of one does not fit its kernels.
    """
    found: dict[str, FoundLayer] = {}
    for match in filter(None, map(RECURRENT_KERNEL.fullmatch, tensors)):
        cell, end = match["cell"], match["end"]
        names = [f"{cell}{part}{end}" for part in ("kernel", "recurrent_kernel", "bias")]
        kernel, recurrent, bias = (tensors.get(name) for name in names)
        if kernel is None or recurrent is None or not are_kernels(kernel, recurrent):
            continue
        direction = DIRECTION.search(cell)
        path = DIRECTION.sub("", cell).strip("./").replace("/", ".")
        level = "l0_reverse" if direction is not None and direction["direction"] == "backward" else "l0"
        name = f"{path}.{level}" if path else level
        sources = tuple(name for name in names if name in tensors)
        group = KernelGroup(path, level, kernel, recurrent, bias, sources)
        found[name] = layer_from_kernels(name, group, None, has_config=True, version=KERAS)
    return found
