"""Arrays of an index whose damage is noticed: each chunk has a checksum, and is written even if it has only zeros.

Zarr returns zeros for a chunk that is not there, so that a deleted file would be read as numbers without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from models.core.messages import Problem

WRITE_ALL = {"write_empty_chunks": True}
"""The setting of Zarr by which chunks of zeros are written; an array that is opened again needs it anew."""

BY_COLUMN = {"order": "F"}
"""The setting of Zarr by which an array whose chunks are transposed is read and written without transposing it again."""


def create_checked(group: Any, name: str, by_column: bool = False, **options: Any) -> Any:
    """Create an array whose chunks have checksums.

    Args:
        group: of the array.
        name: in the group.
        by_column: whether the chunks of an array of two axes are stored column by column.
        options: as of Zarr.
    """
    from zarr.codecs import BloscCodec, Crc32cCodec, TransposeCodec

    size = np.dtype(options["dtype"]).itemsize
    packed = BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle", typesize=size)
    if by_column:
        options["filters"] = [TransposeCodec(order=(1, 0))]
    config = WRITE_ALL | BY_COLUMN if by_column else WRITE_ALL
    return group.create_array(name, compressors=[packed, Crc32cCodec()], config=config, **options)


def writable(group: Any, name: str, by_column: bool = False) -> Any:
    """Return an array of a group that was opened for writing."""
    return group[name].with_config(WRITE_ALL | BY_COLUMN if by_column else WRITE_ALL)


def one_core() -> AbstractContextManager[Any]:
    """Return a context in which Zarr uses one thread: each worker has one core."""
    import zarr

    return zarr.config.set({"threading.max_workers": 1, "async.concurrency": 1})


def read_part(array: Any, selection: Any) -> np.ndarray:
    """Return a part of a Zarr array.

    Args:
        array: of an index.
        selection: as of ``numpy``'s basic indexing; along the first axis also the places (n) int64, of which each chunk is
            read once.

    Raises:
        Problem: it is damaged or missing; the sentence names the chunk.
    """
    at_places = isinstance(selection[0] if isinstance(selection, tuple) else selection, np.ndarray)
    try:
        missing = next((name for name in _chunk_names(array, selection) if not _exists(array, name)), None)
        if missing is None:
            return array.oindex[selection] if at_places else array[selection]
        reason: Any = f"the file {missing} is not there"
        cause = None
    except Exception as error:  # the codecs raise ValueError, RuntimeError and others
        reason, cause = str(error) or type(error).__name__, error
    raise Problem(
        "A chunk of “{array}” cannot be read ({part}: {reason}). Build the index again, or copy it again.",
        array=array.path,
        part=_describe(selection),
        reason=reason,
    ) from cause


def _exists(array: Any, name: str) -> bool:
    return (Path(array.store.root) / array.path / name).is_file()


def _chunk_names(array: Any, selection: Any) -> Iterator[str]:
    """Yield the files, below that of the array, in which a part of it is stored."""
    parts = selection if isinstance(selection, tuple) else (selection,)
    if Ellipsis in [each for each in parts if not isinstance(each, np.ndarray)]:
        at = parts.index(Ellipsis)
        parts = (*parts[:at], *[slice(None)] * (array.ndim - len(parts) + 1), *parts[at + 1 :])
    parts += (slice(None),) * (array.ndim - len(parts))
    numbers = []
    for part, length, size in zip(parts, array.shape, array.shards or array.chunks, strict=True):
        if isinstance(part, slice):
            start, stop, _step = part.indices(length)
            numbers.append(range(start // size, -(-stop // size) if stop > start else start // size))
        else:
            numbers.append(np.unique(np.asarray(part) % max(1, length) // size).tolist())
    return ("/".join(("c", *map(str, place))) for place in product(*numbers))


def _describe(selection: Any) -> str:
    parts = selection if isinstance(selection, tuple) else (selection,)
    return ", ".join(map(_describe_part, parts))


def _describe_part(part: Any) -> str:
    if isinstance(part, np.ndarray):
        return f"{len(part)} places from {part.min(initial=0)}"
    return f"{part.start or 0}–{part.stop}" if isinstance(part, slice) else str(part)
