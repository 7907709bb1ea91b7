"""Recorded calls of recurrent kernels: one layer's, one step's, and those of a stack of layers that ran as one kernel.

A stack on a GPU runs as it does without a capture. The values between its layers, which the kernel does not return, and the
gradients by them are computed again, one layer at a time by the same kernel, when they are read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from models.capturing.recordable import without_modes
from models.core.output_gradients import GradientHook, HookedOutput

OneLayer = Callable[[Tensor, tuple[Tensor, ...], Sequence[Tensor], bool], Any]
"""A kernel's call for one layer: of its input, the states before the first step, its weights, and whether it trains."""


class KernelRun(NamedTuple):
    """One call of a fused kernel for one layer in all its directions, batch first: (B, T, units), or packed.

    Attributes:
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        options: of ``LayerWeights``, such as an RNN's nonlinearity.
        layer: which layer of the stack.
        directions: 1, or 2 for a bidirectional layer.
        biases: whether the weights include biases.
        weights: in the order of torch's flat weights, for each direction.
        input: (B, T, D), or (sum of lengths, D) if packed; or a function that computes it.
        states: before the first step, (directions, B, P) hidden and, LSTM, (directions, B, H) cell; None for zeros.
        output: (B, T, directions * P), or packed; or a function that computes it.
        ends: the states after the last step, as ``states``.
        batch_sizes: the number of remaining sequences at each step if packed, else None.
        shape: (B, T).
        low_precision: whether it computed with 16 bits.
        dropout: the factors of the output before the next layer, shaped as ``output``, or None.
        hooked: the output and the states after the last step as the rest of the network receives them, with their gradients
            in the shapes above; empty if they require no gradient.
        reverse: whether the only direction runs from the last step to the first.
    """

    kind: str
    options: Mapping[str, Any]
    layer: int
    directions: int
    biases: bool
    weights: tuple[Tensor, ...]
    input: Tensor | Callable[[], Tensor]
    states: tuple[Tensor, ...] | None
    output: Tensor | Callable[[], Tensor]
    ends: tuple[Tensor, ...]
    batch_sizes: Tensor | None
    shape: tuple[int, int]
    low_precision: bool
    dropout: Tensor | None = None
    hooked: tuple[HookedOutput, ...] = ()
    reverse: bool = False


def run_shape(x: Tensor, batch_sizes: Tensor | None) -> tuple[int, int]:
    """Return (B, T) of an input, batch first or packed."""
    return (x.shape[0], x.shape[1]) if batch_sizes is None else (int(batch_sizes[0]), len(batch_sizes))


class CellStep(NamedTuple):
    """One call of a Cell.

    Attributes:
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        options: of ``LayerWeights``, such as an RNN's nonlinearity.
        weights: weight_ih, weight_hh and, if it has them, bias_ih and bias_hh.
        input: (B, D).
        before: the states before the step, (B, H) each: hidden, and for an LSTM cell.
        after: the states after it.
        hooked: these as the rest of the network receives them.
    """

    kind: str
    options: Mapping[str, Any]
    weights: tuple[Tensor, ...]
    input: Tensor
    before: tuple[Tensor, ...]
    after: tuple[Tensor, ...]
    hooked: tuple[HookedOutput, ...]


class StackRun(NamedTuple):
    """One call of a fused kernel for several layers.

    Attributes:
        runs: of each layer; the values between the layers are functions that compute them.
        hooked: the output and the states after the last step of all layers; empty if they require no gradient.
        replay: computes them.
    """

    runs: list[KernelRun]
    hooked: tuple[HookedOutput, ...]
    replay: StackReplay


def stack_run(replay: StackReplay, weights: Sequence[Tensor], output: tuple[Tensor, ...], **fields: Any) -> StackRun:
    """Return the call of a stack.

    Args:
        replay: of the call.
        weights: of all layers, in the order of torch's flat weights.
        output: of the kernel: the top layer's output, and the states after the last step of all layers.
        fields: those of ``KernelRun`` that are common to the layers.
    """
    (out, *ends), each, layout = output, len(weights) // replay.layers, replay.layout
    runs = [
        KernelRun(
            layer=layer,
            weights=tuple(weights[layer * each : (layer + 1) * each]),
            input=partial(replay.values, layer),
            states=replay.of_layer(layer, replay.states),
            output=layout(out) if layer == replay.layers - 1 else partial(replay.values, layer + 1),
            ends=replay.of_layer(layer, ends),
            directions=replay.directions,
            **fields,
        )
        for layer in range(replay.layers)
    ]
    return StackRun(runs, tuple(map(HookedOutput, output)) if out.requires_grad else (), replay)


