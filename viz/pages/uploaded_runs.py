"""Saved runs that readers uploaded: each is shown like the one named on the command line, by the same functions.

A run is identified by its content, as an opened checkpoint is: its name on pages and in links is ``run.npz~3f2a9c01b7de``.
It is written to a temporary file, which exists as long as the run is kept.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from models.core.archive import ArchiveError, is_archive
from viz.pages import cache
from viz.pages.bounded_store import CheckpointStore
from viz.pages.checkpoint_store import UNUSED_SECONDS, address_name, current_reader, is_checkpoint_name

MAX_RUNS, MAX_BYTES = 16, 1 << 30
"""Uploaded runs, and bytes of their arrays, that are kept; the newest is kept always."""

MAX_FILE_NAME = 200
"""Bytes of a file's name, so that a hash fits behind it."""


@dataclass(frozen=True, eq=False)
class UploadedRun:
    """A saved run that a reader uploaded.

    Attributes:
        name: on pages, in links, and of the file.
        digest: hash of the content.
        memory: bytes of its arrays.
        folder: with the file; it is removed with this object.
    """

    name: str
    digest: str
    memory: int
    folder: TemporaryDirectory[str] = field(repr=False)

    @property
    def file(self) -> UploadedRun:
        """The run itself, whose memory ``CheckpointStore`` counts."""
        return self

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.folder.name) / self.name


_store: CheckpointStore[UploadedRun] = CheckpointStore(MAX_RUNS, MAX_BYTES, UNUSED_SECONDS)


def is_uploaded_run(content: bytes) -> bool:
    """Return whether an uploaded file is a saved run."""
    return is_archive(io.BytesIO(content))


def open_uploaded_run(name: str, content: bytes) -> Path:
    """Store an uploaded saved run; return its file.

    Raises:
        Problem: it is damaged, or too large.
    """
    digest = sha256(content).hexdigest()
    short = address_name(name).encode("utf-8", "replace")[-MAX_FILE_NAME:].decode("utf-8", "ignore")
    name = f"{short}~{digest[:12]}"
    found = find_uploaded_run(name)
    if found is not None:
        return found
    folder = TemporaryDirectory(prefix="unrolled-run-", ignore_cleanup_errors=True)
    path = Path(folder.name) / name
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ArchiveError("The file could not be stored on this machine. Free space on its disk.") from error
    cache.load_saved_run(path)
    with zipfile.ZipFile(path) as members:
        memory = sum(member.file_size for member in members.infolist())
    _store.put(UploadedRun(name, digest, memory, folder), current_reader())
    return find_uploaded_run(name) or path


def find_uploaded_run(name: str) -> Path | None:
    """Return the file of the uploaded run of this name, or None."""
    run = _store.get(name, current_reader())
    return None if run is None else run.path


def is_removed(file: Path) -> bool:
    """Return whether a file is that of an uploaded run that is no longer kept."""
    return is_checkpoint_name(file.name) and not file.exists()
