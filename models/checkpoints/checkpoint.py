"""A checkpoint that has been opened: its recurrent layers as ``LayerWeights``, the other tensors by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from models.checkpoints.layers.activation_names import supported
from models.checkpoints.parsing.contents import CheckpointError, Contents, FoundLayer, Lazy, Stored
from models.core.cells import Kind
from models.core.weights import LayerWeights


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What is in a checkpoint. Numbers are read when they are looked at.

    Attributes:
        format: of the file, such as ``"PyTorch"`` or ``"safetensors"``.
        found: how each layer was found: its kind, shapes, how certain it is and what was assumed, by name.
        stored: shape and type of every other tensor, by name.
        provenance: what the file says of itself.
        vocabularies: lists of symbols in the order of their ids, by where they stand in the file.
    """

    format: str
    found: Mapping[str, FoundLayer]
    stored: Mapping[str, Stored]
    provenance: Mapping[str, str]
    vocabularies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, contents: Contents, found: Mapping[str, FoundLayer]) -> Checkpoint:
        """The checkpoint with ``found`` among its ``contents``."""
        used = {name for layer in found.values() for name in layer.sources}
        others = {name: stored for name, stored in contents.tensors.items() if name not in used}
        return cls(contents.format, found, others, contents.provenance, contents.vocabularies)

    @cached_property
    def layers(self) -> Mapping[str, LayerWeights]:
        """Every recurrent layer in every direction, in PyTorch's gate order, by name: ``"rnn.l0_reverse"``."""
        return Lazy(tuple(self.found), lambda name: weights_of(name, self.found[name]))

    @cached_property
    def tensors(self) -> Mapping[str, np.ndarray]:
        """The other tensors by name, read-only; float16 and bfloat16 as float32."""
        return Lazy(tuple(self.stored), lambda name: self.stored[name].read())

    def corrected(
        self, layer: str, *, kind: Kind | None = None, order: Sequence[str] = (), **options: Any
    ) -> Checkpoint:
        """The same checkpoint with one layer as the reader knows it.

        Args:
            layer: its name.
            kind: another kind for the same tensors.
            order: the gates in the order in which their blocks stand in the file, where that is not PyTorch's.
            options: of ``LayerWeights``, such as ``nonlinearity="relu"``, ``recurrent_activation="hard_sigmoid"`` or
                ``reset_after=False``; one that is as it was assumed confirms it.

        Raises:
            KeyError: there is no such layer.
            CheckpointError: its tensors are not of that kind, the order does not name its gates, or an activation is not
                supported.
        """
        known = self.found[layer]
        said = {*options, *(("kind",) if kind else ()), *(("order",) if order else ())}
        for option in {"nonlinearity", "activation", "recurrent_activation"} & set(options):
            supported(layer, str(options[option]))
        changed = replace(
            known,
            kind=kind or known.kind,
            options={**known.options, **options},
            assumed=tuple(name for name in known.assumed if name not in said),
        )
        gates = weights_of(layer, changed).cell.gates
        if order:
            if sorted(order) != sorted(gates):
                raise CheckpointError(
                    "The gates of {layer} are {gates}; the order has to name each once.",
                    layer=layer,
                    gates=", ".join(gates),
                )
            changed = replace(changed, parts=_reordered(changed, [list(order).index(gate) for gate in gates]))
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
        raise CheckpointError(
            "The tensors of {layer} do not fit each other; save the network again.", layer=name
        ) from error


def _reordered(found: FoundLayer, blocks: list[int]) -> dict[str, Stored]:
    """The parts with their blocks of rows in another order."""

    def reader(stored: Stored) -> Stored:
        def read() -> np.ndarray:
            pieces = np.split(stored.read(), len(blocks))
            return np.concatenate([pieces[block] for block in blocks])

        return replace(stored, read=read)

    return {part: stored if part == "weight_hr" else reader(stored) for part, stored in found.parts.items()}
