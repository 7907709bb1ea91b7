"""The groups, attributes and tensors of an HDF5 file, listed and decoded in a separate process (``parser_process``)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from uuid import uuid4

from models.checkpoints.parsing.contents import Limits, StoredTensor, decode_array, element_count, item_size
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.parser_pool import ask_parser
from models.checkpoints.parsing.parser_role import is_parser
from models.checkpoints.parsing.work_budget import spend

SIGNATURE = b"\x89HDF\r\n\x1a\n"
DTYPES = ("float", "int", "uint", "bool")


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
    """List a whole file; its tensors are decoded when they are read.

    Raises:
        CheckpointError: the file is damaged, too large, or links to other files, or h5py is not installed.
    """
    if find_spec("h5py") is None:
        raise CheckpointError(
            "Files in HDF5 are read with the package h5py, which is not installed. Run: pip install h5py"
        )
    data = memoryview(data)
    if len(data) > 2 * limits.unpacked:
        raise CheckpointError(
            (
                "This HDF5 file has {size} bytes, but the limit is {largest} bytes. Save only the weights, or raise "
                "the limit."
            ),
            size=f"{len(data):,}",
            largest=f"{2 * limits.unpacked:,}",
        )
    if is_parser():
        return _read_here(data, limits)
    key = uuid4().hex
    header, _ = ask_parser("hdf5", data, key, limits, size=len(data))

    def values(path: str) -> memoryview:
        return memoryview(ask_parser("values", data, key, limits, path=path)[1])

    return _contents(header.get("result"), data, values)


def _read_here(data: memoryview, limits: Limits) -> Hdf5Contents:
    """List a file in this process, which is itself a separate one."""
    import h5py

    from models.checkpoints.parsing.hdf5_tree import Hdf5Refusal, read_tree, read_values

    try:
        file = h5py.File(io.BytesIO(data), "r")
        attributes, tensors = read_tree(file, limits.tensors, limits.unpacked, len(data))
    except Hdf5Refusal as refusal:
        return _contents({"refused": refusal.args[0], "name": refusal.args[1]}, data, None)
    except MemoryError:
        raise
    except Exception as error:
        raise _damaged() from error
    return _contents({"attributes": attributes, "tensors": tensors}, data, lambda path: read_values(file, path))


def _damaged() -> CheckpointError:
    return CheckpointError("This HDF5 file is damaged. Copy or save it again.")


def _contents(result: Any, data: memoryview, values: Any) -> Hdf5Contents:
    """Return what a process has listed, after a check of its types.

    Raises:
        CheckpointError: the process rejected the file, or its list is damaged.
    """
    if not isinstance(result, dict):
        raise _damaged()
    match result.get("refused"):
        case "external":
            raise CheckpointError(
                (
                    "{name} of this HDF5 file is stored in another file, which is not opened. Save everything in one "
                    "file."
                ),
                name=str(result.get("name")),
            )
        case "large":
            raise CheckpointError(
                "{name} in this HDF5 file is too large. Save only the weights, or raise the limit.",
                name=str(result.get("name")),
            )
        case "many":
            raise CheckpointError(
                "This HDF5 file contains too many groups and tensors. Save only the weights, or raise the limit."
            )
    try:
        attributes = {str(group): dict(texts) for group, texts in result["attributes"].items()}
        spend(sum(1 + len(texts) for texts in attributes.values()))
        tensors = {str(name): _stored(str(name), data, values, *entry) for name, entry in result["tensors"].items()}
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged() from error
    return Hdf5Contents(attributes, tensors)


def _stored(name: str, data: memoryview, values: Any, shape: list[int], dtype: str, start: int | None) -> StoredTensor:
    """Return a tensor whose values are at ``start`` of ``data``, or what ``values`` returns of its path."""
    sides = tuple(shape)
    size = element_count(sides) * item_size(dtype)
    if dtype.rstrip("0123456789") not in DTYPES or (start is not None and not 0 <= start <= len(data) - size):
        raise ValueError("no tensor")
    spend(1 + len(sides))
    if start is not None:
        return StoredTensor(sides, dtype, lambda: decode_array(data[start:], dtype, sides))

    def read() -> Any:
        content = values(name)
        if len(content) != size:
            raise ValueError("another size")
        return decode_array(content, dtype, sides)

    return StoredTensor(sides, dtype, read)
