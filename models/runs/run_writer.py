"""The writer of a run folder: one process writes a run, any number of readers open it meanwhile."""

from __future__ import annotations

import errno
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import Any

from models.core.messages import Problem, Sentence
from models.runs.map_store import MapRow, MapWriter
from models.runs.nonfinite_place import NonFinitePlace
from models.runs.run_database import close_database, create_database, transaction
from models.runs.run_folder import (
    FORMAT,
    Heartbeat,
    is_run_folder,
    read_description,
    run_status,
    write_description,
    writer_identity,
)
from models.runs.scalar_store import ScalarWriter
from models.runs.snapshots import SnapshotWriter

RECORDING_ENDED = Sentence(
    "The recording ended before the training, because the folder of the run could not be written. Free space on its disk."
)
"""What ``run.json`` stores of a failure of the disk, if it can still be written."""


class RunWarning(UserWarning):
    """A part of a run that is not recorded; one sentence says which and why."""


class RunWriter:
    """A run folder that is being written, from ``__init__`` to ``close``.

    A failure of the disk ends the recording with a ``RunWarning``, not the training: ``failure`` is then its message.

    Attributes:
        folder: of the run.
        every: the number of training steps between two recorded ones.
        snapshots: the writer of the snapshots.
        failure: why nothing is written any more, or None.
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        every: int,
        layers: Mapping[str, Mapping[str, Any]],
        maps: Mapping[str, Sequence[str]],
        snapshots: int,
        settings: Mapping[str, Any] | None = None,
        about: Mapping[str, Any] | None = None,
        resume_at: int | None = None,
    ) -> None:
        """Create the folder, or continue the run in it.

        Args:
            folder: of the run.
            every: the number of training steps between two recorded ones.
            layers: by name, what ``run.json`` stores about them.
            maps: by layer, the quantities of its maps.
            snapshots: the number of snapshots to keep.
            settings: of the training, JSON values.
            about: further entries of ``run.json``.
            resume_at: the training step from which an earlier run in the folder continues; what it has of this step and
                later ones is removed. None for a new run.

        Raises:
            Problem: there is a run in the folder, or none to continue, or the folder cannot be written.
        """
        self.folder, self.every = Path(folder), every
        self.failure: Problem | None = None
        self._ended = False
        if resume_at is None and is_run_folder(self.folder):
            raise Problem("{folder} already contains a run. Choose another folder.", folder=str(folder))
        self._layers, self.settings = list(layers), dict(settings or {})
        self._description: dict[str, Any] = {
            "format": FORMAT,
            "status": "running",
            "started": time.time(),
            "every": every,
            "settings": self.settings,
            "layers": [{"name": name, **entry, "maps": list(maps[name])} for name, entry in layers.items()],
            **(about or {}),
            **writer_identity(),
        }
        if resume_at is not None:
            self._continue(read_description(self.folder))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._heartbeat = Heartbeat(self.folder)
            self._connection = create_database(self.folder)
            self._scalars = ScalarWriter(self._connection)
            self._maps = {
                name: MapWriter(self._connection, self.folder, index, name, every)
                for index, name in enumerate(self._layers)
            }
            self.snapshots = SnapshotWriter(self.folder, snapshots, every)
            if resume_at is not None:
                self._cut(resume_at)
            write_description(self.folder, self._description)
        except (OSError, sqlite3.Error) as error:
            raise Problem(
                "{folder} cannot be written: {reason}. Choose another folder, or free space on its disk.",
                folder=str(folder), reason=disk_reason(error),
            ) from error  # fmt: skip
        self._heartbeat.start()

    def _continue(self, before: dict[str, Any]) -> None:
        """Check that the run in the folder can be continued, and take over its start."""
        if run_status(self.folder, before) == "running":
            raise Problem(
                "The run in {folder} is still being written. Stop it first, or choose another folder.",
                folder=str(self.folder),
            )
        same = ("every", "layers")
        if any(before.get(key) != self._description[key] for key in same):
            raise Problem(
                "The run in {folder} has other layers or another recording interval. Choose another folder.",
                folder=str(self.folder),
            )
        self._description["started"] = before.get("started", self._description["started"])

    def _cut(self, step: int) -> None:
        """Remove what an earlier program recorded of training step ``step`` and later ones."""
        self._scalars.cut(step)
        for writer in self._maps.values():
            writer.cut(step)
        self.snapshots.cut(step)
        with transaction(self._connection):
            self._connection.execute("DELETE FROM samples WHERE step >= ?", (step,))
            self._connection.execute("DELETE FROM nonfinite WHERE step >= ?", (step,))

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Run a block; where the disk fails, end the recording and warn."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            self.failure = Problem(
                "The recording of the run in {folder} ended: {reason}. Training continues; free space on the disk.",
                folder=str(self.folder), reason=disk_reason(error),
            )  # fmt: skip
            self._description["recording_ended"] = str(RECORDING_ENDED)
            with suppress(OSError):
                write_description(self.folder, self._description)
            warnings.warn(str(self.failure), RunWarning, stacklevel=4)

    def _write(self, write: Callable[[], object], tidy: Callable[[], None] | None = None) -> None:
        """Call ``write`` in one transaction, then ``tidy``, unless the recording has ended."""
        if self.failure is not None or self._ended:
            return
        with self._guarded():
            with transaction(self._connection):
                write()
            if tidy is not None:
                tidy()

    def write_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add scalars of one training step."""
        if values:
            self._write(lambda: self._scalars.write(step, values))

    def write_step(self, step: int, values: Mapping[str, float], rows: Mapping[str, MapRow]) -> None:
        """Add the scalars and the map rows of one training step, together."""

        def write() -> None:
            if values:
                self._scalars.write(step, values)
            for layer, row in rows.items():
                self._maps[layer].write(row)

        def tidy() -> None:
            for layer in rows:
                self._maps[layer].tidy()

        self._write(write, tidy)

    def write_sample(self, step: int, text: str) -> None:
        """Add a text that the network wrote after ``step`` updates."""
        self._write(lambda: self._connection.execute("INSERT INTO samples (step, text) VALUES (?, ?)", (step, text)))

    def write_nonfinite(self, step: int, place: NonFinitePlace) -> None:
        """Store where NaN or infinity first appeared."""
        values = step, place.to_json()
        self._write(lambda: self._connection.execute("INSERT OR IGNORE INTO nonfinite VALUES (?, ?)", values))

    def write_snapshot(self, step: int, data: bytes, suffix: str = "safetensors") -> None:
        """Write the weights after ``step`` updates."""
        if self.failure is None and not self._ended:
            with self._guarded():
                self.snapshots.write(step, data, suffix)

    def describe(self, **entries: Any) -> None:
        """Change entries of ``run.json``."""
        self._description |= entries
        if self.failure is None and not self._ended:
            with self._guarded():
                write_description(self.folder, self._description)

    def close(self, status: str) -> None:
        """End the run as ``"finished"``, ``"stopped"`` or ``"failed"``."""
        if self._ended:
            return
        self.describe(status=status, ended=time.time())
        if self.failure is not None:
            with suppress(OSError):
                write_description(self.folder, self._description)
        self._ended = True
        self._heartbeat.stop()
        with suppress(sqlite3.Error):
            close_database(self._connection)


def disk_reason(error: Exception) -> str:
    """Return the cause of a failure of the disk, in a few words."""
    if isinstance(error, OSError):
        return (
            "the disk is full"
            if error.errno == errno.ENOSPC
            else (error.strerror.lower() if error.strerror else str(error))
        )
    return "the disk is full" if "full" in str(error) else str(error)
