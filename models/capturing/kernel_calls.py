"""Record the calls of torch's recurrent kernels: the arguments and the outputs of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from models.capturing.kernel_runs import CellStep, KernelRun, StackReplay, StackRun, run_shape, stack_run
from models.capturing.recordable import obstacle
from models.capturing.recorded_arrays import in_16_bits
from models.core.output_gradients import HookedOutput
from models.core.stepwise_modules import StepwiseKernel

FUSED_CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "rnn_tanh": ("RNN", {"nonlinearity": "tanh"}),
    "rnn_relu": ("RNN", {"nonlinearity": "relu"}),
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {}),
}
CELL_CALLS = {f"{name}_cell": kind for name, kind in FUSED_CALLS.items()}
RECURRENT_CALLS = FUSED_CALLS.keys() | CELL_CALLS.keys()


class KernelCalls(TorchFunctionMode):
    """Mode that records this thread's calls of torch's recurrent kernels.

    On the CPU a stack is run one layer at a time by the same kernel, so that the values between its layers can be recorded.
    Dropout between layers draws the same random numbers in the same order as the fused stack does, so the outputs are the
    same bit for bit. On a GPU a stack runs as one kernel, unless it drops values between its layers: cuDNN's masks cannot be
    read, so there it runs one layer at a time too, with other masks of the same distribution.

    Attributes:
        runs: calls of fused kernels: of single layers, and of whole stacks.
        steps: calls of cell kernels.
        obstacle: why a call could not be recorded, or None.
    """

    def __init__(self) -> None:
        """Start without recorded calls."""
        super().__init__()
        self.runs: list[KernelRun | StackRun] = []
        self.steps: list[CellStep] = []
        self.obstacle: str | None = None

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Call ``func``, and record the call if it is a recurrent kernel's."""
        name = getattr(func, "__name__", "")
        own_kernel = isinstance(func, StepwiseKernel)
        if (own_kernel or name in RECURRENT_CALLS) and (found := obstacle(*args)) is not None:
            self.obstacle = found
            return func(*args, **(kwargs or {}))
        if own_kernel or name in FUSED_CALLS:
            return self._run_layers(func, args)
        output = func(*args, **(kwargs or {}))
        if name in CELL_CALLS:
            x, before, *weights = args
            before = tuple(before) if isinstance(before, list | tuple) else (before,)
            after = tuple(output) if isinstance(output, list | tuple) else (output,)
            own = tuple(weight for weight in weights if weight is not None)
            self.steps.append(CellStep(*CELL_CALLS[name], own, x, before, after, tuple(map(HookedOutput, after))))
        return output

    def _run_layers(self, func: Any, args: tuple) -> tuple:
        own_kernel = isinstance(func, StepwiseKernel)
        kind, options = (func.kind, func.options) if own_kernel else FUSED_CALLS[func.__name__]
        packed = isinstance(args[3], list | tuple)
        if packed:
            x, batch_sizes, states, weights, biases, layers, dropout, training, bidirectional = args
            batch_first = False
        else:
            x, states, weights, biases, layers, dropout, training, bidirectional, batch_first = args
            batch_sizes = None
        if batch_first:
            x = x.transpose(0, 1)

        def batch_first_layout(values: Tensor) -> Tensor:
            """Return values in the layout of a KernelRun."""
            return values if packed else values.transpose(0, 1)

        def one_layer(x: Tensor, start: tuple[Tensor, ...], own: Sequence[Tensor], training: bool) -> Any:
            """Call the kernel for one layer."""
            before, after = ((x, batch_sizes), ()) if packed else ((x,), (False,))
            own = contiguous_chunk(own, biases) if x.is_cuda and not own_kernel else own
            begin = start if kind == "LSTM" else start[0]
            return func(*before, begin, own, biases, 1, 0.0, training, bidirectional, *after)

        directions = 2 if bidirectional else 1
        states = tuple(states) if kind == "LSTM" else (states,)
        common: dict[str, Any] = {
            "kind": kind,
            "options": options,
            "biases": biases,
            "batch_sizes": batch_sizes,
            "shape": run_shape(batch_first_layout(x), batch_sizes),
            "reverse": own_kernel and func.reverse,
        }
        dropped = training and dropout > 0
        if layers > 1 and runs_as_one(x) and not own_kernel and not dropped:
            begin = states if kind == "LSTM" else states[0]
            before, after = ((x, batch_sizes), ()) if packed else ((x,), (False,))
            output = func(*before, begin, weights, biases, layers, 0.0, training, bidirectional, *after)
            replay = StackReplay(one_layer, batch_first_layout, x, states, layers, directions, weights[0].dtype)
            self.runs.append(stack_run(replay, weights, output, low_precision=in_16_bits(output[0]), **common))
            x, *ends = output
            return (x.transpose(0, 1) if batch_first else x, *ends)

        per_layer = len(weights) // layers
        finals = []
        for layer in range(layers):
            own = weights[layer * per_layer : (layer + 1) * per_layer]
            start = tuple(state[layer * directions : (layer + 1) * directions] for state in states)
            out, *final = one_layer(x, start, own, training)
            noise = None
            if dropped and layer < layers - 1:
                # The same numbers as the fused stack draws: one call of dropout on the layer's output.
                noise = torch.dropout(torch.ones_like(out), dropout, True)
            self.runs.append(
                KernelRun(
                    layer=layer,
                    directions=directions,
                    weights=tuple(own),
                    input=batch_first_layout(x),
                    states=start,
                    output=batch_first_layout(out),
                    ends=tuple(final),
                    low_precision=in_16_bits(out),
                    dropout=None if noise is None else batch_first_layout(noise),
                    hooked=(HookedOutput(out, batch_first_layout), *map(HookedOutput, final))
                    if out.requires_grad
                    else (),
                    **common,
                )
            )
            finals.append(final)
            x = out if noise is None else out * noise
        if batch_first:
            x = x.transpose(0, 1)
        return (x, *(torch.cat(states) for states in zip(*finals, strict=True)))


def runs_as_one(x: Tensor) -> bool:
    """Return whether a stack with this input runs as one kernel: on a GPU, where that is much faster than layer by layer."""
    return x.is_cuda


def contiguous_chunk(weights: Sequence[Tensor], biases: bool) -> list[Tensor]:
    """Return one layer's weights in one part of memory, in cuDNN's order, which otherwise warns and copies them.

    The order is that of all matrices before all biases. A projection's is unknown, so such weights stay where they are.
    """
    per_direction = 4 if biases else 2
    if len(weights) % per_direction:
        return list(weights)
    order = sorted(range(len(weights)), key=lambda index: index % per_direction >= 2)
    parts = torch.cat([weights[index].reshape(-1) for index in order]).split(
        [weights[index].numel() for index in order]
    )
    found = {index: part.view_as(weights[index]) for index, part in zip(order, parts, strict=True)}
    return [found[index] for index in range(len(weights))]
