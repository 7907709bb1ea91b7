"""Layer norm inside a cell: of the products of all gates together, and of the cell state; and its derivative.

Each is ``gain * (v - mean) / deviation + shift``, with the mean and the deviation over the last axis. Source: Ba, Kiros and
Hinton 2016, "Layer normalization".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor
from torch.nn.functional import layer_norm

from models.core.cells import Cell


def normalized(cell: Cell, weights: Mapping[str, Tensor], part: str, values: Tensor) -> Tensor:
    """Return the layer norm of ``values`` over their last axis.

    Args:
        cell: the equations, with a ``norm``.
        weights: by PyTorch's names without the layer's suffix.
        part: ``"ih"``, ``"hh"`` or ``"c"``.
        values: (..., G H) of the products, (..., H) of the cell state.
    """
    assert cell.norm is not None
    return layer_norm(values, values.shape[-1:], weights[f"gain_{part}"], weights[f"shift_{part}"], cell.norm)


@dataclass(frozen=True, eq=False)
class NormDerivative:
    """One layer norm at the values of some steps.

    Attributes:
        gain: (N), its factors.
        centred: (..., N), ``(v - mean) / deviation``.
        deviation: (..., 1), the root of the variance plus epsilon.
        mean: (..., 1).
        free: (..., N), 0 where an edit has replaced the norm's output and 1 elsewhere; None for 1 everywhere.
    """

    gain: Tensor
    centred: Tensor
    deviation: Tensor
    mean: Tensor
    free: Tensor | None = None

    @classmethod
    def at(cls, cell: Cell, weights: Mapping[str, Tensor], part: str, values: Tensor) -> Self:
        """Return the norm called ``part`` at ``values``, as of ``normalized``."""
        assert cell.norm is not None
        mean = values.mean(-1, keepdim=True)
        deviation = (values.var(-1, correction=0, keepdim=True) + cell.norm).sqrt()
        return cls(weights[f"gain_{part}"], (values - mean) / deviation, deviation, mean)

    def __getitem__(self, index: Any) -> NormDerivative:
        """Return the norm at some of the steps; ``index`` is of the axes before the last."""
        free = None if self.free is None else self.free[index]
        return NormDerivative(self.gain, self.centred[index], self.deviation[index], self.mean[index], free)

    def used(self, gradient: Tensor) -> Tensor:
        """Return the part of a gradient by the norm's output that reaches the norm, (..., N)."""
        return gradient if self.free is None else gradient * self.free

    def back(self, gradient: Tensor) -> Tensor:
        """Return the gradient by the norm's input from that by its output, (..., N)."""
        scaled = self.used(gradient) * self.gain
        through = scaled.mean(-1, keepdim=True) + self.centred * (scaled * self.centred).mean(-1, keepdim=True)
        return (scaled - through) / self.deviation

    def bound(self) -> Tensor:
        """Return an upper bound of the spectral norm of its Jacobian, (...): the norm without the factors has at most 1."""
        return self.gain.abs().max() / self.deviation.squeeze(-1)


@dataclass(frozen=True, eq=False)
class LayerNorms:
    """The layer norms of an LSTM at all steps: (B, T) before the last axis of each.

    Attributes:
        input: of the products of the input with the weights of all gates.
        recurrent: of those of the hidden state.
        cell: of the cell state, or None.
    """

    input: NormDerivative
    recurrent: NormDerivative
    cell: NormDerivative | None
