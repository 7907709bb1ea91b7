"""Keras: ``.keras`` archives, whole models in ``.h5`` and weights-only files, without Keras and without TensorFlow.

Keras stores its kernels transposed, (D, G * H), with the gates in the order i f c o (LSTM) and z r h (GRU). A layer's
activations are part of the model's configuration, which weights-only files lack. CuDNNLSTM and CuDNNGRU of Keras 2 store
cuDNN's own matrices reshaped to the shape of kernels, and both biases concatenated. Configurations are parsed as data: the
code of a Lambda layer stays text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from models.checkpoints.building.vocabulary import find_vocabularies, read_vocabulary
from models.checkpoints.layers.activation_names import activation_from_keras, require_supported
from models.checkpoints.layers.find_by_name import KIND_OF_GATE_COUNT
from models.checkpoints.layers.keras_cells import (
    CellConfig,
    KernelGroup,
    base_name,
    cells_in_config,
    find_kernel_groups,
)
from models.checkpoints.parsing.contents import CheckpointError, Contents, FoundLayer, StoredTensor
from models.checkpoints.parsing.file_source import FileSource
from models.checkpoints.parsing.hdf5 import SIGNATURE, Hdf5Contents, read_hdf5
from models.core.messages import Problem

WEIGHTS = "model.weights.h5"
GATE_ORDER = {"RNN": (0,), "LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2)}
"""For each of PyTorch's gates in order, its index among Keras's: i f c o, and z r h."""


def match(source: FileSource) -> bool:
    """Whether it is HDF5, possibly after a user block, or a zip archive that contains the weights as HDF5."""
    offsets = (0, 512, 1024, 2048)
    return WEIGHTS in source.members or any(source.data[at : at + 8] == SIGNATURE for at in offsets)


def open(source: FileSource) -> Contents:
    """Parse configuration and weights."""
    config: Any = None
    about: dict[str, str] = {}
    if WEIGHTS in source.members:
        file = read_hdf5(source.read_member(WEIGHTS), source.limits)
        config = _json(source, "config.json")
        metadata = _json(source, "metadata.json")
        if isinstance(metadata, dict):
            about = {key: str(value)[:200] for key, value in list(metadata.items())[:10]}
        format = "Keras"
    else:
        file = read_hdf5(source.data, source.limits)
        root = file.attributes.get("", {})
        about = {key: str(root[key])[:200] for key in ("keras_version", "backend") if key in root}
        if isinstance(root.get("model_config"), str):
            config = _parse_json(root["model_config"])
        format = "Keras HDF5" if config is not None else "Keras weights"
    if not file.tensors:
        raise CheckpointError("This HDF5 file contains no numeric tensors. Save a model's weights in it.")
    cells = cells_in_config(config) if config is not None else {}
    major = about.get("keras_version", "3" if WEIGHTS in source.members else "2").partition(".")[0]
    layers = dict(_layers(file, cells, config is not None, int(major) if major.isdigit() else 2))
    return Contents(format, file.tensors, layers, about, _vocabularies(source, config))


def _vocabularies(source: FileSource, config: Any) -> dict[str, tuple[str, ...]]:
    """Return the symbols of StringLookup and TextVectorization, from the configuration or from text files beside it."""
    found = find_vocabularies(config)
    for name in source.members:
        if name.startswith("assets/") and name.endswith("/vocabulary.txt"):
            with suppress(Problem):  # not a list of symbols
                found[name] = read_vocabulary(source.read_small_member(name))
    return found


def _json(source: FileSource, name: str) -> Any:
    return _parse_json(source.read_small_member(name).decode("utf-8", "replace")) if name in source.members else None


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError("The configuration in this Keras file is damaged. Save the model again.") from error


def _layers(
    file: Hdf5Contents, cells: Mapping[str, Mapping[str, CellConfig]], has_config: bool, version: int
) -> Iterator[tuple[str, FoundLayer]]:
    for group in find_kernel_groups(file, cells):
        name = f"{group.layer}.{group.level}"
        yield name, _layer(name, group, cells.get(base_name(group.layer), {}).get(group.level), has_config, version)


def _layer(name: str, group: KernelGroup, config: CellConfig | None, has_config: bool, version: int) -> FoundLayer:
    kernel, recurrent, bias = group.kernel, group.recurrent, group.bias
    units, columns = recurrent.shape
    kind = KIND_OF_GATE_COUNT[columns // units]
    from_cudnn = kind != "RNN" and bias is not None and bias.shape == (2 * columns,)
    options: dict[str, Any] = {}
    assumed: tuple[str, ...] = ()
    if config is not None:
        options = _options(name, kind, config, version)
    elif not from_cudnn:  # cuDNN's kernels always use tanh and sigmoid
        assumed = ("nonlinearity",) if kind == "RNN" else ("recurrent_activation", "activation")
    parts = {
        "weight_ih": _transposed(kernel, kind, units, from_cudnn),
        "weight_hh": _transposed(recurrent, kind, units, from_cudnn),
    }
    if kind == "GRU":
        two_biases = from_cudnn or (bias is not None and len(bias.shape) == 2)
        options["reset_after"] = two_biases if bias is not None else config is None or config.reset_after
        if bias is None and config is None:
            assumed += ("reset_after",)
    if bias is not None:
        both = from_cudnn or (kind == "GRU" and options["reset_after"])
        expected = (2, columns) if both else (columns,)
        if bias.shape != expected and not from_cudnn:
            raise CheckpointError(
                "The bias of {layer} has shape {shape}, but its kernels need {wanted}. Save the model again.",
                layer=name,
                shape=list(bias.shape),
                wanted=list(expected),
            )
        parts["bias_ih"] = _reordered_bias(bias, kind, units, 0 if both else None)
        parts["bias_hh"] = _reordered_bias(bias, kind, units, 1) if both else StoredTensor.zeros(columns)
    return FoundLayer(kind, parts, group.sources, options, 1.0 if config or not has_config else 0.9, assumed)


def _options(name: str, kind: str, config: CellConfig, version: int) -> dict[str, Any]:
    """Return the activations that the configuration sets, as options of ``LayerWeights``."""
    if config.kind != kind:
        raise CheckpointError(
            "{layer} is configured as {said}, but its kernels have the shape of {kind}. Save the model again.",
            layer=name,
            said=config.kind,
            kind=kind,
        )
    names = {"nonlinearity" if kind == "RNN" else "activation": config.activation}
    if kind != "RNN":
        names["recurrent_activation"] = config.recurrent_activation
    return {option: require_supported(name, activation_from_keras(own, version)) for option, own in names.items()}


def _row_order(kind: str, units: int) -> np.ndarray:
    """Return the row indices (G * H) that bring Keras's gate blocks into PyTorch's order."""
    return np.concatenate([np.arange(units) + at * units for at in GATE_ORDER[kind]])


def _transposed(kernel: StoredTensor, kind: str, units: int, from_cudnn: bool) -> StoredTensor:
    """Return a kernel (D, G * H) as (G * H, D), in PyTorch's gate order.

    With ``from_cudnn``, each gate's block (D, H) holds the values of an (H, D) matrix in row-major order.
    """
    rows = _row_order(kind, units)

    def read() -> np.ndarray:
        values = kernel.read()
        if from_cudnn:
            blocks = np.split(values, values.shape[1] // units, axis=1)
            transposed = np.concatenate([block.reshape(units, -1) for block in blocks])
        else:
            transposed = values.T
        return np.ascontiguousarray(transposed[rows])

    return StoredTensor(kernel.shape[::-1], kernel.dtype, read)


def _reordered_bias(bias: StoredTensor, kind: str, units: int, row: int | None) -> StoredTensor:
    """Return a bias (G * H) in PyTorch's gate order; of a (2, G * H) pair, the one at index ``row``."""
    rows = _row_order(kind, units)
    return StoredTensor((len(rows),), bias.dtype, lambda: bias.read().reshape(-1, len(rows))[row or 0][rows])
