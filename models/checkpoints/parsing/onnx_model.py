"""An ONNX model as plain data: graphs, nodes, attributes and constants, parsed from the protocol buffer.

Nothing is computed and no external data file is opened. Tensors are decoded when their values are read.
Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.checkpoints.parsing.contents import (
    MAX_AXES,
    MAX_SIDE,
    Limits,
    StoredTensor,
    decode_array,
    element_count,
    item_size,
)
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.protobuf import (
    FieldValue,
    decode_floats,
    decode_integer_array,
    decode_integers,
    decode_text,
    parse_message,
)
from models.checkpoints.parsing.work_budget import spend

DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
    11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16", 17: "float8_e4m3fn", 19: "float8_e5m2",
}  # fmt: skip
"""Names of the data types by their number in the file."""
DEFAULT_DOMAINS = ("", "ai.onnx")
MAX_DEPTH = 32
MAX_METADATA = 1000


@dataclass(frozen=True)
class ValueInfo:
    """An input or output of a graph.

    Attributes:
        name: as in the file.
        dtype: name of its data type, or None if it is not a tensor.
        shape: sizes of its axes, None for an axis of any size; None if the file does not state a shape.
    """

    name: str
    dtype: str | None
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class AttributeReference:
    """An attribute's value inside a function: the attribute ``name`` of the node that calls the function."""

    name: str


@dataclass(frozen=True, eq=False)
class Node:
    """One node of a graph.

    Attributes:
        op: its operator, such as ``"LSTM"``.
        domain: the operator's domain; "" for ONNX's own.
        name: as in the file; may be empty.
        inputs: names of the values that it takes, "" for one left out.
        outputs: names of the values that it returns, "" for one left out.
        attributes: by name: int, float, str, bytes, StoredTensor, Graph, AttributeReference, or a tuple of one of these.
    """

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def label(self) -> str:
        """The name that a sentence about it uses: its own, else that of its first output, else its operator."""
        return self.name or next(filter(None, self.outputs), self.op)

    def input(self, place: int) -> str:
        """The name of one input, "" if it is left out."""
        return self.inputs[place] if place < len(self.inputs) else ""

    def output(self, place: int) -> str:
        """The name of one output, "" if it is left out."""
        return self.outputs[place] if place < len(self.outputs) else ""

    def graphs(self) -> tuple[Graph, ...]:
        """The graphs among its attributes: branches and loop bodies."""
        found: list[Graph] = []
        for value in self.attributes.values():
            found += [each for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, Graph)]
        return tuple(found)


@dataclass(frozen=True, eq=False, repr=False)
class Graph:
    """Nodes in the file's order, which ONNX requires to be an order in which they can run.

    Attributes:
        nodes: its nodes.
        inputs: what it takes; a constant of the same name is an input's default.
        outputs: what it returns.
        constants: its initializers by name.
        sparse: the name of its first sparse initializer, or "".
    """

    nodes: tuple[Node, ...]
    inputs: tuple[ValueInfo, ...] = ()
    outputs: tuple[ValueInfo, ...] = ()
    constants: Mapping[str, StoredTensor] = field(default_factory=dict)
    sparse: str = ""

    def __repr__(self) -> str:
        return f"<Graph, {len(self.nodes)} nodes>"


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the model: an operator that is defined by other nodes.

    Attributes:
        inputs, outputs: names of its values.
        attributes: names of the attributes that a call may set, with their defaults (None for none).
        nodes: its nodes.
        opsets: the versions of the operators that its nodes mean.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    nodes: tuple[Node, ...]
    opsets: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """A whole file.

    Attributes:
        graph: the network.
        opsets: the version of each domain's operators.
        functions: by domain and name.
        producer: the program that wrote the file, with its version.
        metadata: the file's own properties by name.
    """

    graph: Graph
    opsets: Mapping[str, int]
    functions: Mapping[tuple[str, str], Function]
    producer: str
    metadata: Mapping[str, str]


