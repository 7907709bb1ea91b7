"""The contents of an opened checkpoint: its recurrent layers as ``LayerWeights``, the other tensors by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from models.checkpoints.layers.activation_names import require_supported
from models.checkpoints.layers.read_weights import read_layer_weights, reorder_gates
from models.checkpoints.parsing.contents import Contents, FoundLayer, LazyMapping, MatrixUse, StoredTensor
from models.checkpoints.parsing.errors import CheckpointError
from models.core.cells import Kind
from models.core.weights import LayerWeights

if TYPE_CHECKING:
    from models.checkpoints.graphs.graph_module import GraphModule

T = TypeVar("T")


def loaded(mapping: Mapping[str, T]) -> list[T]:
    """Return the values of a lazy mapping that have been accessed."""
    return list(mapping.loaded.values()) if isinstance(mapping, LazyMapping) else list(mapping.values())


def _own_bytes(array: np.ndarray) -> int:
    base: Any = array
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    return array.nbytes if isinstance(base, np.ndarray) else 0


@dataclass(frozen=True, eq=False)
class CheckpointData:
    """The contents of a checkpoint. Tensors are loaded lazily, on first access.

    Attributes:
        format: the file's format, such as ``"PyTorch"`` or ``"safetensors"``.
        found: the recurrent layers by name, not loaded: kind, shapes, certainty and what was assumed.
        stored: shape and dtype of every other tensor, by name.
        provenance: the file's own metadata, such as its producer, version or epoch.
        vocabularies: lists of symbols in the order of their ids, by their path in the file.
        graph: builds the network that the file states as a graph, or raises ``CheckpointError``; None where it states none.
        matrix_uses: the uses of each matrix in that graph, by name; None where only names can say what a matrix is for.
        opaque: the classes and functions that a pickle names and that are neither imported nor called.
        unapplied: settings of the cells that the file states and that are not applied.
        predicts: what the network predicts, if the file states it.
    """

    format: str
    found: Mapping[str, FoundLayer]
    stored: Mapping[str, StoredTensor]
    provenance: Mapping[str, str]
    vocabularies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    graph: Callable[[], GraphModule] | None = None
    matrix_uses: Mapping[str, tuple[MatrixUse, ...]] | None = None
    opaque: tuple[str, ...] = ()
    unapplied: tuple[str, ...] = ()
    predicts: str | None = None

    @classmethod
    def from_contents(cls, contents: Contents, found: Mapping[str, FoundLayer]) -> Self:
        """Return the checkpoint of a file's ``contents`` whose recurrent layers are ``found``."""
        used = {name for layer in found.values() for name in layer.sources}
        others = {name: stored for name, stored in contents.tensors.items() if name not in used}
        return cls(
            contents.format,
            found,
            others,
            contents.provenance,
            contents.vocabularies,
            contents.graph,
            contents.matrix_uses,
            contents.opaque,
            contents.unapplied,
            contents.predicts,
        )

    @cached_property
    def layers(self) -> Mapping[str, LayerWeights]:
        """Every recurrent layer in every direction, in PyTorch's gate order, by name: ``"rnn.l0_reverse"``."""
        return LazyMapping(tuple(self.found), lambda name: read_layer_weights(name, self.found[name]))

    @cached_property
    def tensors(self) -> Mapping[str, np.ndarray]:
        """All other tensors by name, read-only; float16 and bfloat16 as float32."""
        return LazyMapping(tuple(self.stored), lambda name: self.stored[name].read())

    @property
    def decoded_bytes(self) -> int:
        """The bytes of memory that the tensors decoded so far take, without those that are views of the file."""
        arrays = [array for layer in loaded(self.layers) for array in layer.arrays().values()]
        return sum(map(_own_bytes, [*arrays, *loaded(self.tensors)]))

    def corrected(self, layer: str, *, kind: Kind | None = None, order: Sequence[str] = (), **options: Any) -> Self:
        """Return the same checkpoint with what was assumed of one layer corrected or confirmed.

        Args:
            layer: the layer's name.
            kind: another kind for the same tensors.
            order: the gates in the order of their blocks in the file, where that is not PyTorch's.
            options: options of ``LayerWeights``, such as ``nonlinearity="relu"``, ``recurrent_activation="hard_sigmoid"``
                or ``reset_after=False``; an assumed value passed here counts as confirmed.

        Raises:
            KeyError: there is no layer of that name.
            CheckpointError: the tensors are not of that kind, the order does not name each gate once, or an activation is
                not supported.
        """
        known = self.found[layer]
        given = {*options, *(("kind",) if kind else ()), *(("order",) if order else ())}
        for option in {"nonlinearity", "activation", "recurrent_activation"} & set(options):
            require_supported(layer, str(options[option]))
        changed = replace(
            known,
            kind=kind or known.kind,
            options={**known.options, **options},
            assumed=tuple(name for name in known.assumed if name not in given),
        )
        gates = read_layer_weights(layer, changed).cell.gates
        if order:
            if sorted(order) != sorted(gates):
                raise CheckpointError(
                    "The gate order of {layer} must list each gate exactly once: {gates}.",
                    layer=layer,
                    gates=", ".join(gates),
                )
            before = known.order or gates
            blocks = [gates.index(before[list(order).index(gate)]) for gate in gates]
            changed = replace(changed, parts=reorder_gates(changed, blocks), order=tuple(order))
        return replace(self, found={**self.found, layer: changed})

    def __repr__(self) -> str:
        return f"<Checkpoint, {self.format}: {', '.join(self.found) or 'no recurrent layers'}>"
