"""The transition matrices of an LSTM with layer norm, as those of ``models.gradients.transitions``.

A norm mixes the gates of all units, so the matrices are computed from the rows of the identity, which go back through a step
as the gradients of losses do.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from models.core.local_derivatives import LocalDerivatives
from models.core.weights import LayerWeights


class NormedTransitions:
    """Backward matrices through the gates of one sequence's steps: to h_{t-1} (side "hh") or to the input x_t ("ih")."""

    def __init__(
        self, weights: LayerWeights, derivatives: LocalDerivatives, sequence: int, side: Literal["hh", "ih"] = "hh"
    ) -> None:
        """Prepare those of a layer with ``weights`` and local ``derivatives``, for one ``sequence`` of the batch."""
        assert derivatives.norms is not None
        self._weights, self._derivatives, self._sequence, self._side = weights, derivatives, sequence, side
        self._norms = derivatives.norms
        self._norm = self._norms.recurrent if side == "hh" else self._norms.input

    def __call__(self, steps: slice) -> Tensor:
        """Return the matrices of S steps, (2 H, S, P or D), as ``Transitions`` does."""
        by_hidden, by_sum = self._begin(steps)
        parts = []
        for slope in self._derivatives.gates.values():
            values = slope.h if self._side == "hh" else slope.x
            by = by_sum if slope.target == "cell" else by_hidden
            parts.append(by * torch.tensor(values[self._sequence, steps])[:, None])
        products = self._norm[self._sequence, steps, None].back(torch.cat(parts, -1))
        return (products @ self._weights.tensors[f"weight_{self._side}"]).transpose(0, 1)

    def carry(self, steps: slice) -> Tensor:
        """Return the matrices to c_{t-1}, through the cell alone, (2 H, S, H): the rows of dh, then those of dc."""
        assert self._derivatives.carry is not None
        _, by_sum = self._begin(steps)
        return (by_sum * torch.tensor(self._derivatives.carry[self._sequence, steps])[:, None]).transpose(0, 1)

    def _begin(self, steps: slice) -> tuple[Tensor, Tensor]:
        """Return the rows of dh, and those of the derivative by the sum that becomes the cell state, (S, 2 H, H) each."""
        assert self._derivatives.cell_to_hidden is not None
        to_hidden = torch.tensor(self._derivatives.cell_to_hidden[self._sequence, steps])
        count, size = to_hidden.shape
        rows = torch.eye(2 * size, dtype=to_hidden.dtype).expand(count, -1, -1)
        by_hidden, by_cell = rows.split(size, -1)
        by_cell = by_cell + by_hidden * to_hidden[:, None]
        norm = self._norms.cell
        return by_hidden, by_cell if norm is None else norm[self._sequence, steps, None].back(by_cell)