def parse_model(data: memoryview, limits: Limits) -> OnnxModel:
    """Parse a ModelProto.

    Raises:
        ValueError: the bytes are not such a message.
        CheckpointError: it has too many nodes or tensors, or keeps tensors in another file.
    """
    message, parser = parse_message(data), _Parser(limits)
    graph = Graph(())
    for body in message.get(7, []):
        graph = parser.graph(as_message(body), 0)
    functions = {}
    for body in message.get(25, []):
        key, function = parser.function(as_message(body))
        functions[key] = function
    properties = [parse_message(as_message(body)) for body in message.get(14, [])[:MAX_METADATA]]
    return OnnxModel(
        graph,
        _opsets(message.get(8, [])),
        functions,
        f"{decode_text(message.get(2))} {decode_text(message.get(3))}".strip(),
        {decode_text(pair.get(1)): decode_text(pair.get(2)) for pair in properties},
    )


def as_message(value: FieldValue) -> memoryview:
    """Return a field's value as the bytes of a message.

    Raises:
        ValueError: it is a number.
    """
    if isinstance(value, int):
        raise ValueError("no message")
    return value


def _opsets(bodies: list[FieldValue]) -> dict[str, int]:
    found = {}
    for body in bodies:
        pair = parse_message(as_message(body))
        domain = decode_text(pair.get(1))
        found["" if domain in DEFAULT_DOMAINS else domain] = (decode_integers(pair.get(2)) or [0])[-1]
    return found


@dataclass(eq=False)
class _Parser:
    """A parser of graphs, which counts nodes and tensors of all of them together."""

    limits: Limits
    nodes: int = 0
    tensors: int = 0

    def graph(self, data: memoryview, depth: int) -> Graph:
        if depth > MAX_DEPTH:
            raise CheckpointError("The graphs of this ONNX file are nested too deeply. Export it again.")
        spend(50)
        message = parse_message(data)
        constants = dict(self.tensor(as_message(body)) for body in message.get(5, []))
        sparse = [parse_message(as_message(body)) for body in message.get(15, [])[:1]]
        return Graph(
            tuple(self.node(as_message(body), depth) for body in message.get(1, [])),
            tuple(_value_info(as_message(body)) for body in message.get(11, [])),
            tuple(_value_info(as_message(body)) for body in message.get(12, [])),
            constants,
            next((_sparse_name(each) for each in sparse), ""),
        )

    def function(self, data: memoryview) -> tuple[tuple[str, str], Function]:
        message = parse_message(data)
        attributes: dict[str, Any] = {_text(name): None for name in message.get(6, [])}
        attributes |= dict(self.attribute(as_message(body), 0) for body in message.get(11, []))
        function = Function(
            tuple(map(_text, message.get(4, []))),
            tuple(map(_text, message.get(5, []))),
            attributes,
            tuple(self.node(as_message(body), 0) for body in message.get(7, [])),
            _opsets(message.get(9, [])),
        )
        domain = decode_text(message.get(10))
        return ("" if domain in DEFAULT_DOMAINS else domain, _overloaded(message, 1, 13)), function

    def node(self, data: memoryview, depth: int) -> Node:
        self.nodes += 1
        spend(50)
        if self.nodes > self.limits.operations:
            raise CheckpointError(
                "This ONNX file contains too many nodes. Export only the recurrent part, or raise the limit."
            )
        message = parse_message(data)
        domain = decode_text(message.get(7))
        return Node(
            _overloaded(message, 4, 8),
            "" if domain in DEFAULT_DOMAINS else domain,
            decode_text(message.get(3)),
            tuple(map(_text, message.get(1, []))),
            tuple(map(_text, message.get(2, []))),
            dict(self.attribute(as_message(body), depth) for body in message.get(5, [])),
        )

    def attribute(self, data: memoryview, depth: int) -> tuple[str, Any]:
        """Return name and value; a value of a kind that is not read is None."""
        message = parse_message(data)
        name = decode_text(message.get(1))
        if message.get(21):
            return name, AttributeReference(decode_text(message[21]))
        kind = (decode_integers(message.get(20)) or [0])[-1] or _attribute_kind(message)
        value: Any = None
        if kind == 1:
            value = (decode_floats(message.get(2)) or [0.0])[-1]
        elif kind == 2:
            value = (decode_integers(message.get(3)) or [0])[-1]
        elif kind == 3:
            value = decode_text(message.get(4))
        elif kind == 4:
            value = self.tensor(as_message(message[5][-1]))[1] if 5 in message else None
        elif kind == 5:
            value = self.graph(as_message(message[6][-1]), depth + 1) if 6 in message else None
        elif kind == 6:
            value = tuple(decode_floats(message.get(7)))
        elif kind == 7:
            value = tuple(decode_integers(message.get(8)))
        elif kind == 8:
            value = tuple(map(_text, message.get(9, [])))
        elif kind == 10:
            value = tuple(self.graph(as_message(body), depth + 1) for body in message.get(11, []))
        return name, value

    def tensor(self, data: memoryview) -> tuple[str, StoredTensor]:
        """Return name and values of a TensorProto."""
        self.tensors += 1
        spend(50)
        if self.tensors > self.limits.tensors:
            raise CheckpointError(
                "This ONNX file contains too many tensors. Export only the recurrent part, or raise the limit."
            )
        return _tensor(data)


