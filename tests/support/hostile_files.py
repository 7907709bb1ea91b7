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

from tests.support.hostile_graphs import GRAPHS
from tests.support.zip_archive import archive

HEADER = "<Q"


def usual() -> bytes:
    """A file that is not hostile."""
    return save(nn.LSTM(8, 16).state_dict())


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


HOSTILE: dict[str, Callable[[], bytes]] = {
    make.__name__: make
    for make in (
        usual, pickle_shared_list, pickle_shared_symbols, pickle_million_opcodes, pickle_deep, pickle_wide_dict,
        torch_shared_storage, torch_packed_storages, safetensors_huge_shape, safetensors_long_numbers,
        safetensors_overlap_100, safetensors_overlap_1000, safetensors_deep, safetensors_wide, safetensors_long_names,
        safetensors_many_tensors, safetensors_vocabularies, index_wide, zip_many_members, npz_deflate, npz_many_arrays,
        hdf5_gzip, hdf5_many_groups,
        *GRAPHS,
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
