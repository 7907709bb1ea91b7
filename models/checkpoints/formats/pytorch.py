"""Files of ``torch.save``: a zip archive of a pickle and the storages or, before 1.6, concatenated pickles and storages."""

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
    """Return whether it is an archive with a ``data.pkl``, or a bare pickle."""
    return archive_root(source) is not None or source.starts_with(
        *(bytes([0x80, protocol]) for protocol in range(2, 6))
    )


def archive_root(source: FileSource) -> str | None:
    """Return the folder of ``data.pkl`` within the archive, or None."""
    for name in source.members:
        if name.endswith("/data.pkl") and name.count("/") == 1:
            return name.removesuffix("data.pkl")
    return "" if "data.pkl" in source.members else None


def open(source: FileSource) -> Contents:
    """Parse the pickle as data, and locate the storages."""
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
    tensors, metadata = reader.collect_state(described)
    if not tensors:
        raise CheckpointError(
            "This file contains no tensors. Save a network's tensors with torch.save(model.state_dict(), ...)."
        )
    if "pytorch-lightning_version" in metadata:
        format = "PyTorch Lightning"
    return Contents(format, tensors, provenance=metadata, vocabularies=find_vocabularies(described))


def _open_legacy(source: FileSource) -> Contents:
    """Parse five pickles (magic number, version, system, saved object, storage keys) and then the storages' bytes."""
    file = source.as_file()  # the pickles come first
    limit = source.limits.operations
    try:
        magic = load_pickle(file, 100)
    except CheckpointError:
        file.seek(0)
        load_pickle(file, limit)  # raises a clearer error if the pickle asks for code to be run
        raise _not_from_torch_error() from None
    if magic != MAGIC:
        raise _not_from_torch_error()
    load_pickle(file, 100)
    system = load_pickle(file, 1000)
    if not isinstance(system, dict) or system.get("little_endian", sys.byteorder == "little") is not True:
        raise CheckpointError("This file was saved on a big-endian machine. Save it as safetensors on that machine.")
    described = load_pickle(file, limit)
    keys = load_pickle(file, limit)
    item_sizes: dict[str, int] = {}
    _find_item_sizes(described, item_sizes, set())
    storages: dict[str, memoryview] = {}
    start = file.tell()
    for key in keys:
        count = int.from_bytes(source.data[start : start + 8], "little")
        end = start + 8 + count * item_sizes.get(key, 4)
        if end > len(source.data):
            raise CheckpointError("This file is truncated before its last tensor. Copy the file again.")
        storages[str(key)] = source.data[start + 8 : end]
        start = end
    return _contents(TensorCollector(storages.__getitem__, source.limits), described, "PyTorch (legacy)")


def _not_from_torch_error() -> CheckpointError:
    return CheckpointError(
        "This file is a pickle, but not from torch.save. Save only tensors, with torch.save(model.state_dict(), ...)."
    )


def _find_item_sizes(value: Any, item_sizes: dict[str, int], seen: set[int]) -> None:
    """Fill ``item_sizes`` with the bytes of one element, by storage key."""
    pending = [value]
    while pending:
        value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, PersistentId):
            _, type_name, key, *_ = value.key
            dtype = DTYPES.get(type_name.path.rsplit(".", 1)[-1].removesuffix("Storage"), "float32")
            item_sizes[key] = item_size(dtype)
        elif isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list | tuple):
            pending += value
        elif hasattr(value, "args"):
            pending += [value.args, value.state]
