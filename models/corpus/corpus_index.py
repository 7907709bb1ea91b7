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
    annotations/<name>          (N) float32, or (N) int32 codes of the labels in the array's attributes
    summaries/<layer>/<quantity>/...   see ``models.corpus.state_summaries``

The state of the network starts anew at each document; a long text is several documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from models.core.messages import Problem
from models.core.tokenize_text import display
from models.corpus.checked_arrays import read_part
from models.corpus.network_hash import network_hash
from models.networks.network import Network

FORMAT = 1
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
        """Return one of the Zarr arrays by its path.

        Raises:
            Problem: the index has no such array.
        """
        try:
            return self.group[name]
        except KeyError:
            raise Problem("The index has no array “{name}”.", name=name) from None

    def states(self, layer: str, quantity: str) -> Any:
        """Return the Zarr array (N, H) of a layer's state."""
        return self.array(f"states/{layer}/{quantity}")

    def read(self, name: str, selection: Any) -> np.ndarray:
        """Return a part of an array.

        Args:
            name: its path.
            selection: as of ``numpy``'s basic indexing, or the places (n) int64 along the first axis.

        Raises:
            Problem: there is no such array, or the part of it is damaged or missing; the sentence names the chunk.
        """
        return read_part(self.array(name), selection)

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
        source = self.about["sources"][int(self.read("documents/source", number))]
        return DocumentPlace(number, start, stop, source, int(self.read("documents/place", number)))

    @cached_property
    def _text_starts(self) -> np.ndarray:
        return self.read("documents/text_start", slice(None))

    def document_text(self, number: int) -> str:
        """Return the text of a document."""
        start, stop = self._text_starts[number : number + 2]
        return self.read("text", slice(int(start), int(stop))).tobytes().decode("utf-8", "surrogatepass")

    def token_texts(self, start: int, stop: int) -> list[str]:
        """Return the tokens from ``start`` to ``stop`` (not included) as the network reads them; numbers as text."""
        tokens = self.read("tokens", slice(start, stop))
        if self.vocabulary is None:
            return [",".join(f"{value:g}" for value in row) for row in tokens]
        return [self.vocabulary[each] for each in tokens]

    def labels(self, start: int, stop: int) -> list[str]:
        """Return the tokens from ``start`` to ``stop`` (not included) in display form."""
        return [display(token) for token in self.token_texts(start, stop)]
