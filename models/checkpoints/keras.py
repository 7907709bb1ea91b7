"""Keras: ``.keras`` archives, whole models in ``.h5`` and bare weights, without Keras and without TensorFlow.

Keras keeps its kernels the other way round, (D, G * H), with the gates in the order i f c o (LSTM) and z r h (GRU). Which
activations a layer has stands in the model's configuration, which bare weights do not have. Configurations are read as
data: a Lambda layer in one stays text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from models.checkpoints.contents import CheckpointError, Contents, FoundLayer, Stored
from models.checkpoints.hdf5 import SIGNATURE, Hdf5, read_hdf5
from models.checkpoints.keras_names import CellConfig, KernelGroup, configured, kernel_groups, tidy_name
from models.checkpoints.source import Source
from models.checkpoints.vocabulary import read_vocabulary, vocabularies_in
from models.problem import Problem

WEIGHTS = "model.weights.h5"
KINDS = {1: "RNN", 3: "GRU", 4: "LSTM"}
ORDER = {"RNN": (0,), "LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2)}
"""Where PyTorch's gates stand among Keras's: i f c o, and z r h."""


def match(source: Source) -> bool:
    """HDF5, which may begin after a block of its user's, or an archive that holds the weights as such."""
    places = (0, 512, 1024, 2048)
    return WEIGHTS in source.members or any(source.data[at : at + 8] == SIGNATURE for at in places)


def open(source: Source) -> Contents:
    """Read configuration and weights."""
    config: Any = None
    about: dict[str, str] = {}
    if WEIGHTS in source.members:
        file = read_hdf5(source.member(WEIGHTS), source.limits)
        config = _json(source, "config.json")
        told = _json(source, "metadata.json")
        if isinstance(told, dict):
            about = {key: str(value)[:200] for key, value in list(told.items())[:10]}
        format = "Keras"
    else:
        file = read_hdf5(source.data, source.limits)
        root = file.attributes.get("", {})
        about = {key: str(root[key])[:200] for key in ("keras_version", "backend") if key in root}
        if isinstance(root.get("model_config"), str):
            config = _parsed(root["model_config"])
        format = "Keras HDF5" if config is not None else "Keras weights"
    if not file.tensors:
        raise CheckpointError("This HDF5 file holds no tensors of numbers.")
    cells = configured(config) if config is not None else {}
    layers = dict(_layers(file, cells, config is not None))
    return Contents(format, file.tensors, layers, about, _vocabularies(source, config))


def _vocabularies(source: Source, config: Any) -> dict[str, tuple[str, ...]]:
    """The symbols of StringLookup and TextVectorization: in the configuration, or as a text beside it."""
    found = vocabularies_in(config)
    for name in source.members:
        if name.startswith("assets/") and name.endswith("/vocabulary.txt"):
            with suppress(Problem):  # some other text
                listed = read_vocabulary(source.small(name))
                # the text holds what was learned: the layer puts these two before it
                found[name] = listed if "[UNK]" in listed else ("", "[UNK]", *listed)
    return found


def _json(source: Source, name: str) -> Any:
    return _parsed(source.small(name).decode("utf-8", "replace")) if name in source.members else None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError("The configuration in this Keras file is damaged; save the model again.") from error


def _layers(
    file: Hdf5, cells: Mapping[str, Mapping[str, CellConfig]], has_config: bool
) -> Iterator[tuple[str, FoundLayer]]:
    for group in kernel_groups(file, cells):
        name = f"{group.layer}.{group.level}"
        yield name, _layer(name, group, cells.get(tidy_name(group.layer), {}).get(group.level), has_config)


def _layer(name: str, group: KernelGroup, config: CellConfig | None, has_config: bool) -> FoundLayer:
    kernel, recurrent, bias = group.kernel, group.recurrent, group.bias
    units, columns = recurrent.shape
    kind = KINDS[columns // units]
    options: dict[str, Any] = {}
    assumed: tuple[str, ...] = ()
    if config is not None:
        _check(name, kind, config)
        if kind == "RNN":
            options["nonlinearity"] = config.activation
    else:
        assumed = ("nonlinearity",) if kind == "RNN" else ("recurrent_activation", "activation")
    parts = {
        "weight_ih": _turned(kernel, kind, units),
        "weight_hh": _turned(recurrent, kind, units),
    }
    if kind == "GRU":
        two_biases = bias is not None and len(bias.shape) == 2
        options["reset_after"] = two_biases if bias is not None else config is None or config.reset_after
        if bias is None and config is None:
            assumed += ("reset_after",)
    if bias is not None:
        both = kind == "GRU" and options["reset_after"]
        expected = (2, columns) if both else (columns,)
        if bias.shape != expected:
            raise CheckpointError(
                "The bias of {layer} is {shape}, but {wanted} would fit its kernels.",
                layer=name,
                shape=list(bias.shape),
                wanted=list(expected),
            )
        parts["bias_ih"] = _reordered(bias, kind, units, 0 if both else None)
        parts["bias_hh"] = (
            _reordered(bias, kind, units, 1)
            if both
            else Stored((columns,), "float32", lambda: np.zeros(columns, dtype=np.float32))
        )
    return FoundLayer(kind, parts, group.sources, options, 1.0 if config or not has_config else 0.9, assumed)


def _check(name: str, kind: str, config: CellConfig) -> None:
    """Refuse activations that are not read."""
    usual = {"RNN": ("tanh", "relu")}.get(kind, ("tanh",))
    if config.kind != kind:
        raise CheckpointError(
            "{layer} is a {said} by its configuration, but its kernels are those of a {kind}.",
            layer=name,
            said=config.kind,
            kind=kind,
        )
    if config.activation not in usual or (kind != "RNN" and config.recurrent_activation != "sigmoid"):
        raise CheckpointError(
            "{layer} has the activations {activation} and {recurrent}, which are not supported; "
            "tanh and sigmoid are, and relu in a SimpleRNN.",
            layer=name,
            activation=str(config.activation)[:60],
            recurrent=str(config.recurrent_activation)[:60],
        )


def _order(kind: str, units: int) -> np.ndarray:
    return np.concatenate([np.arange(units) + at * units for at in ORDER[kind]])


def _turned(kernel: Stored, kind: str, units: int) -> Stored:
    """(D, G * H) as (G * H, D), in PyTorch's order."""
    rows = _order(kind, units)
    return Stored(kernel.shape[::-1], kernel.dtype, lambda: np.ascontiguousarray(kernel.read().T[rows]))


def _reordered(bias: Stored, kind: str, units: int, row: int | None) -> Stored:
    rows = _order(kind, units)
    return Stored((len(rows),), bias.dtype, lambda: (bias.read() if row is None else bias.read()[row])[rows])
