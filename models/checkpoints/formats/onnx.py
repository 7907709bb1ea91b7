"""ONNX: the RNN, LSTM and GRU nodes of a graph and of the graphs within it, with their constant weights.

Source: https://onnx.ai/onnx/operators. Per direction W is (G * H, D), R is (G * H, H) and B both biases one after the other;
the gates stand in the order i o f c (LSTM) and z r h (GRU). Nothing is computed, and no other file is opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from models.checkpoints.building.vocabulary import vocabularies_told
from models.checkpoints.layers.activation_names import of_onnx, supported
from models.checkpoints.layers.find_by_name import find_layers
from models.checkpoints.parsing.contents import (
    CheckpointError,
    Contents,
    FoundLayer,
    Limits,
    Stored,
    array_of,
    count_of,
    width_of,
)
from models.checkpoints.parsing.file_source import Source
from models.checkpoints.parsing.protobuf import Value, fields, floats, grouped, integers, text

DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
    11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16", 17: "float8_e4m3fn", 19: "float8_e5m2",
}  # fmt: skip
GATES = {"RNN": (0,), "LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2)}
"""Where PyTorch's gates stand among ONNX's: i o f c, and z r h."""
OPTIONS = {
    "RNN": ("nonlinearity",),
    "LSTM": ("recurrent_activation", "activation", "activation"),
    "GRU": ("recurrent_activation", "activation"),
}
"""What each of a node's activations is for."""
DEPTH = 32


@dataclass(frozen=True, eq=False)
class Node:
    """A recurrent node: operator, name, inputs, attributes, and the constants that it can see."""

    kind: str
    name: str
    inputs: list[str]
    attributes: Mapping[str, dict[int, list[Value]]]
    constants: Mapping[str, Stored]


@dataclass(eq=False)
class Graph:
    """What has been found so far in a model's graphs."""

    limits: Limits
    tensors: dict[str, Stored] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    seen: int = 0


def match(source: Source) -> bool:
    """A message with a version and a graph, to its end."""
    if not source.starts(b"\x08"):
        return False
    try:
        numbers = {number for number, _ in fields(source.data)}
    except ValueError:
        return False
    return {1, 7} <= numbers and max(numbers) < 100


def open(source: Source) -> Contents:
    """Read the graphs."""
    graph = Graph(source.limits)
    try:
        model = grouped(source.data)
        for body in model[7]:
            _read_graph(_message(body), {}, graph, 0)
        for body in model.get(25, []):  # functions hold nodes, but no initializers
            _read_nodes(grouped(_message(body)).get(7, []), {}, graph, 0)
        metadata = _metadata(model)
    except ValueError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError("This ONNX file is damaged; export it again.") from error
    about = {"producer": f"{text(model.get(2))} {text(model.get(3))}".strip()}
    layers = _layers(graph.nodes)
    if layers is None:
        named = find_layers(graph.tensors)
        if not named:
            raise CheckpointError(
                "The weights of {name} are computed within this ONNX graph; export it with constant folding.",
                name=graph.nodes[0].name or graph.nodes[0].kind,
            )
        layers = named
    return Contents("ONNX", graph.tensors, layers, about, vocabularies_told(metadata))


def _metadata(model: Mapping[int, list[Value]]) -> dict[str, str]:
    """What the model says of itself besides, by name."""
    pairs = [grouped(_message(body)) for body in model.get(14, [])[:1000]]
    return {text(pair.get(1)): text(pair.get(2)) for pair in pairs}


def _message(value: Value) -> memoryview:
    if isinstance(value, int):
        raise ValueError("no message")
    return value


def _read_graph(data: memoryview, outer: Mapping[str, Stored], graph: Graph, depth: int) -> None:
    if depth > DEPTH:
        raise CheckpointError("The graphs of this ONNX file stand too deep within each other; export it again.")
    held = grouped(data)
    constants = dict(outer)
    for body in held.get(5, []):
        name, stored = _tensor(_message(body))
        _keep(graph, name, stored)
        constants[name] = stored
    _read_nodes(held.get(1, []), constants, graph, depth)


