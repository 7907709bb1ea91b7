"""Archives: named arrays and a JSON header in one ``.npz``, saved and loaded without pickle."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from os import SEEK_END, PathLike
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from models.core.messages import Problem
from models.core.zip_directory import TAIL, directory_size

HEADER = "header.json"

MAX_ARRAYS, MAX_HEADER_BYTES, MAX_HEADER_ITEMS = 20_000, 16 << 20, 4_000_000
"""Arrays of an archive, and bytes and items of its header, at most: with more, a small file would take minutes."""

MAX_NAME = 4000
"""Characters of the name of a layer or an attention."""


class ArchiveError(Problem):
    """A file that is not an archive of this kind; the message says in one sentence what is wrong."""


def write_archive(
    target: str | PathLike[str] | BinaryIO, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Save ``arrays`` and ``header`` (JSON values) to a path, under exactly that name, or to an open file."""
    try:
        encoded = json.dumps(header, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a half of a surrogate pair, which UTF-8 lacks, but JSON's escapes do not
        encoded = json.dumps(header).encode()
    text = np.frombuffer(encoded, dtype=np.uint8)
    with nullcontext(target) if hasattr(target, "write") else Path(target).open("wb") as file:
        np.savez(file, allow_pickle=False, **{HEADER: text}, **arrays)


def is_archive(source: str | PathLike[str] | BinaryIO) -> bool:
    """Return whether ``write_archive`` wrote the file at a path, or an open one, by the list of its members alone."""
    try:
        with _opened(source) as file:
            _check_count(file)
            with zipfile.ZipFile(file) as members:
                return f"{HEADER}.npy" in members.namelist()
    except Exception:  # a damaged list of members may raise anything
        return False


def read_archive(source: str | PathLike[str] | BinaryIO, largest: int = 1 << 30) -> tuple[dict, dict[str, np.ndarray]]:
    """Load an archive of ``write_archive``: (header, arrays).

    Args:
        source: a path, or an open binary file.
        largest: the most bytes that the file may unpack to.

    Raises:
        ArchiveError: not such an archive, damaged, or too large.
    """
    try:
        with _opened(source) as file:
            _check_count(file)
            with zipfile.ZipFile(file) as members:
                sizes = {member.filename: member.file_size for member in members.infolist()}
                size = sum(member.file_size for member in members.infolist())
                if len(members.infolist()) > MAX_ARRAYS:  # the list's end may state fewer
                    raise _too_many_arrays()
            _check_sizes(size, largest, sizes.get(f"{HEADER}.npy", 0))
            file.seek(0)
            with np.load(file, allow_pickle=False) as found:
                loaded = {name: found[name] for name in dict.fromkeys(found.files)}
    except ArchiveError:
        raise
    except FileNotFoundError as error:
        raise ArchiveError("File not found: {file}. Check its path.", file=error.filename) from None
    except Exception as error:
        raise ArchiveError("This is not a saved run. Open an .npz file written by trace.save(...).") from error
    arrays = {name: each for name, each in loaded.items() if isinstance(each, np.ndarray)}  # others are bytes
    header = _parse_header(arrays.pop(HEADER, None))
    if not isinstance(header, dict):
        raise ArchiveError("The header of this saved run is damaged. Save the run again.")
    return header, arrays


def _opened(source: str | PathLike[str] | BinaryIO) -> AbstractContextManager[BinaryIO]:
    """Return the file at a path, opened, or the open file, which stays open."""
    return nullcontext(cast(BinaryIO, source)) if hasattr(source, "seek") else Path(source).open("rb")


def checked_name(name: Any) -> str:
    """Return a name of a header. Raises ValueError: it is not a text, or too long."""
    if not isinstance(name, str) or len(name) > MAX_NAME:
        raise ValueError("a name is not a text of at most 4,000 characters")
    return name


def _check_count(file: BinaryIO) -> None:
    """Check the number of members before they are listed. Raises ArchiveError: there are too many."""
    end = file.seek(0, SEEK_END)
    file.seek(max(0, end - TAIL))

    def read_at(at: int, size: int) -> bytes:
        file.seek(at if at < end else end)
        return file.read(size)

    count, size = directory_size(file.read(TAIL), read_at)
    file.seek(0)
    if count > MAX_ARRAYS or size > MAX_HEADER_BYTES:
        raise _too_many_arrays()


def _too_many_arrays() -> ArchiveError:
    return ArchiveError(
        "The list of arrays of this saved run is too long: at most {most} are allowed. Save a run of fewer layers.",
        most=f"{MAX_ARRAYS:,}",
    )


def _check_sizes(size: int, largest: int, header: int) -> None:
    """Check the bytes that a file, and its header, unpack to. Raises ArchiveError: they are too many."""
    if size > largest:
        raise ArchiveError(
            "This file unpacks to {size} bytes, but the limit is {largest} bytes. Save a shorter run.",
            size=f"{size:,}",
            largest=f"{largest:,}",
        )
    if header > MAX_HEADER_BYTES:
        raise ArchiveError("The header of this saved run is too large. Save a shorter run.")


def _parse_header(stored: np.ndarray | None) -> Any:
    """Return the header's JSON value. Raises ArchiveError: it is missing, damaged, or has too many items."""
    try:
        text = b"" if stored is None else stored.tobytes()
        if text.count(b",") + 8 * (text.count(b"[") + text.count(b"{")) > MAX_HEADER_ITEMS:
            raise ArchiveError("The header of this saved run is too large. Save a shorter run.")
        return json.loads(text)
    except ArchiveError:
        raise
    except (ValueError, RecursionError):
        raise ArchiveError(
            "This .npz file contains arrays but no saved run. Open a file written by trace.save(...)."
        ) from None
