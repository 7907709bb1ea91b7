"""Listen to what a backward pass brings to the outputs of recurrent layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Flow(NamedTuple):
    """A tensor that goes on into the network, and how its gradient is brought into the shape in which it is recorded."""

    tensor: Tensor
    shaped: Callable[[Tensor], Tensor] | None = None


class Listener:
    """Adds up the gradients that come to some tensors in backward passes, until it is told to stop."""

    def __init__(self, flows: Sequence[Flow]) -> None:
        """Listen to those of ``flows`` that a gradient can come to."""
        self.grads: dict[int, Tensor] = {}
        """What came to each of ``flows``, by its index."""
        self.count = 0
        """How many gradients have come."""
        self._handles = [
            flow.tensor.register_hook(partial(self._add, index, flow.shaped))
            for index, flow in enumerate(flows)
            if flow.tensor.requires_grad
        ]

    def _add(self, index: int, shaped: Callable[[Tensor], Tensor] | None, grad: Tensor | None) -> None:
        if grad is None:  # autograd's way to say that nothing came
            return
        grad = grad.detach()
        kept = torch.float64 if grad.dtype == torch.float64 else torch.float32
        copy = (grad if shaped is None else shaped(grad)).to("cpu", kept, copy=True)
        before = self.grads.get(index)
        self.grads[index] = copy if before is None else before + copy
        self.count += 1

    def stop(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()


@dataclass(frozen=True, eq=False)
class Arrived:
    """The gradients that came to a layer's states from outside.

    Attributes:
        hidden: (B, T, P), to each hidden state.
        cell: (B, T, H), to each cell state of an LSTM.
        cuts: for each step, whether a call ended there. What the next call's steps pass back to it is then in ``hidden`` and
            ``cell`` already: it came by way of the network, which may have detached or changed the state in between.
        whole_cell: whether ``cell`` holds all of dL/dc_t, also what comes through h_t.
    """

    hidden: Tensor
    cell: Tensor | None
    cuts: tuple[bool, ...]
    whole_cell: bool = False

    def gather(self) -> Arrived:
        """Itself."""
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it as arrays, of which ``of`` makes it again."""
        arrays = {"hidden_arrived": self.hidden.numpy(), "cuts": np.array(self.cuts, bool)}
        if self.cell is not None:
            arrays |= {"cell_arrived": self.cell.numpy(), "whole_cell": np.array(self.whole_cell)}
        return arrays

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Arrived:
        """What ``arrays`` gave.

        Raises:
            ValueError: the arrays do not fit each other.
        """
        hidden, cell, cuts = tensors["hidden_arrived"], tensors.get("cell_arrived"), tensors["cuts"]
        if cuts.shape != hidden.shape[1:2] or (cell is None) == ("whole_cell" in tensors):
            raise ValueError("what came back in the backward pass does not fit the steps")
        whole = cell is not None and bool(tensors["whole_cell"])
        return cls(hidden, cell, tuple(map(bool, cuts.tolist())), whole)


@dataclass(frozen=True, eq=False)
class Call:
    """One call's listener, and how the gradients it heard become those of the call's states.

    Attributes:
        listener: hears what comes to the call's outputs.
        read: (B, S, P) by hidden state and (B, S, H) by cell, of the call's S steps.
        whole_cell: see Arrived.
    """

    listener: Listener
    read: Callable[[Mapping[int, Tensor]], tuple[Tensor, Tensor | None]]
    whole_cell: bool = False


@dataclass(eq=False)
class Arrivals:
    """What comes to the outputs of the calls that make up one run of a layer, earliest call first."""

    calls: list[Call]
    _gathered: tuple[int, Arrived] | None = field(default=None, repr=False)

    def gather(self) -> Arrived | None:
        """What has come so far; the same object as long as nothing more came, None if nothing came at all."""
        count = sum(call.listener.count for call in self.calls)
        if count == 0:
            return None
        if self._gathered is None or self._gathered[0] != count:
            self._gathered = count, self._gather()
        return self._gathered[1]

    def _gather(self) -> Arrived:
        hidden, cell = zip(*(call.read(call.listener.grads) for call in self.calls), strict=True)
        cuts = [False] * sum(part.shape[1] for part in hidden)
        if len(self.calls) > 1:
            end = 0
            for part in hidden:
                end += part.shape[1]
                cuts[end - 1] = True
        cells = None if cell[0] is None else torch.cat(cell, dim=1)
        return Arrived(torch.cat(hidden, dim=1), cells, tuple(cuts), self.calls[0].whole_cell)

    def __reduce__(self) -> tuple:  # a copy hears nothing more
        return _same, (self.gather(),)


def _same(arrived: Arrived | None) -> Arrived | None:
    return arrived
