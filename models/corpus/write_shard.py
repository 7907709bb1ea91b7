"""The states of one shard of an index: a range of tokens that one task computes and writes.

A document that crosses the border of two shards is run by both tasks, each of which keeps its own tokens, so that no two
tasks write to one chunk and the bytes do not depend on which worker computes what.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.core.messages import Problem
from models.corpus.checked_arrays import one_core, read_part, writable
from models.corpus.corpus_index import CorpusIndex
from models.corpus.read_states import StateReader
from models.corpus.state_summaries import NOT_FINITE, save_summaries, summarize
from models.states.text_properties import PROPERTIES, text_properties

BATCH_TOKENS = 1 << 16
"""Tokens that are run at a time, padding included."""

MAX_BATCH = 64

TRANSPOSED = 256
"""Tokens whose states are transposed at a time: so few that they stay in the processor's cache."""

WORK = "work"
"""The folder of an index in which shards leave their summaries until they are joined."""


@dataclass(frozen=True)
class ShardResult:
    """A shard that is written.

    Attributes:
        number: of the shard.
        steps: its tokens.
        rounding: by ``layer/quantity``, the largest difference from a computed value that rounding can have made.
    """

    number: int
    steps: int
    rounding: dict[str, float]


def shard_result(folder: Path, number: int) -> ShardResult | None:
    """Return the result of a shard that was written before, or None."""
    try:
        fields = json.loads((folder / WORK / f"{number:06}.json").read_text(encoding="utf-8"))
        return ShardResult(number, fields["steps"], fields["rounding"])
    except (OSError, ValueError, KeyError):
        return None


def write_shard(reader: StateReader, folder: str, number: int) -> ShardResult:
    """Compute and write the states of a shard.

    Args:
        reader: of the states of the network that the index is made with.
        folder: of the index, whose tokens are written.
        number: of the shard.

    Raises:
        Problem: the disk is full, a state is not finite, or has no float16 value.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with one_core():
            return _write(reader, Path(folder), number)
    except OSError as error:
        raise disk_problem(error) from error
    finally:
        torch.set_num_threads(before)


def disk_problem(error: OSError) -> Problem:
    """Return the sentence for an index that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Problem("The disk is full. Make room and build again; it goes on where it stopped.")
    return Problem("The index cannot be written: {reason}.", reason=error.strerror or str(error))


def _write(reader: StateReader, folder: Path, number: int) -> ShardResult:
    import zarr

    index = CorpusIndex(folder, complete=False)
    about = index.about
    size = about["shard_steps"]
    start, stop = number * size, min((number + 1) * size, index.steps)
    # By unit, as they are stored and summarized.
    states = {name: np.empty((reader.layers[name[0]], stop - start), dtype=np.float16) for name in reader.read}
    for firsts, lengths, given in _batches(index, start, stop, reader.can_pad):
        found = reader.states(given)
        for name, target in states.items():
            for row, (first, length) in enumerate(zip(firsts, lengths, strict=True)):
                low, high = max(first, start), min(first + length, stop)
                _transpose(found[name][row, low - first : high - first], target[:, low - start : high - start])
        del found
    group: Any = zarr.open_group(folder, mode="r+")
    work, rounding = folder / WORK, {}
    for place, (layer, quantity) in enumerate(reader.read):
        values = states.pop((layer, quantity))
        summaries = summarize(values, about["threshold"])
        largest = max(_largest_bits(summaries[name]) for name in ("maximum", "minimum"))
        if largest >= NOT_FINITE:
            raise _not_finite(values, (layer, quantity), index, start)
        # half the distance of the largest number to the next one
        rounding[f"{layer}/{quantity}"] = float(np.spacing(np.uint16(largest).view(np.float16))) / 2
        writable(group, f"states/{layer}/{quantity}", by_column=True)[start:stop] = values.T
        save_summaries(summaries, work / f"{number:06}-{place}")
    if about["properties"]:
        _write_properties(index, group, start, stop)
    result = ShardResult(number, stop - start, rounding)
    fields = {"steps": result.steps, "rounding": result.rounding}
    (work / f"{number:06}.part").write_text(json.dumps(fields), encoding="utf-8")
    os.replace(work / f"{number:06}.part", work / f"{number:06}.json")
    return result


