"""The transition matrices of backpropagation: from the derivatives by one step's state to those by the state before.

A row vector d = [dl/dh_t | dl/dc_t] (an LSTM's; the others have the first part alone) times the matrix of step t is the part
of the gradient that passes through the gates of that step. One product with it, rather than one per gate, saves an LSTM
half of the products and a GRU two thirds, as soon as there are more losses than a few.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from models.core.local_derivatives import LocalDerivatives
from models.core.weights import LayerWeights
from models.gradients.normed_transitions import NormedTransitions

CANDIDATE = 2
"""The candidate's index among a GRU's gates."""


def transitions_of(
    weights: LayerWeights, derivatives: LocalDerivatives, sequence: int, side: Literal["hh", "ih"] = "hh"
) -> Transitions | NormedTransitions:
    """Return the transition matrices of a layer with ``weights`` and local ``derivatives``; arguments as below."""
    made = Transitions if derivatives.norms is None else NormedTransitions
    return made(weights, derivatives, sequence, side)


class Transitions:
    """Backward matrices through the gates of one sequence's steps: to h_{t-1} (side "hh") or to the input x_t ("ih")."""

    def __init__(
        self,
        weights: LayerWeights,
        derivatives: LocalDerivatives,
        sequence: int,
        side: Literal["hh", "ih"] = "hh",
        other: Transitions | None = None,
    ) -> None:
        """Prepare those of a layer with ``weights`` and local ``derivatives``, for one ``sequence`` of the batch.

        ``other`` are those of the other side; the factors that both have in common are then stored once.
        """
        self._weights, self._derivatives, self._sequence, self._side = weights, derivatives, sequence, side
        self._blocks = _blocks(weights, side).transpose(0, 1)  # (H, G, P or D)
        self._buffer = self._blocks.new_empty(0)
        self._cached: tuple[slice, list[tuple[slice, Tensor]]] | None = None
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
        """Return the factors of the gates' rows at S steps, (H, S, gates) for each half; those of one call are cached."""
        if self._other is not None:
            return self._other._factors(steps)
        if self._cached is None or self._cached[0] != steps:
            self._cached = steps, [(gates, self._stacked(factors, steps)) for gates, factors in self._halves]
        return self._cached[1]

    def _stacked(self, factors: list[tuple[np.ndarray, ...]], steps: slice) -> Tensor:
        """Return (H, S, gates) products of (T, H) factors, contiguous: a batched product of others is many times slower."""
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
        """Return the matrices of S steps, which the next call overwrites.

        With dh the derivative of a loss by the hidden state (before a projection) and dc that by the cell, without the path
        through this same hidden state, ``[dh | dc] @ result[:, s]`` is the loss's derivative by h_{t-1} or x_t.

        Returns:
            (H, S, P or D), in an LSTM (2 H, S, P or D): the rows of dh, then those of dc.
        """
        factors = self._factors(steps)
        units, columns, count = len(self._blocks), self._blocks.shape[2], factors[0][1].shape[1]
        if self._buffer.numel() < (numbers := len(factors) * units * count * columns):
            self._buffer = self._blocks.new_empty(numbers)  # reused: allocating memory takes longer than filling it
        result = self._buffer[:numbers].view(len(factors), units, count, columns)
        for half, (gates, part) in zip(result, factors, strict=True):
            torch.bmm(part, self._blocks[:, gates], out=half)
        if self._derivatives.intermediate is not None:
            return self._through_intermediate(result, factors, steps).flatten(0, 1)
        if self._derivatives.reset is not None:
            result[0] += self._through_reset(steps)
        if self._side == "hh" and self._derivatives.carry is not None and self._derivatives.cell_to_hidden is None:
            result[0].diagonal(dim1=0, dim2=2).add_(torch.tensor(self._derivatives.carry[self._sequence, steps]))
        return result.view(-1, count, columns)

    def _through_intermediate(self, through: Tensor, factors: list[tuple[slice, Tensor]], steps: slice) -> Tensor:
        """Return the matrices of a multiplicative LSTM from those through its gates, (2, H, S, P or D).

        ``through`` leads to its intermediate state (side "hh"), or to the input without the path through that state.
        """
        own = self._derivatives.intermediate
        assert own is not None
        if self._side == "hh":
            return (through * torch.tensor(own.h[self._sequence, steps])) @ self._weights.tensors["weight_mh"]
        recurrent = _blocks(self._weights, "hh").transpose(0, 1)
        by_intermediate = torch.stack([torch.bmm(part, recurrent[:, gates]) for gates, part in factors])
        by_factor = by_intermediate * torch.tensor(own.x[self._sequence, steps])
        return through + by_factor @ self._weights.tensors["weight_mx"]

    def carry(self, steps: slice) -> Tensor:
        """Return the matrices to an LSTM's c_{t-1}, through the cell alone, (2 H, S, H): the rows of dh, then those of dc."""
        derivatives, at = self._derivatives, (self._sequence, steps)
        assert derivatives.carry is not None and derivatives.cell_to_hidden is not None
        both = (derivatives.carry[at] * derivatives.cell_to_hidden[at], derivatives.carry[at])
        return torch.cat([torch.diag_embed(torch.tensor(each)) for each in both], dim=1).transpose(0, 1)

    def _through_reset(self, steps: slice) -> Tensor:
        """Return the part through r h_{t-1} in a GRU that resets before the product, (H, S, H or D)."""
        derivatives, at = self._derivatives, (self._sequence, steps, None, slice(None))
        reset, candidate = derivatives.gates["reset_gate"], derivatives.gates["candidate"]
        by_candidate = torch.tensor(candidate.h[at]).transpose(-1, -2)
        to_reset = by_candidate * _blocks(self._weights, "hh")[CANDIDATE]  # (S, H, H)
        result = (to_reset * torch.tensor(reset.h[at])) @ _blocks(self._weights, self._side)[0]
        if self._side == "hh":
            result += to_reset * torch.tensor(derivatives.reset[at])  # type: ignore[index]
        return result.transpose(0, 1)


def _blocks(weights: LayerWeights, side: str) -> Tensor:
    """Return (G, H, P or D), the weights of each gate."""
    return weights.tensors[f"weight_{side}"].unflatten(0, (len(weights.cell.gates), -1))
