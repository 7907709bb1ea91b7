"""The cost of indexing a corpus beside the network's forward pass alone, and the time of the first answers.

    python -m tests.benchmarks.index_cost [CHARACTERS] [--turns N] [--quantities hidden,cell] [--scheduler here]

The forward pass runs over the same documents, in batches of falling length, in a process of one thread for each core, which
was faster than one process with a thread for each core where other programs ran too. The index's time includes reading,
tokens, properties, compression and summaries, and the start of its processes. Both are repeated in turns, since other
programs run at the same time; the seconds of processor time, of all processes together, depend less on them.

The last index answers: the spans with the same units as a string in a text, and the contexts of a unit, each with what
their first 20 lines show, all read at once, beside reruns of an empty Streamlit page in the same run. The bar is two reruns.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing import cpu_count, get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from models.capturing.capture import capture
from models.corpus.build_index import IndexOptions, build_index
from models.corpus.corpus_index import CorpusIndex
from models.corpus.nearest_lists import build_lists, search_lists
from models.corpus.nearest_states import nearest_states
from models.corpus.pattern_search import find_pattern, pattern_of_span
from models.corpus.read_sources import Document
from models.corpus.tokenize_documents import document_parts
from models.corpus.unit_contexts import contexts_over_range, strongest_contexts
from models.zoo.catalogue import load_network
from models.zoo.python_text import source_files
from tests.support.browser import find_chromium, launch_browser

LAYER, UNIT = "rnn.l0", 7
BATCH = 32
LINES = 20
TEXT = 'def f(x):\n    print("hello", x)\n'
SIMULATED = 10**9


@dataclass(frozen=True)
class Cost:
    """Seconds that have passed, and those of processor time of this process and of its children that have ended."""

    wall: float
    processor: float

    @classmethod
    def now(cls) -> Cost:
        used = [resource.getrusage(each) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return cls(time.perf_counter(), sum(each.ru_utime + each.ru_stime for each in used))

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.wall - other.wall, self.processor - other.processor)


def documents(characters: int) -> list[Document]:
    """Return Python source of about a number of characters; the library's files again and again, if it has fewer."""
    files = [
        (path, text) for split in ("held-out", "validation", "train") for path, text in source_files(split).items()
    ]
    found, size, turn = [], 0, 0
    while size < characters:
        for path, text in files:
            if size >= characters:
                break
            found.append(Document(f"{turn}/{path}", text[: characters - size]))
            size += len(found[-1].text)
        turn += 1
    return found


def forward(rows: list[np.ndarray]) -> None:
    """Run the network over batches of documents of falling length, padded."""
    torch.set_num_threads(1)
    network = load_network("python-lm")
    rows = sorted(rows, key=len, reverse=True)
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH):
            some = rows[start : start + BATCH]
            given = torch.zeros(len(some), len(some[0]), dtype=torch.int64)
            for place, ids in enumerate(some):
                given[place, : len(ids)] = torch.from_numpy(ids)
            network.module(given)


def plain_cost(rows: list[np.ndarray], count: int) -> Cost:
    """Return the cost of the forward passes alone, in so many processes, once these have started."""
    pieces = [rows[place::count] for place in range(count)]
    empty = Cost.now()
    with ProcessPoolExecutor(count, get_context("spawn")) as pool:
        list(pool.map(forward, [[rows[0][:10]]] * count))
    starting = Cost.now() - empty
    began = Cost.now()
    with ProcessPoolExecutor(count, get_context("spawn")) as pool:
        list(pool.map(forward, [[rows[0][:10]]] * count))
        ready = time.perf_counter()
        list(pool.map(forward, pieces))
        passed = time.perf_counter() - ready
    return Cost(passed, (Cost.now() - began).processor - starting.processor)


def index_cost(
    network: Any, corpus: list[Document], folder: Path, quantities: tuple[str, ...], scheduler: str
) -> dict[str, Cost]:
    """Return the cost of a build, ``"whole"``, and the seconds until each part of it began."""
    parts: dict[str, Cost] = {}
    began = Cost.now()
    build_index(
        network,
        corpus,
        folder,
        IndexOptions(quantities=quantities),
        scheduler=scheduler,
        progress=lambda state: parts.setdefault(state.part, Cost.now() - began) and None,
    )
    return parts | {"whole": Cost.now() - began}


def median_milliseconds(question: Callable[[], object]) -> float:
    """Return the median of seven answers."""
    seconds = []
    for _turn in range(7):
        began = time.perf_counter()
        question()
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds)


def lines(index: CorpusIndex, steps: list[int], unit: int) -> None:
    """Read what the lines of places show: their documents, tokens, and the values of a unit."""
    at = [index.document_at(step) for step in steps]
    starts = [max(each.start, step - 40) for each, step in zip(at, steps, strict=True)]
    stops = [min(each.stop, step + 24) for each, step in zip(at, steps, strict=True)]
    index.texts_of_spans(starts, stops)
    index.read_spans(f"states/{LAYER}/hidden", starts, stops, unit)


