"""Calls of torch's recurrent operators, run by modules, so that ``capture`` records them.

A call ``lstm(x, (h, c), weights, has_biases, num_layers, dropout, train, bidirectional, batch_first)`` becomes a call of an
``nn.LSTM`` that has these weights; ``lstm(data, batch_sizes, (h, c), weights, ...)`` one with a packed sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from models.checkpoints.graphs.graph_module import refuse_setting

SEQUENCES: dict[str, tuple[Any, dict[str, str]]] = {
    "lstm": (nn.LSTM, {}),
    "gru": (nn.GRU, {}),
    "rnn_tanh": (nn.RNN, {"nonlinearity": "tanh"}),
    "rnn_relu": (nn.RNN, {"nonlinearity": "relu"}),
}
"""The modules of operators on sequences."""
CELLS: dict[str, tuple[Any, dict[str, str]]] = {
    "lstm_cell": (nn.LSTMCell, {}),
    "gru_cell": (nn.GRUCell, {}),
    "rnn_tanh_cell": (nn.RNNCell, {"nonlinearity": "tanh"}),
    "rnn_relu_cell": (nn.RNNCell, {"nonlinearity": "relu"}),
}
"""The modules of operators on one step."""
RECURRENT = frozenset(SEQUENCES) | frozenset(CELLS)

ARGUMENTS = ("input", "hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional", "batch_first")
PACKED_ARGUMENTS = (
    "data",
    "batch_sizes",
    "hx",
    "params",
    "has_biases",
    "num_layers",
    "dropout",
    "train",
    "bidirectional",
)
CELL_ARGUMENTS = ("input", "hx", "w_ih", "w_hh", "b_ih", "b_hh")


def bound_arguments(op: str, args: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a recurrent operator by name; ``"weights"`` lists its weights as the module orders them."""
    if op in CELLS:
        found = dict(zip(CELL_ARGUMENTS, args, strict=False)) | dict(named)
        found["weights"] = [found[name] for name in CELL_ARGUMENTS[2:] if found.get(name) is not None]
        return found
    packed = "batch_sizes" in named or (len(args) > 3 and isinstance(args[3], list | tuple))
    found = dict(zip(PACKED_ARGUMENTS if packed else ARGUMENTS, args, strict=False)) | dict(named)
    found["weights"] = list(found["params"])
    return found


def recurrent_module_of(label: str, op: str, weights: Sequence[Tensor], given: Mapping[str, Any]) -> nn.Module:
    """Build the module of an operator.

    Args:
        label: the layer's name for sentences.
        op: the operator's name, such as ``"lstm"``.
        weights: its weights in the operator's order.
        given: its other arguments, by name; ``batch_first``, ``bidirectional``, ``has_biases`` and ``num_layers``.

    Raises:
        CheckpointError: the weights do not fit these arguments.
    """
    first = weights[0]
    if op in CELLS:
        cell, options = CELLS[op]
        made: nn.Module = cell(
            first.shape[1], weights[1].shape[1], bias=len(weights) > 2, device="meta", dtype=first.dtype, **options
        )
    else:
        kind, options = SEQUENCES[op]
        levels, directions = int(given["num_layers"]), 1 + bool(given["bidirectional"])
        biases = bool(given["has_biases"])
        each, rest = divmod(len(weights), levels * directions)
        projected = each - 2 - 2 * biases
        if rest or projected not in ((0, 1) if op == "lstm" else (0,)):
            refuse_setting(label, "params", len(weights))
        sizes = {"proj_size": weights[each - 1].shape[0]} if projected else {}
        hidden = weights[each - 1].shape[1] if projected else weights[1].shape[1]
        made = kind(
            first.shape[1], hidden, levels, bias=biases, batch_first=bool(given.get("batch_first")),
            bidirectional=directions == 2, device="meta", dtype=first.dtype, **sizes, **options,
        )  # fmt: skip
    names = [name for name, _ in made.named_parameters()]
    shapes = [parameter.shape for parameter in made.parameters()]
    if shapes != [weight.shape for weight in weights]:
        refuse_setting(label, "params", [tuple(weight.shape) for weight in weights])
    made.load_state_dict(dict(zip(names, weights, strict=True)), assign=True)
    return made


def parameters_in_order(module: nn.Module) -> list[Tensor]:
    """Return a recurrent module's weights in its operator's order."""
    return [each for each in module._parameters.values() if each is not None]


def layer_names(path: str, module: nn.Module) -> list[str]:
    """Return the names that ``capture`` gives to the layers of a recurrent module."""
    if not isinstance(module, nn.RNNBase):
        return [f"{path}.l0"]
    ends = ("", "_reverse")[: 1 + module.bidirectional]
    return [f"{path}.l{level}{end}" for level in range(module.num_layers) for end in ends]


def run_recurrent(label: str, module: Any, given: Mapping[str, Any]) -> Any:
    """Return what the operator would: output and last states, or a cell's next state.

    Raises:
        CheckpointError: it is run as in training, with dropout between its layers.
    """
    if not isinstance(module, nn.RNNBase):
        states = given["hx"]
        return module(given["input"], tuple(states) if isinstance(states, list | tuple) else states)
    if given.get("train") and given.get("dropout") and module.num_layers > 1:
        refuse_setting(label, "dropout", given["dropout"])
    states = given["hx"]
    state = tuple(states) if isinstance(states, list | tuple) else states
    if "batch_sizes" in given:
        packed = PackedSequence(given["data"], given["batch_sizes"])
        output, last = module(packed, state)
        output = output.data
    else:
        turned = bool(given.get("batch_first")) != module.batch_first and given["input"].dim() == 3
        x = given["input"].transpose(0, 1) if turned else given["input"]
        output, last = module(x, state)
        output = output.transpose(0, 1) if turned else output
    return (output, *last) if isinstance(last, tuple) else (output, last)
