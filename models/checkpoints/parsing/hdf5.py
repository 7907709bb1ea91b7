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

from models.checkpoints.parsing.contents import CheckpointError, Limits, StoredTensor, decode_array

SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class Hdf5Contents:
    """What a file holds.

    Attributes:
        attributes: by group ("" is the root), then by name: a text or a list of texts.
        tensors: by full name.
    """

    attributes: Mapping[str, Mapping[str, Any]]
    tensors: Mapping[str, StoredTensor]


def read_hdf5(data: bytes | memoryview, limits: Limits) -> Hdf5Contents:
    """Read a whole file.

    Raises:
        CheckpointError: it is damaged, too large, or points to other files.
    """
    if len(data) > 2 * limits.unpacked:
        raise CheckpointError(
            (
                "This HDF5 file has {size} bytes, but the limit is {largest} bytes. Save only the weights, or raise "
                "the limit."
            ),
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
            "This HDF5 file could not be read within {n} s. Save only the weights.", n=f"{limits.seconds:g}"
        ) from None
    return parse_output(done.stdout)


def parse_output(out: bytes) -> Hdf5Contents:
    """What the process told.

    Raises:
        CheckpointError: it refused the file, or it broke down over it.
    """
    length = int.from_bytes(out[:8], "little")
    if len(out) < 8 or len(out) < 8 + length:
        raise CheckpointError("This HDF5 file is damaged. Copy or save it again.")
    header = json.loads(out[8 : 8 + length])
    match header.get("refused"):
        case "external":
            raise CheckpointError(
                (
                    "{name} of this HDF5 file is stored in another file, which is not opened. Save everything in one "
                    "file."
                ),
                name=header["name"],
            )
        case "large":
            raise CheckpointError(
                "{name} in this HDF5 file is too large. Save only the weights, or raise the limit.",
                name=header["name"],
            )
        case "many":
            raise CheckpointError(
                "This HDF5 file contains too many groups and tensors. Save only the weights, or raise the limit."
            )
        case "damaged":
            raise CheckpointError("This HDF5 file is damaged. Copy or save it again.")
    values = memoryview(out)[8 + length :]
    tensors = {name: _stored(values, *entry) for name, entry in header["tensors"].items()}
    return Hdf5Contents(header["attributes"], tensors)


def _stored(values: memoryview, shape: list[int], dtype: str, start: int) -> StoredTensor:
    sides = tuple(shape)
    return StoredTensor(sides, dtype, lambda: decode_array(values[start:], dtype, sides))
