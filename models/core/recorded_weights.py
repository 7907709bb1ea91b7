"""The weights that a kernel has run with, where they were copied: on the CPU or on another device."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from torch import Tensor

from models.core.cells import WEIGHT_NAMES, Cell
from models.core.recording import to_cpu
from models.core.weights import LayerWeights, cell_equations, read_only


class RecordedWeights(LayerWeights):
    """Weights of which each becomes an array on first access, copied from another device if it is on one.

    ``dataclasses.replace`` returns ``LayerWeights``.

    Attributes:
        copies: the weights where they are, by name, float32 or float64.
    """

    copies: dict[str, Tensor]

    def __new__(cls, *args: Any, **fields: Any) -> Any:
        """Return ``LayerWeights``: see ``of``."""
        return LayerWeights(*args, **fields)

    @classmethod
    def of(cls, kind: str, copies: Mapping[str, Tensor], **options: Any) -> RecordedWeights:
        """Return the weights that a kernel has run with.

        Args:
            kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
            copies: by the attributes' names, float32 or float64; neither copied again nor checked.
            options: the other attributes that differ from their defaults.
        """
        weights: RecordedWeights = object.__new__(cls)  # no checks: a kernel has run with them
        vars(weights).update(options, kind=kind, copies=dict(copies))
        return weights

    @cached_property
    def cell(self) -> Cell:
        """The equations of the cell."""
        return cell_equations(self.kind, "weight_hr" in self.copies, *self._option_values)

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """The weights that are not None, as tensors on the CPU."""
        if self.copies["weight_hh"].is_cpu:
            return self.copies
        return {name: to_cpu(values) for name, values in self.copies.items()}

    @cached_property
    def hidden_size(self) -> int:
        """H, the number of units."""
        return self.copies["weight_hh"].shape[0] // len(self.cell.gates)

    @property
    def input_size(self) -> int:
        """D, the number of inputs."""
        return self.copies["weight_ih"].shape[1]

    @property
    def output_size(self) -> int:
        """P, the size of the hidden state: H, or the size of the projection."""
        return self.copies["weight_hh"].shape[1]


class _Array:
    """An attribute that is the array of a weight; it becomes an entry of the instance, which then precedes this one."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, weights: Any, owner: type | None = None) -> Any:
        if weights is None:
            return None  # the default of the dataclass
        found = read_only(weights.tensors[self.name]) if self.name in weights.copies else None
        return vars(weights).setdefault(self.name, found)


for _name in WEIGHT_NAMES:
    setattr(RecordedWeights, _name, _Array(_name))
