"""Find the recurrent cells of a Keras file: their kernels by path, and their options in the model's configuration.

Keras 3 stores ``layers/lstm/cell/vars/0`` (kernel), ``1`` (recurrent kernel), ``2`` (bias), with the layer's own name as an
attribute of ``layers/lstm/vars``; older files store ``lstm_1/lstm_1/lstm_cell/kernel:0`` and a list of such names.

``LayerNormLSTMCell`` of TensorFlow Addons has three layer norms beside its kernels, in ``cell/kernel_norm/vars`` and so on:
https://github.com/tensorflow/addons/blob/master/tensorflow_addons/rnn/layer_norm_lstm_cell.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise, permutations
from typing import Any

from models.checkpoints.layers.keras_folders import FOLDERS, snake_case
from models.checkpoints.parsing.contents import StoredTensor
from models.checkpoints.parsing.hdf5 import Hdf5Contents
from models.checkpoints.parsing.work_budget import spend

KIND_OF_CLASS = {"SimpleRNN": "RNN", "LSTM": "LSTM", "GRU": "GRU"}
KIND_OF_CLASS |= {f"{name}Cell": kind for name, kind in KIND_OF_CLASS.items()}
KIND_OF_CLASS |= {f"CuDNN{kind}": kind for kind in ("LSTM", "GRU")}  # Keras 2's; their configuration has no activations
NORMED_CELL = "Addons>LayerNormLSTMCell"
"""The name under which TensorFlow Addons registers its layer-normalized LSTM cell."""
KIND_OF_CLASS[NORMED_CELL] = "LSTM"
NORM_FOLDERS = {"ih": "kernel_norm", "hh": "recurrent_norm", "c": "state_norm"}
"""The layer norms of that cell: of the products of the input, of those of the hidden state, and of the cell state."""
NORM_EPSILON = 1e-3
"""The default of that cell's ``norm_epsilon``."""


OWN_MODULES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")
"""Where the classes of Keras are; others are a user's own."""


@dataclass(frozen=True)
class KerasVersion:
    """The version of the library that wrote a file.

    Attributes:
        major, minor: its number.
        standalone: whether it is a Keras before 2.4 that was not part of TensorFlow.
    """

    major: int = 3
    minor: int = 0
    standalone: bool = False

    @classmethod
    def parse(cls, text: str, default: int) -> KerasVersion:
        """Return the version written as ``"2.2.4-tf"`` or ``"3.15.1"``; ``default`` is the major number without one."""
        numbers = [part for part in text.split("-")[0].split(".")[:2] if part.isdigit()]
        if len(numbers) < 2:
            return cls(default)
        major, minor = map(int, numbers)
        return cls(major, minor, major < 3 and minor < 4 and not text.endswith("-tf"))


@dataclass(frozen=True)
class CellConfig:
    """The configuration of one cell.

    Attributes:
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        activation, recurrent_activation: the names of activations, or any other value that the configuration contains.
        reset_after: of a GRU: whether the reset gate is applied after the recurrent product.
        group: the name of its HDF5 group among stacked cells in Keras 3.
        place: the index of its layer in the model.
        norm: the epsilon of the layer norms, None without.
    """

    kind: str
    activation: Any
    recurrent_activation: Any
    reset_after: bool
    group: str
    place: int
    norm: float | None = None


@dataclass(frozen=True, eq=False)
class KernelGroup:
    """The tensors of one cell: of ``layer``, at ``level`` (``"l0"``, ``"l0_reverse"``), with their names in the file.

    ``norms`` are the factors and terms of its layer norms, by the names of ``models.core.cells.NORM_NAMES``.
    """

    layer: str
    level: str
    kernel: StoredTensor
    recurrent: StoredTensor
    bias: StoredTensor | None
    sources: tuple[str, ...]
    cell: str = ""
    norms: Mapping[str, StoredTensor] = field(default_factory=dict)


def are_kernels(kernel: StoredTensor, recurrent: StoredTensor) -> bool:
    """Return whether a kernel is (D, G * H) and a recurrent one (H, G * H), of floats, with the gates of a known cell."""
    if len(kernel.shape) != 2 or len(recurrent.shape) != 2 or 0 in kernel.shape + recurrent.shape:
        return False
    units, columns = recurrent.shape
    fit = columns in (units, 3 * units, 4 * units) and kernel.shape[1] == columns
    return fit and kernel.is_float and recurrent.is_float


def base_name(layer: str) -> str:
    """Return a layer's own name, without those of enclosing models."""
    return layer.rpartition(".")[2]


def cells_in_config(config: Any, version: KerasVersion) -> dict[str, dict[str, CellConfig]]:
    """Return every recurrent cell of a model's configuration: by layer, then by level.

    A layer whose cell is of a user's own class has none.
    """
    found: dict[str, dict[str, CellConfig]] = {}
    for entry in _entries(config):
        name = entry["config"].get("name")
        if isinstance(name, str) and name not in found and (cells := dict(_cells_of_layer(entry, len(found), version))):
            found[name] = cells
    return found