class StackReplay:
    """The call of a stack again, one layer at a time; copies, on the device where it ran.

    Attributes:
        layout: of values as the kernel takes and returns them, to batch first or packed.
        states: before the first step, (layers * directions, B, units) each.
        layers: number of layers. directions: of each.
        weights: of each layer in the kernel's order, as the recorder has copied them.
    """

    def __init__(
        self,
        one_layer: OneLayer,
        layout: Callable[[Tensor], Tensor],
        x: Tensor,
        states: tuple[Tensor, ...],
        layers: int,
        directions: int,
        dtype: torch.dtype,
    ) -> None:
        """Copy the input and the states of a call.

        Args:
            one_layer: calls the kernel for one layer.
            layout: as in the attributes.
            x: the kernel's input.
            states: as in the attributes.
            layers: likewise. directions: likewise.
            dtype: of the weights.
        """
        self._one_layer, self.layout, self.layers, self.directions = one_layer, layout, layers, directions
        self._inputs, self.states = [x.detach().clone()], tuple(state.detach().clone() for state in states)
        device = x.device.type
        self._autocast = device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device)
        self._gradients: dict[tuple[int, int, int], list[dict[int, Tensor]]] = {}
        self.weights: dict[int, list[Tensor]] = {}
        self._dtype = dtype

    def values(self, layer: int) -> Tensor:
        """Return the input of one layer, batch first or packed."""
        return self.layout(self._input(layer))

    def of_layer(self, layer: int, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return one layer's part of the states of all layers."""
        return tuple(state[layer * self.directions : (layer + 1) * self.directions] for state in states)

    def _input(self, layer: int) -> Tensor:
        """Return the input of one layer, as the kernel takes it."""
        while len(self._inputs) <= layer:
            with torch.no_grad():
                self._inputs.append(self._run(len(self._inputs) - 1, self._inputs[-1], False)[0])
        return self._inputs[layer]

    def _run(self, layer: int, x: Tensor, training: bool) -> Any:
        """Call the kernel for one layer; return its output and the states after its last step."""
        own = [each.to(self._dtype) for each in self.weights[layer]]
        device, dtype, enabled = self._autocast
        precision: AbstractContextManager = torch.autocast(device, dtype=dtype, enabled=enabled)
        with without_modes(), precision, torch.inference_mode(False):
            return self._one_layer(x, self.of_layer(layer, self.states), own, training)

    def gradients(self, hook: GradientHook, number: int) -> list[dict[int, Tensor]]:
        """Return each layer's gradients in one backward pass: by its output (0), and by its last states (1, 2).

        Args:
            hook: on the output and the states of the whole stack.
            number: of the backward pass.
        """
        key = id(hook), number, hook.count
        if key in self._gradients:
            return self._gradients[key]
        top, device = self.layers - 1, self.states[0].device
        reached = {index: grad.to(device) for index, grad in hook.recorded.get(number, {}).items()}
        found: list[dict[int, Tensor]] = [{} for _ in range(self.layers)]
        by_output = reached.pop(0, None)
        for layer in range(top, -1, -1):
            own = {index: self.of_layer(layer, [grad])[0] for index, grad in reached.items()}
            found[layer] = {index: grad.cpu() for index, grad in own.items()}
            if by_output is not None:
                found[layer][0] = _with_32_bits(self.layout(by_output)).cpu()
            if layer > 0:
                by_output = self._by_input(layer, ({} if by_output is None else {0: by_output}) | own)
        self._gradients = {key: found}
        return found

    def _by_input(self, layer: int, grads: Mapping[int, Tensor]) -> Tensor | None:
        """Return the gradient by one layer's input that follows from those by its output and its last states."""
        if not grads:
            return None
        with torch.inference_mode(False), torch.enable_grad():
            x = self._input(layer).clone().requires_grad_()
            outputs = self._run(layer, x, True)
            pairs = [(outputs[index], grad.to(outputs[index].dtype)) for index, grad in grads.items()]
            return torch.autograd.grad([each for each, _ in pairs], x, [grad for _, grad in pairs])[0]


def _with_32_bits(values: Tensor) -> Tensor:
    """Return ``values`` as float32, or float64 if they are."""
    return values if values.dtype == torch.float64 else values.float()


class ReplayedGradients(GradientHook):
    """The gradients by one layer's output and last states, computed from those by the output of its stack.

    Attributes:
        passes: as of ``GradientHook``.
    """

    def __init__(self, stack: StackReplay, hook: GradientHook, layer: int) -> None:
        """Store the stack, the hook on its output, and which layer this is."""
        self._stack, self._hook, self._layer = stack, hook, layer

    def __bool__(self) -> bool:
        return bool(self._hook)

    @property
    def passes(self) -> dict[int, dict[int, Tensor]]:
        """The gradients by index for each backward pass, by the pass's number."""
        return {number: self._stack.gradients(self._hook, number)[self._layer] for number in self._hook.recorded}

    @property
    def count(self) -> int:
        """Number of gradients that have been added."""
        return self._hook.count

    @property
    def differentiated(self) -> bool:
        """Whether a backward pass ran through one of the gradients."""
        return self._hook.differentiated

    def remove(self) -> None:
        """Remove the hook of the stack."""
        self._hook.remove()
