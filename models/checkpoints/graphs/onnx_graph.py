"""The network that an ONNX file states, built from its graph: recurrent layers as torch's modules, and all other nodes.

    module = build_graph(parse_model(data, Limits()))
    output = module(x, state)           # what onnxruntime returns

Branches of an If and bodies of loops are programs of their own; of an If only the branch that is taken runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from models.checkpoints.graphs.graph_module import GraphModule, refuse_setting
from models.checkpoints.graphs.graph_parts import Place
from models.checkpoints.graphs.graph_run import Run
from models.checkpoints.graphs.onnx_cell_layers import (
    CellGroup,
    WrittenCellStep,
    find_cell_groups,
    parts_taken,
    replaced_nodes,
)
from models.checkpoints.graphs.onnx_cell_states import CellMatch
from models.checkpoints.graphs.onnx_control import CONTROL, build_control, check_control
from models.checkpoints.graphs.onnx_edges import Edges, all_edges, free_names, ordered
from models.checkpoints.graphs.onnx_functions import inline_functions
from models.checkpoints.graphs.onnx_inputs import describe_inputs
from models.checkpoints.graphs.onnx_outputs import onnx_output_function
from models.checkpoints.graphs.onnx_parts import OnnxParts
from models.checkpoints.graphs.onnx_program import Compute, Program, Scope, Step, with_last_uses
from models.checkpoints.graphs.onnx_recurrent import INPUTS, RecurrentStep, build_modules
from models.checkpoints.graphs.onnx_registry import TORCH_DTYPES, OnnxOperation, Operator, find_operator
from models.checkpoints.graphs.onnx_stacks import RecurrentGroup, find_recurrent_groups
from models.checkpoints.layers.onnx_nodes import NodeLayer, is_quantized, kind_of, read_node_layers
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.onnx_model import Graph, Node, OnnxModel


class OnnxGraphModule(GraphModule):
    """The network of an ONNX file."""

    program: Program
    dtypes: tuple[torch.dtype, ...]

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The file's outputs, in its layout, for its inputs in order; each is converted to the type that the file states.

        Raises:
            CheckpointError: a node cannot be computed from these inputs.
        """
        if len(inputs) != len(self.inputs):
            raise TypeError(f"The network has {len(self.inputs)} inputs, not {len(inputs)}.")
        given = [values.to(dtype) for values, dtype in zip(inputs, self.dtypes, strict=True)]
        outputs = self.program.run(Run(self), given)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


def build_graph(model: OnnxModel) -> OnnxGraphModule:
    """Build the network.

    Raises:
        CheckpointError: it has a node that cannot be run; the sentence names the first one.
    """
    model = inline_functions(model)
    graphs = all_edges(model)
    builder = _Builder(model, OnnxGraphModule(), {id(each.source): each for each in graphs})
    module = builder.module
    required = [each for each in model.graph.inputs if each.name not in model.graph.constants]
    for each in required:
        if each.dtype not in TORCH_DTYPES:
            refuse_setting(each.name, "data type", each.dtype)
    builder.check(model.graph)
    if free_names(graphs[0].graph):  # values that no node makes
        raise CheckpointError("This ONNX file is damaged. Export it again.")
    builder.find_layers(graphs)
    module.program = builder.program(model.graph)
    module.inputs = describe_inputs(graphs, required)
    module.dtypes = tuple(TORCH_DTYPES[str(each.dtype)] for each in required)
    module.outputs = tuple(each.name for each in model.graph.outputs)
    module.output_functions = tuple(
        onnx_output_function(graphs[0], name, model.opsets.get("", 1)) for name in module.outputs
    )
    builder.finish()
    return module.eval()


@dataclass(frozen=True, eq=False)
class _Item:
    """One node, or several that become one step.

    Attributes:
        label: its name for sentences.
        inputs, outputs: of the step, "" for one left out.
        reads: names of all values that it uses.
        compute: makes the function that the step runs; called only if one of its outputs is used.
    """

    label: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    reads: frozenset[str]
    compute: Callable[[], Compute]