def _keep(graph: Graph, name: str, stored: Stored) -> None:
    if len(graph.tensors) >= graph.limits.tensors:
        raise CheckpointError(
            "This ONNX file holds more tensors than are allowed; export the recurrent part alone, or raise the limit."
        )
    graph.tensors[name] = stored


def _read_nodes(bodies: list[Value], constants: dict[str, Stored], graph: Graph, depth: int) -> None:
    for body in bodies:
        graph.seen += 1
        if graph.seen > graph.limits.operations:
            raise CheckpointError(
                "This ONNX file holds more nodes than are allowed; export the recurrent part alone, or raise the limit."
            )
        node = grouped(_message(body))
        inputs = [text([value]) for value in node.get(1, [])]
        outputs = [text([value]) for value in node.get(2, [])]
        attributes = {}
        for each in node.get(5, []):
            attribute = grouped(_message(each))
            attributes[text(attribute.get(1))] = attribute
            for inner in attribute.get(6, []) + attribute.get(11, []):
                _read_graph(_message(inner), constants, graph, depth + 1)
        kind = text(node.get(4))
        if kind == "Constant" and "value" in attributes and outputs:
            _, stored = _tensor(_message(attributes["value"][5][-1]))
            constants[outputs[0]] = stored
            _keep(graph, outputs[0], stored)
        elif kind == "Identity" and inputs and outputs and inputs[0] in constants:
            constants[outputs[0]] = constants[inputs[0]]
        elif kind in GATES and text(node.get(7)) in ("", "ai.onnx"):
            graph.nodes.append(Node(kind, text(node.get(3)), inputs, attributes, constants))


def _tensor(data: memoryview) -> tuple[str, Stored]:
    """Name and values of a TensorProto."""
    held = grouped(data)
    name, shape = text(held.get(8)), tuple(integers(held.get(1)))
    if held.get(13) or integers(held.get(14))[-1:] == [1]:
        raise CheckpointError(
            "{name} of this ONNX file lies in another file, which is not opened; save everything in one file.",
            name=name,
        )
    code = (integers(held.get(2)) or [0])[-1]
    dtype = DTYPES.get(code)
    if dtype is None:
        return name, Stored(shape, f"type {code}", lambda: np.empty(0))
    if any(side < 0 for side in shape):
        raise ValueError("sides")
    count, width = count_of(shape), width_of(dtype)
    if 9 in held:
        raw = _message(held[9][-1])
        fits = len(raw) == count * width
        read = lambda: array_of(raw, dtype, shape)  # noqa: E731
    else:
        own = {"float32": 4, "float64": 10}.get(dtype)
        parts = [_message(value) for value in held.get(own, [])] if own else []
        packed = held.get(7 if dtype == "int64" else 11 if code in (12, 13) else 5, [])
        if own:
            fits = sum(map(len, parts)) == count * width
            read = lambda: array_of(memoryview(b"".join(parts)), dtype, shape)  # noqa: E731
        else:
            fits = count <= sum(1 if isinstance(value, int) else len(value) for value in packed)
            read = lambda: _small(integers(packed), dtype, shape)  # noqa: E731
    if not fits:
        raise CheckpointError(
            "{name} of this ONNX file does not have as many numbers as its shape says; export it again.", name=name
        )
    return name, Stored(shape, dtype, read)


