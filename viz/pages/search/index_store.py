"""The indexes that the Search page built, shared by all sessions: the last ones of a bounded size, by network and corpus."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from models.core.messages import Problem
from models.corpus.build_index import IndexOptions, build_in_worker, build_index, built_share
from models.corpus.corpus_index import CorpusIndex
from models.corpus.network_hash import network_hash
from models.corpus.read_sources import Document
from models.networks.network import Network
from models.training.run_queue import shared_queue

AT_ONCE = 40_000
"""Characters of a corpus up to which its index is built while the page waits."""

MAX_CHARACTERS = 2_000_000
"""Characters of a corpus that a page indexes; a larger one is indexed by the command."""

MAX_INDEXES = 12
"""Indexes that are kept."""

OPTIONS = IndexOptions(quantities=("hidden", "cell"))


@dataclass(eq=False)
class StoredIndex:
    """An index, built or being built.

    Attributes:
        folder: of the index; it is removed with this object.
        future: of its build in the queue, while it is needed.
        index: once it is complete.
    """

    folder: TemporaryDirectory[str] = field(repr=False)
    future: Any = None
    index: CorpusIndex | None = None

    @property
    def path(self) -> Path:
        """The folder of the index itself."""
        return Path(self.folder.name) / "index"

    @property
    def share(self) -> float:
        """The share that is built, from 0 to 1."""
        return built_share(self.path)

    def result(self) -> CorpusIndex | None:
        """Return the index, or None while it is being built. Raises Problem: it could not be built."""
        if self.index is None and self.future is not None and self.future.done():
            future, self.future = self.future, None
            error = None if future.cancelled() else future.exception()
            if isinstance(error, Problem):
                raise error
            if error is not None or future.cancelled():
                raise Problem("The index was not built to its end. Build it again.")
            self.index = CorpusIndex(self.path)
        return self.index


_stored: OrderedDict[str, StoredIndex] = OrderedDict()
_lock, _building = Lock(), Lock()


def corpus_digest(documents: Sequence[Document]) -> str:
    """Return the hash of a corpus."""
    digest = sha256()
    for each in documents:
        digest.update(repr((each.source, sorted(each.annotations.items()))).encode("utf-8", "replace"))
        digest.update(each.text.encode("utf-8", "replace"))
    return digest.hexdigest()


def find_index(network: Network, documents: Sequence[Document]) -> StoredIndex | None:
    """Return the index of a corpus, if its build was started."""
    with _lock:
        found = _stored.get(_key(network, documents))
        if found is not None:
            _stored.move_to_end(_key(network, documents))
        return found


def start_index(network: Network, documents: Sequence[Document]) -> StoredIndex:
    """Build the index of a corpus: at once if it is small, else in the queue.

    Raises:
        Problem: the corpus is too large or has nothing to index, or too many builds wait.
    """
    size = sum(len(each.text) for each in documents)
    if size > MAX_CHARACTERS:
        raise Problem(
            "The corpus has {size} characters, but a page indexes at most {most}. Index it on the command line: {command}",
            size=f"{size:,}",
            most=f"{MAX_CHARACTERS:,}",
            command="python -m models.corpus build",
        )
    with _building:
        found = find_index(network, documents)
        if found is not None:
            return found
        found = StoredIndex(TemporaryDirectory(prefix="unrolled-index-", ignore_cleanup_errors=True))
        if size <= AT_ONCE:
            found.index = build_index(network, documents, found.path, OPTIONS, scheduler="here")
        else:
            found.future = shared_queue().compute(build_in_worker, network, tuple(documents), str(found.path), OPTIONS)
    with _lock:
        _stored[_key(network, documents)] = found
        while len(_stored) > MAX_INDEXES:
            _stored.popitem(last=False)
    return found


def forget_index(network: Network, documents: Sequence[Document]) -> None:
    """Forget an index, and end its build."""
    with _lock:
        found = _stored.pop(_key(network, documents), None)
    if found is not None and found.future is not None:
        found.future.cancel()


def _key(network: Network, documents: Sequence[Document]) -> str:
    return f"{_network_hash(network)}-{corpus_digest(documents)}"


_hashes: OrderedDict[int, tuple[Network, str]] = OrderedDict()


def _network_hash(network: Network) -> str:
    """Return a network's hash, computed once for each object."""
    known = _hashes.get(id(network))
    if known is None or known[0] is not network:
        _hashes[id(network)] = known = (network, network_hash(network))
        while len(_hashes) > 50:
            _hashes.popitem(last=False)
    return known[1]
