"""Losses carried back through a whole recurrent module, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from models.capturing.capture import capture
from models.core.trace import LayerTrace
from models.gradients.adjoints import SCALE, Moment, Source, adjoints
from models.gradients.local_derivatives import Slopes, slopes_of

Progress = Callable[[float], None]
Stack = Sequence[Sequence[LayerTrace]]
"""The layers of one module from the lowest to the highest, each in its one or two directions."""

KEPT = 1 << 25
"""How many numbers may be kept between two layers, 128 MB; where there would be more, the losses go in several parts."""


def run(module: nn.RNNBase, x: Tensor) -> Stack:
    """What ``module`` does with ``x`` (B, T, D), starting from zeros.

    Raises:
        ValueError: it is no recurrent module of torch's, or ``x`` does not fit it.
    """
    if not isinstance(module, nn.RNN | nn.LSTM | nn.GRU):
        raise ValueError(f"An nn.RNN, nn.LSTM or nn.GRU is needed, not {type(module).__name__}.")
    if x.dim() != 3 or x.shape[2] != module.input_size or 0 in x.shape:
        raise ValueError(f"x is {tuple(x.shape)}; it must be (batch, steps, {module.input_size}).")
    with torch.no_grad(), capture(module) as trace:
        module(x if module.batch_first else x.transpose(0, 1))
    return stack_of(trace.layers)


def stack_of(layers: Mapping[str, LayerTrace], module: str = "") -> Stack:
    """The layers of ``module`` in a trace ("" where the trace is of the module itself).

    Raises:
        ValueError: the trace holds none.
    """
    prefix = f"{module}." if module else ""
    found: list[list[LayerTrace]] = []
    while (name := f"{prefix}l{len(found)}") in layers:
        found.append([layers[known] for known in (name, f"{name}_reverse") if known in layers])
    if not found:
        raise ValueError(f"The trace holds no layers of {module!r}.")
    return found


def chain_of(layers: Mapping[str, LayerTrace], module: str = "") -> Stack:
    """The layers of ``module`` and, above them, those of every module that reads just what the one below it put out.

    They are one stack: those of ``module`` keep their levels' names, those above go on counting, ``l2``, ``l3``, ...

    Raises:
        ValueError: the trace holds none.
    """
    found, used = list(stack_of(layers, module)), {module}
    while True:
        out = torch.cat([layer.recording.hidden for layer in found[-1]], -1)
        above = [
            name.rpartition(".")[0]
            for name, layer in layers.items()
            if name.rpartition(".")[2] == "l0"
            and name.rpartition(".")[0] not in used
            and torch.equal(layer.recording.input, out)
        ]
        if len(above) != 1:
            return found
        used.add(above[0])
        for level in stack_of(layers, above[0]):
            found.append(
                [replace(layer, name=f"l{len(found)}" + ("_reverse" if layer.reverse else "")) for layer in level]
            )


def ascending(rows: Sequence[int] | None, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The losses that were asked for, each once and ascending, and where each one that was asked for is among them.

    Raises:
        ValueError: there is no such step.
    """
    asked = np.arange(steps) if rows is None else np.asarray(rows, dtype=int)
    if asked.ndim != 1 or (asked.size and not (-steps <= asked.min() and asked.max() < steps)):
        raise ValueError(f"rows must be steps of the sequence, from 0 to {steps - 1}.")
    losses, places = np.unique(asked % steps, return_inverse=True)
    return losses, places


def scales(stack: Stack) -> tuple[float, ...]:
    """What to multiply the losses by: first, in float32, ``SCALE``, and if something overflows then, nothing."""
    return (SCALE, 1.0) if stack[0][0].hidden.dtype == np.float32 else (1.0,)


@dataclass(frozen=True, eq=False)
class Visit:
    """One layer during a sweep, for one sequence of the batch and one part of the losses.

    Attributes:
        name: the layer's, without the module's.
        layer: what ran.
        slopes: its local derivatives.
        sequence: which one of the batch.
        part: which of the losses, R of them.
        source: what comes from above.
    """

    name: str
    layer: LayerTrace
    slopes: Slopes
    sequence: int
    part: slice
    source: Source


class Keeper(Protocol):
    """Keeps what it wants of a sweep."""

    def begin(self, visit: Visit) -> None:
        """A layer is about to be gone through."""

    def step(self, moment: Moment) -> None:
        """All rows at one step of that layer."""


