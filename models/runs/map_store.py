"""Maps of a run, a row for each recorded training step: written, thinned as they grow, and read.

A layer's row has one value for each quantity and each bin of time steps. The newest rows are in the database; older ones are
joined into .npy files of (quantities, rows, positions). When a layer has more than ``MAX_ROWS`` rows, every second one is
removed, and from then on only training steps divisible by the new stride are kept, with the newest row besides. A row that
is kept is never changed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from secrets import token_hex

import numpy as np

from models.core.messages import Problem
from models.runs.run_database import bounded, transaction
from models.runs.run_folder import ARRAYS, is_plain_file, replace_file
from models.runs.time_bins import MAX_BINS, align_rows

MAX_ROWS = 2048
"""The most rows of a layer that are kept, with those of one chunk besides."""
CHUNK_ROWS = 128
"""The number of rows of a file."""
MAX_LENGTH = 1 << 40
"""The longest sequence that a reader believes."""


@dataclass(frozen=True)
class MapRow:
    """One row of a layer's maps.

    Attributes:
        step: the training step.
        length: T, the number of time steps of its sequences.
        width: the number of time steps in each position.
        values: (quantities, positions) float32.
    """

    step: int
    length: int
    width: int
    values: np.ndarray


def layer_folder(index: int, layer: str) -> str:
    """Return the name of a layer's folder in ``arrays/``."""
    return f"{index}-" + "".join(
        each if each.isascii() and (each.isalnum() or each in "._-") else "_" for each in layer
    )


