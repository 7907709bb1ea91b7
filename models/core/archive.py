"""Archives: named arrays and a JSON header in one ``.npz``, saved and loaded without pickle."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from contextlib import nullcontext
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from models.core.messages import Problem

HEADER = "header.json"


class ArchiveError(Problem):
    """A file that is not an archive of this kind; the message says in one sentence what is wrong."""


def write_archive(
    target: str | PathLike[str] | BinaryIO, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Save ``arrays`` and ``header`` (JSON values) to a path, under exactly that name, or to an open file."""
    text = np.frombuffer(json.dumps(header, ensure_ascii=False).encode(), dtype=np.uint8)
    with nullcontext(target) if hasattr(target, "write") else Path(target).open("wb") as file:
        np.savez(file, allow_pickle=False, **{HEADER: text}, **arrays)


def is_archive(path: str | PathLike[str]) -> bool:
    """Return whether ``write_archive`` wrote the file, by the list of its members alone."""
    try:
        with zipfile.ZipFile(path) as members:
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
        with zipfile.ZipFile(source) as members:
            size = sum(member.file_size for member in members.infolist())
        if size > largest:
            raise ArchiveError(
                "This file unpacks to {size} bytes, but the limit is {largest} bytes. Save a shorter run.",
                size=f"{size:,}",
                largest=f"{largest:,}",
            )
        if hasattr(source, "seek"):
            source.seek(0)
        with np.load(source, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except ArchiveError:
        raise
    except FileNotFoundError as error:
        raise ArchiveError("File not found: {file}. Check its path.", file=error.filename) from None
    except Exception as error:
        raise ArchiveError("This is not a saved run. Open an .npz file written by trace.save(...).") from error
    try:
        header = json.loads(arrays.pop(HEADER).tobytes())
    except (KeyError, ValueError, RecursionError):
        raise ArchiveError(
            "This .npz file contains arrays but no saved run. Open a file written by trace.save(...)."
        ) from None
    if not isinstance(header, dict):
        raise ArchiveError("The header of this saved run is damaged. Save the run again.")
    return header, arrays
