"""Options that a file's metadata store for its layers, applied to the layers that were found among its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.checkpoints.parsing.contents import FoundLayer, StoredTensor
from models.checkpoints.parsing.errors import CheckpointError
from models.core.activations import ACTIVATIONS
from models.core.cells import lstm
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
        CheckpointError: a layer is stored as one with peepholes, layer norm or an intermediate state, without their weights.
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
    if stored.get("coupled") is True and layer.kind == "LSTM":
        options["coupled"] = True
    layer = replace(layer, options={**layer.options, **options}, assumed=assumed)
    if stored.get("multiplicative") is True and layer.kind == "LSTM" and "weight_mx" not in layer.parts:
        raise CheckpointError("The tensors of {layer} do not fit together. Save the network again.", layer=name)
    further: dict[str, Any] = {"peepholes": True} if stored.get("peepholes") is True else {}
    if isinstance(stored.get("norm"), float) and stored["norm"] > 0:
        further |= {"norm": stored["norm"], "cell_norm": stored.get("cell_norm") is True}
    return _with_further(name, layer, further, tensors) if further and layer.kind == "LSTM" else layer


def _with_further(
    name: str, layer: FoundLayer, options: Mapping[str, Any], tensors: Mapping[str, StoredTensor]
) -> FoundLayer:
    """Return a layer with the weights that torch's kernels do not have, as its ``options`` need them."""
    cell, units = lstm(**options), layer.parts["weight_hh"].shape[0] // 4
    recurrent = next((each for each in layer.sources if "weight_hh" in each), "")
    parts = {part: tensors.get(recurrent.replace("weight_hh", part)) for part in cell.further_weights}
    for part, each in parts.items():
        if each is None or not each.is_float or each.shape != (len(cell.row_gates(part)) * units,):
            raise CheckpointError("The tensors of {layer} do not fit together. Save the network again.", layer=name)
    return replace(
        layer,
        parts={**layer.parts, **{part: each for part, each in parts.items() if each is not None}},
        sources=(*layer.sources, *(recurrent.replace("weight_hh", part) for part in parts)),
        options={**layer.options, **options},
    )


def _is_valid(name: str, value: Any) -> bool:
    return isinstance(value, bool) if name == "reset_after" else isinstance(value, str) and value in ACTIVATIONS