def _overloaded(message: Mapping[int, list[FieldValue]], name: int, overload: int) -> str:
    """Return the name of an operator or function, with its overload, if it has one."""
    return ":".join(filter(None, (decode_text(message.get(name)), decode_text(message.get(overload)))))


def _attribute_kind(message: Mapping[int, list[FieldValue]]) -> int:
    """Return the kind of an attribute whose file does not state it: by the field that its value is in."""
    fields = {2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 6, 8: 7, 9: 8, 11: 10}
    return next((kind for number, kind in fields.items() if number in message), 0)


def _text(value: FieldValue) -> str:
    return decode_text([value])


def _sparse_name(message: Mapping[int, list[FieldValue]]) -> str:
    values = message.get(1, [])
    return (decode_text(parse_message(as_message(values[-1])).get(8)) if values else "") or "sparse_initializer"


def _value_info(data: memoryview) -> ValueInfo:
    message = parse_message(data)
    kind = parse_message(as_message(message[2][-1])) if 2 in message else {}
    if 1 not in kind:
        return ValueInfo(decode_text(message.get(1)), None, None)
    tensor = parse_message(as_message(kind[1][-1]))
    code = (decode_integers(tensor.get(1)) or [0])[-1]
    shape: tuple[int | None, ...] | None = None
    if 2 in tensor:
        axes = [parse_message(as_message(body)) for body in parse_message(as_message(tensor[2][-1])).get(1, [])]
        shape = tuple(decode_integers(axis[1])[-1] if 1 in axis else None for axis in axes)
        shape = tuple(None if side is not None and side < 0 else side for side in shape)
    return ValueInfo(decode_text(message.get(1)), DTYPES.get(code, f"type {code}"), shape)


def _tensor(data: memoryview) -> tuple[str, StoredTensor]:
    message = parse_message(data)
    name, shape = decode_text(message.get(8)), tuple(decode_integers(message.get(1)))
    if message.get(13) or decode_integers(message.get(14))[-1:] == [1]:
        raise CheckpointError(
            "{name} of this ONNX file is stored in another file, which is not opened. Save everything in one file.",
            name=name,
        )
    code = (decode_integers(message.get(2)) or [0])[-1]
    dtype = DTYPES.get(code)
    if len(shape) > MAX_AXES or any(not 0 <= side <= MAX_SIDE for side in shape):
        raise ValueError("no shape of a tensor")
    if dtype is None:
        return name, StoredTensor(shape, f"type {code}", lambda: np.empty(0))
    count, width = element_count(shape), item_size(dtype)
    if 9 in message:
        raw = as_message(message[9][-1])
        fits = len(raw) == count * width
        read = lambda: decode_array(raw, dtype, shape)  # noqa: E731
    else:
        own = {"float32": 4, "float64": 10}.get(dtype)
        parts = [as_message(value) for value in message.get(own, [])] if own else []
        packed = message.get(7 if dtype == "int64" else 11 if code in (12, 13) else 5, [])
        if own:
            fits = sum(map(len, parts)) == count * width
            read = lambda: decode_array(memoryview(b"".join(parts)), dtype, shape)  # noqa: E731
        else:
            fits = count <= sum(1 if isinstance(value, int) else len(value) for value in packed)
            read = lambda: _decode_integers(decode_integer_array(packed), dtype, shape)  # noqa: E731
    if not fits:
        raise CheckpointError(
            "{name} of this ONNX file does not have as many values as its shape needs. Export it again.", name=name
        )
    return name, StoredTensor(shape, dtype, read)


def _decode_integers(numbers: np.ndarray, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return values that are stored as integers; 16-bit floats are stored as their bit patterns."""
    if len(numbers) != element_count(shape):
        raise ValueError("count")
    data = numbers.astype(f"<u{item_size(dtype)}").tobytes()  # the low bytes
    return decode_array(memoryview(data), dtype, shape)
