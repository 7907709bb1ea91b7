"""The nodes of a torch.export graph: each becomes a step; recurrent, dense and embedding layers have modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from models.checkpoints.graphs.aten_operators import IN_PLACE, is_allowed, run_operator
from models.checkpoints.graphs.aten_recurrent import CELLS, RECURRENT, SEQUENCES, bound_arguments
from models.checkpoints.graphs.graph_module import MAX_DEPTH, MAX_NODES, refuse, refuse_setting
from models.checkpoints.graphs.torch_export_parts import ExportParts, common_path
from models.checkpoints.graphs.torch_export_program import (
    CHECKS,
    PYTHON,
    READS,
    Compute,
    ExportProgram,
    ExportStep,
    Names,
    condition_step,
    module_step,
    operator_step,
    output_names,
    python_step,
    recurrent_step,
    with_last_reads,
    without_gradient_step,
)
from models.checkpoints.graphs.torch_export_values import InnerGraph, Reference, filled, parse_argument, referred_names

ATEN = "torch.ops.aten."
NO_GRADIENT = "torch.ops.higher_order.wrap_with_set_grad_enabled"
CONDITION = "torch.ops.higher_order.cond"
SAME_TENSOR = frozenset({"dropout", "alpha_dropout", "feature_dropout", "reshape", "contiguous", "to", "flatten"})
"""Operators that may return their input itself although their schema does not say so."""


@dataclass(frozen=True, eq=False)
class ExportNode:
    """A node, parsed.

    Attributes:
        label: the path of its module, or its own name, for sentences.
        target: such as ``"torch.ops.aten.linear.default"``.
        args, named: its arguments.
        outputs: the names of its outputs.
    """

    label: str
    target: str
    args: list[Any]
    named: dict[str, Any]
    outputs: Names

    @property
    def op(self) -> str:
        """The name of torch's operator, such as ``"linear"``; "" of another target."""
        return self.target.removeprefix(ATEN).partition(".")[0] if self.target.startswith(ATEN) else ""

    @property
    def overload(self) -> str:
        """The operator's overload, such as ``"default"``."""
        return self.target.rpartition(".")[2]

    @property
    def type(self) -> str:
        """The operator for sentences, such as ``"aten.linear"``."""
        return f"aten.{self.op}" if self.op else self.target.removeprefix("torch.ops.")


def parse_node(node: Mapping[str, Any]) -> ExportNode:
    """Parse a node.

    Raises:
        CheckpointError: one of its arguments is of a type that cannot be run.
    """
    label = module_path(node) or str(node.get("name") or node["target"])
    args: list[Any] = []
    named: dict[str, Any] = {}
    for each in node["inputs"]:
        value = parse_argument(label, each["arg"])
        if each.get("kind") == 2 and each["name"]:
            named[each["name"]] = value
        else:
            args.append(value)
    outputs = tuple(_output(each) for each in node["outputs"])
    single = len(outputs) == 1 and not node["target"].startswith("torch.ops.higher_order")
    return ExportNode(label, node["target"], args, named, outputs[0] if single else outputs if outputs else None)


def module_path(node: Mapping[str, Any]) -> str:
    """Return the path of the module that a node was in, "" for the network itself."""
    last = node.get("metadata", {}).get("nn_module_stack", "").rpartition(";")[2].split(",")
    path = last[1] if len(last) > 2 else ""
    return path.partition("@")[0] if "_empty_nn_module_stack" not in path else ""


