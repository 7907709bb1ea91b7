"""numpy's ``.npz``: a zip archive of ``.npy`` arrays, each with its own header."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from numpy.lib import format as npy

from models.checkpoints.building.vocabulary import MAX_FILE_BYTES, as_symbols
from models.checkpoints.parsing.contents import Contents, StoredTensor, decode_array, element_count
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.file_source import FileSource
from models.checkpoints.parsing.work_budget import spend
from models.core.archive import HEADER

MAX_HEADER_BYTES = 10_000
"""numpy's own limit in bytes for the header of an untrusted file."""


def match(source: FileSource) -> bool:
    """Return whether it is an archive that contains ``.npy`` arrays."""
    return any(name.endswith(".npy") for name in source.members)


def open(source: FileSource) -> Contents:
    """Parse the arrays' headers."""
    if f"{HEADER}.npy" in source.members:
        raise CheckpointError(
            "This .npz file is a saved run, not a checkpoint. Open it on the Checkpoint page, or with load_trace(...)."
        )
    if len(source.members) > source.limits.tensors:
        raise CheckpointError(
            "This file lists {count} tensors, more than allowed. Save only the weights, or raise the limit.",
            count=f"{len(source.members):,}",
        )
    names = [name for name in source.members if name.endswith(".npy")]
    vocabularies: dict[str, tuple[str, ...]] = {}
    tensors = {name.removesuffix(".npy"): _array(source, name, vocabularies) for name in names}
    return Contents("npz", tensors, vocabularies=vocabularies)


@lru_cache(maxsize=256)
def _header(data: bytes) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Parse the header of an array: its shape, whether it is stored by columns, its dtype. Arrays of one kind share theirs.

    Raises:
        ValueError: it is damaged, or no tensor can have this shape.
    """
    file = io.BytesIO(data)
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, by_columns, dtype = read_header(file, max_header_size=MAX_HEADER_BYTES)
    element_count(shape)
    return shape, by_columns, dtype


def _array(source: FileSource, name: str, vocabularies: dict[str, tuple[str, ...]]) -> StoredTensor:
    """Parse the header of one array; an array of strings that is a list of symbols is added to ``vocabularies``."""
    size = source.members[name].file_size
    head = bytes(source.read_start(name, MAX_HEADER_BYTES + 100))
    start = (
        10 + int.from_bytes(head[8:10], "little") if head[6:7] == b"\1" else 12 + int.from_bytes(head[8:12], "little")
    )
    try:
        shape, by_columns, dtype = _header(head[:start])
    except Exception as error:
        raise CheckpointError(
            "The array {name} in this .npz file is damaged. Copy the file again.", name=name
        ) from error
    if dtype.hasobject:
        raise CheckpointError(
            (
                "The array {name} in this .npz file contains pickled objects, which are not opened. Save it as a "
                "numeric array."
            ),
            name=name,
        )
    if dtype.kind == "U" and len(shape) == 1 and 0 < shape[0] * dtype.itemsize <= size - start <= MAX_FILE_BYTES:
        spend(shape[0])
        symbols = as_symbols(np.ndarray(shape, dtype, source.read_member(name), start).tolist())
        if symbols is not None:
            vocabularies[name.removesuffix(".npy")] = symbols
    if dtype.kind not in "fiub" or dtype.itemsize > 8:
        return StoredTensor(shape, str(dtype), lambda: np.empty(0))  # strings, dates: listed, but without values
    if element_count(shape) * dtype.itemsize > size - start:
        raise CheckpointError("The array {name} in this .npz file is truncated. Copy the file again.", name=name)
    plain = dtype.newbyteorder("<").name

    def read() -> np.ndarray:
        content = source.member(name).read()[start:]
        if dtype.byteorder == ">":
            swapped = np.frombuffer(content, dtype, element_count(shape)).astype(dtype.newbyteorder("<"))
            content = memoryview(swapped.tobytes())
        values = decode_array(content, plain, shape[::-1] if by_columns else shape)
        return values.T if by_columns else values

    return StoredTensor(shape, plain, read)
