"""Two checkpoints of one network, at two steps of its training: what moved, and how far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.checkpoints.checkpoint import Checkpoint
from models.checkpoints.health.anomalies import CHUNK_SIZE
from models.checkpoints.parsing.contents import CheckpointError, FoundLayer


@dataclass(frozen=True)
class BlockChange:
    """How far one block of numbers moved from a to b.

    Attributes:
        name: of the layer or the tensor.
        part: such as ``"weight_hh"``; "" of a tensor.
        gate: which block of it, or None.
        size: how many numbers it has.
        relative: |b - a| / |a|, L2 norms; 0 where nothing moved, infinite where a is 0.
        cosine: of the angle between a and b: 1 where b is a scaled, 0 where they have nothing to do with each other; NaN
            where one of them is 0 or not finite.
        largest: the largest magnitude of b - a.
        at: where that is, by rows and columns of the block.
        before, after: the number there.
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
    """Two checkpoints beside each other. Numbers are read when they are asked for.

    Attributes:
        first, second: the checkpoints.
        layers: the layers that both have, by name in the first: the name in the second.
        tensors: the other tensors that both have in the same shape.
        changed: names that both have, but in other kinds or shapes.
        only_first, only_second: what one of them lacks.
    """

    first: Checkpoint
    second: Checkpoint
    layers: dict[str, str]
    tensors: tuple[str, ...]
    incompatible: tuple[str, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    def layer_changes(self, name: str) -> list[BlockChange]:
        """What moved in a layer, by part and gate."""
        before, after = self.first.layers[name], self.second.layers[self.layers[name]]
        found = []
        for part, values in before.arrays().items():
            other = after.arrays()[part]
            if part == "weight_hr":
                found.append(measure_change(values, other, name, part))
                continue
            for gate in before.cell.gates:
                found.append(measure_change(before.rows(part, gate), after.rows(part, gate), name, part, gate))
        return found

    def tensor_change(self, name: str) -> BlockChange:
        """What moved in another tensor."""
        return measure_change(self.first.tensors[name], self.second.tensors[name], name)

    def all_changes(self) -> Iterator[BlockChange]:
        """What moved everywhere: the layers, then the other tensors."""
        for name in self.layers:
            yield from self.layer_changes(name)
        for name in self.tensors:
            yield self.tensor_change(name)


def compare_checkpoints(first: Checkpoint, second: Checkpoint) -> CheckpointComparison:
    """Put two checkpoints beside each other: by their names or, where no layer has the same, layers by their order.

    Raises:
        CheckpointError: they have nothing in common; one sentence says so.

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
    changed = tuple(a for a in pairs if a not in layers and a in shared)
    changed += tuple(name for name in stored if name not in tensors)
    if not layers and not tensors:
        raise CheckpointError(
            "These two files have no layers or tensors in common. Choose two checkpoints of the same network."
        )
    return CheckpointComparison(
        first,
        second,
        layers,
        tensors,
        changed,
        tuple(name for name in (*first.found, *first.stored) if name not in {*layers, *stored, *changed}),
        tuple(name for name in (*second.found, *second.stored) if name not in {*layers.values(), *stored, *changed}),
    )


def _shape(layer: FoundLayer) -> tuple:
    return layer.kind, {part: stored.shape for part, stored in layer.parts.items()}


def measure_change(
    before: np.ndarray, after: np.ndarray, name: str = "", part: str = "", gate: str | None = None
) -> BlockChange:
    """How far ``before`` moved to ``after``, of one shape, in float64, some of it at a time.

    Where there is NaN in either, ``relative`` and ``largest`` are NaN, and ``at`` is the first of it.
    """
    a, b = before.reshape(-1), after.reshape(-1)
    squares = np.zeros(3)  # of a, of b, of b - a
    product, largest, place = 0.0, 0.0, 0
    for start in range(0, a.size, CHUNK_SIZE):
        x, y = a[start : start + CHUNK_SIZE].astype(np.float64), b[start : start + CHUNK_SIZE].astype(np.float64)
        with np.errstate(invalid="ignore"):
            apart = y - x
        apart[x == y] = 0.0  # also infinity that stayed
        squares += (x @ x, y @ y, apart @ apart)
        product += float(x @ y)
        size = np.abs(apart)
        at = int(np.argmax(np.isnan(size)) if np.isnan(size).any() else size.argmax())
        if not np.isnan(largest) and not size[at] <= largest:
            largest, place = float(size[at]), start + at
    norm, other, distance = np.sqrt(squares)
    relative = 0.0 if distance == 0 else float(distance / norm) if norm else np.inf
    cosine = float(product / (norm * other)) if norm and other and np.isfinite(norm * other) else np.nan
    where = tuple(int(index) for index in np.unravel_index(place, before.shape)) if a.size else ()
    values = (float(before[where]), float(after[where])) if a.size else (np.nan, np.nan)
    return BlockChange(name, part, gate, a.size, relative, cosine, largest, where, *values)