def layers_in_config(config: Any) -> set[str]:
    """Return the names of all layers of a model's configuration."""
    names = (entry["config"].get("name") for entry in _entries(config))
    return {name for name in names if isinstance(name, str)}


def is_own_class(entry: Mapping[str, Any]) -> bool:
    """Return whether the class of a serialized object is Keras's own, as far as the configuration states it."""
    module, registered = entry.get("module", "keras"), entry.get("registered_name")
    own = isinstance(module, str) and any(module == each or module.startswith(f"{each}.") for each in OWN_MODULES)
    return own and not any(">" in str(each) for each in (entry.get("class_name"), registered))


def class_of(entry: Mapping[str, Any]) -> str:
    """Return the class of a serialized object: of that of TensorFlow Addons, which is run too, its registered name."""
    registered = entry.get("registered_name") or entry.get("class_name")
    return NORMED_CELL if registered == NORMED_CELL else str(entry.get("class_name"))


def _entries(config: Any) -> Iterator[Mapping[str, Any]]:
    """Generate all serialized objects of a configuration, each before those in it."""
    pending, seen = [config], 0
    while pending:
        entry = pending.pop()
        seen += 1
        if isinstance(entry, list):
            pending += reversed(entry)
        spend()
        if not isinstance(entry, dict) or seen > 1_000_000:
            continue
        spend(2 * len(entry))
        pending += reversed(list(entry.values()))
        if isinstance(entry.get("config"), dict) and isinstance(entry.get("class_name"), str):
            spend(20)
            yield entry


def _cells_of_layer(entry: Any, place: int, version: KerasVersion) -> Iterator[tuple[str, CellConfig]]:
    """Generate (level, configuration) of the cells of one layer."""
    spend(20)
    known = isinstance(entry, dict) and (is_own_class(entry) or class_of(entry) == NORMED_CELL)
    config = entry.get("config") if known else None
    if not isinstance(config, dict):
        return
    name = class_of(entry)
    if name == "TimeDistributed":
        yield from _cells_of_layer(config.get("layer"), place, version)
    elif name == "Bidirectional":
        for level, forward in _cells_of_layer(config.get("layer"), place, version):
            yield level.removesuffix("_reverse"), forward
        for level, backward in _cells_of_layer(config.get("backward_layer") or config.get("layer"), place, version):
            yield f"{level.removesuffix('_reverse')}_reverse", backward
    elif name in ("RNN", "StackedRNNCells"):
        cell = config.get("cell")
        if isinstance(cell, dict) and cell.get("class_name") == "StackedRNNCells":
            config = {**config, **cell["config"]} if isinstance(cell.get("config"), dict) else config
        inside = config.get("cells", [cell])
        counts: dict[str, int] = {}
        for index, each in enumerate(inside if isinstance(inside, list) else ()):
            for _, made in _cells_of_layer(each, place, version):
                group = snake_case(class_of(each).rpartition(">")[2])
                counts[group] = counts.get(group, -1) + 1
                suffix = f"_{counts[group]}" if counts[group] else ""
                yield f"l{index}{_reverse_suffix(config)}", replace(made, group=group + suffix)
    elif name in KIND_OF_CLASS:
        yield f"l0{_reverse_suffix(config)}", cell_config(name, config, version, place)


def cell_config(type: str, config: Mapping[str, Any], version: KerasVersion, place: int = 0) -> CellConfig:
    """Return the settings of a recurrent layer or cell of class ``type``, with the writer's defaults for those it omits.

    Before version 2.3 the gates' default was the hard sigmoid, and up to 2.3 a GRU's reset gate came before the product.
    """
    old = version.standalone and not type.startswith("CuDNN")
    return CellConfig(
        KIND_OF_CLASS[type],
        activation=activation_name(config.get("activation", "tanh")),
        recurrent_activation=activation_name(
            config.get("recurrent_activation", "hard_sigmoid" if old and version.minor < 3 else "sigmoid")
        ),
        reset_after=bool(config.get("reset_after", not old)),
        group="",
        place=place,
        norm=(config.get("norm_epsilon", NORM_EPSILON) or 0.0) if type == NORMED_CELL else None,
    )


def _reverse_suffix(config: Mapping[str, Any]) -> str:
    return "_reverse" if config.get("go_backwards") is True else ""


def activation_name(activation: Any) -> Any:
    """Return an activation's name, also if it is serialized as a Keras function."""
    if isinstance(activation, dict) and activation.get("module") in ("builtins", "keras.activations", None):
        activation = activation.get("config", activation)
    return activation


