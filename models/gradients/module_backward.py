"""Backpropagation of many losses through a whole recurrent module, layer by layer."""

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
"""A function that is called with the completed share, from 0 to 1."""

LayerStack = Sequence[Sequence[LayerTrace]]
"""The layers of one module from the lowest to the highest, each in its one or two directions."""

MAX_BUFFERED = 1 << 25
"""The largest buffer of gradients between two layers, in numbers (128 MB); beyond it the losses run in several parts."""


def run_module(module: nn.RNNBase, x: Tensor) -> LayerStack:
    """Return the run of ``module`` on ``x`` (B, T, D), starting from zeros.

    Raises:
        ValueError: it is not a recurrent module of torch's, or ``x`` does not fit it.
    """
    if not isinstance(module, nn.RNN | nn.LSTM | nn.GRU):
        raise ValueError(f"An nn.RNN, nn.LSTM or nn.GRU is needed, not {type(module).__name__}.")
    if x.dim() != 3 or x.shape[2] != module.input_size or 0 in x.shape:
        raise ValueError(f"x is {tuple(x.shape)}; it must be (batch, steps, {module.input_size}).")
    with torch.no_grad(), capture(module) as trace:
        module(x if module.batch_first else x.transpose(0, 1))
    return layer_stack(trace.layers)


def layer_stack(layers: Mapping[str, LayerTrace], module: str = "") -> LayerStack:
    """Return the layers of ``module`` in a trace ("" if the trace is of the module itself).

    Raises:
        ValueError: the trace has none.
    """
    prefix = f"{module}." if module else ""
    found: list[list[LayerTrace]] = []
    while (name := f"{prefix}l{len(found)}") in layers:
        found.append([layers[known] for known in (name, f"{name}_reverse") if known in layers])
    if not found:
        raise ValueError(f"The trace holds no layers of {module!r}.")
    return found


def chained_stack(layers: Mapping[str, LayerTrace], module: str = "") -> LayerStack:
    """Return the layers of ``module`` and above them those of every module whose input is exactly the output below it.

    They form one stack: those of ``module`` keep their levels' names, those above continue the count, ``l2``, ``l3``, ...

    Raises:
        ValueError: the trace has none.
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


def module_paths(layers: Mapping[str, LayerTrace], stack: LayerStack) -> list[str]:
    """Return the paths of the modules of a stack of these layers, in running order."""
    own = {id(layer.recording): name.rpartition(".")[0] for name, layer in layers.items()}
    return list(dict.fromkeys(own[id(each.recording)] for level in stack for each in level))


def sorted_losses(rows: Sequence[int] | None, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps of the requested losses, each once and ascending, and the index of each of ``rows`` among them.

    Raises:
        ValueError: a row is not a step of the sequence.
    """
    requested = np.arange(steps) if rows is None else np.asarray(rows, dtype=int)
    if requested.ndim != 1 or (requested.size and not (-steps <= requested.min() and requested.max() < steps)):
        raise ValueError(f"rows must be steps of the sequence, from 0 to {steps - 1}.")
    losses, places = np.unique(requested % steps, return_inverse=True)
    return losses, places


def gradient_scales(stack: LayerStack) -> tuple[float, ...]:
    """Return the scales to try, in order: in float32 first ``GRADIENT_SCALE``, and after an overflow 1."""
    return (GRADIENT_SCALE, 1.0) if stack[0][0].hidden.dtype == np.float32 else (1.0,)


@dataclass(frozen=True, eq=False)
class LayerPass:
    """The backward pass through one layer, for one sequence of the batch and one part of the losses.

    Attributes:
        name: the layer's name without the module's.
        layer: the layer's run.
        derivatives: its local derivatives.
        sequence: the index in the batch.
        part: the slice of the losses, R of them.
        source: the gradients from above.
    """

    name: str
    layer: LayerTrace
    derivatives: LocalDerivatives
    sequence: int
    part: slice
    source: IncomingGradients


class BackwardObserver(Protocol):
    """Callbacks of a backward pass; ``module_backward`` returns nothing, so an observer collects the results."""

    def begin(self, layer_pass: LayerPass) -> None:
        """Prepare for the steps of one layer."""

    def step(self, step: BackwardStep) -> None:
        """Process the derivatives of all losses by one step's state of that layer."""


def module_backward(
    stack: LayerStack,
    loss_grad: Tensor,
    losses: np.ndarray,
    observer: BackwardObserver,
    progress: Progress | None = None,
    scale: float = 1.0,
) -> None:
    """Backpropagate losses through all layers, from the highest to the lowest, and call ``observer`` at every step.

    Args:
        stack: the layers, lowest first.
        loss_grad: (B, T, H_out), the losses' derivatives by the module's output.
        losses: the steps of the losses, ascending.
        observer: called for each layer and for each step.
        progress: called with the completed share, from 0 to 1.
        scale: the factor of all gradients, one of ``gradient_scales(stack)``.

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
            for layer_pass, backward_steps in _backward_layers(
                stack, derivatives, grad[sequence], losses[part], sequence, part, scale != 1
            ):
                observer.begin(layer_pass)
                for count, step in enumerate(backward_steps):
                    observer.step(step)
                    if progress is not None and count % 16 == 0:
                        progress((passes + count / steps) / total)
                passes += 1
    if progress is not None:
        progress(1.0)


def _parts(stack: LayerStack, losses: int) -> list[slice]:
    """Return the losses in parts, so that the buffer between two layers stays below ``MAX_BUFFERED``."""
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
    """Yield every layer from the highest down, with its steps; consume the steps of one before requesting the next."""
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
            backward_steps = adjoints(layer, sequence, source, depth > 0, scaled, layer_pass.derivatives)
            yield layer_pass, backward_steps if below is None else _accumulate_input_grads(backward_steps, below)
        if below is not None:
            _apply_dropout(below, stack[depth - 1], sequence)
        above = below


def _accumulate_input_grads(backward_steps: Iterator[BackwardStep], below: Tensor) -> Iterator[BackwardStep]:
    """Yield the same steps, and add the derivative by the layer's input to ``below`` (T, R, D)."""
    for step in backward_steps:
        assert step.to_input is not None
        below[step.position, step.rows].addmm_(step.state, step.to_input)
        yield step


def _apply_dropout(below: Tensor, level: Sequence[LayerTrace], sequence: int) -> None:
    """Multiply the gradients ``below`` by the dropout noise of the forward pass."""
    noise = [layer.dropout[sequence] for layer in level if layer.dropout is not None]
    if noise:
        below *= torch.from_numpy(np.concatenate(noise, axis=-1))[:, None]
