"""The index of a corpus, a Zarr group (version 3) in a folder.

    states/<layer>/<quantity>   (N, H) float16 (or float32): of N tokens and H units, the documents one after the other
    tokens                      (N) uint32: ids; of a network of numbers (N, D) float32: values
    places                      (N) uint32: where each token starts in its document's text, in characters
    token_counts                (V) int64: how often each symbol occurs
    documents/start             (M + 1) int64: the first token of each of M documents, and N
    documents/text_start        (M + 1) int64: the first byte of each document in ``text``, and its length
    documents/source            (M) int32: which of the sources it comes from
    documents/place             (M) int64: where it starts in its source's text, in characters
    text                        (bytes) uint8: the documents' texts in UTF-8
    annotations/<name>          (N) float32 (built in) or float64, or (N) int32 codes of the labels in the array's attributes
    summaries/<layer>/<quantity>/...   see ``models.corpus.state_summaries``

The state of the network starts anew at each document; a long text is several documents.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from models.core.messages import Problem
from models.core.tokenize_text import display
from models.corpus.checked_arrays import BY_COLUMN, read_part
from models.corpus.network_hash import network_hash
from models.networks.network import Network

FORMAT = 2
"""The version of this layout."""

BUILDING, COMPLETE = "building", "complete"


@dataclass(frozen=True)
class DocumentPlace:
    """A token's document.

    Attributes:
        number: of the document, from 0.
        start, stop: its first token, and the one after its last.
        source: the address that its text came from.
        place: where it starts there, in characters.
    """

    number: int
    start: int
    stop: int
    source: str
    place: int


class CorpusIndex:
    """An index, open for reading.

    Attributes:
        folder: of the index.
        group: its Zarr group.
        about: its attributes: ``network`` (``name``, ``title``, ``hash``, ``kind``), ``vocabulary``, ``layers`` (units by
            layer), ``quantities``, ``steps``, ``documents``, ``longest``, ``shard_steps``, ``threshold``, ``rounding`` (the
            largest error of the stored values), ``unknown`` tokens, ``sources``, ``annotations``, ``status``.
    """

    def __init__(self, folder: str | Path, complete: bool = True) -> None:
        """Open the index in a folder.

        Args:
            folder: that ``build_index`` wrote.
            complete: whether to refuse one that is not complete.

        Raises:
            Problem: there is no index, it is of another version, or not complete.
        """
        import zarr

        self.folder = Path(folder)
        self._arrays: dict[str, Any] = {}
        try:
            self.group = zarr.open_group(self.folder, mode="r")
            self.about: dict[str, Any] = dict(self.group.attrs)
            version, status = self.about["unrolled_index"], self.about["status"]
        except (OSError, KeyError, ValueError, TypeError, zarr.errors.BaseZarrError) as error:
            raise Problem("“{folder}” is not the index of a corpus.", folder=str(folder)) from error
        if version != FORMAT:
            raise Problem("The index in “{folder}” has another version. Build it again.", folder=str(folder))
        if complete and status != COMPLETE:
            raise Problem(
                "The index in “{folder}” is not complete. Run its build command again; it goes on where it stopped.",
                folder=str(folder),
            )

    @property
    def steps(self) -> int:
        """N, its tokens."""
        return int(self.about["steps"])

    @property
    def layers(self) -> dict[str, int]:
        """H, the units of each layer."""
        return self.about["layers"]

    @property
    def quantities(self) -> tuple[str, ...]:
        """The states that it has, such as ``("hidden", "cell")``."""
        return tuple(self.about["quantities"])

    @property
    def vocabulary(self) -> tuple[str, ...] | None:
        """V symbols in the order of their ids; None of a network of numbers."""
        found = self.about["vocabulary"]
        return None if found is None else tuple(found)

    @cached_property
    def key(self) -> str:
        """A hash of where it is and what it was built from: another one built in the same folder has another key."""
        content = json.dumps([str(self.folder.resolve()), self.about], sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()

    def check_network(self, network: Network) -> None:
        """Check that the index was made with a network.

        Raises:
            Problem: it was made with another.
        """
        if network_hash(network) != self.about["network"]["hash"]:
            raise Problem(
                "This index was made with another network ({other}), not with {name}. Build one with this network.",
                other=self.about["network"]["name"],
                name=network.titled_name,
            )

    def array(self, name: str) -> Any:
        """Return one of the Zarr arrays, or a group of them, by its path.

        Raises:
            Problem: the index has no such array.
        """
        if name not in self._arrays:
            try:
                found: Any = self.group[name]
            except KeyError:
                raise Problem("The index has no array “{name}”.", name=name) from None
            self._arrays[name] = found.with_config(BY_COLUMN) if name.startswith("states/") else found
        return self._arrays[name]

    def states(self, layer: str, quantity: str) -> Any:
        """Return the Zarr array (N, H) of a layer's state."""
        return self.array(f"states/{layer}/{quantity}")

    def check_units(self, layer: str, quantity: str, units: Sequence[int]) -> None:
        """Check that a layer's state has units.

        Raises:
            Problem: it lacks one, or the index has no such state.
        """
        count = self.states(layer, quantity).shape[1]
        if not all(0 <= unit < count for unit in units):
            raise Problem("The layer {layer} has {count} units. Choose others.", layer=layer, count=count)

    def read(self, name: str, selection: Any) -> np.ndarray:
        """Return a part of an array.

        Args:
            name: its path.
            selection: as of ``models.corpus.checked_arrays.read_part``.

        Raises:
            Problem: there is no such array, or the part of it is damaged or missing; the sentence names the chunk.
        """
        return read_part(self.array(name), selection)

    def read_spans(
        self, name: str, starts: Sequence[int], stops: Sequence[int], column: int | slice = slice(None)
    ) -> list[np.ndarray]:
        """Return an array's values at several spans of tokens; a chunk with some of them is read once.

        Args:
            name: of the array.
            starts, stops: the first token of each span, and the one after its last.
            column: of an array of two axes.

        Raises:
            Problem: as ``read``.
        """
        places = [np.arange(start, stop) for start, stop in zip(starts, stops, strict=True)]
        if not places:
            return []
        wanted, order = np.unique(np.concatenate(places), return_inverse=True)
        selection: Any = wanted if self.array(name).ndim == 1 else (wanted, column)
        return np.split(self.read(name, selection)[order], np.cumsum([len(each) for each in places])[:-1])

    @cached_property
    def document_starts(self) -> np.ndarray:
        """(M + 1) int64, the first token of each document, and N."""
        return self.read("documents/start", slice(None))

    def document_numbers(self, steps: np.ndarray | Sequence[int]) -> np.ndarray:
        """Return the documents of tokens, (len(steps)) int64."""
        return np.searchsorted(self.document_starts, np.asarray(steps), side="right") - 1

    def document_at(self, step: int) -> DocumentPlace:
        """Return the document of a token.

        Raises:
            Problem: the index has no such token.
        """
        if not 0 <= step < self.steps:
            raise Problem(
                "The index has {count} tokens; there is no token {step}.", count=f"{self.steps:,}", step=step + 1
            )
        number = int(self.document_numbers([step])[0])
        start, stop = (int(each) for each in self.document_starts[number : number + 2])
        source = self.about["sources"][int(self._sources[number])]
        return DocumentPlace(number, start, stop, source, int(self._places[number]))

    @cached_property
    def _sources(self) -> np.ndarray:
        return self.read("documents/source", slice(None))

    @cached_property
    def _places(self) -> np.ndarray:
        return self.read("documents/place", slice(None))

    @cached_property
    def _text_starts(self) -> np.ndarray:
        return self.read("documents/text_start", slice(None))

    def document_text(self, number: int) -> str:
        """Return the text of a document."""
        start, stop = self._text_starts[number : number + 2]
        return self.read("text", slice(int(start), int(stop))).tobytes().decode("utf-8", "surrogatepass")

    def token_texts(self, start: int, stop: int) -> list[str]:
        """Return the tokens from ``start`` to ``stop`` (not included) as the network reads them; numbers as text."""
        return self.texts_of_spans([start], [stop])[0]

    def texts_of_spans(self, starts: Sequence[int], stops: Sequence[int]) -> list[list[str]]:
        """Return the tokens of several spans, as ``token_texts``; a chunk with some of them is read once."""
        vocabulary = self.vocabulary
        spans = self.read_spans("tokens", starts, stops)
        if vocabulary is None:
            return [[",".join(f"{value:g}" for value in row) for row in span] for span in spans]
        return [[vocabulary[each] for each in span.tolist()] for span in spans]

    def labels(self, start: int, stop: int) -> list[str]:
        """Return the tokens from ``start`` to ``stop`` (not included) in display form."""
        return [display(token) for token in self.token_texts(start, stop)]
