"""Record the calls of torch's recurrent kernels: the arguments and the outputs of each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from models.capturing.recordable import obstacle
from models.capturing.recorder import CellStep, KernelRun
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

    A stack is run one layer at a time by the same kernel, so that the values between its layers can be recorded. On the CPU,
    dropout between layers draws the same random numbers in the same order as the fused stack does, so the outputs are the
    same bit for bit; cuDNN has its own generator, so there the masks differ, with the same distribution.

    Attributes:
        runs: calls of fused kernels, one for each layer.
        steps: calls of cell kernels.
        obstacle: why a call could not be recorded, or None.
    """

    def __init__(self) -> None:
        """Start without recorded calls."""
        super().__init__()
        self.runs: list[KernelRun] = []
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

        directions = 2 if bidirectional else 1
        states = tuple(states) if kind == "LSTM" else (states,)
        per_layer = len(weights) // layers
        finals = []
        for layer in range(layers):
            own = weights[layer * per_layer : (layer + 1) * per_layer]
            start = tuple(state[layer * directions : (layer + 1) * directions] for state in states)
            before = (x, batch_sizes) if packed else (x,)
            after = () if packed else (False,)
            begin = start if kind == "LSTM" else start[0]
            out, *final = func(*before, begin, own, biases, 1, 0.0, training, bidirectional, *after)
            noise = None
            if training and dropout > 0 and layer < layers - 1:
                # The same numbers as the fused stack draws: one call of dropout on the layer's output.
                noise = torch.dropout(torch.ones_like(out), dropout, True)
            self.runs.append(
                KernelRun(
                    kind=kind,
                    options=options,
                    layer=layer,
                    directions=directions,
                    biases=biases,
                    weights=tuple(own),
                    input=batch_first_layout(x),
                    states=start,
                    output=batch_first_layout(out),
                    ends=tuple(final),
                    batch_sizes=batch_sizes,
                    dropout=None if noise is None else batch_first_layout(noise),
                    hooked=(HookedOutput(out, batch_first_layout), *map(HookedOutput, final))
                    if out.requires_grad
                    else (),
                    reverse=own_kernel and func.reverse,
                )
            )
            finals.append(final)
            x = out if noise is None else out * noise
        if batch_first:
            x = x.transpose(0, 1)
        return (x, *(torch.cat(states) for states in zip(*finals, strict=True)))
