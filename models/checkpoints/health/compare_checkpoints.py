"""Compare two checkpoints of one network from different training steps: how much each block of weights changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.checkpoints.checkpoint_data import CheckpointData
from models.checkpoints.health.anomalies import CHUNK_SIZE
from models.checkpoints.parsing.contents import FoundLayer
from models.checkpoints.parsing.errors import CheckpointError


@dataclass(frozen=True)
class BlockChange:
    """The change of one block of weights from a to b.

    Attributes:
        name: the name of the layer or tensor.
        part: such as ``"weight_hh"``; "" for a tensor outside the layers.
        gate: the gate of the block, or None.
        size: the number of elements.
        relative: |b - a| / |a|, L2 norms; 0 if nothing changed, infinite if a is 0.
        cosine: the cosine similarity of a and b: 1 if b is a scaled, 0 if they are orthogonal; NaN if one of them is 0 or
            not finite.
        largest: the largest magnitude of b - a.
        at: the row and column of that element in the block.
        before, after: its values in a and b.
    """

    name: str
    part: str
    gate: str | None
    size: int
    relative: float
    cosine: float
    largest: float
    at: tuple[int, ...]
    before: float
    after: float


@dataclass(frozen=True, eq=False)
class CheckpointComparison:
    """The comparison of two checkpoints. Tensors are loaded lazily, by the methods.

    Attributes:
        first, second: the checkpoints.
        layers: the layers of both: the name in the second by the name in the first.
        tensors: the other tensors that both have in the same shape.
        incompatible: names that both have, but with another kind or shape.
        only_first, only_second: names that only one of them has.
    """

    first: CheckpointData
    second: CheckpointData
    layers: dict[str, str]
    tensors: tuple[str, ...]
    incompatible: tuple[str, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    def layer_changes(self, name: str) -> list[BlockChange]:
        """Return the changes of a layer's blocks, by part and gate."""
        before, after = self.first.layers[name], self.second.layers[self.layers[name]]
        found = []
        for part, values in before.arrays().items():
            other = after.arrays()[part]
            gates = before.cell.row_gates(part)
            if not gates:
                found.append(measure_change(values, other, name, part))
            for gate in gates:
                found.append(measure_change(before.rows(part, gate), after.rows(part, gate), name, part, gate))
        return found

    def tensor_change(self, name: str) -> BlockChange:
        """Return the change of a tensor outside the layers."""
        return measure_change(self.first.tensors[name], self.second.tensors[name], name)

    def all_changes(self) -> Iterator[BlockChange]:
        """Generate the changes of all layers, then of the other tensors."""
        for name in self.layers:
            yield from self.layer_changes(name)
        for name in self.tensors:
            yield self.tensor_change(name)


def compare_checkpoints(first: CheckpointData, second: CheckpointData) -> CheckpointComparison:
    """Match the layers and tensors of two checkpoints by name; if no layer's name matches, match layers by order.

    Raises:
        CheckpointError: they have no layer and no tensor in common.

    Example:
        >>> compared = compare_checkpoints(load_checkpoint("step100.pt"), load_checkpoint("step200.pt"))
        >>> max(compared.layer_changes("rnn.l0"), key=lambda each: each.relative)
    """
    shared = [name for name in first.found if name in second.found]
    pairs = {name: name for name in shared}
    if not shared and len(first.found) == len(second.found):
        pairs = dict(zip(first.found, second.found, strict=True))
    layers = {a: b for a, b in pairs.items() if _shape(first.found[a]) == _shape(second.found[b])}
    stored = [
        name
        for name, each in first.stored.items()
        if each.is_float and name in second.stored and second.stored[name].is_float
    ]
    tensors = tuple(name for name in stored if first.stored[name].shape == second.stored[name].shape)
    incompatible = tuple(a for a in pairs if a not in layers and a in shared)
    incompatible += tuple(name for name in stored if name not in tensors)
    if not layers and not tensors:
        raise CheckpointError(
            "These two files have no layers or tensors in common. Choose two checkpoints of the same network."
        )
    return CheckpointComparison(
        first,
        second,
        layers,
        tensors,
        incompatible,
        tuple(name for name in (*first.found, *first.stored) if name not in {*layers, *stored, *incompatible}),
        tuple(
            name for name in (*second.found, *second.stored) if name not in {*layers.values(), *stored, *incompatible}
        ),
    )


def _shape(layer: FoundLayer) -> tuple:
    return layer.kind, {part: stored.shape for part, stored in layer.parts.items()}


def measure_change(
    before: np.ndarray, after: np.ndarray, name: str = "", part: str = "", gate: str | None = None
) -> BlockChange:
    """Measure the change from ``before`` to ``after`` of the same shape, in float64, in chunks.

    If either contains NaN, ``relative`` and ``largest`` are NaN, and ``at`` is the position of the first NaN.
    """
    a, b = before.reshape(-1), after.reshape(-1)
    squares = np.zeros(3)  # of a, of b, of b - a
    product, largest, place = 0.0, 0.0, 0
    for start in range(0, a.size, CHUNK_SIZE):
        x, y = a[start : start + CHUNK_SIZE].astype(np.float64), b[start : start + CHUNK_SIZE].astype(np.float64)
        with np.errstate(invalid="ignore"):
            difference = y - x
        difference[x == y] = 0.0  # also where both are the same infinity
        squares += (x @ x, y @ y, difference @ difference)
        product += float(x @ y)
        size = np.abs(difference)
        at = int(np.argmax(np.isnan(size)) if np.isnan(size).any() else size.argmax())
        if not np.isnan(largest) and not size[at] <= largest:
            largest, place = float(size[at]), start + at
    norm, other, distance = np.sqrt(squares)
    relative = 0.0 if distance == 0 else float(distance / norm) if norm else np.inf
    cosine = float(product / (norm * other)) if norm and other and np.isfinite(norm * other) else np.nan
    where = tuple(int(index) for index in np.unravel_index(place, before.shape)) if a.size else ()
    values = (float(before[where]), float(after[where])) if a.size else (np.nan, np.nan)
    return BlockChange(name, part, gate, a.size, relative, cosine, largest, where, *values)