def _small(numbers: list[int], dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers that are kept as integers; of 16-bit floats, their bits."""
    if len(numbers) != count_of(shape):
        raise ValueError("count")
    width = width_of(dtype)
    data = b"".join((number & ((1 << 8 * width) - 1)).to_bytes(width, "little") for number in numbers)
    return array_of(memoryview(data), dtype, shape)


def _layers(nodes: list[Node]) -> dict[str, FoundLayer] | None:
    """The layers of all nodes; None if the weights of one are no constants."""
    found: dict[str, FoundLayer] = {}
    levels: dict[str, int] = {}
    for node in nodes:
        name = re.fullmatch(rf"/?(.*?)/?{node.kind}(_\d+)?", node.name)
        module = (name[1] if name else node.name.strip("/") or node.kind.lower()).replace("/", ".")
        level = levels[module] = levels.get(module, -1) + 1
        if len(node.inputs) < 3:
            raise ValueError("inputs")
        if node.inputs[1] not in node.constants or node.inputs[2] not in node.constants:
            return None
        for suffix, layer in _directions(node):
            found[(f"{module}." if module else "") + f"l{level}{suffix}"] = layer
    return found


def _directions(node: Node) -> Iterator[tuple[str, FoundLayer]]:
    kind, said = node.kind, node.name or node.kind
    direction = text(node.attributes.get("direction", {}).get(4)) or "forward"
    suffixes = {"forward": ("",), "reverse": ("_reverse",), "bidirectional": ("", "_reverse")}.get(direction)
    given = {place: node.inputs[place] for place in (1, 2, 3) if len(node.inputs) > place and node.inputs[place]}
    if len(node.inputs) > 7 and node.inputs[7]:
        raise CheckpointError(
            "{name} is an LSTM with peepholes, which are not supported; torch.nn.LSTM has none.", name=said
        )
    for option in ("input_forget", "clip"):
        if option in node.attributes and (option == "clip" or integers(node.attributes[option].get(3))[-1:] != [0]):
            raise CheckpointError(
                "{name} has {option}, which is not supported; export the network without it.", name=said, option=option
            )
    if suffixes is None or any(name not in node.constants for name in given.values()):
        raise CheckpointError(
            "The weights of {name} are computed within this ONNX graph; export it with constant folding.", name=said
        )
    w, r = node.constants[given[1]], node.constants[given[2]]
    gates = len(GATES[kind])
    fits = len(w.shape) == 3 == len(r.shape) and w.shape[:2] == r.shape[:2] == (len(suffixes), gates * r.shape[2])
    bias = node.constants[given[3]] if 3 in given else None
    if not fits or not w.shape[2] or (bias is not None and bias.shape != (len(suffixes), 2 * w.shape[1])):
        raise CheckpointError("The weights of {name} do not fit each other; export it again.", name=said)
    if not all(stored.is_float for stored in (w, r, *([bias] if bias else []))):
        raise CheckpointError("The weights of {name} are no floating-point numbers; export it in float32.", name=said)
    activations = list(_activations(node, said, len(suffixes)))
    units = r.shape[2]
    order = np.concatenate([np.arange(units) + gate * units for gate in GATES[kind]])
    for index, suffix in enumerate(suffixes):
        options: dict = dict(activations[index])
        if kind == "GRU":
            linear = node.attributes.get("linear_before_reset", {})
            options["reset_after"] = integers(linear.get(3))[-1:] not in ([], [0])
        parts = {"weight_ih": _rows(w, index, order), "weight_hh": _rows(r, index, order)}
        if bias is not None:
            parts["bias_ih"] = _rows(bias, index, order)
            parts["bias_hh"] = _rows(bias, index, order + len(order))
        yield suffix, FoundLayer(kind, parts, tuple(given.values()), options)


def _activations(node: Node, said: str, directions: int) -> Iterator[dict[str, str]]:
    """For each direction, what its sums go through."""
    names = [text([value]) for value in node.attributes.get("activations", {}).get(9, [])]
    alpha, beta = (floats(node.attributes.get(f"activation_{one}", {}).get(7)) for one in ("alpha", "beta"))
    found = list(of_onnx(names, alpha, beta))
    per = len(OPTIONS[node.kind])
    if len(found) not in (0, directions * per):
        raise ValueError("activations")
    for start in range(0, directions * per, per):
        options: dict[str, str] = {}
        for option, name in zip(OPTIONS[node.kind], found[start : start + per], strict=False):
            if options.setdefault(option, supported(said, name)) != name:
                raise CheckpointError(
                    "{name} puts its candidate through {one} and its cell through {other}, which is not supported; "
                    "both have to go through the same activation.",
                    name=said,
                    one=options[option],
                    other=name,
                )
        yield options


def _rows(stored: Stored, index: int, order: np.ndarray) -> Stored:
    return Stored((len(order), *stored.shape[2:]), stored.dtype, lambda: stored.read()[index][order])