def module_classes(nodes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the class names of the modules that the nodes were in, by path."""
    found: dict[str, str] = {}
    for stack in dict.fromkeys(str(node.get("metadata", {}).get("nn_module_stack", "")) for node in nodes):
        for entry in stack.split(";"):
            fields = entry.split(",")
            if len(fields) > 2:
                found[fields[1].partition("@")[0]] = fields[2]
    return found


def _output(argument: Mapping[str, Any]) -> Names:
    if "as_none" in argument:
        return None
    parsed = parse_argument("output", argument)
    names = [
        each.name if isinstance(each, Reference) else None
        for each in (parsed if isinstance(parsed, list) else [parsed])
    ]
    return tuple(names) if isinstance(parsed, list) else names[0]


def constant_names(signature: Mapping[str, Any]) -> dict[str, str]:
    """Return the names in the file of the graph inputs that are parameters, buffers or constants."""
    found = {}
    for spec in signature["input_specs"]:
        ((kind, about),) = spec.items()
        if kind in ("parameter", "buffer", "tensor_constant"):
            found[about["arg"]["name"]] = about[f"{kind}_name"]
    return found


@dataclass(eq=False)
class GraphBuilder:
    """The builder of the program of a graph and of those inside it.

    Attributes:
        parts: the network's parameters.
        names: the names in the file of the outer graph's inputs that are constants.
        parameters: those of them that are trained, by their names in the file.
        changed: buffers that each call changes for the next one, by their names in the file.
    """

    parts: ExportParts
    names: Mapping[str, str]
    parameters: frozenset[str]
    changed: dict[str, None] = field(default_factory=dict)
    count: int = 0

    def program(
        self,
        graph: Mapping[str, Any],
        inputs: Sequence[str],
        outputs: list[Any],
        constants: Mapping[str, str],
        depth: int = 0,
    ) -> ExportProgram:
        """Return a graph's program.

        Args:
            graph: its JSON.
            inputs: the names of its inputs that are not constants.
            outputs: references or values.
            constants: for each of its names that is a constant, the constant's name in the outer graph.
            depth: how many graphs it is inside of.

        Raises:
            CheckpointError: it has a node that cannot be run; the sentence names the first one.
        """
        self.count += len(graph["nodes"])
        if depth > MAX_DEPTH or self.count > MAX_NODES:
            refuse_setting("torch.export", "nodes", self.count)
        nodes = [parse_node(each) for each in graph["nodes"]]
        for node in nodes:
            _check(node)
        scope = _Scope(self, nodes, constants)
        steps = [scope.step(node, depth) for node in nodes]
        used = {name for step in steps for name in step.reads} | set(referred_names(outputs))
        places = {
            name: self.parts.place(self.names[outer], self.names[outer] in self.parameters)
            for name, outer in constants.items()
            if name in used
        }
        changed, viewed = scope.shared_inputs(outputs)
        for name in sorted(changed & set(constants)):
            own = self.names[constants[name]]
            if own in self.parameters:
                refuse_setting(own, "in-place", True)
            self.changed[own] = None
        return ExportProgram(
            tuple(inputs),
            with_last_reads(steps, referred_names(outputs)),
            outputs,
            places,
            changed if depth == 0 else frozenset(),
            bool(graph.get("is_single_tensor_return")),
            changed,
            viewed,
        )


def _check(node: ExportNode) -> None:
    """Raise ``CheckpointError`` for a node that cannot be run."""
    if node.op:
        if node.op not in RECURRENT | CHECKS | set(READS) and not is_allowed(node.op):
            refuse(node.label, node.type)
    elif node.target not in (*PYTHON, NO_GRADIENT, CONDITION):
        refuse(node.label, node.type)


class _Scope:
    """One graph while its steps are made."""

    def __init__(self, builder: GraphBuilder, nodes: Sequence[ExportNode], constants: Mapping[str, str]) -> None:
        self.builder, self.parts, self.constants = builder, builder.parts, constants
        self.nodes = nodes
        self.makers = {name: node for node in nodes for name in output_names(node.outputs)}
        self._folded: dict[str, Any] = {}
        self._inner_programs: dict[int, tuple[Sequence[Any], list[ExportProgram]]] = {}

    def step(self, node: ExportNode, depth: int) -> ExportStep:
        """Return a node's step."""
        args, named = node.args, node.named
        inner = [each for each in args if isinstance(each, InnerGraph)]
        if inner:
            compute = self._inner(node, inner, depth)
            args = [None if isinstance(each, InnerGraph) else each for each in args]
        elif node.op in RECURRENT:
            compute, args = self._recurrent(node)
            named = {}
        elif node.op:
            path = self._layer(node)
            compute = operator_step(node.label, node.op, node.overload)
            if path is not None:
                compute = module_step(path)
                args, named = [args[0] if node.op == "linear" else args[1]], {}
        else:
            compute = python_step(node.target)
        return ExportStep(
            node.label, compute, args, named, node.outputs, frozenset(referred_names([args, list(named.values())]))
        )

    def _layer(self, node: ExportNode) -> str | None:
        """Return the path of the module of a dense layer or an embedding, None if it is another operator."""
        if node.named or node.overload != "default":
            return None
        if node.op == "linear":
            weight, bias = self._file_name(node.args[1]), (node.args[2] if len(node.args) > 2 else None)
            own = self._file_name(bias)
            if weight is not None and (bias is None or own is not None):
                return self.parts.dense(weight.rpartition(".")[0], weight, own)
        if node.op == "embedding" and len(node.args) <= 3:
            weight = self._file_name(node.args[0])
            if weight is not None:
                return self.parts.embedding(weight.rpartition(".")[0], weight)
        return None

    def _file_name(self, value: Any) -> str | None:
        """Return the name in the file of a parameter; None if a value is something else."""
        outer = self.constants.get(value.name) if isinstance(value, Reference) else None
        own = None if outer is None else self.builder.names[outer]
        return own if own in self.builder.parameters else None

    def _recurrent(self, node: ExportNode) -> tuple[Compute, list[Any]]:
        given = bound_arguments(node.op, node.args, node.named)
        weights = [self._constant(node, each) for each in given["weights"]]
        names = [self._file_name(each) for each in given["weights"]]
        path = common_path(names) or node.label
        path = self.parts.recurrent(node.label, path, node.op, names, weights, given)
        args = list(node.args)
        for place, each in enumerate(args):
            if node.op in SEQUENCES and each is given.get("params"):
                args[place] = []
            if node.op in CELLS and place > 1:
                args[place] = None
        return recurrent_step(node.label, node.op, path), args

    def _constant(self, node: ExportNode, value: Any, depth: int = 0) -> Tensor:
        """Return the value of a weight that depends on no input.

        Raises:
            CheckpointError: it does, so that the recurrent layer has no weights of its own.
        """
        if not isinstance(value, Reference) or depth > 100:
            refuse_setting(node.label, "params", value)
        if value.name in self.constants:
            return self.parts.values(self.builder.names[self.constants[value.name]]).detach()
        if value.name not in self._folded:
            maker = self.makers.get(value.name)
            if maker is None or not maker.op or maker.op in RECURRENT:
                refuse_setting(node.label, "params", value.name)
            args, named = filled(
                [maker.args, list(maker.named.values())],
                lambda name: self._constant(node, Reference(name), depth + 1),
            )
            with torch.no_grad():
                made = run_operator(
                    maker.label, maker.op, maker.overload, args, dict(zip(maker.named, named, strict=True))
                )
            found = made if isinstance(maker.outputs, tuple) else [made]
            self._folded |= dict(zip(output_names(maker.outputs), found, strict=False))
        return self._folded[value.name]

    def _inner(self, node: ExportNode, inner: Sequence[InnerGraph], depth: int) -> Compute:
        """Return the function of a node with graphs as arguments."""
        if node.target == CONDITION and len(node.args) == 4 and len(inner) == 2:
            operands = node.args[3]
        elif node.target == NO_GRADIENT and len(inner) == 1:
            operands = node.args[2:]
        else:
            refuse(node.label, node.type)
        programs = [self._inner_program(each, operands, depth) for each in inner]
        self._inner_programs[id(node)] = operands, programs
        return condition_step(programs) if node.target == CONDITION else without_gradient_step(programs[0])

    def _inner_program(self, inner: InnerGraph, operands: Sequence[Any], depth: int) -> ExportProgram:
        graph = inner.graph
        inputs = [each.name for each in map(_input, graph["inputs"])]
        constants = {
            name: self.constants[given.name]
            for name, given in zip(inputs, operands, strict=True)
            if isinstance(given, Reference) and given.name in self.constants
        }
        outputs = [parse_argument(inner.name, each) for each in graph["outputs"]]
        return self.builder.program(graph, inputs, outputs, constants, depth + 1)

    def shared_inputs(self, outputs: list[Any]) -> tuple[frozenset[str], frozenset[str]]:
        """Return the inputs and constants that a step changes, itself or through a view; and those that outputs may view."""
        roots: dict[str, frozenset[str]] = {}

        def of(values: Any) -> frozenset[str]:
            return frozenset().union(*(roots.get(name, frozenset({name})) for name in referred_names(values)))

        changed: set[str] = set()
        for node in self.nodes:
            shared: frozenset[str] = frozenset()
            if id(node) in self._inner_programs:
                operands, programs = self._inner_programs[id(node)]
                for program in programs:
                    for name, value in zip(program.inputs, operands, strict=True):
                        changed |= of([value]) if name in program.changed else frozenset()
                        shared |= of([value]) if name in program.viewed else frozenset()
            elif node.op in IN_PLACE:
                changed |= of(node.args[:1])
                shared = of(node.args[:1])
            elif node.op and node.op not in RECURRENT:
                shared = of(_viewed(node))
            for name in output_names(node.outputs):
                roots[name] = shared or frozenset({name})
        own = set(self.makers)
        return frozenset(changed - own), frozenset(of(outputs) - own)


def _input(argument: Mapping[str, Any]) -> Reference:
    value = parse_argument("input", argument)
    if not isinstance(value, Reference):
        raise ValueError("input")
    return value


def _viewed(node: ExportNode) -> list[Any]:
    """Return the arguments that an output may be a view of."""
    if node.op in SAME_TENSOR:
        return node.args[:1]
    schema = getattr(getattr(torch.ops.aten, node.op), node.overload)._schema
    return [value for value, about in zip(node.args, schema.arguments, strict=False) if about.alias_info is not None]
