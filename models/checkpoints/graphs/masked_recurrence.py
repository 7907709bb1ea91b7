"""A recurrent module over sequences with masked steps, as Keras runs it: a masked step is skipped, its states stay.

The steps that are not masked are moved together and run by the module's own kernel as a packed batch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Outputs(NamedTuple):
    """The output of a module.

    Attributes:
        sequences: (B, T, P) for each direction, by position.
        last: (B, P) for each direction, after its last step.
        states: (levels * directions, B, units): hidden, and for an LSTM cell.
    """

    sequences: list[Tensor]
    last: list[Tensor]
    states: list[Tensor]


def run_masked(
    module: nn.RNNBase,
    x: Tensor,
    states: list[Tensor] | None,
    mask: Tensor | None,
    reverse: tuple[bool, ...],
    zero_masked: bool,
) -> Outputs:
    """Run a ``batch_first`` module.

    Args:
        module: of one or two directions.
        x: (B, T, D).
        states: before the first step, (levels * directions, B, units) each; None for zeros.
        mask: (B, T), False where a step is skipped; None without one.
        reverse: for each of the module's directions whether it runs from the last step to the first.
        zero_masked: whether the output at a masked step is 0, and not that of the step before it.
    """
    begin = None if states is None else tuple(states) if len(states) > 1 else states[0]
    if mask is None or bool(mask.all()):
        output, ends = module(x, begin)
        sequences = list(output.chunk(len(reverse), -1))
        last = [sequence[:, 0 if back else -1] for sequence, back in zip(sequences, reverse, strict=True)]
        return Outputs(sequences, last, _listed(ends))
    counts = mask.sum(1)
    order = mask.int().argsort(dim=1, descending=True, stable=True)
    together = x.gather(1, order[..., None].expand_as(x))
    # a sequence without a step cannot be packed: it runs one, which is not used
    packed = pack_padded_sequence(together, counts.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
    output, ends = module(packed, begin)
    padded, _ = pad_packed_sequence(output, batch_first=True, total_length=x.shape[1])
    empty = (counts == 0)[:, None]
    kept = [
        torch.where(empty, torch.zeros_like(end) if states is None else before, end)
        for end, before in zip(_listed(ends), states or _listed(ends), strict=True)
    ]
    until = mask.cumsum(1)  # how many steps have run at each position, itself included
    sequences, last = [], []
    for part, back in zip(padded.chunk(len(reverse), -1), reverse, strict=True):
        index = until - mask.long() if back else until - 1
        there = (index < counts[:, None]) if back else (index >= 0)
        if zero_masked:
            there = there & mask
        values = part.gather(1, index.clamp(0, x.shape[1] - 1)[..., None].expand_as(part))
        values = torch.where(there[..., None], values, torch.zeros_like(values))
        sequences.append(values)
        last.append(values[:, 0 if back else -1])
    return Outputs(sequences, last, kept)


def _listed(states: Tensor | tuple[Tensor, ...]) -> list[Tensor]:
    return list(states) if isinstance(states, tuple) else [states]