class MapWriter:
    """The writer of the maps of one layer."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, index: int, layer: str, every: int) -> None:
        """Continue after the rows that the database has.

        Args:
            connection: the writer's.
            folder: of the run.
            index: of the layer. layer: its name.
            every: the number of training steps between two recorded ones.
        """
        self._connection, self._index, self._every = connection, index, every
        self._root, self._path = folder, f"{ARRAYS}/{layer_folder(index, layer)}"
        (folder / self._path).mkdir(parents=True, exist_ok=True)
        found = connection.execute("SELECT stride FROM strides WHERE layer = ?", (index,)).fetchone()
        self.stride = every if found is None else found[0]
        if found is None:
            connection.execute("INSERT INTO strides VALUES (?, ?)", (index, self.stride))
        self._tail, self._newest = connection.execute(
            "SELECT count(*), max(step) FROM map_rows WHERE layer = ?", (index,)
        ).fetchone()
        self._kept = sum(len(steps) for steps, _ in self._chunks())
        self._remove_unlisted()

    def _chunks(self) -> list[tuple[np.ndarray, str]]:
        """Return the training steps of each file, and its name, in order."""
        rows = self._connection.execute(
            "SELECT steps, file FROM map_chunks WHERE layer = ? ORDER BY first", (self._index,)
        )
        return [(np.frombuffer(steps, np.int64), file) for steps, file in rows]

    def _remove_unlisted(self) -> None:
        """Remove the files that an interrupted program wrote or replaced without having listed or removed them."""
        listed = {Path(file).name for _, file in self._chunks()}
        for path in (self._root / self._path).iterdir():
            if path.name not in listed and (path.suffix == ".npy" or path.name.endswith(".part")):
                path.unlink(missing_ok=True)

    def write(self, row: MapRow) -> None:
        """Add a row, in a transaction of the caller's; ``tidy`` is to be called after it."""
        if self._newest is not None and self._newest % self.stride:
            self._connection.execute("DELETE FROM map_rows WHERE layer = ? AND step = ?", (self._index, self._newest))
            self._tail -= 1
        values = np.ascontiguousarray(row.values, np.float32)
        self._connection.execute(
            "INSERT OR REPLACE INTO map_rows VALUES (?, ?, ?, ?, ?)",
            (self._index, row.step, row.length, row.width, values.tobytes()),
        )
        self._newest, self._tail = row.step, self._tail + 1

    def tidy(self) -> None:
        """Move the newest rows into a file if they fill one, and thin the rows if there are too many."""
        if self._tail <= CHUNK_ROWS:
            return
        rows = [row for row in self._rows() if row.step % self.stride == 0]
        if len(rows) >= CHUNK_ROWS:
            self._replace([], rows[:CHUNK_ROWS])
        if self._kept > MAX_ROWS:
            self._thin()

    def _rows(self) -> list[MapRow]:
        """Return the rows in the database."""
        return read_rows(self._connection, self._index)

    def _replace(self, old: Sequence[str], rows: Sequence[MapRow]) -> None:
        """List a new file of ``rows`` instead of ``old`` files, or of the same rows in the database."""
        files = []
        for start in range(0, len(rows), CHUNK_ROWS):
            files.append(self._write_file(rows[start : start + CHUNK_ROWS]))
        with transaction(self._connection):
            for file in old:
                self._connection.execute("DELETE FROM map_chunks WHERE file = ?", (file,))
            for entry in files:
                self._connection.execute("INSERT OR REPLACE INTO map_chunks VALUES (?, ?, ?, ?, ?, ?)", entry)
            if not old:
                self._connection.executemany(
                    "DELETE FROM map_rows WHERE layer = ? AND step = ?", [(self._index, row.step) for row in rows]
                )
            self._connection.execute("UPDATE strides SET stride = ? WHERE layer = ?", (self.stride, self._index))
        self._tail = self._connection.execute(
            "SELECT count(*) FROM map_rows WHERE layer = ?", (self._index,)
        ).fetchone()[0]
        self._kept = sum(len(steps) for steps, _ in self._chunks())
        for file in old:
            with suppress(OSError):
                (self._root / file).unlink()

    def _write_file(self, rows: Sequence[MapRow]) -> tuple:
        """Write a file of rows, and return its entry in the table ``map_chunks``."""
        width = max(row.width for row in rows)
        bins = max(-(-row.length // width) for row in rows)
        values = align_rows(
            [row.values for row in rows], [row.length for row in rows], [row.width for row in rows], width, bins
        )
        file = f"{self._path}/{rows[0].step:012d}-{token_hex(4)}.npy"
        data = BytesIO()
        np.save(data, np.ascontiguousarray(values.transpose(1, 0, 2)), allow_pickle=False)
        replace_file(self._root / file, data.getvalue())
        steps, lengths = (np.array([getattr(row, key) for row in rows], np.int64) for key in ("step", "length"))
        return self._index, rows[0].step, file, width, steps.tobytes(), lengths.tobytes()

    def _thin(self) -> None:
        """Double the stride until the rows that are kept fit."""
        chunks = self._chunks()
        steps = np.concatenate([steps for steps, _ in chunks])
        while (steps % self.stride == 0).sum() > MAX_ROWS:
            self.stride *= 2
        rows = []
        for chunk in read_chunks(self._connection, self._root, self._index):
            rows += [row for row in chunk.rows() if row.step % self.stride == 0]
        self._replace([file for _, file in chunks], rows)
        stale = [(self._index, row.step) for row in self._rows()[:-1] if row.step % self.stride]
        with transaction(self._connection):
            self._connection.executemany("DELETE FROM map_rows WHERE layer = ? AND step = ?", stale)
        self._tail -= len(stale)

    def cut(self, step: int) -> None:
        """Remove the rows of training step ``step`` and later ones."""
        rows = [row for chunk in read_chunks(self._connection, self._root, self._index) for row in chunk.rows()]
        old = [file for _, file in self._chunks()]
        self._replace(old, [row for row in rows if row.step < step])
        with transaction(self._connection):
            self._connection.execute("DELETE FROM map_rows WHERE layer = ? AND step >= ?", (self._index, step))
        left = self._rows()
        self._tail, self._newest = len(left), left[-1].step if left else None


def read_rows(connection: sqlite3.Connection, layer: int) -> list[MapRow]:
    """Return a layer's rows in the database."""
    found = []
    rows = connection.execute(
        "SELECT step, length, width, numbers FROM map_rows WHERE layer = ? ORDER BY step LIMIT ?",
        (layer, 4 * CHUNK_ROWS),
    )
    for step, length, width, numbers in bounded(rows):
        found.append(MapRow(step, length, width, np.frombuffer(numbers, np.float32).reshape(-1, _bins(length, width))))
    return found


def _bins(length: int, width: int) -> int:
    """Return the number of positions of a row.

    Raises:
        ValueError: it is not a row of a run.
    """
    if not (0 < length < MAX_LENGTH and width > 0 and -(-length // width) <= MAX_BINS):
        raise ValueError("a row of another shape")
    return -(-length // width)


@dataclass(frozen=True)
class MapChunk:
    """The rows of a file, or of the database.

    Attributes:
        steps: (N,) int64, the training steps. lengths: (N,) int64, the numbers of time steps.
        width: the number of time steps in each position.
        values: (quantities, N, positions) float32; NaN past a row's length.
    """

    steps: np.ndarray
    lengths: np.ndarray
    width: int
    values: np.ndarray

    def rows(self) -> list[MapRow]:
        """Return the rows one by one."""
        return [
            MapRow(step, length, self.width, self.values[:, place, : -(-length // self.width)])
            for place, (step, length) in enumerate(zip(self.steps.tolist(), self.lengths.tolist(), strict=True))
        ]


def read_chunks(connection: sqlite3.Connection, folder: Path, layer: int) -> list[MapChunk]:
    """Return the rows of a layer's files, mapped from the disk.

    Raises:
        ValueError: a file does not have the listed rows.
        MissingArray: a file is missing.
    """
    found, total = [], 0
    rows = connection.execute(
        "SELECT file, width, steps, lengths FROM map_chunks WHERE layer = ? ORDER BY first LIMIT ?", (layer, MAX_ROWS)
    )
    for file, width, steps, lengths in bounded(rows):
        at, every = np.frombuffer(steps, np.int64), np.frombuffer(lengths, np.int64)
        total += len(at)
        if len(at) != len(every) or not 0 < len(at) <= CHUNK_ROWS or total > 2 * MAX_ROWS:
            raise ValueError("rows of another number")
        bins = max(_bins(length, width) for length in every.tolist())
        found.append(MapChunk(at, every, width, _load(folder, file, len(at), bins)))
    return found


def _load(folder: Path, file: str, rows: int, bins: int) -> np.ndarray:
    """Return the array of a file inside the run's folder, (quantities, rows, positions), mapped from the disk."""
    parts = Path(file).parts
    path = folder / file
    inside = len(parts) == 3 and parts[0] == ARRAYS and ".." not in parts and not (folder / parts[0]).is_symlink()
    if not inside or path.parent.is_symlink() or not is_plain_file(path):
        if inside and not os.path.lexists(path):
            raise MissingArray(file)
        raise ValueError("a file outside the folder")
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise MissingArray(file) from None
    if values.dtype != np.float32 or values.ndim != 3 or values.shape[1:] != (rows, bins):
        raise ValueError("an array of another shape")
    return values


class MissingArray(Problem):
    """A listed file that is not there: removed by the writer since the list was read, or not copied."""

    def __init__(self, file: str) -> None:
        """Store its path in the folder."""
        super().__init__("The run's folder lacks {file}. Copy the whole folder of the run.", file=file)


def read_map(
    connection: sqlite3.Connection, folder: Path, layer: int, quantities: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, int, np.ndarray]:
    """Return the sum of one or several quantities' maps.

    Returns:
        the training steps (N,); the number of time steps of each row (N,); of each position; the values (N, P) float32.
    """
    chunks, rows = read_chunks(connection, folder, layer), read_rows(connection, layer)
    if not chunks and not rows:
        return np.empty(0, np.int64), np.empty(0, np.int64), 1, np.empty((0, 0), np.float32)
    width = max([chunk.width for chunk in chunks] + [row.width for row in rows])
    lengths = np.concatenate([*(chunk.lengths for chunk in chunks), np.array([row.length for row in rows], np.int64)])
    steps = np.concatenate([*(chunk.steps for chunk in chunks), np.array([row.step for row in rows], np.int64)])
    bins = -(-int(lengths.max()) // width)
    values = np.full((len(steps), bins), np.nan, np.float32)
    first = 0
    for chunk in chunks:
        part = values[first : (first := first + len(chunk.steps))]
        if chunk.width == width:
            part[:, : chunk.values.shape[2]] = sum(chunk.values[place] for place in quantities)
        else:
            part[:] = align_rows(*_columns(chunk.rows(), quantities), width, bins)
    if rows:
        values[first:] = align_rows(*_columns(rows, quantities), width, bins)
    return steps, lengths, width, values


def _columns(rows: Sequence[MapRow], quantities: Sequence[int]) -> tuple[list[np.ndarray], list[int], list[int]]:
    """Return the sum of the quantities of each row, the rows' lengths and their widths."""
    sums = [sum(row.values[place] for place in quantities) for row in rows]
    return sums, [row.length for row in rows], [row.width for row in rows]
