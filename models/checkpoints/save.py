"""A checkpoint as a ``.safetensors`` file with PyTorch's names, whatever format it came in: so it also converts.

Recurrent layers are called as the modules ``nn.RNN``, ``nn.LSTM`` and ``nn.GRU`` call theirs, embeddings and dense layers as
``nn.Embedding`` and ``nn.Linear``; what else there is keeps its name and its numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from safetensors.numpy import save

from models.checkpoints.building.compatibility import bias_of, embeds
from models.checkpoints.building.torch_modules import module_name
from models.checkpoints.checkpoint import Checkpoint
from models.checkpoints.layers.stacks import LAYER, parts_of
from models.checkpoints.parsing.contents import CheckpointError, FoundLayer
from models.core.layer_metadata import tell
from models.core.stepwise_modules import TORCH_RUNS

LARGEST = 2 << 30
"""Bytes that are written at once."""

RENAMED = ("Keras", "ONNX", "npz")
"""The beginnings of the formats whose names are not PyTorch's own."""


def to_safetensors(checkpoint: Checkpoint) -> bytes:
    """The whole checkpoint as a file; ``module.load_state_dict(safetensors.torch.load(data))`` takes it up.

    Its metadata tell the kind and the options of every recurrent layer.

    Raises:
        CheckpointError: torch has no kernel for one of its layers, or it is too large to be written at once.

    Example:
        >>> data = to_safetensors(load_checkpoint("model.keras"))
        >>> nn.LSTM(5, 3, bidirectional=True).load_state_dict(safetensors.torch.load(data))
    """
    check_writable(checkpoint)
    names = names_of(checkpoint)
    tensors: dict[str, np.ndarray] = {}
    for layer, parts in names.layers.items():
        for part, values in checkpoint.layers[layer].arrays().items():
            tensors[parts[part]] = np.ascontiguousarray(values)
    for tensor, (name, turned) in names.others.items():
        values = checkpoint.tensors[tensor]
        tensors[name] = np.ascontiguousarray(values.T if turned else values)
    layers = {
        "".join(names.layers[name]["weight_hh"].rpartition("weight_hh_")[::2]): (found.kind, found.options)
        for name, found in checkpoint.found.items()
    }
    return save(tensors, {"format": "pt", **tell(layers)})


class Names:
    """What everything is called in PyTorch.

    Attributes:
        layers: by layer and part, such as ``"weight_ih"``: PyTorch's name.
        others: by the name of any other tensor: PyTorch's name, and whether it has to be turned, (P, V) to (V, P).
    """

    def __init__(self, layers: Mapping[str, Mapping[str, str]], others: Mapping[str, tuple[str, bool]]) -> None:
        """Keep the names."""
        self.layers, self.others = layers, others


def names_of(checkpoint: Checkpoint) -> Names:
    """PyTorch's names for everything in a checkpoint; nothing is read.

    Raises:
        CheckpointError: a layer reads backwards alone, as no module of torch's does.
    """
    layers: dict[str, dict[str, str]] = {}
    for part in parts_of(checkpoint.found):
        bare = LAYER.fullmatch(part.layers[0])
        path = "" if bare is not None and not bare["path"] and len(part.levels) == len(checkpoint.found) else part.path
        for level, sides in enumerate(part.levels):
            for end, name in zip(("", "_reverse"), sides, strict=False):
                own = checkpoint.found[name].parts
                layers[name] = {
                    each: f"{path}.{each}_l{level}{end}" if path else f"{each}_l{level}{end}" for each in own
                }
    for name in checkpoint.found:
        if name not in layers:
            raise CheckpointError(
                "{layer} reads backwards alone, which no module of PyTorch does; give an nn.{kind} the sequence reversed.",
                layer=name, kind=checkpoint.found[name].kind,
            )  # fmt: skip
    return Names(layers, _others(checkpoint))


def _others(checkpoint: Checkpoint) -> dict[str, tuple[str, bool]]:
    readable = {name: stored for name, stored in checkpoint.stored.items() if stored.dtype in NUMBERS}
    if checkpoint.format == "ONNX":  # the rest are constants of the graph: sizes, axes, states of zeros
        readable = {name: each for name, each in readable.items() if each.is_float and "Constant" not in name}
    named = {name: (name, False) for name in readable}
    if not checkpoint.format.startswith(RENAMED):
        return named
    vectors = {name: stored for name, stored in readable.items() if len(stored.shape) == 1 and stored.is_float}
    for name, stored in readable.items():
        if len(stored.shape) != 2 or not stored.is_float:
            named.setdefault(name, (name.replace("/", "."), False))
            continue
        embedding = embeds(name)
        turned = not embedding and (checkpoint.format.startswith("Keras") or "MatMul" in name)
        bias = None if embedding else bias_of(name, stored.shape[turned], vectors)
        module = module_name(bias if bias is not None and "onnx::" in name else name)
        named[name] = f"{module}.weight", turned
        if bias is not None:
            named[bias] = f"{module}.bias", False
    taken: dict[str, str] = {}
    for name, (new, _) in named.items():
        if new in taken or (new != name and new in readable):
            named[name] = name, False  # two would have one name
        taken[named[name][0]] = name
    return named


NUMBERS = {
    "float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "int64", "int32", "int16", "int8", "uint8",
    "uint16", "uint32", "uint64", "bool",
}  # fmt: skip


def check_writable(checkpoint: Checkpoint) -> None:
    """Look whether it can be written, without reading it. Raises CheckpointError: it cannot."""
    names_of(checkpoint)
    strange = {name: _said(found) for name, found in checkpoint.found.items() if not _torch_runs(found)}
    if strange:
        raise CheckpointError(
            "PyTorch has no module that computes {layers}; what such layers compute can be seen here, but not converted.",
            layers=", ".join(f"{name} ({why})" for name, why in strange.items()),
        )
    size = sum(part.size * 4 for found in checkpoint.found.values() for part in found.parts.values())
    size += sum(stored.size * 4 for stored in checkpoint.stored.values())
    if size > LARGEST:
        raise CheckpointError(
            "This checkpoint would be a file of {size} bytes, more than the {largest} that can be written at once.",
            size=f"{size:,}", largest=f"{LARGEST:,}",
        )  # fmt: skip


def _torch_runs(found: FoundLayer) -> bool:
    runs = TORCH_RUNS[found.kind]  # type: ignore[index]
    return {**runs[0], **found.options} in runs


def _said(found: FoundLayer) -> str:
    """The options by which a layer is none of torch's."""
    usual = TORCH_RUNS[found.kind][0]  # type: ignore[index]
    return ", ".join(f"{name}={value}" for name, value in found.options.items() if usual.get(name) != value)
