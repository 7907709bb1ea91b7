"""Which tensors of a Keras file are the variables of which layer.

Keras 3 stores each layer's own variables by number below its place in the object tree, ``layers/lstm/cell/vars/0``. An older
file lists for each of the model's layers the names of all variables in it, those that are trained first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from models.checkpoints.graphs.keras_layer import KerasLayer
from models.checkpoints.layers.keras_folders import FOLDERS, folders_of, layer_folders
from models.checkpoints.parsing.contents import StoredTensor
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.hdf5 import Hdf5Contents


def assign_variables(layers: Mapping[str, KerasLayer], file: Hdf5Contents) -> None:
    """Give every layer of a model its variables.

    Args:
        layers: the model's layers by name, in the file's order.
        file: the tensors.

    Raises:
        CheckpointError: a variable is missing, or there is one that belongs to no layer.
    """
    used: set[str] = set()
    if any(name.startswith("model_weights/") for name in file.attributes):
        for name, layer in layers.items():
            used |= _assign_listed(name, layer, file)
    else:
        used = _assign_placed(layers, "", file, folders_of(file.tensors))
    for name, stored in file.tensors.items():
        inside = name.partition("/")[0] in (*FOLDERS, "model_weights")
        if inside and name not in used and stored.is_float:
            raise CheckpointError(
                "{name} belongs to no layer of the configuration in this file. Save the model again.", name=name
            )


def _assign_placed(layers: Mapping[str, KerasLayer], model: str, file: Hdf5Contents, filled: set[str]) -> set[str]:
    """Assign the variables of a model whose own folder is ``model``, and return their names."""
    used: set[str] = set()
    folders = layer_folders((layer.entry.type for layer in layers.values()), model, filled)
    for folder, layer in zip(folders, layers.values(), strict=True):
        used |= _assign_tree(layer, folder, file, filled)
    return used


def _assign_tree(layer: KerasLayer, folder: str, file: Hdf5Contents, filled: set[str]) -> set[str]:
    used = set()
    for index, name in enumerate((*layer.own, *layer.fixed)):
        path = f"{folder}/vars/{index}"
        _give(layer, name, path, file)
        used.add(path)
    if layer.inner is not None:
        return used | _assign_placed(layer.inner, folder, file, filled)
    for place, child in layer.children.items():
        private = f"{folder}/_{place}"  # as earlier versions of Keras 3 call the matrices of an attention
        used |= _assign_tree(child, private if private in filled else f"{folder}/{place}", file, filled)
    return used


def _assign_listed(name: str, layer: KerasLayer, file: Hdf5Contents) -> set[str]:
    """Assign the variables that an older file lists for one of the model's layers, and return their names."""
    folder = f"model_weights/{name}"
    listed = file.attributes.get(folder, {}).get("weight_names")
    paths = [f"{folder}/{each}" for each in listed] if isinstance(listed, list) else []
    for frozen in (True, False):  # what is frozen was written last; where the model was loaded frozen, in its own place
        slots = _slots(layer, frozen)
        if len(slots) == len(paths) and all(_is_named(path, own) for path, (_, own) in zip(paths, slots, strict=True)):
            for path, (each, own) in zip(paths, slots, strict=True):
                _give(each, own, path, file)
            return set(paths)
    raise CheckpointError("The variables of {layer} in this file do not fit its configuration. Save the model again.",
                          layer=layer.label)  # fmt: skip


def _slots(layer: KerasLayer, frozen_last: bool) -> list[tuple[KerasLayer, str]]:
    """A layer's variables in the order of ``trainable_weights + non_trainable_weights``."""
    first: list[tuple[KerasLayer, str]] = []
    last: list[tuple[KerasLayer, str]] = []
    for each, frozen in _ordered(layer, not layer.trainable):
        trained = first if not (frozen and frozen_last) or not layer.trainable else last
        trained += [(each, name) for name in each.own]
        (last if layer.trainable else first).extend((each, name) for name in each.fixed)
    return first + last


def _ordered(layer: KerasLayer, frozen: bool) -> Iterator[tuple[KerasLayer, bool]]:
    """A layer and those in it, each with whether it is frozen."""
    frozen = frozen or not layer.trainable
    yield layer, frozen
    for child in (layer.inner or layer.children).values():
        yield from _ordered(child, frozen)


def _is_named(path: str, variable: str) -> bool:
    """Return whether a tensor is called as the variable, maybe with a number."""
    return re.fullmatch(rf"{variable}(_\d+)?(:0)?", path.rpartition("/")[2]) is not None


def _give(layer: KerasLayer, variable: str, path: str, file: Hdf5Contents) -> None:
    stored: StoredTensor | None = file.tensors.get(path)
    if stored is None:
        raise CheckpointError(
            "{layer} has no {variable} in this file. Save the whole model again.", layer=layer.label, variable=variable
        )
    layer.variables[variable], layer.sources[variable] = stored, path
