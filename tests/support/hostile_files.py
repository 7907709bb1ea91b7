"""Crafted files that are small and would take long, or much memory, to open: by name, each made when it is called."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

HEADER = "<Q"


def usual() -> bytes:
    """A file that is not hostile."""
    return save(nn.LSTM(8, 16).state_dict())


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression, compresslevel=9 if compression else None) as out:
        for name, data in members.items():
            out.writestr(name, data)
    return file.getvalue()


def safetensors_of(header: dict | bytes, values: bytes = b"") -> bytes:
    """A safetensors file of any header."""
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack(HEADER, len(text)) + text + values


def _shared_list(keys: tuple[bytes, ...], outer: int, inner: int) -> bytes:
    """A dict whose values are all one dict of a list that names one inner list ``outer`` times."""
    listed = b"]q\x00(" + b"]" * inner + b"e0" + b"}X\x01\x00\x00\x00a](" + b"h\x00" * outer + b"esq\x010}("
    return b"\x80\x02" + listed + b"".join(b"X" + struct.pack("<I", len(k)) + k + b"h\x01" for k in keys) + b"u."


def pickle_shared_list() -> bytes:
    """Ten names of state dicts, each of which is a list that names one list 2,000 times."""
    keys = (b"state_dict", b"model_state_dict", b"model_state", b"model", b"net_state_dict", b"net", b"network")
    return archive({"a/data.pkl": _shared_list((*keys, b"module", b"weights", b"params"), 2000, 490)})


def pickle_shared_symbols() -> bytes:
    """Five hundred objects that share one list of 20,000 symbols."""
    symbols = b"]q\x00(" + b"".join(b"X\x05\x00\x00\x00%05d" % n for n in range(20_000)) + b"e0"
    objects = b"(" + b"cplugin\nItems\n)Rh\x00b" * 500 + b"l."
    return archive({"a/data.pkl": b"\x80\x02" + symbols + objects})


def pickle_million_opcodes() -> bytes:
    """A pickle of nearly a million opcodes."""
    return archive({"a/data.pkl": b"\x80\x02]" + b"Na" * 495_000 + b"."})


def pickle_deep() -> bytes:
    """Half a million nested lists."""
    return b"\x80\x02" + b"]" * 500_000 + b"a" * 499_999 + b"."


def pickle_wide_dict() -> bytes:
    """A dict of 300,000 strings."""
    entries = b"".join(b"X\x06\x00\x00\x00%06dK\x01" % n for n in range(240_000))
    return archive({"a/data.pkl": b"\x80\x02}(" + entries + b"u."})


def _storages(count: int, numbers: int, shared: bool) -> bytes:
    base = torch.zeros(numbers, dtype=torch.float16)
    state = {f"t{n}": base[: numbers - n] if shared else base.clone() for n in range(count)}
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def torch_shared_storage() -> bytes:
    """Five hundred tensors of float16 over one storage of 4 MB."""
    return _storages(500, 2_000_000, True)


def torch_packed_storages() -> bytes:
    """Storages that deflate packs a thousand times."""
    with zipfile.ZipFile(io.BytesIO(_storages(100, 2_000_000, False))) as members:
        return archive({name: members.read(name) for name in members.namelist()})


def safetensors_huge_shape() -> bytes:
    """A shape of 100,000 huge sides."""
    return safetensors_of({"a": {"dtype": "F32", "shape": [10**18] * 100_000, "data_offsets": [0, 0]}})


def safetensors_long_numbers() -> bytes:
    """A shape of sides of 4,000 digits."""
    return safetensors_of({"a": {"dtype": "F32", "shape": [10**4000] * 1000, "data_offsets": [0, 0]}})


def _overlapping(count: int, size: int) -> bytes:
    entry = {"dtype": "F16", "shape": [size // 2], "data_offsets": [0, size]}
    return safetensors_of({f"t{n}": entry for n in range(count)}, bytes(size))


def safetensors_overlap_100() -> bytes:
    """A hundred tensors over the same 4.2 MB."""
    return _overlapping(100, 4_200_000)


def safetensors_overlap_1000() -> bytes:
    """A thousand tensors over the same 8 MB."""
    return _overlapping(1000, 8_000_000)


def safetensors_deep() -> bytes:
    """A header of nested lists."""
    return safetensors_of(b'{"a":' + b"[" * 4_000_000 + b"]" * 4_000_000 + b"}")


def safetensors_wide() -> bytes:
    """A header of 16 MB with small objects."""
    return safetensors_of(b'{"__metadata__":{' + b",".join(b'"%d":{}' % n for n in range(1_300_000)) + b"}}")


def safetensors_long_names() -> bytes:
    """Twenty tensors whose names are 700,000 characters each."""
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    names = [f"{n}" + "weight_hh_l0_reverse" * 35_000 for n in range(20)]
    places = {name: entry | {"data_offsets": [4 * n, 4 * n + 4]} for n, name in enumerate(names)}
    return safetensors_of(places, bytes(80))


def safetensors_many_tensors() -> bytes:
    """20,000 tensors that look like layers by their shapes."""
    entry = {"dtype": "F32", "shape": [4, 4]}
    return safetensors_of(
        {f"m{n}.weight": entry | {"data_offsets": [64 * n, 64 * n + 64]} for n in range(20_000)}, bytes(64 * 20_000)
    )


def safetensors_vocabularies() -> bytes:
    """Metadata of JSON lists: 15 MB of symbols."""
    listed = json.dumps([f"{n:x}" for n in range(60_000)])
    about = {f"v{n}": listed for n in range(24)}
    return safetensors_of(
        {"__metadata__": about, "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)
    )


def index_wide() -> bytes:
    """An index of 16 MB."""
    return b'{"weight_map":{' + b",".join(b'"%d":"f%d"' % (n, n) for n in range(700_000)) + b"}}"


def zip_many_members() -> bytes:
    """An archive of 40,000 empty members."""
    return archive({f"{n}.npy": b"" for n in range(40_000)}, zipfile.ZIP_STORED)


def npz_deflate() -> bytes:
    """Arrays of zeros: 500 MB, packed."""
    file = io.BytesIO()
    np.savez_compressed(file, **{f"a{n}": np.zeros(12_500_000, np.float32) for n in range(10)})
    return file.getvalue()


def npz_many_arrays() -> bytes:
    """20,000 arrays."""
    one = io.BytesIO()
    np.save(one, np.zeros((2, 2), np.float32))
    return archive({f"{n}.npy": one.getvalue() for n in range(19_999)}, zipfile.ZIP_STORED)


def hdf5_gzip() -> bytes:
    """Tensors of zeros: 100 MB, packed by gzip."""
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as out:
        for n in range(10):
            out.create_dataset(f"layer{n}/kernel:0", data=np.zeros((2500, 1000), "f4"), compression="gzip")
    return file.getvalue()


def hdf5_many_groups() -> bytes:
    """19,000 groups, each with text of its own."""
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as out:
        out["w"] = np.zeros(4, "f4")
        for n in range(19_000):
            out.create_group(f"g{n}").attrs["name"] = "x" * 100
    return file.getvalue()


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


HOSTILE: dict[str, Callable[[], bytes]] = {
    make.__name__: make
    for make in (
        usual, pickle_shared_list, pickle_shared_symbols, pickle_million_opcodes, pickle_deep, pickle_wide_dict,
        torch_shared_storage, torch_packed_storages, safetensors_huge_shape, safetensors_long_numbers,
        safetensors_overlap_100, safetensors_overlap_1000, safetensors_deep, safetensors_wide, safetensors_long_names,
        safetensors_many_tensors, safetensors_vocabularies, index_wide, zip_many_members, npz_deflate, npz_many_arrays,
        hdf5_gzip, hdf5_many_groups, keras_many_layers, keras_connected_layers, keras_deep, keras_bidirectional,
        onnx_many_subgraphs, onnx_huge_shape, onnx_many_nodes, onnx_many_fields, onnx_long_ints, onnx_constant_fill,
        onnx_nested_functions, script_many_lines, script_deep, script_loop, export_many_nodes, export_wide,
    )
}  # fmt: skip
"""Files by name."""


def _tokens(count: int, letters: int) -> Callable[[], object]:
    from models.core.tokenize_text import split_characters

    symbols = tuple(f"{n:06d}" + "x" * 190 for n in range(count))
    text = "0" * letters
    return lambda: len(split_characters(text, symbols))


def _long_text(letters: int) -> Callable[[], object]:
    from models import load_network

    network = load_network("python-lm")
    text = "ab" * (letters // 2)
    return lambda: network.tokenize(text)


def _long_numbers(letters: int) -> Callable[[], object]:
    from models.networks.network import parse_numbers

    text = "0.5 " * (letters // 4)
    return lambda: parse_numbers(text, 1, 2000)


def _vocabulary(data: bytes) -> Callable[[], object]:
    from models.checkpoints.building.vocabulary import read_vocabulary

    return lambda: len(read_vocabulary(data))


HOSTILE_TEXTS: dict[str, Callable[[], Callable[[], object]]] = {
    "symbols_50000": lambda: _tokens(50_000, 2000),
    "symbols_100000": lambda: _tokens(100_000, 2_000_000),
    "text_100_million": lambda: _long_text(100_000_000),
    "numbers_100_million": lambda: _long_numbers(100_000_000),
    "vocabulary_lines": lambda: _vocabulary(b"\n" * (16 << 20)),
    "vocabulary_short": lambda: _vocabulary(b"\n".join(b"%x" % n for n in range(2_400_000))),
    "vocabulary_json": lambda: _vocabulary(b"[" + b",".join([b"[]"] * 5_000_000) + b"]"),
    "vocabulary_deep": lambda: _vocabulary(b"[" * 8_000_000 + b"]" * 8_000_000),
}
"""Texts and vocabularies by name: what makes them returns what then reads them."""
