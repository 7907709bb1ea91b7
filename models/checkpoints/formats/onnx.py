"""ONNX: the RNN, LSTM and GRU nodes of a graph and its subgraphs, with their constant weights.

Source: https://onnx.ai/onnx/operators. Per direction W is (G * H, D), R is (G * H, H) and B both biases concatenated;
the gates are in the order i o f c (LSTM) and z r h (GRU). Nothing is computed, and no external data file is opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from models.checkpoints.building.vocabulary import vocabularies_in_metadata
from models.checkpoints.layers.activation_names import activations_from_onnx, require_supported
from models.checkpoints.layers.find_by_name import find_layers
from models.checkpoints.parsing.contents import (
    CheckpointError,
    Contents,
    FoundLayer,
    Limits,
    StoredTensor,
    decode_array,
    element_count,
    item_size,
)
from models.checkpoints.parsing.file_source import FileSource
from models.checkpoints.parsing.protobuf import (
    FieldValue,
    decode_floats,
    decode_integers,
    decode_text,
    iterate_fields,
    parse_message,
)

DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
    11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16", 17: "float8_e4m3fn", 19: "float8_e5m2",
}  # fmt: skip
GATE_ORDER = {"RNN": (0,), "LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2)}
"""For each of PyTorch's gates in order, its index among ONNX's: i o f c, and z r h."""
ACTIVATION_OPTIONS = {
    "RNN": ("nonlinearity",),
    "LSTM": ("recurrent_activation", "activation", "activation"),
    "GRU": ("recurrent_activation", "activation"),
}
"""The options of ``LayerWeights`` that a node's activations set, in the node's order."""
MAX_DEPTH = 32


@dataclass(frozen=True, eq=False)
class RecurrentNode:
    """A recurrent node: operator, name, inputs, attributes, and the constants in its scope."""

    kind: str
    name: str
    inputs: list[str]
    attributes: Mapping[str, dict[int, list[FieldValue]]]
    constants: Mapping[str, StoredTensor]


@dataclass(eq=False)
class GraphContents:
    """The tensors and recurrent nodes found so far in a model's graphs; ``seen`` counts all nodes."""

    limits: Limits
    tensors: dict[str, StoredTensor] = field(default_factory=dict)
    nodes: list[RecurrentNode] = field(default_factory=list)
    seen: int = 0


def match(source: FileSource) -> bool:
    """Whether it is one protocol buffer message that has an IR version and a graph."""
    if not source.starts_with(b"\x08"):
        return False
    try:
        numbers = {number for number, _ in iterate_fields(source.data)}
    except ValueError:
        return False
    return {1, 7} <= numbers and max(numbers) < 100


def open(source: FileSource) -> Contents:
    """Parse the graphs."""
    graph = GraphContents(source.limits)
    try:
        model = parse_message(source.data)
        for body in model[7]:
            _read_graph(_as_message(body), {}, graph, 0)
        for body in model.get(25, []):  # functions have nodes, but no initializers
            _read_nodes(parse_message(_as_message(body)).get(7, []), {}, graph, 0)
        metadata = _metadata(model)
    except ValueError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError("This ONNX file is damaged. Export it again.") from error
    about = {"producer": f"{decode_text(model.get(2))} {decode_text(model.get(3))}".strip()}
    layers = _layers(graph.nodes)
    if layers is None:
        named = find_layers(graph.tensors)
        if not named:
            raise CheckpointError(
                "The weights of {name} are computed inside this ONNX graph. Export it with constant folding.",
                name=graph.nodes[0].name or graph.nodes[0].kind,
            )
        layers = named
    return Contents("ONNX", graph.tensors, layers, about, vocabularies_in_metadata(metadata))


def _metadata(model: Mapping[int, list[FieldValue]]) -> dict[str, str]:
    """Return the model's ``metadata_props`` by name."""
    pairs = [parse_message(_as_message(body)) for body in model.get(14, [])[:1000]]
    return {decode_text(pair.get(1)): decode_text(pair.get(2)) for pair in pairs}


def _as_message(value: FieldValue) -> memoryview:
    if isinstance(value, int):
        raise ValueError("no message")
    return value


