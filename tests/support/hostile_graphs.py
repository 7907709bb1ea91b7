"""Crafted files of formats that state a graph: small, and long to open."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from tests.support.zip_archive import archive


def _keras(config: object) -> bytes:
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as out:
        out["layers/lstm/cell/vars/0"] = np.zeros((3, 16), "f4")
        out["layers/lstm/cell/vars/1"] = np.zeros((4, 16), "f4")
        out["layers/lstm/cell/vars/2"] = np.zeros(16, "f4")
    text = config if isinstance(config, bytes) else json.dumps(config, separators=(",", ":")).encode()
    return archive({"config.json": text, "metadata.json": b"{}", "model.weights.h5": file.getvalue()})


def keras_many_layers() -> bytes:
    """A configuration of 100,000 layers."""
    layers = [{"class_name": "LSTM", "config": {"name": f"l{n}", "units": 4}} for n in range(100_000)]
    return _keras({"class_name": "Sequential", "config": {"layers": layers}})


def keras_connected_layers() -> bytes:
    """A functional model of 15,000 layers, each called on the one before."""
    layers = [{"class_name": "InputLayer", "config": {"name": "l0", "batch_shape": [None, 3]}, "inbound_nodes": []}]
    for n in range(1, 15_000):
        layers.append(
            {
                "class_name": "Activation",
                "name": f"l{n}",
                "config": {"name": f"l{n}", "activation": "tanh"},
                "inbound_nodes": [[[f"l{n - 1}", 0, 0, {}]]],
            }
        )
    return _keras(
        {
            "class_name": "Functional",
            "config": {"layers": layers, "input_layers": [["l0", 0, 0]], "output_layers": [["l14999", 0, 0]]},
        }
    )


def keras_deep() -> bytes:
    """Wrappers in wrappers."""
    return _keras(b'{"class_name":"Bidirectional","config":{"layer":' * 90_000 + b"1" + b"}}" * 90_000)


def keras_bidirectional() -> bytes:
    """Thirty wrappers of both directions, each of which names its layer twice."""
    config: dict = {"class_name": "LSTM", "config": {"name": "a", "units": 4}}
    for _ in range(30):
        config = {"class_name": "Bidirectional", "config": {"name": "b", "layer": config}}
    return _keras({"class_name": "Sequential", "config": {"layers": [config]}})


def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number: int, body: bytes | int) -> bytes:
    """One field of a protocol buffer."""
    if isinstance(body, int):
        return _varint(number << 3) + _varint(body)
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def onnx_of(graph: bytes) -> bytes:
    """An ONNX model of a graph."""
    return field(1, 8) + field(2, b"x") + field(7, graph) + field(8, field(2, 17))


def onnx_many_subgraphs() -> bytes:
    """19,000 initializers and 40,000 empty graphs in one node's attribute."""
    tensors = b"".join(field(5, field(2, 1) + field(8, b"%d" % n) + field(1, 0) + field(9, b"")) for n in range(19_000))
    attribute = field(5, field(1, b"g") + field(20, 10) + field(11, b"") * 40_000)
    node = field(1, field(1, b"a") + field(2, b"y") + field(4, b"If") + attribute)
    return onnx_of(node + tensors + field(12, field(1, b"y")))


def onnx_huge_shape() -> bytes:
    """An initializer of 100,000 huge sides."""
    return onnx_of(field(5, field(2, 1) + field(8, b"a") + field(1, 1 << 60) * 100_000 + field(9, b"")))


def onnx_many_nodes() -> bytes:
    """A chain of 19,000 nodes."""
    nodes = b"".join(
        field(1, field(1, b"v%d" % n) + field(2, b"v%d" % (n + 1)) + field(4, b"Identity")) for n in range(19_000)
    )
    return onnx_of(nodes + field(11, field(1, b"v0")) + field(12, field(1, b"v19000")))


def onnx_many_fields() -> bytes:
    """A graph of 4,000,000 empty fields that mean nothing."""
    return onnx_of(field(90, b"") * 2_000_000)


def onnx_long_ints() -> bytes:
    """A tensor of 8 million integers, one byte each."""
    return onnx_of(
        field(5, field(2, 7) + field(8, b"a") + field(1, 8_000_000) + field(7, bytes(8_000_000)))
        + field(12, field(1, b"a"))
    )


