"""ONNX's recurrent nodes as torch's modules, with their inputs and outputs in ONNX's layout.

Source: https://onnx.ai/onnx/operators. X is (T, B, D), initial states are (directions, B, H); Y is (T, directions, B, H)
and the last states are (directions, B, H). With ``layout = 1`` the batch comes first in each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from models.checkpoints.graphs.onnx_program import Scope
from models.checkpoints.layers.onnx_nodes import NodeLayer
from models.checkpoints.layers.read_weights import read_layer_weights
from models.checkpoints.parsing.errors import CheckpointError
from models.core.stepwise_modules import recurrent_module
from models.core.weights import LayerWeights

INPUTS = 7
"""X, W, R, B, sequence_lens, initial_h and initial_c are the inputs that are taken into account."""


def build_modules(label: str, levels: list[list[NodeLayer]]) -> list[nn.RNNBase]:
    """Return modules for stacked recurrent nodes, one of several levels if it can be one, else one for each direction.

    Args:
        label: the node's name for sentences.
        levels: the layers of each node, from the lowest to the highest.

    Raises:
        CheckpointError: the shapes of the weights do not match.
    """
    weights = [[read_layer_weights(label, each.layer) for each in level] for level in levels]
    if len({_shape(each) for level in weights for each in level}) == 1:
        return [_module(weights, levels[0][0].reverse)]
    if len(levels) > 1:
        raise CheckpointError("The tensors of {layer} do not fit together. Save the network again.", layer=label)
    return [_module([[each]], own.reverse) for each, own in zip(weights[0], levels[0], strict=True)]


def can_be_stacked(below: list[NodeLayer], above: list[NodeLayer]) -> bool:
    """Return whether two nodes, the output of the first being the input of the second, can be levels of one module."""
    first = [_shape_of_layer(each) for each in (*below, *above)]
    width = sum(each.layer.parts["weight_hh"].shape[1] for each in below)
    reads = {each.layer.parts["weight_ih"].shape[1] for each in above}
    directions = [[each.reverse for each in level] for level in (below, above)]
    return len(set(first)) == 1 and reads == {width} and directions[0] == directions[1] and directions[0] != [True]


def _shape_of_layer(each: NodeLayer) -> tuple:
    layer = each.layer
    return layer.kind, layer.parts["weight_hh"].shape, frozenset(layer.parts), tuple(sorted(layer.options.items()))


def _shape(weights: LayerWeights) -> tuple:
    """Return what the layers of one torch module have in common."""
    return weights.kind, weights.hidden_size, weights.bias_ih is None, tuple(sorted(weights.options.items()))


def _module(levels: list[list[LayerWeights]], reverse: bool) -> nn.RNNBase:
    first = levels[0][0]
    module = recurrent_module(
        first.kind, first.input_size, first.hidden_size, first.options,
        reverse=reverse and len(levels[0]) == 1, num_layers=len(levels), bidirectional=len(levels[0]) > 1,
        bias=first.bias_ih is not None, device="meta", dtype=first.tensors["weight_hh"].dtype,
    )  # fmt: skip
    state: dict[str, Tensor] = {}
    for number, level in enumerate(levels):
        for suffix, weights in zip(("", "_reverse"), level, strict=False):
            state |= {f"{name}_l{number}{suffix}": values for name, values in weights.tensors.items()}
    module.load_state_dict(state, assign=True)
    return module


@dataclass(frozen=True, eq=False)
class RecurrentStep:
    """Runs a recurrent node, or several that are stacked.

    Attributes:
        label: the node's name for sentences.
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        paths: the modules: one, or one for each direction.
        nodes: how many nodes are stacked in the module.
        directions: 1 or 2.
        batch_first: whether ``layout`` is 1.

    The inputs are those of ONNX's nodes, with INPUTS places each: X and the lengths are those of the first node.
    The outputs are Y of the last node, then Y_h and for an LSTM Y_c of each node.
    """

    label: str
    kind: str
    paths: tuple[str, ...]
    nodes: int
    directions: int
    batch_first: bool

    def __call__(self, scope: Scope, inputs: list[Tensor | None]) -> tuple[Tensor, ...]:
        """Return Y and the last states."""
        modules: list[Any] = [scope.run.root.get_submodule(path) for path in self.paths]
        x, lengths = inputs[0], inputs[4]
        assert x is not None
        dtype = x.dtype
        x = x.to(next(modules[0].parameters()).dtype)  # 16-bit weights are decoded to 32 bits
        if self.batch_first:
            x = x.transpose(0, 1)
        states = self._states(x, modules[0].hidden_size, inputs)
        given, order = _packed(x, lengths)
        parts = []
        for index, module in enumerate(modules):
            own = (
                None
                if states is None
                else [state[index : index + 1] if len(modules) > 1 else state for state in states]
            )
            begin = None if own is None else tuple(own) if self.kind == "LSTM" else own[0]
            parts.append(module(given, begin))
        outputs = [_unpacked(out, x, order) for out, _ in parts]
        ends = [last if isinstance(last, tuple) else (last,) for _, last in parts]
        output = torch.cat(outputs, -1) if len(outputs) > 1 else outputs[0]
        last = [torch.cat(each, 0) if len(each) > 1 else each[0] for each in zip(*ends, strict=True)]
        steps, batch, _ = output.shape
        y = output.reshape(steps, batch, self.directions, -1)
        y = y.transpose(0, 1) if self.batch_first else y.transpose(1, 2)
        found = [y]
        for node in range(self.nodes):
            own_last = [state[node * self.directions : (node + 1) * self.directions] for state in last]
            if order is not None:
                own_last = [
                    torch.where((order > 0)[None, :, None], state, torch.zeros_like(state)) for state in own_last
                ]
            found += [state.transpose(0, 1) if self.batch_first else state for state in own_last]
        return tuple(values.to(dtype) for values in found)

    def _states(self, x: Tensor, hidden_size: int, inputs: list[Tensor | None]) -> list[Tensor] | None:
        """Return the states before the first step, (nodes * directions, B, H) each; None for zeros."""
        count = 2 if self.kind == "LSTM" else 1
        given = [[inputs[node * INPUTS + 5 + place] for node in range(self.nodes)] for place in range(count)]
        if all(state is None for states in given for state in states):
            return None
        zeros = x.new_zeros(self.directions, x.shape[1], hidden_size)

        def laid_out(state: Tensor | None) -> Tensor:
            return zeros if state is None else (state.transpose(0, 1) if self.batch_first else state).to(x.dtype)

        return [torch.cat([laid_out(state) for state in states]) for states in given]


def _packed(x: Tensor, lengths: Tensor | None) -> tuple[Tensor | PackedSequence, Tensor | None]:
    """Return x, packed if its sequences end before its last step, and then their lengths."""
    if lengths is None or bool((lengths == len(x)).all()):
        return x, None
    steps = lengths.long().cpu()
    if bool(((steps < 0) | (steps > len(x))).any()):
        raise ValueError("sequence_lens")
    return pack_padded_sequence(x, steps.clamp(min=1), enforce_sorted=False), steps.to(x.device)


def _unpacked(out: Any, x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return the output as (T, B, units), 0 after the end of each sequence."""
    if lengths is None:
        return out
    padded, _ = pad_packed_sequence(out, total_length=len(x))
    steps = torch.arange(len(x), device=x.device)[:, None]
    return torch.where((steps < lengths)[..., None], padded, torch.zeros_like(padded))
