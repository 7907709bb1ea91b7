"""The cell states of an LSTM with peepholes, whose gates depend on the cell state before them, and of one whose cell state is
normalized: one step after the other."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from models.core.cells import Cell
from models.core.layer_norm import normalized


def peephole_weights(cell: Cell, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the peephole weights (H) by gate; none without peepholes."""
    return (
        dict(zip(cell.peepholes, weights["weight_ch"].chunk(len(cell.peepholes)), strict=True))
        if cell.peepholes
        else {}
    )


def stepwise_cells(
    cell: Cell, weights: Mapping[str, Tensor], sums: Tensor, initial: Tensor, reverse: bool, padding: Tensor | None
) -> Tensor:
    """Return the cell state after each step.

    Args:
        cell: the equations.
        weights: by PyTorch's names without the layer's suffix.
        sums: (B, T, G, H), the preactivations without the peepholes, after a layer norm of the products.
        initial: (B, H), the cell state before the first step.
        reverse: whether to run from the last step to the first.
        padding: (B, T, 1), True past a sequence's length, where the state stays the same; None without.

    Returns:
        (B, T, H).
    """
    own = peephole_weights(cell, weights)
    names = cell.quantities[: cell.quantities.index("cell") + 1]
    state, states = initial, torch.empty_like(sums[:, :, 0])
    steps = range(sums.shape[1])
    for t in reversed(steps) if reverse else steps:
        step = _Step(cell, weights, dict(zip(cell.gates, sums[:, t].unbind(1), strict=True)), own, state)
        for name in names:
            setattr(step, name, cell.equations[name](step))
        state = step.cell if padding is None else torch.where(padding[:, t], state, step.cell)
        states[:, t] = state
    return states


class _Step:
    """The namespace ``s`` of ``models.core.cells`` for one step, up to the cell state."""

    cell: Tensor

    def __init__(
        self,
        cell: Cell,
        weights: Mapping[str, Tensor],
        sums: Mapping[str, Tensor],
        peepholes: Mapping[str, Tensor],
        cell_prev: Tensor,
    ) -> None:
        self._cell, self._weights = cell, weights
        self._sums, self._peepholes, self.cell_prev = sums, peepholes, cell_prev

    def a(self, gate: str) -> Tensor:
        return self._sums[gate]

    def peephole(self, gate: str, c: Tensor) -> Tensor:
        return self._peepholes[gate] * c

    def norm(self, v: Tensor) -> Tensor:
        return normalized(self._cell, self._weights, "c", v)
