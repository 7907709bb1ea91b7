"""Run a stacked kernel call one layer at a time, so that what lies between the layers is seen."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from models.recorder import Run

FUSED_CALLS = {
    "rnn_tanh": ("RNN", "tanh"),
    "rnn_relu": ("RNN", "relu"),
    "lstm": ("LSTM", "tanh"),
    "gru": ("GRU", "tanh"),
}


class StackedCalls(TorchFunctionMode):
    """While it is entered, in this thread, torch's fused recurrent calls run layer by layer and are kept in ``runs``.

    The same kernel computes each layer, and dropout between layers draws the same random numbers in the same order as the
    fused stack does, so the outputs are the same.
    """

    def __init__(self) -> None:
        """Nothing has been seen yet."""
        super().__init__()
        self.runs: list[Run] = []

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if getattr(func, "__name__", "") not in FUSED_CALLS:
            return func(*args, **(kwargs or {}))
        kind, nonlinearity = FUSED_CALLS[func.__name__]
        packed = isinstance(args[3], list | tuple)
        if packed:
            x, batch_sizes, states, weights, biases, layers, dropout, training, bidirectional = args
            batch_first = False
        else:
            x, states, weights, biases, layers, dropout, training, bidirectional, batch_first = args
            batch_sizes = None
        if batch_first:
            x = x.transpose(0, 1)
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
            run = Run(
                kind, nonlinearity, layer, directions, biases, tuple(own), x, start, out, batch_sizes, noise
            )
            self.runs.append(run)
            finals.append(final)
            x = out if noise is None else out * noise
        if batch_first:
            x = x.transpose(0, 1)
        return (x, *(torch.cat(states) for states in zip(*finals, strict=True)))