def _read_graph(data: memoryview, outer: Mapping[str, StoredTensor], graph: GraphContents, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise CheckpointError("The graphs of this ONNX file are nested too deeply. Export it again.")
    message = parse_message(data)
    constants = dict(outer)
    for body in message.get(5, []):
        name, stored = _tensor(_as_message(body))
        _add_tensor(graph, name, stored)
        constants[name] = stored
    _read_nodes(message.get(1, []), constants, graph, depth)


def _add_tensor(graph: GraphContents, name: str, stored: StoredTensor) -> None:
    if len(graph.tensors) >= graph.limits.tensors:
        raise CheckpointError(
            "This ONNX file contains too many tensors. Export only the recurrent part, or raise the limit."
        )
    graph.tensors[name] = stored


def _read_nodes(bodies: list[FieldValue], constants: dict[str, StoredTensor], graph: GraphContents, depth: int) -> None:
    for body in bodies:
        graph.seen += 1
        if graph.seen > graph.limits.operations:
            raise CheckpointError(
                "This ONNX file contains too many nodes. Export only the recurrent part, or raise the limit."
            )
        node = parse_message(_as_message(body))
        inputs = [decode_text([value]) for value in node.get(1, [])]
        outputs = [decode_text([value]) for value in node.get(2, [])]
        attributes = {}
        for each in node.get(5, []):
            attribute = parse_message(_as_message(each))
            attributes[decode_text(attribute.get(1))] = attribute
            for inner in attribute.get(6, []) + attribute.get(11, []):
                _read_graph(_as_message(inner), constants, graph, depth + 1)
        kind = decode_text(node.get(4))
        if kind == "Constant" and "value" in attributes and outputs:
            _, stored = _tensor(_as_message(attributes["value"][5][-1]))
            constants[outputs[0]] = stored
            _add_tensor(graph, outputs[0], stored)
        elif kind == "Identity" and inputs and outputs and inputs[0] in constants:
            constants[outputs[0]] = constants[inputs[0]]
        elif kind in GATE_ORDER and decode_text(node.get(7)) in ("", "ai.onnx"):
            graph.nodes.append(RecurrentNode(kind, decode_text(node.get(3)), inputs, attributes, constants))


def _tensor(data: memoryview) -> tuple[str, StoredTensor]:
    """Return name and values of a TensorProto."""
    message = parse_message(data)
    name, shape = decode_text(message.get(8)), tuple(decode_integers(message.get(1)))
    if message.get(13) or decode_integers(message.get(14))[-1:] == [1]:
        raise CheckpointError(
            ("{name} of this ONNX file is stored in another file, which is not opened. Save everything in one file."),
            name=name,
        )
    code = (decode_integers(message.get(2)) or [0])[-1]
    dtype = DTYPES.get(code)
    if dtype is None:
        return name, StoredTensor(shape, f"type {code}", lambda: np.empty(0))
    if any(side < 0 for side in shape):
        raise ValueError("negative size")
    count, width = element_count(shape), item_size(dtype)
    if 9 in message:
        raw = _as_message(message[9][-1])
        fits = len(raw) == count * width
        read = lambda: decode_array(raw, dtype, shape)  # noqa: E731
    else:
        own = {"float32": 4, "float64": 10}.get(dtype)
        parts = [_as_message(value) for value in message.get(own, [])] if own else []
        packed = message.get(7 if dtype == "int64" else 11 if code in (12, 13) else 5, [])
        if own:
            fits = sum(map(len, parts)) == count * width
            read = lambda: decode_array(memoryview(b"".join(parts)), dtype, shape)  # noqa: E731
        else:
            fits = count <= sum(1 if isinstance(value, int) else len(value) for value in packed)
            read = lambda: _decode_integers(decode_integers(packed), dtype, shape)  # noqa: E731
    if not fits:
        raise CheckpointError(
            "{name} of this ONNX file does not have as many values as its shape needs. Export it again.", name=name
        )
    return name, StoredTensor(shape, dtype, read)


def _decode_integers(numbers: list[int], dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return values that are stored as integers; 16-bit floats are stored as their bit patterns."""
    if len(numbers) != element_count(shape):
        raise ValueError("count")
    width = item_size(dtype)
    data = b"".join((number & ((1 << 8 * width) - 1)).to_bytes(width, "little") for number in numbers)
    return decode_array(memoryview(data), dtype, shape)


def _layers(nodes: list[RecurrentNode]) -> dict[str, FoundLayer] | None:
    """Return the layers of all nodes, or None if a node's weights are not constants."""
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


def _directions(node: RecurrentNode) -> Iterator[tuple[str, FoundLayer]]:
    """Generate (suffix, layer) for each direction of a node; the suffix is "" or ``"_reverse"``."""
    kind, label = node.kind, node.name or node.kind
    direction = decode_text(node.attributes.get("direction", {}).get(4)) or "forward"
    suffixes = {"forward": ("",), "reverse": ("_reverse",), "bidirectional": ("", "_reverse")}.get(direction)
    given = {place: node.inputs[place] for place in (1, 2, 3) if len(node.inputs) > place and node.inputs[place]}
    if len(node.inputs) > 7 and node.inputs[7]:
        raise CheckpointError(
            (
                "{name} is an LSTM with peepholes, which are not supported. Use an LSTM without peepholes, such as "
                "torch.nn.LSTM."
            ),
            name=label,
        )
    for option in ("input_forget", "clip"):
        if option in node.attributes and (
            option == "clip" or decode_integers(node.attributes[option].get(3))[-1:] != [0]
        ):
            raise CheckpointError(
                "The option {option} of {name} is not supported. Export the network without it.",
                name=label,
                option=option,
            )
    if suffixes is None or any(name not in node.constants for name in given.values()):
        raise CheckpointError(
            "The weights of {name} are computed inside this ONNX graph. Export it with constant folding.", name=label
        )
    w, r = node.constants[given[1]], node.constants[given[2]]
    gates = len(GATE_ORDER[kind])
    fits = len(w.shape) == 3 == len(r.shape) and w.shape[:2] == r.shape[:2] == (len(suffixes), gates * r.shape[2])
    bias = node.constants[given[3]] if 3 in given else None
    if not fits or not w.shape[2] or (bias is not None and bias.shape != (len(suffixes), 2 * w.shape[1])):
        raise CheckpointError("The weights of {name} do not fit together. Export it again.", name=label)
    if not all(stored.is_float for stored in (w, r, *([bias] if bias else []))):
        raise CheckpointError("The weights of {name} are not floating-point. Export it in float32.", name=label)
    activations = list(_activations(node, label, len(suffixes)))
    units = r.shape[2]
    order = np.concatenate([np.arange(units) + gate * units for gate in GATE_ORDER[kind]])
    for index, suffix in enumerate(suffixes):
        options: dict = dict(activations[index])
        if kind == "GRU":
            linear = node.attributes.get("linear_before_reset", {})
            options["reset_after"] = decode_integers(linear.get(3))[-1:] not in ([], [0])
        parts = {"weight_ih": _direction_rows(w, index, order), "weight_hh": _direction_rows(r, index, order)}
        if bias is not None:
            parts["bias_ih"] = _direction_rows(bias, index, order)
            parts["bias_hh"] = _direction_rows(bias, index, order + len(order))
        yield suffix, FoundLayer(kind, parts, tuple(given.values()), options)


def _activations(node: RecurrentNode, label: str, directions: int) -> Iterator[dict[str, str]]:
    """Generate the activations of each direction, as options of ``LayerWeights``."""
    names = [decode_text([value]) for value in node.attributes.get("activations", {}).get(9, [])]
    alpha, beta = (decode_floats(node.attributes.get(f"activation_{one}", {}).get(7)) for one in ("alpha", "beta"))
    found = list(activations_from_onnx(names, alpha, beta))
    per = len(ACTIVATION_OPTIONS[node.kind])
    if len(found) not in (0, directions * per):
        raise ValueError("activations")
    for start in range(0, directions * per, per):
        options: dict[str, str] = {}
        for option, name in zip(ACTIVATION_OPTIONS[node.kind], found[start : start + per], strict=False):
            if options.setdefault(option, require_supported(label, name)) != name:
                raise CheckpointError(
                    (
                        "{name} uses {one} for its candidate but {other} for its cell state, which is not supported. Use the "
                        "same activation function for both."
                    ),
                    name=label,
                    one=options[option],
                    other=name,
                )
        yield options


def _direction_rows(stored: StoredTensor, index: int, order: np.ndarray) -> StoredTensor:
    """Return the rows ``order`` of one direction's tensor."""
    return StoredTensor((len(order), *stored.shape[2:]), stored.dtype, lambda: stored.read()[index][order])
