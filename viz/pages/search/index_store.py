"""The indexes that the Search page built, shared by all sessions: the last ones of a bounded size, by network and corpus."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from models.core.messages import Problem
from models.corpus.build_index import IndexOptions, build_in_worker, build_index
from models.corpus.corpus_index import CorpusIndex
from models.corpus.network_hash import network_hash
from models.corpus.read_sources import Document
from models.networks.network import Network
from models.training.queued_calls import QueuedCalls

AT_ONCE = 40_000
"""Characters of a corpus up to which its index is built while the page waits."""

MAX_CHARACTERS = 2_000_000
"""Characters of a corpus that a page indexes; a larger one is indexed by the command."""

MAX_INDEXES = 12
"""Indexes that are kept."""

OPTIONS = IndexOptions(quantities=("hidden", "cell"))


_builds = QueuedCalls()


@dataclass(eq=False)
class StoredIndex:
    """An index, built or being built.

    Attributes:
        key: of the index, as of ``index_key``.
        folder: of the index; it is removed with this object.
        index: once it is complete.
    """

    key: str
    folder: TemporaryDirectory[str] = field(repr=False)
    index: CorpusIndex | None = None

    @property
    def path(self) -> Path:
        """The folder of the index itself."""
        return Path(self.folder.name) / "index"

    @property
    def builds(self) -> QueuedCalls:
        """The builds, of which this one is under its key."""
        return _builds

    def result(self) -> CorpusIndex | None:
        """Return the index, or None while it is being built. Raises Problem: it could not be built."""
        if self.index is None and _builds.result(self.key) is not None:
            self.index = CorpusIndex(self.path)
        return self.index


_stored: OrderedDict[str, StoredIndex] = OrderedDict()
_lock, _building = Lock(), Lock()


def index_key(network: Network, documents: Sequence[Document]) -> str:
    """Return the hash of a network and a corpus, by which their index is known."""
    digest = sha256(_network_hash(network).encode())
    for each in documents:
        digest.update(repr((each.source, len(each.text), sorted(each.annotations.items()))).encode("utf-8", "replace"))
        digest.update(each.text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def find_index(key: str) -> StoredIndex | None:
    """Return an index by its key, if its build was started and not stopped."""
    with _lock:
        found = _stored.get(key)
        if found is not None and found.index is None and not _builds.is_known(key):
            del _stored[key]
            return None
        if found is not None:
            _stored.move_to_end(key)
        return found


def start_index(network: Network, documents: Sequence[Document], key: str | None = None) -> StoredIndex:
    """Build the index of a corpus, unless it was started: at once if it is small, else in the queue.

    Args:
        network: that reads the corpus.
        documents: of the corpus.
        key: their ``index_key``, if it is known.

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
    key = key or index_key(network, documents)
    with _building:
        found = find_index(key)
        if found is not None:
            return found
        found = StoredIndex(key, TemporaryDirectory(prefix="unrolled-index-", ignore_cleanup_errors=True))
        if size <= AT_ONCE:
            found.index = build_index(network, documents, found.path, OPTIONS, scheduler="here")
        else:
            _builds.start(key, build_in_worker, network, tuple(documents), str(found.path), OPTIONS)
    with _lock:
        _stored[key] = found
        while len(_stored) > MAX_INDEXES:
            _builds.forget(_stored.popitem(last=False)[0])
    return found


_hashes: OrderedDict[int, tuple[Network, str]] = OrderedDict()


def _network_hash(network: Network) -> str:
    """Return a network's hash, computed once for each object."""
    known = _hashes.get(id(network))
    if known is None or known[0] is not network:
        _hashes[id(network)] = known = (network, network_hash(network))
        while len(_hashes) > 50:
            _hashes.popitem(last=False)
    return known[1]
