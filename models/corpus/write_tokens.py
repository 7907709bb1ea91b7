"""The first part of building an index: the tokens of all documents, written as they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from models.core.messages import Problem
from models.corpus.checked_arrays import create_checked
from models.corpus.read_sources import Document
from models.corpus.tokenize_documents import document_parts
from models.networks.network import Network

CHUNK = 1 << 16
"""Elements of a chunk: so few that a question reads the tokens around a place in a millisecond."""

FLUSHED = 4 * CHUNK
"""Elements of an array that are collected before they are written."""

MAX_LABELS = 10_000
"""Different strings of one annotation."""


class _Column:
    """An array that grows: its elements are written in whole chunks."""

    def __init__(self, group: Any, name: str, dtype: Any, columns: int | None = None, fill: float = 0) -> None:
        shape, chunk = ((0,), (CHUNK,)) if columns is None else ((0, columns), (max(1, CHUNK // columns), columns))
        self._array = create_checked(group, name, shape=shape, chunks=chunk, dtype=dtype, fill_value=fill)
        self._dtype, self._count, self.length = dtype, 0, 0
        self._waiting: list[np.ndarray] = []

    def add(self, values: Any) -> None:
        """Append values."""
        values = np.asarray(values, dtype=self._dtype)
        self._waiting.append(values)
        self._count += len(values)
        self.length += len(values)
        if self._count >= FLUSHED:
            self._write(self._count // FLUSHED * FLUSHED)

    def fill_to(self, length: int) -> None:
        """Append missing values up to a length."""
        if length > self.length:
            self.add(np.full(length - self.length, self._array.fill_value))

    def close(self) -> Any:
        """Write what is left and return the array."""
        self._write(self._count)
        return self._array

    def _write(self, count: int) -> None:
        if not count:
            return
        values = np.concatenate(self._waiting)
        start = self._array.shape[0]
        self._array.resize((start + count, *self._array.shape[1:]))
        self._array[start : start + count] = values[:count]
        self._waiting = [values[count:]]
        self._count = len(self._waiting[0])


class _Labels:
    """An annotation: numbers, or strings as codes."""

    def __init__(self, group: Any, name: str, is_text: bool) -> None:
        self.name, self.is_text, self._codes = name, is_text, {"": 0}
        self.column = _Column(
            group, f"annotations/{name}", np.int32 if is_text else np.float64, fill=0 if is_text else np.nan
        )

    def add(self, values: np.ndarray) -> None:
        """Append one value for each token."""
        if self.is_text != (values.dtype == object):
            if not self.is_text or not np.isnan(values).all():
                raise Problem("The column “{column}” has numbers in some rows and text in others.", column=self.name)
            values = np.full(len(values), "", dtype=object)
        if self.is_text:
            codes = [self._codes.setdefault(each, len(self._codes)) for each in values]
            if len(self._codes) > MAX_LABELS:
                raise Problem(
                    "The column “{column}” has more than {count} different values. Leave it out of the file.",
                    column=self.name, count=f"{MAX_LABELS:,}",
                )  # fmt: skip
            self.column.add(codes)
        else:
            self.column.add(values)

    def close(self, steps: int) -> None:
        """Write what is left."""
        self.column.fill_to(steps)
        array = self.column.close()
        if self.is_text:
            array.attrs["labels"] = list(self._codes)


def write_tokens(
    group: Any,
    network: Network,
    documents: Iterable[Document],
    longest: int,
    progress: Callable[[int], None] = lambda steps: None,
) -> dict[str, Any]:
    """Write the tokens, places, texts and annotations of documents into an index's group.

    Args:
        group: Zarr group to which the arrays are added.
        network: that splits and encodes them.
        documents: in their order.
        longest: tokens of a part of a document, over which the network runs.
        progress: called with the tokens so far.

    Returns:
        ``steps``, ``documents``, ``sources``, ``unknown``, ``split_documents`` and the names of the ``annotations``.

    Raises:
        Problem: there are no tokens, none is in the vocabulary, or a document is not as it should be.
    """
    numbers = network.vocabulary is None
    tokens = _Column(group, "tokens", np.float32 if numbers else np.uint32, network.card.columns if numbers else None)
    places, text = _Column(group, "places", np.uint32), _Column(group, "text", np.uint8)
    starts, text_starts = _Column(group, "documents/start", np.int64), _Column(group, "documents/text_start", np.int64)
    source_of, place_of = _Column(group, "documents/source", np.int32), _Column(group, "documents/place", np.int64)
    sources: dict[str, int] = {}
    annotations: dict[str, _Labels] = {}
    counts = np.zeros(len(network.vocabulary or ()), dtype=np.int64)
    unknown = split = 0
    for document in documents:
        for number, part in enumerate(document_parts(network, document, longest)):
            split += number == 1
            starts.add([tokens.length])
            text_starts.add([text.length])
            source_of.add([sources.setdefault(part.source, len(sources))])
            place_of.add([part.start])
            for name, values in part.annotations.items():
                if name not in annotations and values.dtype != object and np.isnan(values).all():
                    continue  # the type of the column is not known yet
                if name not in annotations:
                    annotations[name] = _Labels(group, _checked_name(name), values.dtype == object)
                annotations[name].column.fill_to(tokens.length)
                annotations[name].add(values)
            tokens.add(part.ids)
            if not numbers:
                counts += np.bincount(part.ids, minlength=len(counts))
            places.add(part.places)
            text.add(np.frombuffer(part.text.encode("utf-8", "surrogatepass"), dtype=np.uint8))
            unknown += part.unknown
        progress(tokens.length)
    steps = tokens.length
    if not steps:
        raise Problem("The corpus is empty: its files contain no tokens.")
    if unknown == steps:
        raise Problem(
            "The vocabulary of {name} contains none of the tokens of this corpus. Use another corpus.",
            name=network.titled_name,
        )
    starts.add([steps])
    text_starts.add([text.length])
    for column in (tokens, places, text, starts, text_starts, source_of, place_of):
        column.close()
    if not numbers:
        create_checked(group, "token_counts", shape=counts.shape, dtype="int64")[...] = counts
    for labels in annotations.values():
        labels.close(steps)
    return {
        "steps": steps,
        "documents": starts.length - 1,
        "sources": list(sources),
        "unknown": unknown,
        "split_documents": split,
        "annotations": list(annotations),
    }


def _checked_name(name: str) -> str:
    hidden = name.startswith((".", "__")) or name == "zarr.json"
    if not name or len(name) > 100 or set(name) & set("/\\") or hidden or not name.isprintable():
        raise Problem(
            "A column cannot be named “{column}”. Rename it.", column=name[:100].encode("utf-8", "replace").decode()
        )
    return name
