"""Keras: ``.keras`` archives, whole models in ``.h5`` and weights-only files, without Keras and without TensorFlow.

Keras stores its kernels transposed, (D, G * H), with the gates in the order i f c o (LSTM) and z r h (GRU). A layer's
activations are part of the model's configuration, which weights-only files lack. CuDNNLSTM and CuDNNGRU of Keras 2 store
cuDNN's own matrices reshaped to the shape of kernels, and both biases concatenated. Configurations are parsed as data: the
code of a Lambda layer stays text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from models.checkpoints.building.vocabulary import find_vocabularies, read_vocabulary
from models.checkpoints.graphs.keras_graph import build_keras_graph
from models.checkpoints.layers.keras_cells import (
    KerasVersion,
    base_name,
    cells_in_config,
    find_kernel_groups,
    layers_in_config,
)
from models.checkpoints.layers.keras_folders import configured_names, folders_of
from models.checkpoints.layers.keras_kernels import layer_from_kernels
from models.checkpoints.parsing.contents import Contents, FoundLayer
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.file_source import FileSource
from models.checkpoints.parsing.hdf5 import SIGNATURE, Hdf5Contents, read_hdf5
from models.checkpoints.parsing.work_budget import parse_json
from models.core.messages import Problem

WEIGHTS = "model.weights.h5"


def match(source: FileSource) -> bool:
    """Return whether it is HDF5, possibly after a user block, or a zip archive that contains the weights as HDF5."""
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
    version = KerasVersion.parse(about.get("keras_version", ""), 3 if WEIGHTS in source.members else 2)
    layers = dict(_layers(file, config, version))
    graph = None if config is None else partial(build_keras_graph, config, file, version, layers)
    return Contents(format, file.tensors, layers, about, _vocabularies(source, config), graph=graph)


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
        return parse_json(text)
    except CheckpointError:
        raise
    except ValueError as error:
        raise CheckpointError("The configuration in this Keras file is damaged. Save the model again.") from error


def _layers(file: Hdf5Contents, config: Any, version: KerasVersion) -> Iterator[tuple[str, FoundLayer]]:
    """Generate the recurrent layers by name, without those whose cell is configured as a user's own class."""
    cells = {} if config is None else cells_in_config(config, version)
    configured = set() if config is None else layers_in_config(config)
    names = configured_names(config, folders_of(file.tensors))
    for group in find_kernel_groups(file, cells, names):
        name, base = f"{group.layer}.{group.level}", base_name(group.layer)
        own = cells.get(base, {}).get(group.level)
        if own is not None or base not in configured:
            yield name, layer_from_kernels(name, group, own, config is not None, version.major)
