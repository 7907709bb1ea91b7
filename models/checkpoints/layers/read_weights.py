"""Read a found layer's tensors as ``LayerWeights``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from models.checkpoints.parsing.contents import FoundLayer, StoredTensor
from models.checkpoints.parsing.errors import CheckpointError
from models.core.cells import MULTIPLICATIVE_NAMES, Kind
from models.core.weights import LayerWeights


def read_layer_weights(name: str, found: FoundLayer) -> LayerWeights:
    """Load the weights of one layer.

    Raises:
        CheckpointError: the shapes of its tensors do not match.
    """
    kind: Kind = found.kind  # type: ignore[assignment]
    arrays: dict[str, Any] = {part: stored.read() for part, stored in found.parts.items()}
    if len({values.dtype for values in arrays.values()}) > 1:
        widest = np.result_type(*arrays.values())
        arrays = {part: values.astype(widest) for part, values in arrays.items()}
    try:
        return LayerWeights(kind, **arrays, **found.options)
    except ValueError as error:
        raise CheckpointError(
            "The tensors of {layer} do not fit together. Save the network again.", layer=name
        ) from error


def reorder_gates(found: FoundLayer, blocks: list[int]) -> dict[str, StoredTensor]:
    """Return the layer's tensors with their blocks of rows in another order."""

    def reader(stored: StoredTensor) -> StoredTensor:
        def read() -> np.ndarray:
            pieces = np.split(stored.read(), len(blocks))
            return np.concatenate([pieces[block] for block in blocks])

        return replace(stored, read=read)

    without_blocks = ("weight_hr", "weight_ch", "gain_c", "shift_c", *MULTIPLICATIVE_NAMES)
    return {part: stored if part in without_blocks else reader(stored) for part, stored in found.parts.items()}
