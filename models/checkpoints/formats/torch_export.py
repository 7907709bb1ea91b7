"""``torch.export`` archives (.pt2): weights, and the network that the graph states."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from models.checkpoints.formats import pytorch
from models.checkpoints.graphs.graph_module import GraphModule
from models.checkpoints.graphs.torch_export_graph import build_export_graph
from models.checkpoints.parsing.contents import Contents, StoredTensor, decode_array, element_count, item_size
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.file_source import FileSource
from models.checkpoints.parsing.work_budget import parse_json

CONFIG = "_weights_config.json"
CONSTANTS = "_constants_config.json"
PROGRAM = re.compile(r"(.*/)?models/[^/]*\.json")
"""The members with graphs."""
OLD_PROGRAM = "serialized_exported_program.json"
OLD_CONSTANTS = ("serialized_constants.pt", "serialized_constants.json")
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
    """Parse the table of weights; the graph is parsed when the network is built."""
    old = [name for name in source.members if name.endswith(OLD_MEMBERS)]
    if old:
        state = pytorch.open(FileSource(bytes(source.read_member(old[0])), source.limits)).tensors
        programs = [name for name in source.members if name.endswith(OLD_PROGRAM)]
        return Contents("torch.export", state, graph=_graph(source, programs, state))
    configs = [name for name in source.members if name.endswith(CONFIG)]
    tensors: dict[str, StoredTensor] = {}
    for config in configs:
        folder, _, file = config.rpartition("/")
        prefix = file.removesuffix(CONFIG) + "." if len(configs) > 1 else ""
        tensors |= {prefix + name: stored for name, stored in _weights(source, config, folder)}
    programs = [name for name in source.members if PROGRAM.fullmatch(name)]
    return Contents("torch.export", tensors, graph=_graph(source, programs, tensors) if len(configs) == 1 else None)


def _graph(
    source: FileSource, programs: list[str], tensors: Mapping[str, StoredTensor]
) -> Callable[[], GraphModule] | None:
    """Return what builds the network of the only graph of an archive; None if it has none, or several."""
    if len(programs) != 1:
        return None

    def build() -> GraphModule:
        try:
            constants: dict[str, StoredTensor] = {}
            for config in source.members:
                if config.endswith(CONSTANTS):
                    constants |= dict(_weights(source, config, config.rpartition("/")[0]))
                elif config.endswith(OLD_CONSTANTS) and source.members[config].file_size:
                    constants |= _old_constants(source, config)
            return build_export_graph(parse_json(source.read_small_member(programs[0])), {**tensors, **constants})
        except (CheckpointError, MemoryError):
            raise
        except Exception as error:  # entries of other types than the schema's
            raise CheckpointError("The graph of this torch.export archive is damaged. Export it again.") from error

    return build


def _old_constants(source: FileSource, member: str) -> Mapping[str, StoredTensor]:
    try:
        return pytorch.open(FileSource(bytes(source.read_member(member)), source.limits)).tensors
    except CheckpointError:  # it has none; one that the graph needs is missed there
        return {}


def _weights(source: FileSource, config: str, folder: str) -> Iterator[tuple[str, StoredTensor]]:
    try:
        table = parse_json(source.read_small_member(config))["config"]
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
