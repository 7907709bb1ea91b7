"""Building an index: the tokens, then the states of its shards as tasks of Dask, then their summaries."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.core.messages import Problem
from models.corpus.checked_arrays import create_checked, writable
from models.corpus.corpus_index import BUILDING, COMPLETE, FORMAT, CorpusIndex
from models.corpus.join_summaries import create_summaries, join_part
from models.corpus.network_hash import network_hash
from models.corpus.read_sources import Document, read_documents, read_signals, sources_state
from models.corpus.read_states import StateReader
from models.corpus.shard_workers import ShardWorkers
from models.corpus.state_summaries import BLOCK, BLOCKS_OF_CHUNK
from models.corpus.write_shard import WORK, ShardResult, disk_problem, shard_result, write_shard
from models.corpus.write_tokens import write_tokens
from models.networks.input_limit import MAX_INPUT_STEPS
from models.networks.network import Network
from models.states.span_selectivity import THRESHOLD
from models.states.text_properties import PROPERTIES
from models.training.call_progress import report_progress

SHARD_ELEMENTS = 25 << 20
"""States of a shard, of all its layers and quantities: it is in memory as a whole, with two bytes each."""

MIN_SHARD, SHARED_FROM, MAX_SHARD = 4096, 1 << 15, 1 << 18
UNITS_OF_CHUNK = 8
"""Units whose states are read together: a question reads few of them, at many tokens."""


@dataclass(frozen=True)
class IndexOptions:
    """The contents of an index.

    Attributes:
        layers: names of layers, as in a trace; None for all.
        quantities: of ``models.corpus.read_states.STATES``.
        longest: tokens of a document; of a longer text each part of this length is one.
        threshold: positive; at or above it a unit counts as on in the summaries.
        text_column: of a table; None for one that is named like one.
        shard_steps: tokens of a shard, a multiple of 512; None for as many as memory holds.
    """

    layers: tuple[str, ...] | None = None
    quantities: tuple[str, ...] = ("hidden",)
    longest: int = MAX_INPUT_STEPS
    threshold: float = THRESHOLD
    text_column: str | None = None
    shard_steps: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.longest < 1:
            raise Problem("A document must have at least one token.")
        if not (math.isfinite(self.threshold) and 0 < self.threshold < 60_000):
            raise Problem("The threshold must be a positive number.")
        if self.shard_steps is not None and (self.shard_steps < 512 or self.shard_steps % 512):
            raise Problem("A shard must have a multiple of 512 tokens.")


@dataclass(frozen=True)
class BuildProgress:
    """The state of a build.

    Attributes:
        part: ``"tokens"``, ``"states"`` or ``"summaries"``.
        done, steps: tokens that are done, and all; of the part ``"tokens"`` all are unknown (0).
        seconds_left: from the speed since the start of the part; None while no shard is done.
    """

    part: str
    done: int
    steps: int
    seconds_left: float | None


Progress = Callable[[BuildProgress], None]


def build_index(
    network: Network,
    corpus: str | Iterable[Document],
    folder: str | Path,
    options: IndexOptions | None = None,
    *,
    scheduler: str = "processes",
    progress: Progress = lambda done: None,
) -> CorpusIndex:
    """Build the index of a corpus, or go on with one that was stopped.

    Args:
        network: that reads the corpus.
        corpus: address of a file, a folder or a glob (``models.corpus.read_sources``), or documents.
        folder: of the index; it must not exist, be empty, or contain a stopped build of the same index.
        options: what it contains.
        scheduler: ``"processes"`` or ``"threads"`` of this machine, one for each core, or ``"here"`` for none; the cluster at
            ``UNROLLED_SCHEDULER``, if it is set, instead of the first two.
        progress: called with the state of the build; an exception that it raises stops the build.

    Raises:
        Problem: the corpus, the options or the folder are not as they should be, the disk is full, or the cluster does not
            answer.
    """
    folder, options = Path(folder), options or IndexOptions()
    reader = StateReader(network, options.layers, options.quantities)
    try:
        with ShardWorkers(scheduler) as workers:

            def report(state: BuildProgress) -> None:
                progress(state)
                if state.done > SHARED_FROM:
                    workers.start()

            about = _prepare(reader, corpus, folder, options, report)
            if about["status"] != COMPLETE:
                _compute_states(reader, folder, about, workers, progress)
                _complete(folder, workers, progress)
    except OSError as error:
        raise disk_problem(error) from error
    return CorpusIndex(folder)


def _prepare(
    reader: StateReader, corpus: str | Iterable[Document], folder: Path, options: IndexOptions, progress: Progress
) -> dict[str, Any]:
    """Write the tokens and make the arrays of the states, unless they are there; return the index's attributes."""
    import zarr

    network = reader.network
    wanted: dict[str, Any] = {
        "corpus": corpus if isinstance(corpus, str) else None,
        "files": sources_state(corpus) if isinstance(corpus, str) else None,
        "options": asdict(options) | {"layers": _listed(options.layers), "quantities": list(options.quantities)},
    }
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        try:
            found = CorpusIndex(folder, complete=False)
        except Problem as problem:
            if not (folder / WORK / "unfinished").exists():
                raise Problem(
                    "“{folder}” is not empty and not an index. Give a new folder.", folder=str(folder)
                ) from problem
        else:
            found.check_network(network)
            if not isinstance(corpus, str):
                wanted["corpus"] = _Digest().of_all(corpus)
            if found.about["wanted"] != wanted:
                if found.about["wanted"] | {"files": wanted["files"]} == wanted:
                    raise Problem(
                        "Files at “{address}” have changed since the build in “{folder}” began. Give a new folder.",
                        address=corpus,
                        folder=str(folder),
                    )
                raise Problem(
                    "“{folder}” contains the index of another corpus or with other options. Give a new folder.",
                    folder=str(folder),
                )
            return found.about
        shutil.rmtree(folder)  # its tokens were not all written
    work = folder / WORK
    work.mkdir(parents=True)
    (work / "unfinished").touch()
    group = zarr.create_group(folder, zarr_format=3, overwrite=False)
    if not isinstance(corpus, str):
        digest = _Digest()
        documents = digest.documents(corpus)
    elif network.vocabulary is None:
        documents = read_signals(corpus, network.card.columns)
    else:
        documents = read_documents(corpus, options.text_column)
    has_text = network.vocabulary is not None
    try:
        facts = write_tokens(
            group, network, documents, options.longest, lambda done: progress(BuildProgress("tokens", done, 0, None))
        )
    except Problem:
        shutil.rmtree(folder)
        raise
    if not isinstance(corpus, str):
        wanted["corpus"] = digest.value
    shard = options.shard_steps or _shard_steps(facts["steps"], sum(reader.layers[layer] for layer, _ in reader.read))
    for layer, quantity in reader.read:
        _create_states(group, f"states/{layer}/{quantity}", facts["steps"], reader.layers[layer], shard)
    properties = [name for name in PROPERTIES if name not in facts["annotations"]] if has_text else []
    for name in properties:
        create_checked(
            group, f"annotations/{name}", shape=(facts["steps"],), chunks=(shard,), dtype="float32", fill_value=math.nan
        )
    about = facts | {
        "unrolled_index": FORMAT,
        "status": BUILDING,
        "wanted": wanted,
        "network": {
            "name": network.name, "title": network.card.title, "hash": network_hash(network), "kind": network.kind,
        },
        "vocabulary": None if network.vocabulary is None else list(network.vocabulary),
        "unknown_symbol": network.card.unknown,
        "layers": reader.layers,
        "quantities": list(options.quantities),
        "state": "starts anew at each document",
        "longest": options.longest,
        "shard_steps": shard,
        "threshold": options.threshold,
        "block": BLOCK,
        "properties": properties,
        "annotations": [*facts["annotations"], *properties],
    }  # fmt: skip
    group.attrs.update(about)
    (work / "unfinished").unlink()
    return about


