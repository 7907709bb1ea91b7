"""Which folder of a Keras archive has the variables of which layer of the configuration.

A folder is called after the layer's class, with a number from the second of a class on, ``layers/lstm_1``; only later
versions of Keras 3 store the layer's own name there too. Keras 2.12 put all layers under ``_layer_checkpoint_dependencies``
and counted those with variables twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

FOLDERS = ("layers", "_layer_checkpoint_dependencies")
MAX_NESTED_MODELS = 20


def snake_case(name: str) -> str:
    """Return a class's name as Keras writes it in paths: ``"lstm_cell"`` of ``"LSTMCell"``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def folders_of(tensors: Iterable[str]) -> set[str]:
    """Return the folders that have tensors in them or below them."""
    found: set[str] = set()
    for name in tensors:
        folder = name.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def layer_folders(classes: Iterable[str], model: str, filled: set[str]) -> Iterator[str]:
    """Return the folder of each layer of a model.

    Args:
        classes: the layers' classes, in the order of the configuration.
        model: the model's own folder; "" for the outermost.
        filled: the folders with tensors.
    """
    before = f"{model}/" if model else ""
    plain, old = FOLDERS
    twice = f"{before}{old}" in filled
    counts: dict[str, int] = {}
    for each in classes:
        name = snake_case(each)
        counts[name] = counts.get(name, -1) + 1
        folder = f"{before}{old if twice else plain}/{name}" + (f"_{counts[name]}" if counts[name] else "")
        yield folder
        if twice and folder in filled:
            counts[name] += 1


def configured_names(config: Any, filled: set[str], model: str = "", depth: int = 0) -> dict[str, str]:
    """Return the configured name of the layer that each folder belongs to, nested models' included."""
    inner = config.get("config") if isinstance(config, dict) else None
    layers = inner.get("layers") if isinstance(inner, dict) else None
    if not isinstance(layers, list) or depth > MAX_NESTED_MODELS:
        return {}
    known = [
        each
        for each in layers
        if isinstance(each, Mapping)
        and isinstance(each.get("class_name"), str)
        and not str(each.get("module", "")).startswith("keras.src.ops")
    ]
    names: dict[str, str] = {}
    for each, folder in zip(known, layer_folders((each["class_name"] for each in known), model, filled), strict=True):
        settings = each.get("config")
        name = settings.get("name") if isinstance(settings, dict) else None
        if isinstance(name, str):
            names[folder] = name
        names |= configured_names(each, filled, folder, depth + 1)
    return names