@dataclass(eq=False)
class _Builder:
    """The builder of the programs of a model's graphs, and of the modules of their nodes.

    Attributes:
        model: the model, without calls of functions.
        module: the network; its parts are added to it.
        edges: of each graph, by the ``id`` of the graph as the file has it.
        layers: names of the recurrent layers.
        left_out: what is not run.
    """

    model: OnnxModel
    module: OnnxGraphModule
    edges: dict[int, Edges]
    layers: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parts = OnnxParts(self.module)
        self._paths: dict[str, tuple[str, ...]] = {}
        self._starts: dict[int, Callable[[], _Item]] = {}
        self._covered: set[int] = set()
        self._used: set[str] = set()

    def find_layers(self, graphs: Sequence[Edges]) -> None:
        """Find the recurrent layers and which nodes they replace; add their modules to the network, before all others."""
        taken: set[str] = set()
        for group in find_recurrent_groups(graphs, taken):
            self._covered |= {id(node) for node in group.nodes + group.between}
            self._starts[id(group.nodes[0])] = partial(self._recurrent, group)
            self._add_layer(group.path, partial(build_modules, group.nodes[0].label, list(group.levels)))
        for cell in find_cell_groups(graphs, taken):
            for place in cell.places if cell.complete else ():
                self._covered |= {id(node) for node in replaced_nodes(place)}
                self._starts[id(place.edges.makers[place.output])] = partial(self._cell, cell, place)
                self._add_layer(cell.path, partial(build_modules, cell.path, [[NodeLayer(cell.layer, False)]]))

    def _add_layer(self, name: str, build: Callable[[], list[nn.RNNBase]]) -> None:
        """Add the modules of a recurrent layer to the network, once."""
        if name not in self._paths:
            own = name or "rnn"
            self._paths[name] = tuple(
                self.module.add_part(path, each) for path, each in zip((own, f"{own}_reverse"), build(), strict=False)
            )

    def finish(self) -> None:
        """Take the modules away of layers that no output depends on, and list the names of the others."""
        for name, paths in self._paths.items():
            for path in paths:
                module = self.module.get_submodule(path)
                assert isinstance(module, nn.RNNBase)
                if name in self._used:
                    for number in range(module.num_layers):
                        self.layers += [
                            f"{path}.l{number}{end}" for end in ("", "_reverse")[: 1 + module.bidirectional]
                        ]
                else:
                    above, _, own = path.rpartition(".")
                    del self.module.get_submodule(above)._modules[own]
        self.module.recurrent_layers, self.module.left_out = tuple(self.layers), tuple(self.left_out)

    def check(self, graph: Graph) -> None:
        """Raise ``CheckpointError`` for the first node of a graph that cannot be run, in the file's order."""
        edges = self.edges[id(graph)]
        if graph.sparse:
            refuse_setting(graph.sparse, "values", "sparse")
        for node in edges.graph.nodes:
            operation = self._operation(node)
            if node.domain == "" and node.op in CONTROL:
                check_control(operation)
                for inner in self._graphs(edges, node):
                    self.check(inner)
            elif kind_of(node):
                read_node_layers(node, edges.constants)
            else:
                find_operator(operation)

    def program(self, graph: Graph) -> Program:
        """Return a graph's program."""
        edges = self.edges[id(graph)]
        items = self._items(edges)
        order = ordered([(each.reads, frozenset(filter(None, each.outputs))) for each in items])
        if order is None:
            raise CheckpointError("This ONNX file is damaged. Export it again.")
        used = {each.name for each in graph.outputs}
        running: list[_Item] = []
        for index in reversed(order):
            if used & set(items[index].outputs):
                running.append(items[index])
                used |= items[index].reads
        running.reverse()
        steps = [Step(each.label, each.inputs, each.outputs, each.compute()) for each in running]
        returned = tuple(each.name for each in graph.outputs)
        constants: dict[str, Place] = {}
        for name in sorted({*returned, *(name for each in running for name in each.inputs)}):
            place = self.parts.place(edges.constants, name)
            if place is not None:
                constants[name] = place
        return Program(
            with_last_uses(steps, [each.reads for each in running], frozenset(returned)),
            tuple(each.name for each in graph.inputs if each.name not in graph.constants),
            returned,
            constants,
        )

    def _operation(self, node: Node) -> OnnxOperation:
        return OnnxOperation(node, self.model.opsets.get(node.domain, 1))

    def _graphs(self, edges: Edges, node: Node) -> tuple[Graph, ...]:
        """Return the graphs inside a node that can be run: of an If on a constant, the branch that it chooses."""
        taken = edges.constants.get(node.input(0)) if node.op == "If" else None
        if taken is None or taken.numel() != 1:
            return tuple(node.attributes[name] for name in CONTROL[node.op])
        return (node.attributes["then_branch" if bool(taken) else "else_branch"],)

    def _items(self, edges: Edges) -> list[_Item]:
        items: list[_Item] = []
        product_of: dict[int, Node] = {}
        for node in edges.graph.nodes:
            if id(node) in self._starts:
                items.append(self._starts[id(node)]())
            elif id(node) in self._covered or all(
                edges.constants.get(name) is not None for name in node.outputs if name
            ):
                continue
            elif (add := self.parts.bias_of(edges, node)) is not None:
                product_of[id(add)] = node
            else:
                items.append(self._item(edges, node, product_of.get(id(node))))
        return items

    def _item(self, edges: Edges, node: Node, product: Node | None = None) -> _Item:
        """Return the step of one node; ``product`` is the MatMul that it adds a bias to, if both are one dense layer."""
        operation = self._operation(node)
        if node.domain == "" and node.op in CONTROL:
            graphs = self._graphs(edges, node)
            inputs = node.inputs if len(graphs) == len(CONTROL[node.op]) else ()
            reads = frozenset(filter(None, inputs)).union(*map(free_names, graphs))
            return _Item(
                node.label, inputs, node.outputs, reads, lambda: build_control(operation, graphs, self.program)
            )
        inputs = node.inputs
        compute: Compute = partial(_run_operator, find_operator(operation), operation)
        part = self.parts.specialized(
            edges, node if product is None else product, node if product is not None else None
        )
        if part is not None:
            inputs, compute = part
        return _Item(node.label, inputs, node.outputs, frozenset(filter(None, inputs)), lambda: compute)

    def _recurrent(self, group: RecurrentGroup) -> _Item:
        """Return the step of a recurrent layer."""
        nodes, label = group.nodes, group.nodes[0].label
        inputs: list[str] = []
        for index, node in enumerate(nodes):
            inputs += [node.input(0), "", "", "", node.input(4)] if index == 0 else [""] * 5
            inputs += [node.input(5), node.input(6)]
        assert len(inputs) == INPUTS * len(nodes)
        kind = str(kind_of(nodes[0]))
        ends = range(1, 3 if kind == "LSTM" else 2)
        outputs = (nodes[-1].output(0), *(node.output(place) for node in nodes for place in ends))

        def compute() -> Compute:
            self._used.add(group.path)
            self.left_out += [f"{node.label} (input quantization)" for node in nodes if is_quantized(node)]
            batch_first = nodes[0].attributes.get("layout", 0) == 1
            return RecurrentStep(label, kind, self._paths[group.path], len(nodes), len(group.levels[0]), batch_first)

        return _Item(label, tuple(inputs), outputs, frozenset(filter(None, inputs)), compute)

    def _cell(self, group: CellGroup, place: CellMatch) -> _Item:
        """Return the step of a cell that is written out."""
        names = (place.input.value, place.hidden_prev, place.cell_prev)
        label = place.edges.makers[place.output].label

        def compute() -> Compute:
            self._used.add(group.path)
            return WrittenCellStep(self._paths[group.path][0], place.rank, parts_taken(place, self.model.opsets))

        return _Item(label, names, (place.output, place.cell), frozenset(filter(None, names)), compute)


def _run_operator(found: Operator, operation: OnnxOperation, scope: Scope, inputs: list[Tensor | None]) -> Any:
    return found.compute(operation, *inputs)