class _Digest:
    """The SHA-256 of documents, by which those of a stopped build are known."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def documents(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Yield documents as they are, and count them in."""
        for each in documents:
            self._digest.update(ascii((each.source, each.text, sorted(each.annotations.items()))).encode())
            yield each

    def of_all(self, documents: Iterable[Document]) -> str:
        """Return the digest of documents."""
        for _ in self.documents(documents):
            pass
        return self.value

    @property
    def value(self) -> str:
        """The digest so far, as hexadecimal digits."""
        return self._digest.hexdigest()


def _listed(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else list(names)


def _shard_steps(steps: int, columns: int) -> int:
    """Return the tokens of a shard: a power of two that fits into memory, and gives each core two shards or more."""
    most = min(MAX_SHARD, max(MIN_SHARD, SHARD_ELEMENTS // max(1, columns)))
    several = max(
        SHARED_FROM, steps // (2 * (os.cpu_count() or 1))
    )  # in smaller ones the documents at borders cost more
    return 1 << int(math.log2(min(most, several)))


def _create_states(group: Any, name: str, steps: int, units: int, shard: int) -> None:
    together = min(UNITS_OF_CHUNK, units)
    create_checked(
        group,
        name,
        by_column=True,
        shape=(steps, units),
        chunks=(shard, together),
        shards=(shard, -(-units // together) * together),
        dtype="float16",
        dimension_names=("token", "unit"),
    )


def _compute_states(
    reader: StateReader, folder: Path, about: dict[str, Any], workers: ShardWorkers, progress: Progress
) -> None:
    """Compute all shards that are not there."""
    count = math.ceil(about["steps"] / about["shard_steps"])
    done = {number: found for number in range(count) if (found := shard_result(folder, number)) is not None}
    steps = before = sum(each.steps for each in done.values())
    began = time.monotonic()
    progress(BuildProgress("states", steps, about["steps"], None))
    missing = [number for number in range(count) if number not in done]
    place = str(folder.resolve())
    for result in workers.results(write_shard, reader, [(place, number) for number in missing]):
        steps += result.steps
        left = (time.monotonic() - began) * (about["steps"] - steps) / (steps - before)
        progress(BuildProgress("states", steps, about["steps"], left))


def _complete(folder: Path, workers: ShardWorkers, progress: Progress) -> None:
    """Join the summaries of the shards, and mark the index as complete."""
    import zarr

    group: Any = zarr.open_group(folder, mode="r+")
    about: dict[str, Any] = dict(group.attrs)
    steps, work = about["steps"], folder / WORK
    progress(BuildProgress("summaries", steps, steps, None))
    results = [shard_result(folder, number) for number in range(math.ceil(steps / about["shard_steps"]))]
    lacking = [number for number, each in enumerate(results) if each is None]
    if lacking:
        raise Problem("Shard {number} of the index is missing. Build again.", number=lacking[0])
    found: list[ShardResult] = [each for each in results if each is not None]
    parts = [
        part
        for place, name in enumerate(found[0].rounding)
        for part in create_summaries(
            group, name, group[f"states/{name}"].shape[1], steps, [work / f"{each.number:06}-{place}" for each in found]
        )
    ]
    for part, extremes in workers.results(join_part, str(folder.resolve()), [(part,) for part in parts]):
        if extremes is not None:
            target = writable(group, f"summaries/{part.name}/{part.array}_of_chunk")
            target[:, part.columns[0] // BLOCKS_OF_CHUNK] = extremes
    rounding = {name: max(each.rounding[name] for each in found) for name in found[0].rounding}
    group.attrs.update({"rounding": rounding, "status": COMPLETE})
    shutil.rmtree(work, ignore_errors=True)


def build_in_worker(network: Network, documents: tuple[Document, ...], folder: str, options: IndexOptions) -> str:
    """Build an index in a worker of the queue of trainings, with reports of its progress; return its folder."""

    def report(state: BuildProgress) -> None:
        report_progress(state.done / state.steps if state.steps else 0.0)

    build_index(network, documents, folder, options, scheduler="here", progress=report)
    return folder
