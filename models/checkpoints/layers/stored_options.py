"""Options that a file's metadata store for its layers, applied to the layers that were found among its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.checkpoints.parsing.contents import FoundLayer, StoredTensor
from models.checkpoints.parsing.errors import CheckpointError
from models.core.activations import ACTIVATIONS
from models.core.stepwise_modules import TORCH_CELLS


def with_stored_options(
    found: Mapping[str, FoundLayer], stored: Mapping[str, Mapping[str, Any]], tensors: Mapping[str, StoredTensor]
) -> dict[str, FoundLayer]:
    """Return the found layers with their stored options; options that do not fit a layer are ignored.

    A module's only direction that is stored as a backward one is named as such, ``rnn.l0_reverse``.

    Args:
        found: layers by name.
        stored: options by layer, with its ``"kind"``, as ``models.core.layer_metadata.parse_layer_metadata`` returns them.
        tensors: all of the file.

    Raises:
        CheckpointError: a layer is stored as one with peepholes, but its peepholes are not in the file.
    """
    layers = {name: _with_options(name, layer, stored.get(name, {}), tensors) for name, layer in found.items()}
    backward = {name: f"{name}_reverse" for name in layers if stored.get(name, {}).get("reverse") is True}
    return {(name if backward.get(name, name) in layers else backward[name]): each for name, each in layers.items()}


def _with_options(
    name: str, layer: FoundLayer, stored: Mapping[str, Any], tensors: Mapping[str, StoredTensor]
) -> FoundLayer:
    if stored.get("kind") != layer.kind:
        return layer
    known = TORCH_CELLS[layer.kind][0]  # type: ignore[index]
    options = {option: stored[option] for option in known if option in stored and _is_valid(option, stored[option])}
    assumed = tuple(option for option in layer.assumed if option not in options)
    if isinstance(stored.get("clip"), float) and stored["clip"] > 0:
        options["clip"] = stored["clip"]
    layer = replace(layer, options={**layer.options, **options}, assumed=assumed)
    return _with_peepholes(name, layer, tensors) if stored.get("peepholes") is True else layer


def _with_peepholes(name: str, layer: FoundLayer, tensors: Mapping[str, StoredTensor]) -> FoundLayer:
    rows = layer.parts["weight_hh"].shape[0]
    source = next((each.replace("weight_hh", "weight_ch") for each in layer.sources if "weight_hh" in each), "")
    peepholes = tensors.get(source)
    if layer.kind != "LSTM" or peepholes is None or not peepholes.is_float or peepholes.shape != (3 * rows // 4,):
        raise CheckpointError("The tensors of {layer} do not fit together. Save the network again.", layer=name)
    return replace(
        layer,
        parts={**layer.parts, "weight_ch": peepholes},
        sources=(*layer.sources, source),
        options={**layer.options, "peepholes": True},
    )


def _is_valid(name: str, value: Any) -> bool:
    return isinstance(value, bool) if name == "reset_after" else isinstance(value, str) and value in ACTIVATIONS
