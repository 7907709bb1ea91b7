"""See the calls of torch's recurrent kernels themselves: what each was given, and what it put out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from models.capturing.recorder import Run, Step
from models.core.output_gradients import Flow
from models.core.stepwise_modules import StepwiseKernel

FUSED_CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "rnn_tanh": ("RNN", {"nonlinearity": "tanh"}),
    "rnn_relu": ("RNN", {"nonlinearity": "relu"}),
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {}),
}
CELL_CALLS = {f"{name}_cell": kind for name, kind in FUSED_CALLS.items()}


class KernelCalls(TorchFunctionMode):
    """While it is entered, in this thread, calls of torch's recurrent kernels are kept in ``runs`` and ``steps``.

    A stack is run one layer at a time by the same kernel, so that what lies between its layers is seen. On the CPU,
    dropout between layers draws the same random numbers in the same order as the fused stack does, so the outputs
    are the same bit for bit; cuDNN draws its own, so there the masks are others, of the same distribution.
    """

    def __init__(self) -> None:
        """Nothing has been seen yet."""
        super().__init__()
        self.runs: list[Run] = []
        self.steps: list[Step] = []

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Call ``func``, and keep the call if it is a recurrent kernel's."""
        name = getattr(func, "__name__", "")
        if name in FUSED_CALLS or isinstance(func, StepwiseKernel):
            return self._run_layers(func, args)
        output = func(*args, **(kwargs or {}))
        if name in CELL_CALLS:
            x, before, *weights = args
            before = tuple(before) if isinstance(before, list | tuple) else (before,)
            after = tuple(output) if isinstance(output, list | tuple) else (output,)
            own = tuple(weight for weight in weights if weight is not None)
            self.steps.append(Step(*CELL_CALLS[name], own, x, before, after, tuple(map(Flow, after))))
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

        def shown(values: Tensor) -> Tensor:
            """As a Run has it."""
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
                # The very numbers that the fused stack would have drawn: one call of dropout on the layer's output.
                noise = torch.dropout(torch.ones_like(out), dropout, True)
            self.runs.append(
                Run(
                    kind=kind,
                    options=options,
                    layer=layer,
                    directions=directions,
                    biases=biases,
                    weights=tuple(own),
                    input=shown(x),
                    states=start,
                    output=shown(out),
                    ends=tuple(final),
                    batch_sizes=batch_sizes,
                    dropout=None if noise is None else shown(noise),
                    flows=(Flow(out, shown), *map(Flow, final)) if out.requires_grad else (),
                    reverse=own_kernel and func.reverse,
                )
            )
            finals.append(final)
            x = out if noise is None else out * noise
        if batch_first:
            x = x.transpose(0, 1)
        return (x, *(torch.cat(states) for states in zip(*finals, strict=True)))
