"""``torch.export`` archives (.pt2): weights only; the graph is not executed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from models.checkpoints.formats import pytorch
from models.checkpoints.parsing.contents import (
    CheckpointError,
    Contents,
    StoredTensor,
    decode_array,
    element_count,
    item_size,
)
from models.checkpoints.parsing.file_source import FileSource

CONFIG = "_weights_config.json"
OLD_MEMBERS = ("serialized_state_dict.pt", "serialized_state_dict.json")
DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64", 12: "bool",
    13: "bfloat16",
}  # fmt: skip
"""torch._export.serde.schema.ScalarType."""


def match(source: FileSource) -> bool:
    """Return whether it is an archive with a table of weights or, before torch 2.8, with a state_dict beside a program."""
    return any(name.endswith((CONFIG, *OLD_MEMBERS)) for name in source.members)


def open(source: FileSource) -> Contents:
    """Parse the table of weights."""
    old = [name for name in source.members if name.endswith(OLD_MEMBERS)]
    if old:
        return Contents(
            "torch.export", pytorch.open(FileSource(bytes(source.read_member(old[0])), source.limits)).tensors
        )
    configs = [name for name in source.members if name.endswith(CONFIG)]
    tensors: dict[str, StoredTensor] = {}
    for config in configs:
        folder, _, file = config.rpartition("/")
        prefix = file.removesuffix(CONFIG) + "." if len(configs) > 1 else ""
        tensors |= {prefix + name: stored for name, stored in _weights(source, config, folder)}
    return Contents("torch.export", tensors)


def _weights(source: FileSource, config: str, folder: str) -> Iterator[tuple[str, StoredTensor]]:
    try:
        table = json.loads(source.read_small_member(config))["config"]
        for name, entry in table.items():
            member = f"{folder}/{entry['path_name']}"
            if entry["use_pickle"]:
                yield name, pytorch.open(FileSource(bytes(source.read_member(member)), source.limits)).tensors["tensor"]
            else:
                yield name, _tensor(source.read_member(member), entry["tensor_meta"])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError("The weight table of this torch.export archive is damaged. Export it again.") from error


def _tensor(data: memoryview, about: dict[str, Any]) -> StoredTensor:
    dtype = DTYPES[about["dtype"]]
    shape, strides = (tuple(side["as_int"] for side in about[key]) for key in ("sizes", "strides"))
    offset = about["storage_offset"]["as_int"]
    if not all(type(number) is int and 0 <= number < 1 << 40 for number in (*shape, *strides, offset)):
        raise ValueError("invalid sizes")
    last = offset + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
    if element_count(shape) * item_size(dtype) > len(data) or (
        element_count(shape) and (last + 1) * item_size(dtype) > len(data)
    ):
        raise ValueError("outside the file")
    return StoredTensor(shape, dtype, lambda: decode_array(data, dtype, shape, strides, offset))
