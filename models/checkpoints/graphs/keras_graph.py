"""The network of a Keras file, built from its configuration: Sequential and Functional models, of Keras 2 and 3.

Every layer becomes torch modules of the file's variables and is called as the configuration says, with masks. A class of a
user's own, a Lambda, and any layer or setting that is not known is refused by name; no code of a file is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from models.checkpoints.graphs.graph_module import GraphInput, GraphModule, refuse
from models.checkpoints.graphs.keras_layer import KerasLayer, LayerEntry, Value
from models.checkpoints.graphs.keras_merge_layers import MERGE_LAYERS
from models.checkpoints.graphs.keras_models import MODEL_LAYERS, ModelLayer
from models.checkpoints.graphs.keras_operations import OPERATIONS, OperationLayer
from models.checkpoints.graphs.keras_outputs import keras_output_function
from models.checkpoints.graphs.keras_plain_layers import PLAIN_LAYERS, InputLayer
from models.checkpoints.graphs.keras_recurrent import RECURRENT_LAYERS
from models.checkpoints.graphs.keras_shape_layers import SHAPE_LAYERS
from models.checkpoints.graphs.keras_topology import MODEL_TYPES, damaged, layer_entry
from models.checkpoints.graphs.keras_variables import assign_variables
from models.checkpoints.layers.keras_cells import KerasVersion
from models.checkpoints.parsing.contents import FoundLayer
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.hdf5 import Hdf5Contents

LAYERS: dict[str, type[KerasLayer]] = PLAIN_LAYERS | SHAPE_LAYERS | MERGE_LAYERS | RECURRENT_LAYERS
"""The layers that can be run, by the names of their classes."""


class KerasGraph(GraphModule):
    """A Keras model in inference mode."""

    _model: ModelLayer

    def __init__(self, model: ModelLayer) -> None:
        """Make the modules of all layers of ``model``, which have their variables."""
        super().__init__()
        self._model = model
        names: list[str] = []
        for layer in model.walk():
            made = layer.make(layer.variables)
            paths = {part: self.add_part(layer.module_name(part), module) for part, module in made.items()}
            layer.placed(paths)
            for part, module in made.items():
                if isinstance(module, nn.RNNBase):
                    suffixes = ("", "_reverse")[: 1 + module.bidirectional]
                    names += [f"{paths[part]}.l{level}{end}" for level in range(module.num_layers) for end in suffixes]
        for layer in model.walk():
            layer.variables = {}
        self.recurrent_layers = tuple(names)
        self.inputs = tuple(self._input(index) for index in range(len(model.topology.inputs)))
        self.outputs = tuple(f"{ref.layer}:{ref.tensor}" if ref.tensor else ref.layer for ref in model.topology.outputs)
        self.output_functions = tuple(keras_output_function(model, index) for index in range(len(self.outputs)))
        self.eval()

    def _input(self, index: int) -> GraphInput:
        name = self._model.topology.inputs[index].layer
        layer = self._model.layers.get(name)
        shape: tuple[int | None, ...] = layer.shape if isinstance(layer, InputLayer) else ()
        if not name:
            first = next(iter(self._model.topology.layers.values()))
            listed = first.config.get("batch_input_shape") or self._model.config.get("build_input_shape")
            shape = tuple(each if type(each) is int else None for each in listed) if isinstance(listed, list) else ()
            name = f"{first.name}_input"
        embedding = self._model.embedding_of(index)
        if embedding is None:
            return GraphInput(name, "values", shape)
        return GraphInput(name, "ids", shape, embedding.count("input_dim"))

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The model's outputs, as Keras's ``model(inputs, training=False)``."""
        if len(inputs) != len(self.inputs):
            raise ValueError(f"The network has {len(self.inputs)} inputs, not {len(inputs)}.")
        outputs = tuple(value.tensor for value in self._model.run(self, [Value(x) for x in inputs]))
        return outputs if len(outputs) > 1 else outputs[0]


class KerasBuilder:
    """A builder of the layers of one file's configuration."""

    def __init__(self, version: KerasVersion, found: Mapping[str, FoundLayer]) -> None:
        """Make layers as of this version of Keras; ``found`` has the names of the recurrent ones."""
        self.version = version
        self._names = {source: name for name, layer in found.items() for source in layer.sources}

    def layer_name(self, tensor: str) -> str | None:
        """Return the name in ``Checkpoint.layers`` of the recurrent layer with this kernel, or None if it has none."""
        return self._names.get(tensor)

    def layer(self, entry: LayerEntry, depth: int) -> KerasLayer:
        """Make a layer.

        Raises:
            CheckpointError: it, or one of its settings, cannot be run.
        """
        if entry.operation or (entry.type not in LAYERS and entry.type in OPERATIONS):
            return OperationLayer(entry, self)
        if entry.type in MODEL_LAYERS:
            return MODEL_LAYERS[entry.type](entry, self, depth)
        if entry.type not in LAYERS:
            refuse(entry.label, entry.type)
        return LAYERS[entry.type](entry, self)


def build_keras_graph(
    config: Any, file: Hdf5Contents, version: KerasVersion, found: Mapping[str, FoundLayer]
) -> GraphModule:
    """Return the network that a configuration states, with the file's variables.

    Args:
        config: the model's configuration, parsed from JSON.
        file: the tensors.
        version: of the Keras that wrote it.
        found: the file's recurrent layers, whose names the modules get.

    Raises:
        CheckpointError: the first layer that cannot be run, by name; or the file is damaged.
    """
    try:
        entry = layer_entry(config)
        if entry.type not in MODEL_TYPES or "layers" not in entry.config:
            refuse(entry.label, entry.type)
        model = ModelLayer(entry, KerasBuilder(version, found))
        assign_variables(model.inner or {}, file)
        return KerasGraph(model)
    except CheckpointError:
        raise
    except Exception as error:  # a malicious configuration may raise an error that no check covers
        raise damaged() from error
