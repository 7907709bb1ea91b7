"""Which function a Keras model's outputs end in."""

from __future__ import annotations

from models.checkpoints.graphs.keras_layer import KerasLayer
from models.checkpoints.graphs.keras_models import ModelLayer, TimeDistributedLayer


def keras_output_function(model: ModelLayer, index: int) -> str | None:
    """Return the function of an output along its last axis, such as ``"softmax"``; None if it is not known."""
    layer: KerasLayer = model
    while isinstance(layer, ModelLayer | TimeDistributedLayer):
        if isinstance(layer, TimeDistributedLayer):
            layer = layer.child
        else:
            ref = layer.topology.outputs[index]
            layer, index = layer.layers[ref.layer], ref.tensor
    if layer.entry.type in ("Dense", "Activation"):
        named = layer.config.get("activation", "linear") or "linear"
        return named if isinstance(named, str) else None
    return "softmax" if layer.entry.type == "Softmax" and layer.config.get("axis", -1) == -1 else None