def onnx_constant_fill() -> bytes:
    """A chain of nodes that double a constant."""
    size = np.array([1 << 28], np.int64).tobytes()
    nodes = field(1, field(1, b"s") + field(2, b"v0") + field(4, b"ConstantOfShape"))
    nodes += b"".join(
        field(1, field(1, b"v%d" % n) + field(1, b"v%d" % n) + field(2, b"v%d" % (n + 1)) + field(4, b"Add"))
        for n in range(20)
    )
    tensor = field(5, field(2, 7) + field(8, b"s") + field(1, 1) + field(9, size))
    lstm = b"".join(field(1, each) for each in (b"x", b"v20", b"v20")) + field(2, b"y") + field(4, b"LSTM")
    return onnx_of(nodes + field(1, lstm) + tensor + field(12, field(1, b"y")))


def onnx_nested_functions() -> bytes:
    """Twelve functions, each of which calls the next ten times."""
    functions = b""
    for n in range(12):
        body = b"".join(
            field(7, field(1, b"x") + field(2, b"y%d" % k) + field(4, b"F%d" % (n + 1)) + field(7, b"own"))
            for k in range(10)
        )
        functions += field(25, field(1, b"F%d" % n) + field(10, b"own") + field(4, b"x") + field(5, b"y0") + body)
    node = field(1, field(1, b"x") + field(2, b"y") + field(4, b"F0") + field(7, b"own"))
    return onnx_of(node + field(11, field(1, b"x")) + field(12, field(1, b"y"))) + functions


def script_of(code: bytes) -> bytes:
    """A TorchScript archive with other code."""
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Sequential(nn.LSTM(3, 4))), file)
    with zipfile.ZipFile(file) as members:
        parts = {name: members.read(name) for name in members.namelist()}
    (main,) = (name for name in parts if name.endswith("container.py"))
    return archive(parts | {main: parts[main] + code})


def script_many_lines() -> bytes:
    """TorchScript code of 300,000 further lines."""
    return script_of(b"def f(self) -> int:\n" + b"  a = 1\n" * 300_000)


def script_deep() -> bytes:
    """TorchScript code of nested parentheses."""
    return script_of(
        b"def f(self) -> int:\n  a = " + b"(" * 90 + b"1" + b")" * 90 + b"\n  b = " + b"-" * 200_000 + b"1\n"
    )


def script_loop() -> bytes:
    """TorchScript code whose forward loops a thousand million times."""
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Sequential(nn.LSTM(3, 4))), file)
    with zipfile.ZipFile(file) as members:
        parts = {name: members.read(name) for name in members.namelist()}
    (main,) = (name for name in parts if name.endswith("container.py"))
    loop = b"    a = 1\n    for i in range(1000000000):\n      a = torch.add(a, 1)\n"
    return archive(parts | {main: parts[main].replace(b"    _0 = ", loop + b"    _0 = ", 1)})


def export_of(change: Callable[[dict], None]) -> bytes:
    """A torch.export archive with a changed program."""
    file = io.BytesIO()
    torch.export.save(torch.export.export(nn.GRU(3, 4), (torch.zeros(2, 1, 3),)), file)
    with zipfile.ZipFile(file) as members:
        parts = {name: members.read(name) for name in members.namelist()}
    (main,) = (name for name in parts if "/models/" in name and name.endswith(".json"))
    program = json.loads(parts[main])
    change(program)
    return archive(parts | {main: json.dumps(program).encode()})


def export_many_nodes() -> bytes:
    """A graph of 15,000 nodes."""

    def change(program: dict) -> None:
        nodes = program["graph_module"]["graph"]["nodes"]
        nodes[:0] = [nodes[0]] * 15_000

    return export_of(change)


def export_wide() -> bytes:
    """A program with half a million tables."""
    return export_of(lambda program: program["graph_module"].update(extra=[{}] * 3_000_000))


GRAPHS = (
    keras_many_layers, keras_connected_layers, keras_deep, keras_bidirectional, onnx_many_subgraphs,
    onnx_huge_shape, onnx_many_nodes, onnx_many_fields, onnx_long_ints, onnx_constant_fill, onnx_nested_functions,
    script_many_lines, script_deep, script_loop, export_many_nodes, export_wide,
)  # fmt: skip
