"""The masks of dropout and zoneout of one recurrent layer: factors of its inputs and states, by time step.

A mask of dropout is 0 with the probability of the rate, else 1 / (1 - rate), so that the mean stays the same (Srivastava et
al. 2014). Three kinds differ in what one draw is for:

- ``"fresh"``: a sequence and a time step. Each step has its own mask.
- ``"variational"``: a sequence. The mask is the same at all time steps, and for all gates (Gal and Ghahramani 2016).
- ``"keras"``: a sequence and a gate. The mask is the same at all time steps; each gate's product has its own, as with the
  arguments ``dropout`` and ``recurrent_dropout`` of ``keras.layers.LSTM`` and ``GRU`` (Keras 3).

A mask of zoneout (Krueger et al. 2016) is True where a unit keeps its previous state; it is fresh at each step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

MaskKind = Literal["fresh", "variational", "keras"]


@dataclass(frozen=True)
class DropoutRates:
    """The rates of one recurrent layer.

    Attributes:
        input: of its input. time: of h_{t-1} in the recurrent product.
        zoneout: of the hidden state. zoneout_cell: of the cell state.
        kind: of the masks of ``input`` and ``time``.
    """

    input: float = 0.0
    time: float = 0.0
    zoneout: float = 0.0
    zoneout_cell: float = 0.0
    kind: MaskKind = "fresh"

    @property
    def stepwise(self) -> bool:
        """Whether training needs a loop over the time steps, since torch's kernels have no such masks."""
        by_gate = self.kind == "keras" and self.input > 0
        return by_gate or max(self.time, self.zoneout, self.zoneout_cell) > 0


@dataclass(frozen=True, eq=False)
class LayerMasks:
    """The masks of one run of one layer; None where nothing is dropped.

    Attributes:
        input: factors of the input, (B, T, G, D): G is the number of gates, or 1 if they share a mask.
        hidden: factors of h_{t-1} in the recurrent product, (B, T, G, H).
        keep_hidden: where the hidden state stays what it was, (B, T, H) bool.
        keep_cell: where the cell state does.
    """

    input: Tensor | None = None
    hidden: Tensor | None = None
    keep_hidden: Tensor | None = None
    keep_cell: Tensor | None = None

    def part(self, first: int, stop: int) -> LayerMasks:
        """Return the masks of the time steps from ``first`` to before ``stop``."""
        values = (self.input, self.hidden, self.keep_hidden, self.keep_cell)
        return LayerMasks(*(None if mask is None else mask[:, first:stop] for mask in values))


def draw_layer_masks(
    rates: DropoutRates, batch: int, steps: int, inputs: int, units: int, gates: int, like: Tensor
) -> LayerMasks:
    """Draw the masks of one run from torch's random generator.

    Args:
        rates: of the layer.
        batch: B. steps: T. inputs: D. units: H.
        gates: of the cell: 4 of an LSTM, 3 of a GRU, 1 of an RNN.
        like: a tensor of the data type and on the device of the masks.
    """
    return LayerMasks(
        draw_mask(rates.kind, rates.input, (batch, steps, gates, inputs), like),
        draw_mask(rates.kind, rates.time, (batch, steps, gates, units), like),
        _draw_kept(rates.zoneout, (batch, steps, units), like),
        _draw_kept(rates.zoneout_cell, (batch, steps, units), like),
    )


def draw_mask(kind: MaskKind, rate: float, shape: tuple[int, int, int, int], like: Tensor) -> Tensor | None:
    """Draw one mask of dropout; None for a rate of 0.

    Args:
        kind: what one draw is for.
        rate: probability of a 0.
        shape: (B, T, G, units).
        like: a tensor of its data type and on its device.

    Returns:
        (B, T, G or 1, units), expanded over time where all time steps share it.
    """
    if rate == 0:
        return None
    batch, steps, gates, units = shape
    drawn = (batch, steps if kind == "fresh" else 1, gates if kind == "keras" else 1, units)
    mask = torch.empty(drawn, dtype=like.dtype, device=like.device).bernoulli_(1 - rate).div_(1 - rate)
    return mask.expand(batch, steps, -1, -1)


def _draw_kept(rate: float, shape: tuple[int, int, int], like: Tensor) -> Tensor | None:
    return None if rate == 0 else torch.rand(shape, device=like.device) < rate
