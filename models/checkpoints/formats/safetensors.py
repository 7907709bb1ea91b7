"""safetensors: a JSON header, then the tensors; also the index of a checkpoint sharded over several such files.

Format: https://github.com/huggingface/safetensors. The header is parsed here rather than by the library, so that a file of
any size is memory-mapped and a tensor is loaded only on first access.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Any

from models.checkpoints.building.vocabulary import vocabularies_in_metadata
from models.checkpoints.layers.unapplied_settings import find_unapplied
from models.checkpoints.parsing.contents import Contents, StoredTensor, decode_array, element_count, item_size
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.file_source import FileSource
from models.checkpoints.parsing.work_budget import parse_json, spend
from models.core.layer_metadata import parse_layer_metadata, parse_zoneout
from models.core.parse_numbers import shorten
from models.networks.network_metadata import parse_prediction

DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip

MAX_SHARDS = 1000
"""Files that one index may list."""


def match(source: FileSource) -> bool:
    """Return whether it is a length followed by a JSON object, or an index of shards."""
    return (source.data[8:9] == b"{" and _length(source) <= len(source.data)) or _is_index(source)


def _length(source: FileSource) -> int:
    return int.from_bytes(source.data[:8], "little")


def _is_index(source: FileSource) -> bool:
    return source.starts_with(b"{") and b'"weight_map"' in bytes(source.data[: 1 << 16])


def open(source: FileSource) -> Contents:
    """Parse the header; of an index, the headers of all shards, which are in the same folder."""
    if _is_index(source):
        return _open_index(source)
    length = _length(source)
    if length > source.limits.header or 8 + length > len(source.data):
        raise CheckpointError(
            (
                "The header of this safetensors file should have {size} bytes, but the whole file has {length}. Copy "
                "the file again."
            ),
            size=f"{length:,}",
            length=f"{len(source.data):,}",
        )
    header = _json(source.data[8 : 8 + length])
    about = header.pop("__metadata__", None) or {}
    if len(header) > source.limits.tensors:
        raise CheckpointError(
            "This file lists {count} tensors, more than allowed. Save only the weights, or raise the limit.",
            count=f"{len(header):,}",
        )
    values = source.data[8 + length :]
    tensors = {name: _tensor(name, entry, values) for name, entry in header.items()}
    _check_places(header)
    provenance: dict[str, str] = {}
    if isinstance(about, dict):
        provenance = {str(key): str(value)[:200] for key, value in list(about.items())[:20]}
    return Contents(
        "safetensors",
        tensors,
        provenance=provenance,
        vocabularies=vocabularies_in_metadata(about),
        layer_metadata=parse_layer_metadata(about),
        predicts=parse_prediction(about),
        unapplied=find_unapplied({"__metadata__": parse_zoneout(about)}),
    )


def _json(data: memoryview) -> dict[str, Any]:
    try:
        header = parse_json(data)
    except CheckpointError:
        raise
    except ValueError as error:
        raise CheckpointError("The header of this safetensors file is damaged. Copy the file again.") from error
    if not isinstance(header, dict):
        raise CheckpointError("The header of this safetensors file is damaged. Copy the file again.")
    return header


def _tensor(name: str, entry: Any, values: memoryview) -> StoredTensor:
    try:
        dtype, shape = DTYPES[entry["dtype"]], tuple(entry["shape"])
        start, end = entry["data_offsets"]
        whole = all(type(number) is int and number >= 0 for number in (*shape, start, end))
        spend(len(shape))
        fits = whole and start <= end <= len(values) and end - start == element_count(shape) * item_size(dtype)
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise CheckpointError(
            (
                "The header of this safetensors file does not match the file at {name}. The file is truncated or "
                "damaged; copy it again."
            ),
            name=name,
        )
    return StoredTensor(shape, dtype, lambda: decode_array(values[start:end], dtype, shape))


def _check_places(header: dict[str, Any]) -> None:
    """Check that no two tensors have bytes in common, as the format requires.

    Raises:
        CheckpointError: two of them do.
    """
    places = sorted((*entry["data_offsets"], name) for name, entry in header.items())
    filled = [place for place in places if place[0] < place[1]]
    for (_, end, name), (start, _, other) in pairwise(filled):
        if start < end:
            raise CheckpointError(
                "{name} and {other} are in the same place of this safetensors file, which the format forbids. Save the "
                "network again.",
                name=name,
                other=other,
            )


def _open_index(source: FileSource) -> Contents:
    if len(source.data) > source.limits.header:
        raise CheckpointError("This index is too large. Open the files one at a time.")
    index = _json(source.data)
    file_of = index.get("weight_map")
    if not isinstance(file_of, dict) or not all(isinstance(name, str) for name in file_of.values()):
        raise CheckpointError("This index lists no files. Open the index of a sharded checkpoint, with a weight_map.")
    if source.path is None:
        raise CheckpointError(
            "This file is only the index of a checkpoint in several files. Put it into the folder of the others "
            "and open it by its path."
        )
    names_in: dict[str, list[str]] = {}
    for name, file in file_of.items():
        names_in.setdefault(file, []).append(name)
    if len(names_in) > MAX_SHARDS:
        raise CheckpointError(
            "This index lists {count} files, but at most {most} are allowed. Save the network in fewer files.",
            count=f"{len(names_in):,}",
            most=f"{MAX_SHARDS:,}",
        )
    tensors: dict[str, StoredTensor] = {}
    for file, names in names_in.items():
        shard = _open_shard(source, source.path.parent, file)
        shard_tensors = open(shard).tensors
        source.total += len(shard.data)
        for name in names:
            if name not in shard_tensors:
                raise CheckpointError(
                    (
                        "{file} does not contain {name}, although the index lists it there. Copy all files of the checkpoint "
                        "again."
                    ),
                    file=shorten(file),
                    name=shorten(name),
                )
            tensors[name] = shard_tensors[name]
    return Contents("safetensors", tensors, provenance={"shards": str(len(names_in))})


def _open_shard(source: FileSource, folder: Path, file: str) -> FileSource:
    """Open a file that an index lists, in the folder of the index.

    Raises:
        CheckpointError: it is in another folder, missing, or no safetensors file; the sentence names it without its folder.
    """
    if PurePath(file).name != file or "\\" in file or "\0" in file or file in ("", ".", ".."):
        raise CheckpointError(
            "This index refers to {file}, outside its own folder. Put all files into one folder.", file=shorten(file)
        )
    present = False
    with suppress(OSError):  # a name that no file can have
        present = (folder / file).is_file()
    if not present:
        raise CheckpointError(
            "{file}, which this index lists, is missing. Open all files of the checkpoint together.", file=shorten(file)
        )
    shard = FileSource(folder / file, source.limits)
    if not match(shard) or _is_index(shard):
        raise CheckpointError(
            "{file}, which this index lists, is not a safetensors file. Copy all files of the checkpoint again.",
            file=shorten(file),
        )
    return shard
