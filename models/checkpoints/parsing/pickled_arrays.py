"""numpy arrays in a pickle: their shape, dtype and bytes are data; nothing is imported or called."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.checkpoints.parsing.contents import StoredTensor, decode_array, element_count
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.pickles import OpaqueCall

RECONSTRUCTED = tuple(f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core"))
FROM_BUFFER = tuple(f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core"))
KINDS = "fiub"


def is_array(value: OpaqueCall) -> bool:
    """Return whether a call makes a numpy array."""
    return value.name in (*RECONSTRUCTED, *FROM_BUFFER)


def read_array(value: OpaqueCall, name: str) -> StoredTensor | None:
    """Return the array that a call makes; None if its elements are not numbers.

    Raises:
        CheckpointError: it is damaged.
    """
    try:
        if value.name in FROM_BUFFER:
            data, dtype, shape, order = value.args
            by_columns = order == "F"
        else:
            _version, shape, dtype, by_columns, data = value.state
        numbers = _dtype(dtype)
        if numbers is None:
            return None
        return _stored(data, numbers, tuple(shape), bool(by_columns))
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise CheckpointError(
            "The array {name} in this file is damaged. Copy the file again.", name=name or "array"
        ) from error


def _dtype(dtype: OpaqueCall) -> np.dtype | None:
    """Return the dtype of ``numpy.dtype("f4", ...)`` with its byte order; None if its elements are not numbers."""
    code = dtype.args[0]
    if not isinstance(code, str) or code[:1] not in KINDS or not code[1:].isdigit() or int(code[1:]) > 8:
        return None
    order = dtype.state[1] if isinstance(dtype.state, tuple) and len(dtype.state) > 1 else "="
    return np.dtype(code).newbyteorder(">" if order == ">" else "<" if order == "<" else "=")


def _content(data: Any) -> bytes:
    """Return an array's bytes, which Python 2 writes as a text."""
    return data.encode("latin-1") if isinstance(data, str) else bytes(data)


def _stored(data: Any, dtype: np.dtype, shape: tuple[int, ...], by_columns: bool) -> StoredTensor:
    if not isinstance(data, str | bytes | bytearray):
        raise TypeError("bytes")
    if len(shape) > 16 or not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError("sizes")
    if element_count(shape) * dtype.itemsize != len(data):
        raise ValueError("bytes")
    plain = dtype.newbyteorder("<").name

    def read() -> np.ndarray:
        content = _content(data)
        if dtype.byteorder == ">":
            content = np.frombuffer(content, dtype).astype(dtype.newbyteorder("<")).tobytes()
        values = decode_array(memoryview(content), plain, shape[::-1] if by_columns else shape)
        return values.T if by_columns else values

    return StoredTensor(shape, plain, read)
