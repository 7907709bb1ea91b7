"""Build torch modules from a checkpoint's tensors."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.checkpoints.building.checkpoint_module import (
    CheckpointModule,
    LearnedStates,
    MappedEmbedding,
    TiedDecoder,
    unique_module_name,
)
from models.checkpoints.building.compatibility import DecoderMatrix
from models.checkpoints.checkpoint_data import CheckpointData
from models.checkpoints.layers.initial_states import find_initial_states
from models.checkpoints.layers.stacks import RecurrentModule, Stack, group_modules
from models.core.stepwise_modules import recurrent_module

MAX_COPIED_BYTES = 64 << 20
"""An embedding of more bytes is not copied."""

TENSOR_SUFFIX = re.compile(r"([._/](weight|bias|[WwBb]|kernel(:0)?|bias:0|embeddings(:0)?|vars/\d+)|_[WwBb])$")


def module_name(tensor: str) -> str:
    """Return the name of a tensor's module: ``"head"`` for ``"head.weight"`` or ``"layers/head/vars/0"``."""
    steps = [
        step
        for step in TENSOR_SUFFIX.sub("", tensor).replace("/", ".").split(".")
        if step not in ("layers", "model_weights")
    ]
    if len(steps) > 1 and steps[-1] == steps[0]:  # older Keras repeats a layer's name, with the model's name in between
        steps = steps[:1]
    return ".".join(steps).replace("onnx::", "") or "part"


def build_recurrent(checkpoint: CheckpointData, part: RecurrentModule) -> nn.RNNBase:
    """Build a ``batch_first`` ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``; step by step if torch's kernel lacks its options."""
    layers = {name: checkpoint.layers[name] for name in part.layers}
    first = layers[part.layers[0]]
    projected: dict[str, Any] = {} if first.weight_hr is None else {"proj_size": first.output_size}
    module = recurrent_module(
        first.kind, first.input_size, first.hidden_size, first.options,
        num_layers=len(part.levels), bidirectional=len(part.levels[0]) > 1, bias=first.bias_ih is not None,
        batch_first=True, device="meta", dtype=first.tensors["weight_hh"].dtype, reverse=part.reverse, **projected,
    )  # fmt: skip
    state: dict[str, Tensor] = {}
    for level, names in enumerate(part.levels):
        for suffix, name in zip(("", "_reverse"), names, strict=False):
            state |= {f"{own}_l{level}{suffix}": values for own, values in layers[name].tensors.items()}
    module.load_state_dict(state, assign=True)
    return module


def build_embedding(checkpoint: CheckpointData, name: str, dtype: torch.dtype) -> nn.Embedding | MappedEmbedding:
    """Build an embedding from the matrix (V, D) called ``name``."""
    values = checkpoint.tensors[name]
    if values.nbytes > MAX_COPIED_BYTES:
        return MappedEmbedding(_shared(values))
    return nn.Embedding.from_pretrained(_copied(values, dtype), freeze=False)


def build_decoder(
    checkpoint: CheckpointData, matrix: DecoderMatrix, tied: bool, dtype: torch.dtype
) -> nn.Linear | TiedDecoder:
    """Build the output layer; ``tied``: only its bias, as the matrix is the embedding's."""
    bias = None if matrix.bias is None else _copied(checkpoint.tensors[matrix.bias], dtype)
    if tied:
        return TiedDecoder(bias)
    values = checkpoint.tensors[matrix.name]
    weight = _copied(values.T if matrix.transposed else values, dtype)
    module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    module.load_state_dict({"weight": weight} | ({} if bias is None else {"bias": bias}), assign=True)
    return module


def add_initial_states(checkpoint: CheckpointData, stack: Stack, module: CheckpointModule) -> dict[str, str]:
    """Add the initial states that the file has for the modules of ``stack``; return what is assumed of each, by tensor."""
    assumed: dict[str, str] = {}
    states_of = find_initial_states(group_modules(checkpoint.found), checkpoint.stored)
    for part, name in zip(stack.modules, module.stack_names, strict=True):
        states = states_of.get(part.path)
        if states is None:
            continue
        values = [
            _copied(checkpoint.tensors[own].reshape(-1, checkpoint.stored[own].shape[-1]), module.dtype)
            for own in states.names
        ]
        taken = {each for each, _ in module.named_modules() if each}
        own = unique_module_name(f"{name.rpartition('.')[2]}_initial_state", taken)
        module.add_initial_states(name, own, LearnedStates(values[0], values[1] if len(values) > 1 else None))
        assumed |= dict(zip(states.names, states.connections(part.path), strict=True))
    return assumed


def _copied(values: np.ndarray, dtype: torch.dtype) -> Tensor:
    return torch.tensor(np.ascontiguousarray(values)).to(dtype)


def _shared(values: np.ndarray) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that the array is read-only; nothing modifies it
        return torch.from_numpy(values)
