"""What ``torch.save`` writes: a zip archive with a pickle and the storages, or, before 1.6, pickles and storages in a row."""

from __future__ import annotations

import io
import sys
from typing import Any

from models.checkpoints.building.vocabulary import vocabularies_in
from models.checkpoints.parsing.contents import CheckpointError, Contents, width_of
from models.checkpoints.parsing.file_source import Source
from models.checkpoints.parsing.pickle_tensors import DTYPES, Reader
from models.checkpoints.parsing.pickles import Kept, load_pickle

MAGIC = 0x1950A86A20F9469CFC6C


def match(source: Source) -> bool:
    """An archive with a data.pkl, or a pickle."""
    return root_of(source) is not None or source.starts(*(bytes([0x80, protocol]) for protocol in range(2, 6)))


def root_of(source: Source) -> str | None:
    """The folder within the archive that holds data.pkl, or None."""
    for name in source.members:
        if name.endswith("/data.pkl") and name.count("/") == 1:
            return name.removesuffix("data.pkl")
    return "" if "data.pkl" in source.members else None


def open(source: Source) -> Contents:
    """Read the pickle, as data, and find the storages."""
    root = root_of(source)
    if root is None:
        return _open_legacy(source)
    order = bytes(source.member(root + "byteorder")) if root + "byteorder" in source.members else b"little"
    if order != b"little":
        raise CheckpointError("This file was saved on a big-endian machine; save it again as safetensors there.")
    described = load_pickle(io.BytesIO(source.small(root + "data.pkl")), source.limits.operations)
    reader = Reader(lambda key: source.member(f"{root}data/{key}"), source.limits)
    return _contents(reader, described, "PyTorch")


def _contents(reader: Reader, described: Any, format: str) -> Contents:
    tensors, told = reader.state(described)
    if not tensors:
        raise CheckpointError("This file holds no tensors; save a network's, with torch.save(model.state_dict(), ...).")
    if "pytorch-lightning_version" in told:
        format = "PyTorch Lightning"
    return Contents(format, tensors, provenance=told, vocabularies=vocabularies_in(described))


def _open_legacy(source: Source) -> Contents:
    """Five pickles (magic number, version, system, what was saved, keys of the storages), then the storages' bytes."""
    file = source.file()  # the pickles stand first
    limit = source.limits.operations
    try:
        magic = load_pickle(file, 100)
    except CheckpointError:
        file.seek(0)
        load_pickle(file, limit)  # if it asks for something to be run, say so
        raise _stranger() from None
    if magic != MAGIC:
        raise _stranger()
    load_pickle(file, 100)
    system = load_pickle(file, 1000)
    if not isinstance(system, dict) or system.get("little_endian", sys.byteorder == "little") is not True:
        raise CheckpointError("This file was saved on a big-endian machine; save it again as safetensors there.")
    described = load_pickle(file, limit)
    keys = load_pickle(file, limit)
    widths: dict[str, int] = {}
    _find_widths(described, widths, set())
    storages: dict[str, memoryview] = {}
    place = file.tell()
    for key in keys:
        count = int.from_bytes(source.data[place : place + 8], "little")
        end = place + 8 + count * widths.get(key, 4)
        if end > len(source.data):
            raise CheckpointError("This file ends before its last tensor: it is cut short; copy the file again.")
        storages[str(key)] = source.data[place + 8 : end]
        place = end
    return _contents(Reader(storages.__getitem__, source.limits), described, "PyTorch (legacy)")


def _stranger() -> CheckpointError:
    return CheckpointError(
        "This is a pickle, but not one of torch.save; save tensors alone, with torch.save(model.state_dict(), ...)."
    )


def _find_widths(value: Any, widths: dict[str, int], seen: set[int]) -> None:
    """Bytes of one number, by storage."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Kept):
            _, type_name, key, *_ = value.key
            dtype = DTYPES.get(type_name.path.rsplit(".", 1)[-1].removesuffix("Storage"), "float32")
            widths[key] = width_of(dtype)
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
        elif hasattr(value, "args"):
            waiting += [value.args, value.state]
