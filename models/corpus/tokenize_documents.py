"""The tokens of a document, their places in its text, and its parts if it is long.

The state of the network starts anew at each part. A document of more than ``longest`` tokens has several: a part ends after
the last line end in the last quarter of that length, or where there is none, at that length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.core.messages import Problem
from models.core.tokenize_text import MAX_TEXT, display, normalize_whitespace
from models.corpus.read_sources import MAX_WHOLE, Document
from models.networks.network import Network, number_rows, parse_numbers


@dataclass(frozen=True, eq=False)
class DocumentPart:
    """A part of a document, over which the network runs from its initial state.

    Attributes:
        source: the address of the document.
        start: the place of the part in the document's text, in characters.
        text: of the part, with line ends and tabs as the network reads them.
        ids: (T) int64, of its tokens; of a network of numbers (T, D) float32, its values.
        places: (T) int64, where each token starts in ``text``, in characters.
        unknown: how many of the tokens the vocabulary lacks.
        annotations: by name, (T) each: numbers (NaN where there is none), or strings ("" where there is none).
    """

    source: str
    start: int
    text: str
    ids: np.ndarray
    places: np.ndarray
    unknown: int
    annotations: Mapping[str, np.ndarray]


def document_parts(network: Network, document: Document, longest: int) -> Iterator[DocumentPart]:
    """Yield the parts of a document of at most ``longest`` tokens; none if it has no tokens.

    Raises:
        Problem: the network has no symbol for unknown tokens, and the text has one; or an annotation does not fit.
    """
    whole = document.text
    if "\t" not in (network.vocabulary or ()):
        whole = normalize_whitespace(whole)
    if network.vocabulary is None:
        ids, places = _numbers(whole, network.card.columns)
        unknown = np.zeros(len(ids), dtype=bool)
    else:
        symbols, places = _split(network, whole)
        ids, unknown = _encode(network, symbols, document.source)
    if not len(ids):
        return
    annotations = {
        name: _annotation(each, len(ids), name, document.source) for name, each in document.annotations.items()
    }
    ends = np.append(places[1:], len(whole))
    start = 0
    while start < len(ids):
        stop = _part_end(whole, places, ends, start, longest)
        first, last = (int(places[start]) if start else 0), (int(places[stop]) if stop < len(ids) else len(whole))
        yield DocumentPart(
            document.source,
            first,
            whole[first:last],
            ids[start:stop],
            places[start:stop] - first,
            int(unknown[start:stop].sum()),
            {name: each[start:stop] for name, each in annotations.items()},
        )
        start = stop


def _part_end(text: str, places: np.ndarray, ends: np.ndarray, start: int, longest: int) -> int:
    """Return the token before which a part that begins at token ``start`` ends."""
    stop = min(start + longest, len(places))
    if stop == len(places):
        return stop
    line_end = text.rfind("\n", int(places[start + (3 * longest) // 4]), int(ends[stop - 1]))
    return stop if line_end < 0 else int(np.searchsorted(places, line_end, side="right"))


def _split(network: Network, text: str) -> tuple[list[str], np.ndarray]:
    """Return the T symbols of a text, and where each starts."""
    most = max(1, min(network.longest_text, 200_000))
    symbols: list[str] = []
    places: list[np.ndarray] = []
    start = 0
    while start < len(text):
        stop = min(start + most, len(text))
        if stop < len(text):
            space = max(text.rfind("\n", start, stop), text.rfind(" ", start, stop))
            stop = space + 1 if space > start else stop
        block = text[start:stop]
        found = network.symbols(block)
        symbols += found
        places.append(
            start + (_lengths(found) if network.kind == "characters" else _word_places(network, found, block))
        )
        start = stop
    return symbols, np.concatenate(places) if places else np.zeros(0, dtype=np.int64)


def _numbers(text: str, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the values (T, D) float32 of a text, and where each step starts."""
    values: list[np.ndarray] = []
    places, start, place = [], 0, 0
    while start < len(text):
        stop = min(start + MAX_TEXT // 2, len(text))
        if stop < len(text):
            end = max(text.rfind(sign, start, stop) for sign in ("\n ;" if columns == 1 else "\n;"))
            stop = end + 1 if end > start else stop
        block = text[start:stop]
        rows = number_rows(block, columns)
        if rows:
            values.append(np.array(parse_numbers(block, columns, None), dtype=np.float32))
        for row in rows:
            place = text.index(row, place)
            places.append(place)
            place += len(row)
        start = stop
    found = np.concatenate(values) if values else np.zeros((0, columns), dtype=np.float32)
    return found, np.array(places, dtype=np.int64)


def _lengths(symbols: list[str]) -> np.ndarray:
    """Return where each of the symbols starts that a text consists of."""
    sizes = np.fromiter(map(len, symbols), dtype=np.int64, count=len(symbols))
    return np.cumsum(sizes) - sizes


def _word_places(network: Network, words: list[str], text: str) -> np.ndarray:
    """Return where each word starts: the words of a text are all of it but its white space.

    The vocabulary may write a word with other letters, mostly of the same number; where it is another, the words of each
    stretch without white space are placed on their own.
    """
    visible = np.fromiter((not character.isspace() for character in text), dtype=bool, count=len(text))
    begins, sizes = _lengths(words), sum(map(len, words))
    if sizes == visible.sum():
        return np.flatnonzero(visible)[begins].astype(np.int64)
    places: list[int] = []
    for chunk in re.finditer(r"\S+", text):
        last = chunk.end() - 1
        places += np.minimum(chunk.start() + _lengths(network.symbols(chunk.group())), last).tolist()
    return np.array(places, dtype=np.int64)


class _Ids(dict[str, int]):
    """The ids of a vocabulary; -1 for every other symbol. ``map`` looks them up without a call of Python for each."""

    def __missing__(self, symbol: str) -> int:
        return -1


def _encode(network: Network, symbols: list[str], source: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids (T) int64, and (T) bool, whether the vocabulary lacks the symbol."""
    known = _Ids(network.ids)
    fallback = known[network.card.unknown] if network.card.unknown else -1
    ids = np.fromiter(map(known.__getitem__, symbols), dtype=np.int64, count=len(symbols))
    unknown = ids < 0
    if unknown.any() and fallback < 0:
        lacking = symbols[int(unknown.argmax())]
        raise Problem(
            "“{file}” contains “{symbol}”, which the vocabulary of {name} does not. Use texts with its tokens.",
            file=source,
            symbol=display(lacking),
            name=network.titled_name,
        )
    return np.where(unknown, fallback, ids), unknown


def _annotation(value: Any, steps: int, name: str, source: str) -> np.ndarray:
    """Return one value for each of T tokens."""
    values = value if isinstance(value, list) else [value] * steps
    if len(values) != steps:
        raise Problem(
            "The column “{column}” of “{file}” has {count} values for {steps} tokens. Give one value, or one for each token.",
            column=name,
            file=source,
            count=f"{len(values):,}",
            steps=f"{steps:,}",
        )
    if all(each is None or isinstance(each, int | float) for each in values):
        if any(isinstance(each, int) and abs(each) > MAX_WHOLE for each in values):
            raise Problem(
                "The column “{column}” of “{file}” has whole numbers above 2^53, of which different ones would be equal. "
                "Write them as text.",
                column=name,
                file=source,
            )
        return np.array([np.nan if each is None else float(each) for each in values])
    return np.array(["" if each is None else str(each) for each in values], dtype=object)
