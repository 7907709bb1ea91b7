"""Models inside models, and layers around layers: Sequential, Functional and ``TimeDistributed``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from models.checkpoints.graphs.graph_module import MAX_DEPTH, refuse
from models.checkpoints.graphs.keras_layer import Builder, KerasLayer, LayerEntry, Value
from models.checkpoints.graphs.keras_plain_layers import EmbeddingLayer, InputLayer
from models.checkpoints.graphs.keras_topology import (
    MODEL_TYPES,
    TensorRef,
    Topology,
    damaged,
    layer_entry,
    model_topology,
)


class ModelLayer(KerasLayer):
    """A Sequential or Functional model: runs its layers in order."""

    settings = frozenset(("layers", "input_layers", "output_layers", "build_input_shape"))

    def __init__(self, entry: LayerEntry, builder: Builder, depth: int = 0) -> None:
        """Make the layers that its outputs need.

        Raises:
            CheckpointError: a layer cannot be run, or the configuration is damaged.
        """
        super().__init__(LayerEntry(entry.name, entry.label, entry.type, {**entry.config, "dtype": None}), builder)
        self.topology: Topology = model_topology(entry, depth, builder.version.major)
        needed = {call.layer for call in self.topology.calls} | {ref.layer for ref in self.topology.inputs}
        self.layers = {
            name: builder.layer(each, depth + 1) for name, each in self.topology.layers.items() if name in needed
        }
        self.inner = {name: layer for name, layer in self.layers.items() if not layer.entry.operation}
        for call in self.topology.calls:
            self.layers[call.layer].check_arguments(call.kwargs)
        for ref in self.topology.inputs:
            if ref.layer and not isinstance(self.layers.get(ref.layer), InputLayer):
                raise damaged()

    def call(self, net: nn.Module, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
        """The model's outputs: one value, or a list of several."""
        if len(args) != 1:
            raise self.wrong_call()
        given = args[0] if isinstance(args[0], list) else [args[0]]
        named = kwargs.get("mask")
        masks = named if isinstance(named, list) else [named] * len(given)
        if len(given) != len(self.topology.inputs) or len(masks) != len(given):
            raise self.wrong_call()
        values = [
            Value(x.tensor, mask.tensor) if isinstance(mask, Value) else x for x, mask in zip(given, masks, strict=True)
        ]
        outputs = self.run(net, values)
        return outputs[0] if len(outputs) == 1 else outputs

    def run(self, net: nn.Module, given: list[Value]) -> list[Value]:
        """Return all outputs for all inputs."""
        known: dict[TensorRef, Value] = {}
        for ref, value in zip(self.topology.inputs, given, strict=True):
            dtype = self.layers[ref.layer].dtype if ref.layer else value.tensor.dtype
            known[ref] = Value(value.tensor.to(dtype), value.mask)
        for call in self.topology.calls:
            args = [self._filled(each, known) for each in call.args]
            kwargs = {name: self._filled(each, known) for name, each in call.kwargs.items()}
            for index, value in enumerate(flattened(self.layers[call.layer].call(net, args, kwargs))):
                known[TensorRef(call.layer, call.node, index)] = value
        return [self._filled(ref, known) for ref in self.topology.outputs]

    def _filled(self, tree: Any, known: Mapping[TensorRef, Value]) -> Any:
        """An argument with values where there were references."""
        if isinstance(tree, TensorRef):
            if tree not in known:
                raise self.wrong_call()
            return known[tree]
        return [self._filled(each, known) for each in tree] if isinstance(tree, list) else tree

    def embedding_of(self, index: int) -> EmbeddingLayer | None:
        """Return the embedding that looks up an input's numbers, or None if none does."""
        waiting, seen = [self.topology.inputs[index]], set()
        while waiting:
            ref = waiting.pop()
            if ref in seen:
                continue
            seen.add(ref)
            for call in self.topology.calls:
                if ref not in list(call.references()):
                    continue
                layer: KerasLayer = self.layers[call.layer]
                while isinstance(layer, TimeDistributedLayer):
                    layer = layer.child
                if isinstance(layer, EmbeddingLayer):
                    return layer
                if isinstance(layer, ModelLayer):
                    places = [place for place, each in enumerate(flattened(call.args)) if each == ref]
                    found = [layer.embedding_of(place) for place in places if place < len(layer.topology.inputs)]
                    if any(found):
                        return next(each for each in found if each)
                elif layer.entry.type in ("Reshape", "Flatten", "Permute", "Identity", "Dropout"):
                    waiting.append(TensorRef(call.layer, call.node, 0))
        return None


class TimeDistributedLayer(KerasLayer):
    """``TimeDistributed``: a layer applied to each step separately."""

    settings = frozenset(("layer",))
    keeps_mask = True

    def __init__(self, entry: LayerEntry, builder: Builder, depth: int = 0) -> None:
        """Make the layer."""
        super().__init__(entry, builder)
        if depth > MAX_DEPTH:
            raise damaged()
        self.child = builder.layer(layer_entry(self.config.get("layer"), label=self.label), depth + 1)
        if self.version.major < 3 and self.child.config.get("mask_zero"):
            refuse(self.label, "TimeDistributed(Embedding(mask_zero=True))")
        self.children["layer"] = self.child

    def call(self, net: nn.Module, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
        """(B, T, ...) as (B T, ...) through the layer, and back."""
        x = self.only(args, kwargs)
        batch, steps = x.tensor.shape[:2]
        inner = None if x.mask is None or x.mask.dim() < 3 else x.mask.flatten(0, 1)
        done = self.child.call(net, [Value(x.tensor.flatten(0, 1), inner)], {})

        def unfolded(values: Tensor) -> Value:
            return Value(values.reshape(batch, steps, *values.shape[1:]), x.mask)

        if isinstance(done, Value):
            return unfolded(done.tensor)
        return [unfolded(each.tensor) for each in flattened(done)]


def flattened(tree: Any) -> Iterator[Any]:
    """Return what is in nested lists, in order."""
    if isinstance(tree, list):
        for each in tree:
            yield from flattened(each)
    else:
        yield tree


MODEL_LAYERS = {**dict.fromkeys(MODEL_TYPES, ModelLayer), "TimeDistributed": TimeDistributedLayer}
"""By the names of their classes: layers that are made with how many models are around them."""
