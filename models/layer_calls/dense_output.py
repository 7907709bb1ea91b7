"""An output layer after a call: ``Dense(1, activation="sigmoid")`` or ``Dense(K, activation="softmax")``."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, nn

from models.layer_calls.call_options import CallOptions
from models.layer_calls.call_run import CallRun
from models.layer_calls.returned_tensors import has_result_line, keras_tensors
from models.networks.output_step import OutputStep


def dense_output(run: CallRun, row: int) -> OutputStep:
    """Return the output layer of the call on sequence ``row``; with ``return_sequences`` on the output's last time step."""
    weight, bias = dense_weights(run.call)
    output = keras_tensors(run)[0].values[row]
    hidden = output[-1] if run.call.return_sequences else output
    return OutputStep("dense", weight, bias, hidden.astype(np.float64), (), True, run.call.outputs > 1)


def dense_weights(call: CallOptions) -> tuple[np.ndarray, np.ndarray]:
    """Return the weight (K, P) and the bias (K) float64, initialized as the call's other weights.

    Random numbers are those of ``dense_lines`` in PyTorch.
    """
    generator, bound = Generator().manual_seed(call.seed), call.merged_size**-0.5
    weight = torch.empty(call.outputs, call.merged_size).uniform_(-bound, bound, generator=generator)
    bias = torch.empty(call.outputs).uniform_(-bound, bound, generator=generator)
    if call.initialization == "constant":
        weight.fill_(call.constant)
    elif call.initialization == "keras":
        nn.init.xavier_uniform_(weight, generator=generator)
    if call.initialization != "pytorch":
        bias.zero_()
    return weight.double().numpy(), bias.double().numpy()


def dense_lines(run: CallRun, library: str) -> list[str]:
    """Return the lines of ``"keras"`` or ``"pytorch"`` that apply the output layer to what the call returned."""
    call = run.call
    activation = "sigmoid" if call.outputs == 1 else "softmax"
    if library == "keras":
        arguments = [str(call.outputs), f'activation="{activation}"']
        if call.initialization == "constant":
            arguments.append(f"kernel_initializer=initializers.Constant({call.constant:g})")
        return [f"probability = layers.Dense({', '.join(arguments)})(output)"]
    result = "result" if has_result_line(run) else "output"
    lines = [] if call.initialization == "constant" else [f"torch.manual_seed({call.seed})"]
    lines.append(f"dense = nn.Linear({call.merged_size}, {call.outputs})")
    if call.initialization != "pytorch":
        drawn = f"constant_(dense.weight, {call.constant:g})"
        lines.append(f"nn.init.{drawn if call.initialization == 'constant' else 'xavier_uniform_(dense.weight)'}")
        lines.append("nn.init.zeros_(dense.bias)")
    function = "sigmoid" if call.outputs == 1 else "softmax"
    return [*lines, f"probability = torch.{function}(dense({result}){'' if call.outputs == 1 else ', -1'})"]
