"""ONNX: the recurrent layers of a graph and of the graphs inside it, and the network that it states.

Recurrent layers are nodes (RNN, LSTM, GRU, DynamicQuantizeLSTM) or cells that the graph writes out as products, sums and
activations. What belongs to what is read from the graph's edges. Source: https://onnx.ai/onnx.
"""

from __future__ import annotations

from models.checkpoints.building.vocabulary import vocabularies_in_metadata
from models.checkpoints.graphs.graph_module import GraphModule
from models.checkpoints.graphs.onnx_cell_layers import find_cell_groups
from models.checkpoints.graphs.onnx_edges import Edges, all_edges
from models.checkpoints.graphs.onnx_functions import inline_functions
from models.checkpoints.graphs.onnx_graph import build_graph
from models.checkpoints.graphs.onnx_matrices import matrix_uses
from models.checkpoints.graphs.onnx_stacks import find_recurrent_groups
from models.checkpoints.layers.find_by_name import find_layers
from models.checkpoints.layers.onnx_nodes import ComputedWeightsError, is_quantized
from models.checkpoints.parsing.contents import Contents, FoundLayer, StoredTensor
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.file_source import FileSource
from models.checkpoints.parsing.onnx_model import Graph, OnnxModel, parse_model
from models.checkpoints.parsing.protobuf import iterate_fields


def match(source: FileSource) -> bool:
    """Return whether it is one protocol buffer message that has an IR version and a graph."""
    if not source.starts_with(b"\x08"):
        return False
    try:
        numbers = {number for number, _ in iterate_fields(source.data)}
    except ValueError:
        return False
    return {1, 7} <= numbers and max(numbers) < 100


def open(source: FileSource) -> Contents:
    """Parse the graphs and find their recurrent layers."""
    try:
        model = parse_model(source.data, source.limits)
        tensors = _tensors(model.graph)
        for function in model.functions.values():
            tensors |= _tensors(Graph(function.nodes))
        graphs = all_edges(_without_functions(model), source.limits.operations)
        layers, quantized = _layers(graphs)
    except ComputedWeightsError:  # then only names can identify them
        layers, quantized = find_layers(tensors), []
        if not layers:
            raise
    except ValueError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError("This ONNX file is damaged. Export it again.") from error
    about = {"producer": model.producer} | ({"quantized": ", ".join(quantized)} if quantized else {})

    def build() -> GraphModule:
        try:
            return build_graph(model)
        except (CheckpointError, MemoryError):
            raise
        except Exception as error:  # attributes of other types than their operators have
            raise CheckpointError("This ONNX file is damaged. Export it again.") from error

    return Contents(
        "ONNX", tensors, layers, about, vocabularies_in_metadata(model.metadata), graph=build,
        matrix_uses=matrix_uses(graphs),
    )  # fmt: skip


def _without_functions(model: OnnxModel) -> OnnxModel:
    """Return the model with the nodes of its functions in place of their calls, where that can be done."""
    try:
        return inline_functions(model)
    except CheckpointError:  # the network cannot be built, but its tensors can be listed
        return model


def _tensors(graph: Graph) -> dict[str, StoredTensor]:
    """Return the constants that a graph stores, and those of the graphs inside it, by name."""
    found = dict(graph.constants)
    for node in graph.nodes:
        value = node.attributes.get("value")
        if node.op == "Constant" and isinstance(value, StoredTensor) and node.output(0):
            found[node.output(0)] = value
        for inner in node.graphs():
            found |= _tensors(inner)
    return found


def _layers(graphs: list[Edges]) -> tuple[dict[str, FoundLayer], list[str]]:
    """Return the recurrent layers by name, and the names of those whose weights are integers."""
    taken: set[str] = set()
    found: dict[str, FoundLayer] = {}
    quantized: list[str] = []
    for group in find_recurrent_groups(graphs, taken):
        for name, each in group.names():
            if any(map(is_quantized, group.nodes)) and name not in found:
                quantized.append(name)
            found[name] = each.layer
    for cell in find_cell_groups(graphs, taken):
        found[f"{cell.path}.l0"] = cell.layer
    return found, quantized
