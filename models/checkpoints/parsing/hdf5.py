"""The groups, attributes and tensors of an HDF5 file, parsed in a separate process (``hdf5_process``)."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.checkpoints.parsing.contents import Limits, StoredTensor, decode_array
from models.checkpoints.parsing.errors import CheckpointError

SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class Hdf5Contents:
    """The contents of an HDF5 file.

    Attributes:
        attributes: by group ("" is the root), then by name: a string or a list of strings.
        tensors: by full path.
    """

    attributes: Mapping[str, Mapping[str, Any]]
    tensors: Mapping[str, StoredTensor]


def read_hdf5(data: bytes | memoryview, limits: Limits) -> Hdf5Contents:
    """Parse a whole file.

    Raises:
        CheckpointError: the file is damaged, too large, or links to other files.
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


def parse_output(output: bytes) -> Hdf5Contents:
    """Parse the output of ``hdf5_process``, in the layout that its module's docstring describes.

    Raises:
        CheckpointError: the process rejected the file, or crashed.
    """
    length = int.from_bytes(output[:8], "little")
    if len(output) < 8 or len(output) < 8 + length:
        raise CheckpointError("This HDF5 file is damaged. Copy or save it again.")
    header = json.loads(output[8 : 8 + length])
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
    values = memoryview(output)[8 + length :]
    tensors = {name: _stored(values, *entry) for name, entry in header["tensors"].items()}
    return Hdf5Contents(header["attributes"], tensors)


def _stored(values: memoryview, shape: list[int], dtype: str, start: int) -> StoredTensor:
    sides = tuple(shape)
    return StoredTensor(sides, dtype, lambda: decode_array(values[start:], dtype, sides))
