"""Save a checkpoint of any format as ``.safetensors`` under PyTorch's names, which also converts it.

Tensors of recurrent layers get the parameter names of ``nn.RNN``, ``nn.LSTM`` and ``nn.GRU``, embeddings and dense layers
those of ``nn.Embedding`` and ``nn.Linear``; every other tensor keeps its name and values.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from safetensors.numpy import save

from models.checkpoints.building.compatibility import can_embed, find_bias
from models.checkpoints.building.torch_modules import module_name
from models.checkpoints.checkpoint_data import CheckpointData
from models.checkpoints.layers.stacks import LAYER_NAME, group_modules
from models.checkpoints.parsing.contents import FoundLayer
from models.checkpoints.parsing.errors import CheckpointError
from models.core.layer_metadata import layer_metadata
from models.core.stepwise_modules import TORCH_CELLS

MAX_BYTES = 2 << 30
"""The largest file that is built in memory, in bytes."""

FOREIGN_FORMATS = ("Keras", "ONNX", "npz")
"""Prefixes of the formats that do not use PyTorch's tensor names."""


def to_safetensors(checkpoint: CheckpointData, about: Mapping[str, str] | None = None) -> bytes:
    """Return the whole checkpoint as a safetensors file; ``module.load_state_dict(safetensors.torch.load(data))`` loads it.

    Its metadata store the kind and the options of every recurrent layer, and ``about``, such as ``network_metadata``.

    Raises:
        CheckpointError: torch has no kernel for one of the layers, or the file would be larger than ``MAX_BYTES``.

    Example:
        >>> data = to_safetensors(load_checkpoint("model.keras"))
        >>> nn.LSTM(5, 3, bidirectional=True).load_state_dict(safetensors.torch.load(data))
    """
    check_saveable(checkpoint)
    names = torch_names(checkpoint)
    tensors: dict[str, np.ndarray] = {}
    for layer, parts in names.layers.items():
        for part, values in checkpoint.layers[layer].arrays().items():
            tensors[parts[part]] = np.ascontiguousarray(values)
    for tensor, (name, transposed) in names.others.items():
        values = checkpoint.tensors[tensor]
        tensors[name] = np.ascontiguousarray(values.T if transposed else values)
    layers = {
        "".join(names.layers[name]["weight_hh"].rpartition("weight_hh_")[::2]): (found.kind, found.options)
        for name, found in checkpoint.found.items()
    }
    return save(tensors, {"format": "pt", **layer_metadata(layers), **(about or {})})


class TorchNames:
    """PyTorch's names of a checkpoint's tensors.

    Attributes:
        layers: PyTorch's name by layer and part, such as ``"weight_ih"``.
        others: by the name of any other tensor: PyTorch's name, and whether to transpose it, (P, V) to (V, P).
    """

    def __init__(self, layers: Mapping[str, Mapping[str, str]], others: Mapping[str, tuple[str, bool]]) -> None:
        """Store the names."""
        self.layers, self.others = layers, others


def torch_names(checkpoint: CheckpointData) -> TorchNames:
    """Return PyTorch's names for all tensors of a checkpoint; no tensor is loaded.

    Raises:
        CheckpointError: a layer is backward only, without a forward direction, which no torch module supports.
    """
    layers: dict[str, dict[str, str]] = {}
    for module in group_modules(checkpoint.found):
        match = LAYER_NAME.fullmatch(module.layers[0])
        unnamed = match is not None and not match["path"] and len(module.levels) == len(checkpoint.found)
        path = "" if unnamed else module.path
        for level, directions in enumerate(module.levels):
            for suffix, name in zip(("", "_reverse"), directions, strict=False):
                layers[name] = {
                    part: f"{path}.{part}_l{level}{suffix}" if path else f"{part}_l{level}{suffix}"
                    for part in checkpoint.found[name].parts
                }
    for name in checkpoint.found:
        if name not in layers:
            raise CheckpointError(
                ("{layer} has only a backward direction, and PyTorch has no such module. Use an nn.{kind} with the "
    "reversed sequence."),
                layer=name, kind=checkpoint.found[name].kind,
            )  # fmt: skip
    return TorchNames(layers, _other_names(checkpoint))


def _other_names(checkpoint: CheckpointData) -> dict[str, tuple[str, bool]]:
    """Return ``TorchNames.others``."""
    readable = {name: stored for name, stored in checkpoint.stored.items() if stored.dtype in SAVED_DTYPES}
    if checkpoint.format == "ONNX":  # the rest are constants of the graph: sizes, axes, states of zeros
        readable = {name: each for name, each in readable.items() if each.is_float and "Constant" not in name}
    named = {name: (name, False) for name in readable}
    if not checkpoint.format.startswith(FOREIGN_FORMATS):
        return named
    vectors = {name: stored for name, stored in readable.items() if len(stored.shape) == 1 and stored.is_float}
    for name, stored in readable.items():
        if len(stored.shape) != 2 or not stored.is_float:
            named.setdefault(name, (name.replace("/", "."), False))
            continue
        embedding = can_embed(name)
        transposed = not embedding and (checkpoint.format.startswith("Keras") or "MatMul" in name)
        bias = None if embedding else find_bias(name, stored.shape[transposed], vectors)
        module = module_name(bias if bias is not None and "onnx::" in name else name)
        named[name] = f"{module}.weight", transposed
        if bias is not None:
            named[bias] = f"{module}.bias", False
    taken: dict[str, str] = {}
    for name, (new, _) in named.items():
        if new in taken or (new != name and new in readable):
            named[name] = name, False  # keep the old name: the new one is taken
        taken[named[name][0]] = name
    return named


SAVED_DTYPES = {
    "float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "int64", "int32", "int16", "int8", "uint8",
    "uint16", "uint32", "uint64", "bool",
}  # fmt: skip


def check_saveable(checkpoint: CheckpointData) -> None:
    """Check that a checkpoint can be saved, without loading its tensors.

    Raises:
        CheckpointError: it cannot, as of ``to_safetensors``.
    """
    torch_names(checkpoint)
    unsupported = {
        name: _unusual_options(found) for name, found in checkpoint.found.items() if not _torch_can_run(found)
    }
    if unsupported:
        raise CheckpointError(
            "PyTorch has no module for these layers: {layers}. They can be inspected here, but not converted.",
            layers=", ".join(f"{name} ({why})" for name, why in unsupported.items()),
        )
    size = sum(part.size * 4 for found in checkpoint.found.values() for part in found.parts.values())
    size += sum(stored.size * 4 for stored in checkpoint.stored.values())
    if size > MAX_BYTES:
        raise CheckpointError(
            "This checkpoint would have {size} bytes, but at most {largest} bytes can be saved at once.",
            size=f"{size:,}", largest=f"{MAX_BYTES:,}",
        )  # fmt: skip


def _torch_can_run(found: FoundLayer) -> bool:
    runs = TORCH_CELLS[found.kind]  # type: ignore[index]
    return {**runs[0], **found.options} in runs


def _unusual_options(found: FoundLayer) -> str:
    """Return the options that torch's kernels do not support, as text."""
    default = TORCH_CELLS[found.kind][0]  # type: ignore[index]
    return ", ".join(f"{name}={value}" for name, value in found.options.items() if default.get(name) != value)
