"""The incoming and the outgoing weights of one unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from models.edits.edit import Place
from models.edits.weight_edits import Parameters, regions


@dataclass(frozen=True)
class UnitWeight:
    """One incoming or outgoing weight of a unit.

    Attributes:
        name: of its matrix or bias, as in ``Place``.
        gate: the gate of its row, or None if rows do not belong to gates.
        row: the unit of that gate; else the row.
        column: 0 in a bias.
        value: the weight.
    """

    name: str
    gate: str | None
    row: int
    column: int
    value: float


def weights_of_unit(known: Parameters, layer: str, unit: int, way: Literal["reads", "writes"]) -> list[UnitWeight]:
    """Return the incoming (``"reads"``) or outgoing (``"writes"``) weights of ``unit``, the largest magnitude first.

    Raises:
        Problem: there is no such layer or unit.
    """
    found = []
    for name, rows, columns in regions(known, Place(f"{layer}.{way}", row=unit)):
        values = known.arrays[name]
        values = values.reshape(len(values), -1)
        gates, size = _gates(known, name)
        chosen = range(values.shape[1])[columns]
        for at, weights in zip(
            torch.arange(len(values))[rows].tolist(), values[rows][:, columns].tolist(), strict=True
        ):
            gate = gates[at // size] if gates else None
            row = at % size if gates else at
            found += [UnitWeight(name, gate, row, column, value) for column, value in zip(chosen, weights, strict=True)]
    return sorted(found, key=lambda link: -abs(link.value))


def _gates(known: Parameters, name: str) -> tuple[tuple[str, ...], int]:
    """Return the gates of the rows, and the number of rows of each."""
    layer, _, kind = name.rpartition(".")
    gates = known.cells[layer].row_gates(kind) if layer in known.cells else ()
    return gates, known.units(layer) if gates else 0
