"""Options that a file's metadata store for its layers, applied to the layers that were found among its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.checkpoints.parsing.contents import FoundLayer
from models.core.activations import ACTIVATIONS
from models.core.stepwise_modules import TORCH_CELLS


def with_stored_options(
    found: Mapping[str, FoundLayer], stored: Mapping[str, Mapping[str, Any]]
) -> dict[str, FoundLayer]:
    """Return the found layers with their stored options; options that do not fit a layer are ignored.

    Args:
        found: layers by name.
        stored: options by layer, with its ``"kind"``, as ``models.core.layer_metadata.parse_layer_metadata`` returns them.
    """
    return {name: _with_options(layer, stored.get(name, {})) for name, layer in found.items()}


def _with_options(layer: FoundLayer, stored: Mapping[str, Any]) -> FoundLayer:
    if stored.get("kind") != layer.kind:
        return layer
    known = TORCH_CELLS[layer.kind][0]  # type: ignore[index]
    options = {name: stored[name] for name in known if name in stored and _is_valid(name, stored[name])}
    assumed = tuple(name for name in layer.assumed if name not in options)
    return replace(layer, options={**layer.options, **options}, assumed=assumed)


def _is_valid(name: str, value: Any) -> bool:
    return isinstance(value, bool) if name == "reset_after" else isinstance(value, str) and value in ACTIVATIONS
