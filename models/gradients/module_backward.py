"""Losses carried back through a whole recurrent module, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from models.capturing.capture import capture
from models.core.local_derivatives import LocalDerivatives, local_derivatives
from models.core.trace import LayerTrace
from models.gradients.adjoints import GRADIENT_SCALE, BackwardStep, IncomingGradients, adjoints

Progress = Callable[[float], None]
LayerStack = Sequence[Sequence[LayerTrace]]
"""The layers of one module from the lowest to the highest, each in its one or two directions."""

MAX_BUFFERED = 1 << 25
"""How many numbers may be kept between two layers, 128 MB; where there would be more, the losses go in several parts."""


def run_module(module: nn.RNNBase, x: Tensor) -> LayerStack:
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
    return layer_stack(trace.layers)


def layer_stack(layers: Mapping[str, LayerTrace], module: str = "") -> LayerStack:
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


def chained_stack(layers: Mapping[str, LayerTrace], module: str = "") -> LayerStack:
    """The layers of ``module`` and, above them, those of every module that reads just what the one below it put out.

    They are one stack: those of ``module`` keep their levels' names, those above go on counting, ``l2``, ``l3``, ...

    Raises:
        ValueError: the trace holds none.
    """
    found, used = list(layer_stack(layers, module)), {module}
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
        for level in layer_stack(layers, above[0]):
            found.append(
                [replace(layer, name=f"l{len(found)}" + ("_reverse" if layer.reverse else "")) for layer in level]
            )


def sorted_losses(rows: Sequence[int] | None, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The losses that were asked for, each once and ascending, and where each one that was asked for is among them.

    Raises:
        ValueError: there is no such step.
    """
    asked = np.arange(steps) if rows is None else np.asarray(rows, dtype=int)
    if asked.ndim != 1 or (asked.size and not (-steps <= asked.min() and asked.max() < steps)):
        raise ValueError(f"rows must be steps of the sequence, from 0 to {steps - 1}.")
    losses, places = np.unique(asked % steps, return_inverse=True)
    return losses, places


def gradient_scales(stack: LayerStack) -> tuple[float, ...]:
    """What to multiply the losses by: first, in float32, ``GRADIENT_SCALE``, and if something overflows then, nothing."""
    return (GRADIENT_SCALE, 1.0) if stack[0][0].hidden.dtype == np.float32 else (1.0,)


@dataclass(frozen=True, eq=False)
class LayerPass:
    """One layer during a sweep, for one sequence of the batch and one part of the losses.

    Attributes:
        name: the layer's, without the module's.
        layer: what ran.
        derivatives: its local derivatives.
        sequence: which one of the batch.
        part: which of the losses, R of them.
        source: what comes from above.
    """

    name: str
    layer: LayerTrace
    derivatives: LocalDerivatives
    sequence: int
    part: slice
    source: IncomingGradients


class BackwardObserver(Protocol):
    """Keeps what it wants of a sweep."""

    def begin(self, layer_pass: LayerPass) -> None:
        """A layer is about to be gone through."""

    def step(self, step: BackwardStep) -> None:
        """All rows at one step of that layer."""


def module_backward(
    stack: LayerStack,
    loss_grad: Tensor,
    losses: np.ndarray,
    observer: BackwardObserver,
    progress: Progress | None = None,
    scale: float = 1.0,
) -> None:
    """Carry losses back through all layers, from the highest to the lowest, and show ``observer`` every step on the way.

    Args:
        stack: the layers, lowest first.
        loss_grad: (B, T, H_out), the losses' derivatives by the module's output.
        losses: the steps of the losses, ascending.
        observer: sees each layer and each step.
        progress: is told how much is done, from 0 to 1.
        scale: what everything is multiplied by, one of ``gradient_scales(stack)``.

    Raises:
        ValueError: ``loss_grad`` does not fit.
    """
    batch, steps, _ = stack[0][0].shape
    expected = (batch, steps, sum(layer.weights.output_size for layer in stack[-1]))
    if tuple(loss_grad.shape) != expected:
        raise ValueError(f"loss_grad is {tuple(loss_grad.shape)}; it must be {expected}, as the output is.")
    grad = loss_grad.detach().to("cpu", stack[-1][0].weights.tensors["weight_hh"].dtype) * scale
    derivatives = {layer.name: local_derivatives(layer) for level in stack for layer in level}
    parts = _parts(stack, len(losses))
    passes, total = 0, batch * len(parts) * sum(map(len, stack))
    for sequence in range(batch):
        for part in parts:
            for layer_pass, steps_back in _backward_layers(
                stack, derivatives, grad[sequence], losses[part], sequence, part, scale != 1
            ):
                observer.begin(layer_pass)
                for count, step in enumerate(steps_back):
                    observer.step(step)
                    if progress is not None and count % 16 == 0:
                        progress((passes + count / steps) / total)
                passes += 1
    if progress is not None:
        progress(1.0)


def _parts(stack: LayerStack, losses: int) -> list[slice]:
    """The losses in parts, so that what is kept between two layers stays below ``MAX_BUFFERED``."""
    widest = max((level[0].weights.input_size for level in stack[1:]), default=0)
    length = max(1, MAX_BUFFERED // (stack[0][0].shape[1] * widest)) if widest else max(losses, 1)
    return [slice(start, min(start + length, losses)) for start in range(0, max(losses, 1), length)]


def _backward_layers(
    stack: LayerStack,
    derivatives: Mapping[str, LocalDerivatives],
    grad: Tensor,
    losses: np.ndarray,
    sequence: int,
    part: slice,
    scaled: bool,
) -> Iterator[tuple[LayerPass, Iterator[BackwardStep]]]:
    """Every layer on the way down, with its steps_back; each must be gone through before the next is asked for."""
    above: Tensor | None = None
    everything = np.tile([0, len(losses)], (len(grad), 1))
    for depth in reversed(range(len(stack))):
        below = None
        if depth:
            below = grad.new_zeros(len(grad), len(losses), stack[depth][0].weights.input_size)
        first = 0
        for layer in stack[depth]:
            columns = slice(first, first := first + layer.weights.output_size)
            source = IncomingGradients.of_losses(losses, grad[:, columns], layer.reverse)
            if above is not None:
                one_way = all(len(level) == 1 for level in stack[depth:])
                reached = source.active if one_way else everything
                source = IncomingGradients.of_layer(reached, above[..., columns])
            layer_pass = LayerPass(
                layer.name.rpartition(".")[2], layer, derivatives[layer.name], sequence, part, source
            )
            steps_back = adjoints(layer, sequence, source, depth > 0, scaled, layer_pass.derivatives)
            yield layer_pass, steps_back if below is None else _accumulate_input_grads(steps_back, below)
        if below is not None:
            _apply_dropout(below, stack[depth - 1], sequence)
        above = below


def _accumulate_input_grads(steps_back: Iterator[BackwardStep], below: Tensor) -> Iterator[BackwardStep]:
    """The same steps_back; what each hands to the layer's input is added to ``below`` (T, R, D)."""
    for step in steps_back:
        assert step.to_input is not None
        below[step.position, step.rows].addmm_(step.state, step.to_input)
        yield step


def _apply_dropout(below: Tensor, level: Sequence[LayerTrace], sequence: int) -> None:
    """What was dropped on the way up is dropped on the way down."""
    noise = [layer.dropout[sequence] for layer in level if layer.dropout is not None]
    if noise:
        below *= torch.from_numpy(np.concatenate(noise, axis=-1))[:, None]
