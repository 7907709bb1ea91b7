"""numpy's ``.npz``: a zip archive of ``.npy`` arrays, each with a header of its own."""

from __future__ import annotations

import io

import numpy as np
from numpy.lib import format as npy

from models.checkpoints.building.vocabulary import LARGEST, symbols_of
from models.checkpoints.parsing.contents import CheckpointError, Contents, Stored, array_of, count_of
from models.checkpoints.parsing.file_source import Source
from models.core.archive import HEADER

LONGEST_HEADER = 10_000
"""Bytes: numpy's own bound for a header that is not trusted."""


def match(source: Source) -> bool:
    """An archive with arrays in it."""
    return any(name.endswith(".npy") for name in source.members)


def open(source: Source) -> Contents:
    """Read the arrays' headers."""
    if f"{HEADER}.npy" in source.members:
        raise CheckpointError("This .npz is a saved run, not a checkpoint; load_trace(...) opens it.")
    if len(source.members) > source.limits.tensors:
        raise CheckpointError(
            "This file names {count} tensors, more than are allowed; save the weights alone, or raise the limit.",
            count=f"{len(source.members):,}",
        )
    names = [name for name in source.members if name.endswith(".npy")]
    listed: dict[str, tuple[str, ...]] = {}
    tensors = {name.removesuffix(".npy"): _array(source, name, listed) for name in names}
    return Contents("npz", tensors, vocabularies=listed)


def _array(source: Source, name: str, listed: dict[str, tuple[str, ...]]) -> Stored:
    """An array; one of texts goes to ``listed`` if it is a list of symbols."""
    data = source.member(name)
    file = io.BytesIO(bytes(data[: LONGEST_HEADER + 100]))
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, by_columns, dtype = read(file, max_header_size=LONGEST_HEADER)
    except Exception as error:
        raise CheckpointError("The array {name} in this .npz is damaged; copy the file again.", name=name) from error
    if dtype.hasobject:
        raise CheckpointError(
            "The array {name} in this .npz holds pickled objects, which are not opened; save it as numbers.", name=name
        )
    place = file.tell()
    if dtype.kind == "U" and len(shape) == 1 and 0 < shape[0] * dtype.itemsize <= len(data) - place <= LARGEST:
        symbols = symbols_of(np.ndarray(shape, dtype, data, place).tolist())
        if symbols is not None:
            listed[name.removesuffix(".npy")] = symbols
    if dtype.kind not in "fiub" or dtype.itemsize > 8:
        return Stored(shape, str(dtype), lambda: np.empty(0))  # texts, dates: named, but no numbers
    if not all(side >= 0 for side in shape) or count_of(shape) * dtype.itemsize > len(data) - place:
        raise CheckpointError("The array {name} in this .npz is cut short; copy the file again.", name=name)
    plain = dtype.newbyteorder("<").name

    def numbers() -> np.ndarray:
        held = source.member(name)[place:]
        if dtype.byteorder == ">":
            held = memoryview(np.frombuffer(held, dtype, count_of(shape)).astype(dtype.newbyteorder("<")).tobytes())
        sides = shape[::-1] if by_columns else shape
        values = array_of(held, plain, sides)
        return values.T if by_columns else values

    return Stored(shape, plain, numbers)
