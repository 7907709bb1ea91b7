"""``torch.export`` archives (.pt2): their weights are read, their graph is not run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from models.checkpoints.formats import pytorch
from models.checkpoints.parsing.contents import CheckpointError, Contents, Stored, array_of, count_of, width_of
from models.checkpoints.parsing.file_source import Source

CONFIG = "_weights_config.json"
OLD = ("serialized_state_dict.pt", "serialized_state_dict.json")
DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64", 12: "bool",
    13: "bfloat16",
}  # fmt: skip
"""torch._export.serde.schema.ScalarType."""


def match(source: Source) -> bool:
    """An archive with a table of weights, or, before torch 2.8, with a state_dict beside a program."""
    return any(name.endswith((CONFIG, *OLD)) for name in source.members)


def open(source: Source) -> Contents:
    """Read the table of weights."""
    old = [name for name in source.members if name.endswith(OLD)]
    if old:
        return Contents("torch.export", pytorch.open(Source(bytes(source.member(old[0])), source.limits)).tensors)
    configs = [name for name in source.members if name.endswith(CONFIG)]
    tensors: dict[str, Stored] = {}
    for config in configs:
        folder, _, file = config.rpartition("/")
        prefix = file.removesuffix(CONFIG) + "." if len(configs) > 1 else ""
        tensors |= {prefix + name: stored for name, stored in _weights(source, config, folder)}
    return Contents("torch.export", tensors)


def _weights(source: Source, config: str, folder: str) -> Iterator[tuple[str, Stored]]:
    try:
        table = json.loads(source.small(config))["config"]
        for name, entry in table.items():
            place = f"{folder}/{entry['path_name']}"
            if entry["use_pickle"]:
                yield name, pytorch.open(Source(bytes(source.member(place)), source.limits)).tensors["tensor"]
            else:
                yield name, _tensor(source.member(place), entry["tensor_meta"])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            "The table of weights in this torch.export archive is damaged; export it again."
        ) from error


def _tensor(data: memoryview, about: dict[str, Any]) -> Stored:
    dtype = DTYPES[about["dtype"]]
    shape, strides = (tuple(side["as_int"] for side in about[key]) for key in ("sizes", "strides"))
    offset = about["storage_offset"]["as_int"]
    if not all(type(number) is int and 0 <= number < 1 << 40 for number in (*shape, *strides, offset)):
        raise ValueError("sizes")
    last = offset + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
    if count_of(shape) * width_of(dtype) > len(data) or (count_of(shape) and (last + 1) * width_of(dtype) > len(data)):
        raise ValueError("outside")
    return Stored(shape, dtype, lambda: array_of(data, dtype, shape, strides, offset))