def find_kernel_groups(
    file: Hdf5Contents, cells: Mapping[str, Mapping[str, CellConfig]], names: Mapping[str, str]
) -> list[KernelGroup]:
    """Return every cell's tensors, in the model's order as far as the file specifies it.

    Args:
        file: all tensors.
        cells: of the configuration, by layer and level.
        names: of the layers by their folder, for a file that does not store them there.
    """
    sets: dict[str, dict[str, str]] = {}
    for name in _ordered_names(file):
        folder, _, last = name.rpartition("/")
        last = last.removesuffix(":0")
        if folder.endswith("vars") and re.search(r"(^|/)(cell|cells/[^/]+)/vars$", folder):
            last = {"0": "kernel", "1": "recurrent_kernel", "2": "bias"}.get(last, last)
        sets.setdefault(folder, {})[last] = name
    groups: dict[tuple[str, str], list[KernelGroup]] = {}
    for folder, paths in sets.items():
        if not {"kernel", "recurrent_kernel"} <= set(paths):
            continue
        kernel, recurrent = file.tensors[paths["kernel"]], file.tensors[paths["recurrent_kernel"]]
        if not are_kernels(kernel, recurrent):
            continue
        layer, reverse, cell = _parse_folder(folder, file, cells, names)
        bias = file.tensors[paths["bias"]] if "bias" in paths else None
        sources = tuple(paths[part] for part in ("kernel", "recurrent_kernel", "bias") if part in paths)
        norms = dict(_norm_places(folder, file))
        sources += tuple(norms.values())
        parts = {name: file.tensors[path] for name, path in norms.items()}
        group = KernelGroup(layer, reverse, kernel, recurrent, bias, sources, cell, parts)
        groups.setdefault((layer, reverse), []).append(group)
    found = []
    for (layer, reverse), stack in groups.items():
        known = cells.get(base_name(layer), {})
        for index, group in enumerate(_order_stacked_cells(stack, known)):
            level = f"l{index}{reverse}"
            if not reverse and level not in known and f"{level}_reverse" in known:
                level += "_reverse"
            found.append(replace(group, level=level))
    places = {layer: next(iter(levels.values())).place for layer, levels in cells.items() if levels}
    return sorted(found, key=lambda group: (places.get(base_name(group.layer), len(places)),))


def _norm_places(folder: str, file: Hdf5Contents) -> Iterator[tuple[str, str]]:
    """Generate the layer norms beside the kernels in a folder: the name of each tensor in the layer, and that in the file."""
    for side, own in NORM_FOLDERS.items():
        for place, part in enumerate(("gain", "shift")):
            path = f"{folder.removesuffix('/vars')}/{own}/vars/{place}"
            if folder.endswith("/vars") and path in file.tensors:
                yield f"{part}_{side}", path


def _ordered_names(file: Hdf5Contents) -> list[str]:
    """Return the tensors' names, forward before backward: first those that an older file lists, in that order."""
    listed: list[str] = []
    for folder, attributes in file.attributes.items():
        names = attributes.get("weight_names")
        for name in names if isinstance(names, list) else ():
            listed.append(f"{folder}/{name}" if folder else str(name))
    known = [name for name in listed if name in file.tensors]
    rest = sorted(file.tensors, key=lambda name: name.replace("backward_layer", "forward_layer~"))
    return list(dict.fromkeys(known + rest))


def _parse_folder(
    folder: str, file: Hdf5Contents, cells: Mapping[str, Any], layer_names: Mapping[str, str]
) -> tuple[str, str, str]:
    """Return (layer, "" or "_reverse", the cell's own name) of a folder of kernels."""
    path = folder.split("/")
    reverse = "_reverse" if any(part.startswith("backward_") for part in path) else ""
    if path[-1] != "vars":  # an older file: model_weights/LAYER/...
        path = path[1:] if path[0] == "model_weights" else path
        known = [part for part in path if part in cells]
        return (known or path)[0], reverse, path[-1]
    del path[-1]
    cell = path[-1] if path[-2:-1] == ["cells"] else ""
    while path and (path[-1] in ("cell", "cells", "forward_layer", "backward_layer", "layer") or path[-1] == cell):
        cell = "" if path[-1] == cell and path[-2:-1] != ["cells"] else cell
        path.pop()
    names = []
    for at, part in enumerate(path):
        if part not in FOLDERS:
            place = "/".join(path[: at + 1])
            own = file.attributes.get(f"{place}/vars", {}).get("name")
            names.append(own if isinstance(own, str) else layer_names.get(place, part))
    return ".".join(names) or "layer", reverse, folder.split("/")[-2]


def _order_stacked_cells(groups: list[KernelGroup], known: Mapping[str, CellConfig]) -> list[KernelGroup]:
    """Return stacked cells from input to output: in the configured order, else in one in which their sizes match."""
    if len(groups) < 2:
        return groups
    order = [cell.group for cell in known.values()]
    if all(group.cell in order for group in groups):
        return sorted(groups, key=lambda group: order.index(group.cell))
    if len(groups) <= 6:
        for trial in permutations(groups):
            if all(a.recurrent.shape[0] == b.kernel.shape[0] for a, b in pairwise(trial)):
                return list(trial)
    return groups
