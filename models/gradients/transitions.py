"""The matrices that take what one step passes back to the step before it.

A row vector d = [dl/dh_t | dl/dc_t] (an LSTM's; the others have the first part alone) times the matrix of step t is what
the gates of that step hand back. To go through it rather than through every gate saves an LSTM half of the products
and a GRU two thirds, as soon as there are more losses than a few.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from models.core.local_derivatives import LocalDerivatives
from models.core.weights import LayerWeights

CANDIDATE = 2
"""The candidate's place among a GRU's gates."""


class Transitions:
    """What the gates of one sequence's steps hand back: to h_{t-1} (side "hh") or to the layer's input x_t ("ih")."""

    def __init__(
        self,
        weights: LayerWeights,
        derivatives: LocalDerivatives,
        sequence: int,
        side: Literal["hh", "ih"] = "hh",
        other: Transitions | None = None,
    ) -> None:
        """Of a layer with ``weights`` and local derivatives ``derivatives``, for one ``sequence`` of the batch.

        ``other`` are those of the other side: what both have in common is then held once.
        """
        self._weights, self._derivatives, self._sequence, self._side = weights, derivatives, sequence, side
        self._blocks = _blocks(weights, side).transpose(0, 1)  # (H, G, P or D)
        self._room = self._blocks.new_empty(0)
        self._made: tuple[slice, list[tuple[slice, Tensor]]] | None = None
        same = derivatives.reset is None and all(slope.x is slope.h for slope in derivatives.gates.values())
        self._other = other if same else None
        by_hidden: dict[int, tuple[np.ndarray, ...]] = {}
        by_cell: dict[int, tuple[np.ndarray, ...]] = {}
        for index, slope in enumerate(derivatives.gates.values()):
            values = (slope.h if side == "hh" else slope.x)[sequence]
            if slope.target == "cell":
                assert derivatives.cell_to_hidden is not None
                by_cell[index], by_hidden[index] = (values,), (values, derivatives.cell_to_hidden[sequence])
            elif slope.target == "hidden" and not (
                side == "hh" and derivatives.reset is not None and index == CANDIDATE
            ):
                by_hidden[index] = (values,)
        self._halves = [(slice(min(by), max(by) + 1), list(by.values())) for by in (by_hidden, by_cell) if by]

    def _factors(self, steps: slice) -> list[tuple[slice, Tensor]]:
        """What the gates' rows are multiplied by at S steps, (H, S, gates) for each half; no more is held at a time."""
        if self._other is not None:
            return self._other._factors(steps)
        if self._made is None or self._made[0] != steps:
            self._made = steps, [(gates, self._stacked(factors, steps)) for gates, factors in self._halves]
        return self._made[1]

    def _stacked(self, factors: list[tuple[np.ndarray, ...]], steps: slice) -> Tensor:
        """(H, S, gates) of products of (T, H), contiguous: a batched product of anything else is many times slower."""
        count, units = factors[0][0][steps].shape
        stacked = self._blocks.new_empty(units, count, len(factors))
        numbers = stacked.numpy()
        for place, (values, *more) in enumerate(factors):
            part = values[steps]
            for other in more:
                part = part * other[steps]
            numbers[:, :, place] = part.T
        return stacked

    def __call__(self, steps: slice) -> Tensor:
        """The matrices of S steps, which last until the next call.

        With dh the derivative of a loss by the hidden state (before a projection) and dc that by the cell, apart from what
        reaches it through this same hidden state, ``[dh | dc] @ result[:, s]`` is the loss's derivative by h_{t-1} or x_t.

        Returns:
            (H, S, P or D), in an LSTM (2 H, S, P or D): the rows of dh, then those of dc.
        """
        factors = self._factors(steps)
        units, columns, count = len(self._blocks), self._blocks.shape[2], factors[0][1].shape[1]
        if self._room.numel() < (numbers := len(factors) * units * count * columns):
            self._room = self._blocks.new_empty(numbers)  # once: to get fresh memory takes longer than to fill it
        result = self._room[:numbers].view(len(factors), units, count, columns)
        for half, (gates, part) in zip(result, factors, strict=True):
            torch.bmm(part, self._blocks[:, gates], out=half)
        if self._derivatives.reset is not None:
            result[0] += self._through_reset(steps)
        if self._side == "hh" and self._derivatives.carry is not None and self._derivatives.cell_to_hidden is None:
            result[0].diagonal(dim1=0, dim2=2).add_(torch.tensor(self._derivatives.carry[self._sequence, steps]))
        return result.view(-1, count, columns)

    def _through_reset(self, steps: slice) -> Tensor:
        """What passes through r h_{t-1} in a GRU that resets before the product, (H, S, H or D)."""
        derivatives, at = self._derivatives, (self._sequence, steps, None, slice(None))
        reset, candidate = derivatives.gates["reset_gate"], derivatives.gates["candidate"]
        by_candidate = torch.tensor(candidate.h[at]).transpose(-1, -2)
        to_reset = by_candidate * _blocks(self._weights, "hh")[CANDIDATE]  # (S, H, H)
        handed = (to_reset * torch.tensor(reset.h[at])) @ _blocks(self._weights, self._side)[0]
        if self._side == "hh":
            handed += to_reset * torch.tensor(derivatives.reset[at])  # type: ignore[index]
        return handed.transpose(0, 1)


def _blocks(weights: LayerWeights, side: str) -> Tensor:
    """(G, H, P or D), the weights of each gate."""
    return weights.tensors[f"weight_{side}"].unflatten(0, (len(weights.cell.gates), -1))
