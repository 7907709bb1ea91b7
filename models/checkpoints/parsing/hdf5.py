"""The groups, attributes and tensors of an HDF5 file, read in a process of its own (``hdf5_process``)."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.checkpoints.parsing.contents import CheckpointError, Limits, Stored, array_of

SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class Hdf5:
    """What a file holds.

    Attributes:
        attributes: by group ("" is the root), then by name: a text or a list of texts.
        tensors: by full name.
    """

    attributes: Mapping[str, Mapping[str, Any]]
    tensors: Mapping[str, Stored]


def read_hdf5(data: bytes | memoryview, limits: Limits) -> Hdf5:
    """Read a whole file.

    Raises:
        CheckpointError: it is damaged, too large, or points to other files.
    """
    if len(data) > 2 * limits.unpacked:
        raise CheckpointError(
            "This HDF5 file has {size} bytes, more than the {largest} that are allowed; "
            "save the weights alone, or raise the limit.",
            size=f"{len(data):,}",
            largest=f"{2 * limits.unpacked:,}",
        )
    worker = Path(__file__).with_name("hdf5_process.py")
    bounds = (limits.unpacked, math.ceil(limits.seconds), limits.tensors)
    command = [sys.executable, "-I", str(worker), *map(str, bounds)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=limits.seconds)
    except subprocess.TimeoutExpired:
        raise CheckpointError(
            "This HDF5 file could not be read within {n} s; save the weights alone.", n=f"{limits.seconds:g}"
        ) from None
    return told(done.stdout)


def told(out: bytes) -> Hdf5:
    """What the process told.

    Raises:
        CheckpointError: it refused the file, or it broke down over it.
    """
    length = int.from_bytes(out[:8], "little")
    if len(out) < 8 or len(out) < 8 + length:
        raise CheckpointError("This HDF5 file is damaged; copy or save it again.")
    header = json.loads(out[8 : 8 + length])
    match header.get("refused"):
        case "external":
            raise CheckpointError(
                "{name} in this HDF5 file lies in another file, which is not opened; save everything in one file.",
                name=header["name"],
            )
        case "large":
            raise CheckpointError(
                "{name} in this HDF5 file is larger than is allowed; save the weights alone, or raise the limit.",
                name=header["name"],
            )
        case "many":
            raise CheckpointError(
                "This HDF5 file holds more groups and tensors than are allowed; "
                "save the weights alone, or raise the limit."
            )
        case "damaged":
            raise CheckpointError("This HDF5 file is damaged; copy or save it again.")
    values = memoryview(out)[8 + length :]
    tensors = {name: _stored(values, *entry) for name, entry in header["tensors"].items()}
    return Hdf5(header["attributes"], tensors)


def _stored(values: memoryview, shape: list[int], dtype: str, start: int) -> Stored:
    sides = tuple(shape)
    return Stored(sides, dtype, lambda: array_of(values[start:], dtype, sides))
