"""Hooks on the outputs of recurrent layers that accumulate the gradients of backward passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol

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
        recorded: the gradient of each of the tensors, by its index, for each backward pass, by the pass's number: float32 or
            float64, on the device where it was computed.
    """

    def __init__(self, outputs: Sequence[HookedOutput]) -> None:
        """Register hooks on those of ``outputs`` that require a gradient."""
        self.recorded: dict[int, dict[int, Tensor]] = {}
        self._count = 0
        self._differentiated = False
        self._handles = [
            tensor.register_hook(partial(self._add, index, reshape))
            for index, (tensor, reshape) in enumerate(_whole_memory(outputs))
            if tensor is not None and tensor.requires_grad
        ]

    def __bool__(self) -> bool:
        """Return whether a tensor has a hook, or had one."""
        return bool(self._handles) or self._count > 0

    def _add(self, index: int, reshape: Callable[[Tensor], Tensor] | None, grad: Tensor | None) -> None:
        if grad is None:  # autograd passes None for no gradient
            return
        if grad.requires_grad:
            grad.register_hook(self._mark)
        grad = grad.detach()
        dtype = torch.float64 if grad.dtype == torch.float64 else torch.float32
        copy = (grad if reshape is None else reshape(grad)).to(dtype, copy=True)
        grads = self.recorded.setdefault(torch._C._current_graph_task_id(), {})
        grads[index] = copy if index not in grads else grads[index] + copy
        self._count += 1

    def _mark(self, grad: Tensor) -> None:
        self._differentiated = True

    @property
    def count(self) -> int:
        """Number of gradients that have been added."""
        return self._count

    @property
    def differentiated(self) -> bool:
        """Whether a pass ran through one of the gradients (``create_graph=True``, as in a gradient penalty)."""
        return self._differentiated

    @property
    def passes(self) -> dict[int, dict[int, Tensor]]:
        """The same as ``recorded``, on the CPU."""
        return {number: {index: grad.cpu() for index, grad in of.items()} for number, of in self.recorded.items()}

    def total(self) -> dict[int, Tensor]:
        """Return the gradient of each of the tensors, summed over the passes, by its index, on the CPU."""
        found: dict[int, Tensor] = {}
        for grads in self.passes.values():
            for index, grad in grads.items():
                found[index] = grad if index not in found else found[index] + grad
        return found

    def remove(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()


def _whole_memory(
    outputs: Sequence[HookedOutput],
) -> Iterator[tuple[Tensor | None, Callable[[Tensor], Tensor] | None]]:
    """Yield the tensor to hook for each output, and how its gradient becomes that of the output.

    An in-place change of a view gives the view a new place in the graph, and its earlier hooks are never called. Those of the
    tensor that it views are. Outputs that are views of the same tensor share one hook, of the first of them.
    """
    hooked: set[int] = set()
    for tensor, reshape in outputs:
        base = tensor._base
        if base is None or not base.requires_grad or base.numel() != tensor.numel():
            yield tensor, reshape
        elif id(base) in hooked:
            yield None, None
        else:
            hooked.add(id(base))
            yield base, partial(_view_like, _layout(base), _layout(tensor), reshape)


def _layout(tensor: Tensor) -> tuple[torch.Size, tuple[int, ...], int]:
    return tensor.size(), tensor.stride(), int(tensor.storage_offset())


def _view_like(base: Any, view: Any, reshape: Callable[[Tensor], Tensor] | None, grad: Tensor) -> Tensor:
    """Return the part of a gradient by ``base`` that belongs to its ``view``, each (size, stride, offset)."""
    whole = torch.empty_strided(base[0], base[1], dtype=grad.dtype, device=grad.device)
    whole.copy_(grad)
    part = whole.as_strided(view[0], view[1], view[2] - base[2])
    return part if reshape is None else reshape(part)


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


@dataclass(eq=False)
class CallGradients:
    """One call's gradient hooks, and how their gradients become those of the call's states.

    Attributes:
        hooks: on the call's outputs: one, or one for each time that activation checkpointing repeated the call.
        by_state: from the gradients by index (``GradientHook``) to those by the hidden states (B, S, P) and by the cells
            (B, S, H) of the call's S steps.
        cell_includes_hidden: see ``OutputGradients``.
    """

    hooks: list[GradientHook]
    by_state: Callable[[Mapping[int, Tensor]], tuple[Tensor, Tensor | None]]
    cell_includes_hidden: bool = False

    def states(self, backward_pass: int | None) -> tuple[Tensor, Tensor | None]:
        """Return the gradients by the call's states in one backward pass, or in all passes together if it is None."""
        found: dict[int, Tensor] = {}
        for hook in self.hooks:
            grads = hook.total() if backward_pass is None else hook.passes.get(backward_pass, {})
            for index, grad in grads.items():
                found[index] = grad if index not in found else found[index] + grad
        return self.by_state(found)


class Proof(Protocol):
    """A comparison of a layer's gradients with those that reached its weights."""

    def check(self) -> None:
        """Raise or warn where they differ."""


@dataclass(eq=False)
class OutputGradientCollector:
    """The gradients by the outputs of the calls of one layer's run.

    Attributes:
        calls: earliest first.
        proof: of the gradients that follow from them, or None.
    """

    calls: list[CallGradients]
    proof: Proof | None = None
    _gathered: tuple[int, OutputGradients] | None = field(default=None, repr=False)

    @property
    def passes(self) -> set[int]:
        """The numbers of the backward passes that reached the outputs."""
        return {number for call in self.calls for hook in call.hooks for number in hook.passes}

    @property
    def count(self) -> int:
        """Number of gradients that have been added."""
        return sum(hook.count for call in self.calls for hook in call.hooks)

    @property
    def differentiated(self) -> bool:
        """Whether a gradient was differentiated again."""
        return any(hook.differentiated for call in self.calls for hook in call.hooks)

    def gather(self) -> OutputGradients | None:
        """Return the gradients so far, the same object until more are added; None if there are none."""
        count = self.count
        if count == 0:
            return None
        if self._gathered is None or self._gathered[0] != count:
            self._gathered = count, self.of_pass(None)
        return self._gathered[1]

    def of_pass(self, backward_pass: int | None) -> OutputGradients:
        """Return the gradients of one backward pass, or of all together if it is None."""
        hidden, cell = zip(*(call.states(backward_pass) for call in self.calls), strict=True)
        call_ends = [False] * sum(part.shape[1] for part in hidden)
        if len(self.calls) > 1:
            end = 0
            for part in hidden:
                end += part.shape[1]
                call_ends[end - 1] = True
        cells = None if cell[0] is None else _joined(cell)
        includes_hidden = any(call.cell_includes_hidden for call in self.calls)
        return OutputGradients(_joined(hidden), cells, tuple(call_ends), includes_hidden)

    def __reduce__(self) -> tuple:  # a copy has no hooks
        return _identity, (None if self.differentiated else self.gather(),)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Return consecutive steps (B, S, units) as one tensor."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=1)


def _identity(gradients: OutputGradients | None) -> OutputGradients | None:
    return gradients
