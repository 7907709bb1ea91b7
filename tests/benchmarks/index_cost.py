"""The cost of indexing a corpus beside the network's forward pass alone, and the time of the first answers.

    python -m tests.benchmarks.index_cost [CHARACTERS]

The forward pass runs over the same documents in batches of the same size, in as many processes, each with one thread; the
index's time includes reading, tokens, properties, compression and summaries. Both are repeated in turns.
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import cpu_count, get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from models.corpus.build_index import IndexOptions, build_index
from models.corpus.corpus_index import CorpusIndex
from models.corpus.pattern_search import find_pattern, pattern_of_span
from models.corpus.read_sources import Document
from models.corpus.tokenize_documents import document_parts
from models.corpus.unit_contexts import strongest_contexts
from models.zoo.catalogue import load_network
from models.zoo.python_text import source_files

LAYER = "rnn.l0"
BATCH = 32


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


def plain_seconds(rows: list[np.ndarray]) -> float:
    """Return the seconds of the forward passes alone, in one process for each core."""
    count = cpu_count()
    with ProcessPoolExecutor(count, get_context("spawn")) as pool:
        list(pool.map(forward, [[rows[0][:10]]] * count))  # its processes have started
        began = time.perf_counter()
        list(pool.map(forward, [rows[place::count] for place in range(count)]))
        return time.perf_counter() - began


def index_seconds(network, corpus: list[Document], folder: Path, quantities: tuple[str, ...]) -> tuple[float, float]:
    """Return the seconds of a build, and those of its tokens."""
    parts: dict[str, float] = {}
    began = time.perf_counter()
    build_index(
        network,
        corpus,
        folder,
        IndexOptions(quantities=quantities),
        progress=lambda state: parts.setdefault(state.part, time.perf_counter() - began),
    )
    return time.perf_counter() - began, parts["states"]


def median_milliseconds(question) -> float:
    """Return the median of seven answers."""
    seconds = []
    for _turn in range(7):
        began = time.perf_counter()
        question()
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds)


def main(characters: int = 1_000_000) -> None:
    """Print the ratios."""
    network, corpus = load_network("python-lm"), documents(characters)
    rows = [part.ids for each in corpus for part in document_parts(network, each, IndexOptions.longest)]
    steps = sum(map(len, rows))
    for quantities in (("hidden",), ("hidden", "cell")):
        ratios = []
        for _turn in range(2):
            plain = plain_seconds(rows)
            with TemporaryDirectory() as folder:
                whole, tokens = index_seconds(network, corpus, Path(folder) / "index", quantities)
                ratios.append((plain / whole, plain / (whole - tokens)))
                size = sum(each.stat().st_size for each in Path(folder).rglob("*") if each.is_file())
                if quantities == ("hidden",) and _turn == 1:
                    answer(CorpusIndex(Path(folder) / "index"), network)
            print(
                f"{steps:,} tokens, {' and '.join(quantities)}: forward {plain:.1f} s, index {whole:.1f} s "
                f"({steps / whole:,.0f} tokens a second, {size / 1e6:,.0f} MB): {ratios[-1][0]:.2f} of the forward's speed; "
                f"{ratios[-1][1]:.2f} after the tokens are there and the processes asked for"
            )
    memory = max(resource.getrusage(each).ru_maxrss for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"largest process: {memory / 1e3:,.0f} MB")


def answer(index: CorpusIndex, network) -> None:
    """Print how long the questions take."""
    from models.capturing.capture import capture

    text = 'def f(x):\n    print("hello", x)\n'
    with torch.inference_mode(), capture(network) as trace:
        network.run(network.encode(text))
    values = trace.layers[LAYER].hidden[0]
    pattern = pattern_of_span(values, text.index('"'), text.rindex('"') + 1, index.about["threshold"])
    units = median_milliseconds(lambda: find_pattern(index, LAYER, "hidden", pattern, 20))
    contexts = median_milliseconds(lambda: strongest_contexts(index, LAYER, "hidden", 7))
    print(f"same units ({len(pattern.units)}) {units:.0f} ms, contexts of a unit {contexts:.0f} ms")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
