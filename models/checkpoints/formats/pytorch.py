"""Files of ``torch.save``: a zip archive of a pickle and the storages or, before 1.6, concatenated pickles and storages.

Pickles of numpy arrays, which Python's own ``pickle`` writes, are read too.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from typing import Any, BinaryIO

from models.checkpoints.building.vocabulary import find_vocabularies
from models.checkpoints.layers.unapplied_settings import find_unapplied
from models.checkpoints.parsing.contents import Contents, item_size
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.file_source import FileSource, StoredBytes
from models.checkpoints.parsing.pickle_tensors import DTYPES, TensorCollector
from models.checkpoints.parsing.pickles import PersistentId, load_pickle
from models.checkpoints.parsing.work_budget import spend

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
    unknown: dict[str, None] = {}
    pickled = io.BytesIO(source.read_small_member(root + "data.pkl"))
    described = load_pickle(pickled, source.limits.operations, unknown)
    reader = TensorCollector(lambda key: source.member(f"{root}data/{key}"), source.limits)
    return _contents(reader, described, "PyTorch", unknown)


def _contents(reader: TensorCollector, described: Any, format: str, unknown: Iterable[str]) -> Contents:
    tensors, metadata = reader.collect_state(described)
    if not tensors:
        raise CheckpointError(
            "This file contains no tensors. Save a network's tensors with torch.save(model.state_dict(), ...)."
        )
    if "pytorch-lightning_version" in metadata:
        format = "PyTorch Lightning"
    return Contents(
        format,
        tensors,
        provenance=metadata,
        vocabularies=find_vocabularies(described),
        layer_metadata=reader.layer_metadata,
        opaque=tuple(unknown),
        unapplied=find_unapplied(described),
    )


def _open_legacy(source: FileSource) -> Contents:
    """Parse five pickles (magic number, version, system, saved object, storage keys) and then the storages' bytes.

    A file whose first pickle is another object is Python's own, of numpy arrays.
    """
    file = source.as_file()  # the pickles come first
    limit, unknown = source.limits.operations, dict[str, None]()
    magic = load_pickle(_within_limit(source, file), limit, unknown)
    if magic != MAGIC:
        return _open_arrays(source, magic, unknown)
    load_pickle(file, 100)
    system = load_pickle(file, 1000)
    if not isinstance(system, dict) or system.get("little_endian", sys.byteorder == "little") is not True:
        raise CheckpointError("This file was saved on a big-endian machine. Save it as safetensors on that machine.")
    described = load_pickle(file, limit, unknown)
    keys = load_pickle(file, limit)
    item_sizes: dict[str, int] = {}
    _find_item_sizes(described, item_sizes, set())
    storages: dict[str, StoredBytes] = {}
    start = file.tell()
    for key in keys:
        count = int.from_bytes(source.data[start : start + 8], "little")
        end = start + 8 + count * item_sizes.get(key, 4)
        if end > len(source.data):
            raise CheckpointError("This file is truncated before its last tensor. Copy the file again.")
        storages[str(key)] = StoredBytes.of(source.data[start + 8 : end])
        start = end
    return _contents(TensorCollector(storages.__getitem__, source.limits), described, "PyTorch (legacy)", unknown)


def _open_arrays(source: FileSource, described: Any, unknown: Iterable[str]) -> Contents:
    """Return the numpy arrays of a pickle that is not from ``torch.save``."""
    storages: dict[str, StoredBytes] = {}  # only torch.save writes tensors outside the pickle
    tensors, metadata = TensorCollector(storages.__getitem__, source.limits).collect_state(described)
    if not tensors:
        raise CheckpointError(
            "This file is a pickle, but not from torch.save. Save only tensors, with torch.save(model.state_dict(), ...)."
        )
    vocabularies = find_vocabularies(described)
    return Contents("pickle", tensors, provenance=metadata, vocabularies=vocabularies, opaque=tuple(unknown))


def _within_limit(source: FileSource, file: BinaryIO) -> BinaryIO:
    """Return ``file`` unless the first pickle of a large file may be the whole file, which is then read into memory."""
    if len(source.data) > source.limits.unpacked and MAGIC.to_bytes(10, "little") not in bytes(source.data[:64]):
        raise CheckpointError(
            (
                "This file unpacks to {size} bytes, but the limit is {largest} bytes. Save only the weights, or raise "
                "the limit."
            ),
            size=f"{len(source.data):,}",
            largest=f"{source.limits.unpacked:,}",
        )
    return file


def _find_item_sizes(value: Any, item_sizes: dict[str, int], seen: set[int]) -> None:
    """Fill ``item_sizes`` with the bytes of one element, by storage key."""
    pending = [value]
    while pending:
        value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        spend()
        if isinstance(value, PersistentId):
            _, type_name, key, *_ = value.key
            dtype = DTYPES.get(type_name.path.rsplit(".", 1)[-1].removesuffix("Storage"), "float32")
            item_sizes[key] = item_size(dtype)
        elif isinstance(value, dict):
            spend(len(value))
            pending += value.values()
        elif isinstance(value, list | tuple):
            spend(len(value))
            pending += value
        elif hasattr(value, "args"):
            pending += [value.args, value.state]
