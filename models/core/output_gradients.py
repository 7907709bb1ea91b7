"""Hooks on the outputs of recurrent layers that accumulate the gradients of backward passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class HookedOutput(NamedTuple):
    """An output tensor of a layer, and how its gradient is reshaped to the recorded layout.

    Attributes:
        tensor: the output, as the rest of the network receives it.
        reshape: of its gradient; None for the identity.
    """

    tensor: Tensor
    reshape: Callable[[Tensor], Tensor] | None = None


class GradientHook:
    """Hook on several tensors that sums their gradients over backward passes, until it is removed.

    Attributes:
        grads: the gradient of each of the tensors, by its index.
        count: how many gradients have been added.
    """

    def __init__(self, outputs: Sequence[HookedOutput]) -> None:
        """Register hooks on those of ``outputs`` that require a gradient."""
        self.grads: dict[int, Tensor] = {}
        self.count = 0
        self._handles = [
            output.tensor.register_hook(partial(self._add, index, output.reshape))
            for index, output in enumerate(outputs)
            if output.tensor.requires_grad
        ]

    def _add(self, index: int, reshape: Callable[[Tensor], Tensor] | None, grad: Tensor | None) -> None:
        if grad is None:  # autograd passes None for no gradient
            return
        grad = grad.detach()
        dtype = torch.float64 if grad.dtype == torch.float64 else torch.float32
        copy = (grad if reshape is None else reshape(grad)).to("cpu", dtype, copy=True)
        before = self.grads.get(index)
        self.grads[index] = copy if before is None else before + copy
        self.count += 1

    def remove(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()


@dataclass(frozen=True, eq=False)
class OutputGradients:
    """The gradients of the loss by a layer's states from outside the layer.

    Attributes:
        hidden: (B, T, P), by each hidden state.
        cell: (B, T, H), by each cell state of an LSTM; None for other cells.
        call_ends: for each step, whether a call ended there. Then ``hidden`` and ``cell`` already include the gradient from
            the next call's steps: it passed through the network, which may have detached or changed the state in between.
        cell_includes_hidden: whether ``cell`` is all of dL/dc_t, including the path through h_t.
    """

    hidden: Tensor
    cell: Tensor | None
    call_ends: tuple[bool, ...]
    cell_includes_hidden: bool = False

    def gather(self) -> OutputGradients:
        """Return itself."""
        return self

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return its arrays by their names in a saved trace; the inverse of ``from_tensors``."""
        arrays = {"hidden_arrived": self.hidden.numpy(), "cuts": np.array(self.call_ends, bool)}
        if self.cell is not None:
            arrays |= {"cell_arrived": self.cell.numpy(), "whole_cell": np.array(self.cell_includes_hidden)}
        return arrays

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> OutputGradients:
        """Return the gradients of a saved trace, from tensors by the names of ``to_arrays``.

        Raises:
            ValueError: the arrays do not fit each other.
        """
        hidden, cell, call_ends = tensors["hidden_arrived"], tensors.get("cell_arrived"), tensors["cuts"]
        if call_ends.shape != hidden.shape[1:2] or (cell is None) == ("whole_cell" in tensors):
            raise ValueError("what came back in the backward pass does not fit the steps")
        includes_hidden = cell is not None and bool(tensors["whole_cell"])
        return cls(hidden, cell, tuple(map(bool, call_ends.tolist())), includes_hidden)


@dataclass(frozen=True, eq=False)
class CallGradients:
    """One call's gradient hook, and how its gradients become those of the call's states.

    Attributes:
        hook: on the call's outputs.
        by_state: from the hook's ``grads`` to those by the hidden states (B, S, P) and by the cells (B, S, H) of the call's S
            steps.
        cell_includes_hidden: see ``OutputGradients``.
    """

    hook: GradientHook
    by_state: Callable[[Mapping[int, Tensor]], tuple[Tensor, Tensor | None]]
    cell_includes_hidden: bool = False


@dataclass(eq=False)
class OutputGradientCollector:
    """The gradients by the outputs of the calls of one layer's run.

    Attributes:
        calls: earliest first.
    """

    calls: list[CallGradients]
    _gathered: tuple[int, OutputGradients] | None = field(default=None, repr=False)

    def gather(self) -> OutputGradients | None:
        """Return the gradients so far, the same object until more are added; None if there are none."""
        count = sum(call.hook.count for call in self.calls)
        if count == 0:
            return None
        if self._gathered is None or self._gathered[0] != count:
            self._gathered = count, self._gather()
        return self._gathered[1]

    def _gather(self) -> OutputGradients:
        hidden, cell = zip(*(call.by_state(call.hook.grads) for call in self.calls), strict=True)
        call_ends = [False] * sum(part.shape[1] for part in hidden)
        if len(self.calls) > 1:
            end = 0
            for part in hidden:
                end += part.shape[1]
                call_ends[end - 1] = True
        cells = None if cell[0] is None else torch.cat(cell, dim=1)
        return OutputGradients(torch.cat(hidden, dim=1), cells, tuple(call_ends), self.calls[0].cell_includes_hidden)

    def __reduce__(self) -> tuple:  # a copy has no hooks
        return _identity, (self.gather(),)


def _identity(gradients: OutputGradients | None) -> OutputGradients | None:
    return gradients
