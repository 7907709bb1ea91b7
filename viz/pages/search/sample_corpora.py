"""The corpus of each network that is searched until the reader gives another: texts like those it was trained on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from models.corpus.read_sources import Document
from models.networks.network import Network

SAMPLE_CHARACTERS = 36_000
"""Characters of a sample at most: so few that a page waits for its index."""

PIECE, PIECES_OF_FILE = 600, 4
"""Characters of each piece of a file of code, and pieces of one file at most: probes need many texts, not long ones."""


def sample_documents(network: Network) -> tuple[Document, ...]:
    """Return a sample corpus for a network: none where nothing is known about its texts but its examples."""
    found: list[Document] = []
    size = 0
    for each in _documents(network.name) or _examples(network):
        size += len(each.text)
        if found and size > SAMPLE_CHARACTERS:
            break
        found.append(each)
    return tuple(found)


def _examples(network: Network) -> tuple[Document, ...]:
    return tuple(Document(f"example {number}", each.text) for number, each in enumerate(network.card.examples, start=1))


@lru_cache(maxsize=16)
def _documents(name: str) -> tuple[Document, ...]:
    random = np.random.default_rng(0)
    if name == "python-lm":
        from models.zoo.python_text import source_files

        files = source_files("held-out")
        return tuple(each for path, text in files.items() for each in _definitions(path, text))
    if name.startswith("recall-"):
        from models.zoo.recall import readable_recall_text

        return tuple(
            Document(f"text {number + 1}", readable_recall_text(8 + number % 22, "ko" if number % 2 else "en", number))
            for number in range(400)
        )
    if name == "sentiment":
        from models.zoo.reviews import sample_reviews

        return tuple(
            Document(f"review {number}", each.text)
            for number, each in enumerate(sample_reviews(seed=9, count=600), start=1)
        )
    if name == "counter":
        texts = [
            "." + "".join("a" * count + "b" * count + "." for count in random.integers(1, 9, size=6))
            for _number in range(200)
        ]
        return tuple(Document(f"text {number}", text) for number, text in enumerate(texts, start=1))
    if name == "wave":
        from models.zoo.wave import format_values, sample_waves

        waves = sample_waves(random, 200).numpy()
        return tuple(
            Document(f"wave {number}", format_values(each[:, 0])) for number, each in enumerate(waves, start=1)
        )
    if name.startswith("dates-"):
        from models.zoo.written_dates import sample_date_text

        dates = [sample_date_text(random, 40) for _number in range(600)]
        return tuple(Document(f"date {number}", each.text) for number, each in enumerate(dates, start=1))
    return ()


def _definitions(path: str, text: str) -> Iterator[Document]:
    """Yield some pieces of a file of Python code, apart from each other, each from a class or function on."""
    starts = [each.start() for each in re.finditer(r"^(?:class|def) ", text, re.MULTILINE)]
    full = [start for start in starts if start + PIECE <= len(text)]
    before = -PIECE
    for start in full[:: max(1, len(full) // PIECES_OF_FILE)][:PIECES_OF_FILE]:
        if start >= before + 2 * PIECE:
            yield Document(f"{path}, {1 + text.count(chr(10), 0, start)}", text[start : start + PIECE])
            before = start