def _transpose(values: torch.Tensor, target: np.ndarray) -> None:
    """Write states (n, H) into float16 (H, n)."""
    for first in range(0, len(values), TRANSPOSED):
        piece = slice(first, first + TRANSPOSED)
        target[:, piece] = values[piece].half().numpy().T  # numpy takes ten times as long to round to float16


def _largest_bits(values: np.ndarray) -> int:
    """Return the bits of the largest magnitude of float16 values; those of no finite number if one is not finite."""
    return int((values.view(np.uint16) & 0x7FFF).max(initial=0))


def _not_finite(values: np.ndarray, name: tuple[str, str], index: CorpusIndex, first: int) -> Problem:
    """Return the sentence for states (H, n) of which one is not finite; ``first`` is the token of the first column."""
    bad = ((values.view(np.uint16) & 0x7FFF) >= NOT_FINITE).any(axis=0)
    place = first + int(bad.argmax())
    return Problem(
        "The {quantity} state of {layer} is not a finite float16 number at token {step} ({source}).",
        quantity=name[1],
        layer=name[0],
        step=f"{place + 1:,}",
        source=index.document_at(place).source,
    )


def _batches(
    index: CorpusIndex, start: int, stop: int, can_pad: bool
) -> Iterator[tuple[list[int], list[int], torch.Tensor]]:
    """Yield the documents that a range of tokens needs: first tokens, lengths, and the input of the network.

    A document is run up to the end of the range; where the network reads backwards, up to its own end.
    """
    starts = index.document_starts
    first, last = (int(each) for each in index.document_numbers([start, stop - 1]))
    begins, ends = starts[first : last + 1], starts[first + 1 : last + 2].copy()
    if can_pad:
        ends = np.minimum(ends, stop)
    tokens = index.read("tokens", slice(int(begins[0]), int(ends[-1])))
    lengths = ends - begins
    order = np.argsort(-lengths, kind="stable")
    place = 0
    while place < len(order):
        longest = int(lengths[order[place]])
        count = max(1, min(MAX_BATCH, BATCH_TOKENS // longest))
        chosen = order[place : place + count]
        if not can_pad:
            chosen = chosen[lengths[chosen] == longest]
        place += len(chosen)
        shape = (len(chosen), longest, *tokens.shape[1:])
        given = np.zeros(shape, dtype=np.float32 if tokens.ndim == 2 else np.int64)
        for row, number in enumerate(chosen):
            begin = int(begins[number] - begins[0])
            given[row, : lengths[number]] = tokens[begin : begin + int(lengths[number])]
        yield begins[chosen].tolist(), lengths[chosen].tolist(), torch.from_numpy(given)


def _write_properties(index: CorpusIndex, group: Any, start: int, stop: int) -> None:
    """Write the built-in properties of the tokens, which start anew at each document."""
    starts = index.document_starts
    first, last = (int(each) for each in index.document_numbers([start, stop - 1]))
    tokens = read_part(group["tokens"], slice(int(starts[first]), stop))
    vocabulary = index.vocabulary or ()
    columns: dict[str, list[np.ndarray]] = {name: [] for name in PROPERTIES}
    for number in range(first, last + 1):
        begin, end = int(starts[number]), min(int(starts[number + 1]), stop)
        ids = tokens[begin - int(starts[first]) : end - int(starts[first])].tolist()
        for name, values in text_properties([vocabulary[each] for each in ids]).items():
            columns[name].append(values[max(0, start - begin) :])
    for name, parts in columns.items():
        writable(group, f"annotations/{name}")[start:stop] = np.concatenate(parts).astype(np.float32)
