"""What ``torch.save`` writes: a zip archive with a pickle and the storages, or, before 1.6, pickles and storages in a row."""

from __future__ import annotations

import io
import sys
from typing import Any

from models.checkpoints.building.vocabulary import find_vocabularies
from models.checkpoints.parsing.contents import CheckpointError, Contents, item_size
from models.checkpoints.parsing.file_source import FileSource
from models.checkpoints.parsing.pickle_tensors import DTYPES, TensorCollector
from models.checkpoints.parsing.pickles import PersistentId, load_pickle

MAGIC = 0x1950A86A20F9469CFC6C


def match(source: FileSource) -> bool:
    """An archive with a data.pkl, or a pickle."""
    return archive_root(source) is not None or source.starts_with(
        *(bytes([0x80, protocol]) for protocol in range(2, 6))
    )


def archive_root(source: FileSource) -> str | None:
    """The folder within the archive that holds data.pkl, or None."""
    for name in source.members:
        if name.endswith("/data.pkl") and name.count("/") == 1:
            return name.removesuffix("data.pkl")
    return "" if "data.pkl" in source.members else None


def open(source: FileSource) -> Contents:
    """Read the pickle, as data, and find the storages."""
    root = archive_root(source)
    if root is None:
        return _open_legacy(source)
    order = bytes(source.read_member(root + "byteorder")) if root + "byteorder" in source.members else b"little"
    if order != b"little":
        raise CheckpointError("This file was saved on a big-endian machine. Save it as safetensors on that machine.")
    described = load_pickle(io.BytesIO(source.read_small_member(root + "data.pkl")), source.limits.operations)
    reader = TensorCollector(lambda key: source.read_member(f"{root}data/{key}"), source.limits)
    return _contents(reader, described, "PyTorch")


def _contents(reader: TensorCollector, described: Any, format: str) -> Contents:
    tensors, told = reader.collect_state(described)
    if not tensors:
        raise CheckpointError(
            "This file contains no tensors. Save a network's tensors with torch.save(model.state_dict(), ...)."
        )
    if "pytorch-lightning_version" in told:
        format = "PyTorch Lightning"
    return Contents(format, tensors, provenance=told, vocabularies=find_vocabularies(described))


def _open_legacy(source: FileSource) -> Contents:
    """Five pickles (magic number, version, system, what was saved, keys of the storages), then the storages' bytes."""
    file = source.as_file()  # the pickles stand first
    limit = source.limits.operations
    try:
        magic = load_pickle(file, 100)
    except CheckpointError:
        file.seek(0)
        load_pickle(file, limit)  # if it asks for something to be run, say so
        raise _not_from_torch_error() from None
    if magic != MAGIC:
        raise _not_from_torch_error()
    load_pickle(file, 100)
    system = load_pickle(file, 1000)
    if not isinstance(system, dict) or system.get("little_endian", sys.byteorder == "little") is not True:
        raise CheckpointError("This file was saved on a big-endian machine. Save it as safetensors on that machine.")
    described = load_pickle(file, limit)
    keys = load_pickle(file, limit)
    widths: dict[str, int] = {}
    _find_item_sizes(described, widths, set())
    storages: dict[str, memoryview] = {}
    place = file.tell()
    for key in keys:
        count = int.from_bytes(source.data[place : place + 8], "little")
        end = place + 8 + count * widths.get(key, 4)
        if end > len(source.data):
            raise CheckpointError("This file is truncated before its last tensor. Copy the file again.")
        storages[str(key)] = source.data[place + 8 : end]
        place = end
    return _contents(TensorCollector(storages.__getitem__, source.limits), described, "PyTorch (legacy)")


def _not_from_torch_error() -> CheckpointError:
    return CheckpointError(
        ("This file is a pickle, but not from torch.save. Save only tensors, with torch.save(model.state_dict(), ...).")
    )


def _find_item_sizes(value: Any, widths: dict[str, int], seen: set[int]) -> None:
    """Bytes of one number, by storage."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, PersistentId):
            _, type_name, key, *_ = value.key
            dtype = DTYPES.get(type_name.path.rsplit(".", 1)[-1].removesuffix("Storage"), "float32")
            widths[key] = item_size(dtype)
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
        elif hasattr(value, "args"):
            waiting += [value.args, value.state]
