"""What a file says of its recurrent layers beside their tensors, as JSON among the metadata of a ``.safetensors`` file.

No name and no shape tells a relu from a tanh, or a GRU that resets before its product: the files that are written here do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.checkpoints.parsing.contents import FoundLayer
from models.core.activations import ACTIVATIONS
from models.core.stepwise_modules import TORCH_RUNS

KEY = "layers"


def tell(layers: Mapping[str, tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """The metadata that tell the kind and the options of each layer."""
    return {KEY: json.dumps({name: {"kind": kind, **options} for name, (kind, options) in layers.items()})}


def told_of(metadata: Any) -> dict[str, dict[str, Any]]:
    """What metadata tell of layers, by name, with their ``"kind"``; nothing of what was not written so."""
    try:
        layers = json.loads(metadata[KEY])
        return {name: dict(entry) for name, entry in layers.items() if isinstance(entry, dict)}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def with_told(found: Mapping[str, FoundLayer], told: Mapping[str, Mapping[str, Any]]) -> dict[str, FoundLayer]:
    """The layers that were found, with what is told of them; what does not fit them is passed over."""
    return {name: _with(layer, told.get(name, {})) for name, layer in found.items()}


def _with(layer: FoundLayer, told: Mapping[str, Any]) -> FoundLayer:
    if told.get("kind") != layer.kind:
        return layer
    known = TORCH_RUNS[layer.kind][0]  # type: ignore[index]
    options = {name: told[name] for name in known if name in told and _fits(name, told[name])}
    assumed = tuple(name for name in layer.assumed if name not in options)
    return replace(layer, options={**layer.options, **options}, assumed=assumed)


def _fits(name: str, value: Any) -> bool:
    return isinstance(value, bool) if name == "reset_after" else isinstance(value, str) and value in ACTIVATIONS