def sweep(
    stack: Stack,
    loss_grad: Tensor,
    losses: np.ndarray,
    keeper: Keeper,
    progress: Progress | None = None,
    scale: float = 1.0,
) -> None:
    """Carry losses back through all layers, from the highest to the lowest, and show ``keeper`` every step on the way.

    Args:
        stack: the layers, lowest first.
        loss_grad: (B, T, H_out), the losses' derivatives by the module's output.
        losses: the steps of the losses, ascending.
        keeper: sees each layer and each step.
        progress: is told how much is done, from 0 to 1.
        scale: what everything is multiplied by, one of ``scales(stack)``.

    Raises:
        ValueError: ``loss_grad`` does not fit.
    """
    batch, steps, _ = stack[0][0].shape
    expected = (batch, steps, sum(layer.weights.output_size for layer in stack[-1]))
    if tuple(loss_grad.shape) != expected:
        raise ValueError(f"loss_grad is {tuple(loss_grad.shape)}; it must be {expected}, as the output is.")
    grad = loss_grad.detach().to("cpu", stack[-1][0].weights.tensors["weight_hh"].dtype) * scale
    slopes = {layer.name: slopes_of(layer) for level in stack for layer in level}
    parts = _parts(stack, len(losses))
    visits, total = 0, batch * len(parts) * sum(map(len, stack))
    for sequence in range(batch):
        for part in parts:
            for visit, moments in _descend(stack, slopes, grad[sequence], losses[part], sequence, part, scale != 1):
                keeper.begin(visit)
                for count, moment in enumerate(moments):
                    keeper.step(moment)
                    if progress is not None and count % 16 == 0:
                        progress((visits + count / steps) / total)
                visits += 1
    if progress is not None:
        progress(1.0)


def _parts(stack: Stack, losses: int) -> list[slice]:
    """The losses in parts, so that what is kept between two layers stays below ``KEPT``."""
    widest = max((level[0].weights.input_size for level in stack[1:]), default=0)
    length = max(1, KEPT // (stack[0][0].shape[1] * widest)) if widest else max(losses, 1)
    return [slice(start, min(start + length, losses)) for start in range(0, max(losses, 1), length)]


def _descend(
    stack: Stack,
    slopes: Mapping[str, Slopes],
    grad: Tensor,
    losses: np.ndarray,
    sequence: int,
    part: slice,
    scaled: bool,
) -> Iterator[tuple[Visit, Iterator[Moment]]]:
    """Every layer on the way down, with its moments; each must be gone through before the next is asked for."""
    above: Tensor | None = None
    everything = np.tile([0, len(losses)], (len(grad), 1))
    for depth in reversed(range(len(stack))):
        below = None
        if depth:
            below = grad.new_zeros(len(grad), len(losses), stack[depth][0].weights.input_size)
        first = 0
        for layer in stack[depth]:
            columns = slice(first, first := first + layer.weights.output_size)
            source = Source.of_losses(losses, grad[:, columns], layer.reverse)
            if above is not None:
                one_way = all(len(level) == 1 for level in stack[depth:])
                reached = source.reached if one_way else everything
                source = Source.of_layer(reached, above[..., columns])
            visit = Visit(layer.name.rpartition(".")[2], layer, slopes[layer.name], sequence, part, source)
            moments = adjoints(layer, sequence, source, depth > 0, scaled, visit.slopes)
            yield visit, moments if below is None else _handing_down(moments, below)
        if below is not None:
            _undo_dropout(below, stack[depth - 1], sequence)
        above = below


def _handing_down(moments: Iterator[Moment], below: Tensor) -> Iterator[Moment]:
    """The same moments; what each hands to the layer's input is added to ``below`` (T, R, D)."""
    for moment in moments:
        assert moment.inputs is not None
        below[moment.position, moment.rows].addmm_(moment.state, moment.inputs)
        yield moment


def _undo_dropout(below: Tensor, level: Sequence[LayerTrace], sequence: int) -> None:
    """What was dropped on the way up is dropped on the way down."""
    noise = [layer.dropout[sequence] for layer in level if layer.dropout is not None]
    if noise:
        below *= torch.from_numpy(np.concatenate(noise, axis=-1))[:, None]
