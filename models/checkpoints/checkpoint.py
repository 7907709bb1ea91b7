"""A checkpoint that has been opened: its recurrent layers as ``LayerWeights``, the other tensors by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from models.cells import Kind
from models.checkpoints.contents import CheckpointError, Contents, FoundLayer, Lazy, Stored
from models.weights import LayerWeights


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What is in a checkpoint. Numbers are read when they are looked at.

    Attributes:
        format: of the file, such as ``"PyTorch"`` or ``"safetensors"``.
        found: how each layer was found: its kind, shapes, how certain it is and what was assumed, by name.
        stored: shape and type of every other tensor, by name.
        provenance: what the file says of itself.
    """

    format: str
    found: Mapping[str, FoundLayer]
    stored: Mapping[str, Stored]
    provenance: Mapping[str, str]

    @classmethod
    def of(cls, contents: Contents, found: Mapping[str, FoundLayer]) -> Checkpoint:
        """The checkpoint with ``found`` among its ``contents``."""
        used = {name for layer in found.values() for name in layer.sources}
        others = {name: stored for name, stored in contents.tensors.items() if name not in used}
        return cls(contents.format, found, others, contents.provenance)

    @cached_property
    def layers(self) -> Mapping[str, LayerWeights]:
        """Every recurrent layer in every direction, in PyTorch's gate order, by name: ``"rnn.l0_reverse"``."""
        return Lazy(tuple(self.found), lambda name: weights_of(name, self.found[name]))

    @cached_property
    def tensors(self) -> Mapping[str, np.ndarray]:
        """The other tensors by name, read-only; float16 and bfloat16 as float32."""
        return Lazy(tuple(self.stored), lambda name: self.stored[name].read())

    def corrected(self, layer: str, **options: Any) -> Checkpoint:
        """The same checkpoint with options of one layer as the reader knows them, such as ``nonlinearity="relu"``.

        Raises:
            KeyError: there is no such layer.
        """
        known = self.found[layer]
        assumed = tuple(name for name in known.assumed if name not in options)
        changed = replace(known, options={**known.options, **options}, assumed=assumed)
        return replace(self, found={**self.found, layer: changed})

    def __repr__(self) -> str:
        return f"<Checkpoint, {self.format}: {', '.join(self.found) or 'no recurrent layers'}>"


def weights_of(name: str, found: FoundLayer) -> LayerWeights:
    """Read one layer.

    Raises:
        CheckpointError: its parts do not fit each other after all.
    """
    kind: Kind = found.kind  # type: ignore[assignment]
    arrays: dict[str, Any] = {part: stored.read() for part, stored in found.parts.items()}
    if len({values.dtype for values in arrays.values()}) > 1:
        widest = np.result_type(*arrays.values())
        arrays = {part: values.astype(widest) for part, values in arrays.items()}
    try:
        return LayerWeights(kind, **arrays, **found.options)
    except ValueError as error:
        raise CheckpointError("The tensors of {layer} do not fit each other.", layer=name) from error