def answer(folder: Path, network: Any) -> None:
    """Print how long the questions take, beside the reruns of an empty page."""
    index = CorpusIndex(folder)
    with torch.inference_mode(), capture(network) as trace:
        network.run(network.encode(TEXT))
    values = trace.layers[LAYER].hidden[0]
    pattern = pattern_of_span(values, TEXT.index('"'), TEXT.rindex('"') + 1, index.about["threshold"])
    place = (LAYER, "hidden", UNIT)
    questions: dict[str, Callable[[CorpusIndex], Any]] = {
        f"(a) the same {len(pattern.units)} units": lambda index: find_pattern(
            index, LAYER, "hidden", pattern, LINES
        ).start.tolist(),
        "(d) the strongest contexts of a unit": lambda index: strongest_contexts(index, *place).steps.tolist(),
        "(d) its contexts over its range": lambda index: contexts_over_range(index, *place).steps.tolist(),
    }
    floor = float("nan")
    with launch_browser() if find_chromium() else nullcontext() as browser:
        if browser is not None:
            from tests.benchmarks.browser_latency import rerun_floor

            floor = statistics.median(whole for _drew, whole in rerun_floor(browser, 12))
    print(f"rerun of an empty page: {floor:.0f} ms")
    for name, ask in questions.items():
        first = CorpusIndex(folder)
        began = time.perf_counter()
        lines(first, ask(first), UNIT)
        opened = 1000 * (time.perf_counter() - began)
        alone = median_milliseconds(lambda ask=ask: ask(index))
        shown = median_milliseconds(lambda ask=ask: lines(index, ask(index), UNIT))
        print(
            f"{name}: {alone:.0f} ms, with its {LINES} lines {shown:.0f} ms ({shown / floor:.2f} reruns), "
            f"the first time {opened:.0f} ms"
        )
    began = time.perf_counter()
    nearest_states(index, LAYER, "hidden", values[12], LINES)
    print(f"(b) the nearest states, all compared: {time.perf_counter() - began:.1f} s")
    began = Cost.now()
    about = build_lists(index, LAYER, "hidden")
    built = Cost.now() - began
    searched = median_milliseconds(lambda: search_lists(index, LAYER, "hidden", "euclidean", values[12], LINES))
    print(
        f"(b) with inverted lists: {searched:.0f} ms ({searched / floor:.2f} reruns), recall {about.recall:.3f} beside exact "
        f"search, {about.searched:,} of {about.lists:,} lists; built in {built.wall:.0f} s"
    )


def simulate(cost: dict[str, Cost], steps: int, size: int) -> None:
    """Print what a corpus of 10^9 steps costs on N workers, from the parts that were measured.

    The start of processes is multiplied too, so that a short run states too much.
    """
    many = SIMULATED / steps
    serial = cost["tokens"].wall, (cost["states"].wall - cost["tokens"].wall) * many
    shared = (cost["whole"].processor - cost["states"].processor) * many
    print(
        f"{SIMULATED:.0e} steps: {serial[1] / 3600:.1f} hours for the tokens, on one core, then {shared / 3600:.1f} hours of "
        f"one core for the states and summaries: with N workers of one core "
        + ", ".join(f"N={n}: {(serial[0] + serial[1] + shared / n) / 3600:.1f} h" for n in (2, 16, 64, 256))
        + f"; {size * many / 1e9:,.0f} GB"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("characters", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--quantities", default="hidden", help="hidden, or hidden,cell (%(default)s)")
    parser.add_argument(
        "--scheduler", default="processes", help="processes, or here: one core for both, and no start of processes"
    )
    parser.add_argument("--folder", help="keep the last index in this folder")
    options = parser.parse_args()
    network, corpus = load_network("python-lm"), documents(options.characters)
    rows = [part.ids for each in corpus for part in document_parts(network, each, IndexOptions.longest)]
    steps, quantities = sum(map(len, rows)), tuple(options.quantities.split(","))
    for turn in range(options.turns):
        plain = plain_cost(rows, cpu_count() if options.scheduler == "processes" else 1)
        with TemporaryDirectory() as temporary:
            is_last = turn == options.turns - 1
            folder = Path(options.folder if options.folder and is_last else temporary) / "index"
            cost = index_cost(network, corpus, folder, quantities, options.scheduler)
            whole, after = cost["whole"], cost["whole"] - cost["states"]
            size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
            print(
                f"{steps:,} tokens, {' and '.join(quantities)}, load {os.getloadavg()[0]:.1f}: forward {plain.wall:.1f} s, "
                f"index {whole.wall:.1f} s ({steps / whole.wall:,.0f} tokens a second, {size / 1e6:,.0f} MB): "
                f"{plain.wall / whole.wall:.2f} of the forward's speed; {plain.wall / after.wall:.2f} after the tokens are "
                f"there; processor time {plain.processor:.1f} s and {whole.processor:.1f} s: "
                f"{plain.processor / whole.processor:.2f}",
                flush=True,
            )
            if is_last:
                used = (resource.getrusage(each).ru_maxrss for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
                print(f"largest process: {max(used) / 1e3:,.0f} MB")
                simulate(cost, steps, size)
                answer(folder, network)


if __name__ == "__main__":
    main()
