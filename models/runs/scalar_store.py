"""Scalars of a run by name: written a step at a time, joined into columns as they grow, and read as arrays.

No value is left out: each costs 8 bytes once its step is in a column.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import numpy as np

from models.runs.run_database import bounded, transaction

MAX_NAMES = 20_000
"""The most scalars of a run that are read: the first ones."""
CHUNK_ROWS = 1024
"""The number of the newest rows that are joined into columns together."""


class ScalarWriter:
    """The writer of a run's scalars."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Continue after the scalars that the database has."""
        self._connection = connection
        self._ids: dict[str, int] = {name: key for key, name in connection.execute("SELECT id, name FROM names")}
        self._rows = connection.execute("SELECT count(*) FROM recent").fetchone()[0]

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add the values of one training step; to be called in a transaction."""
        for name in values:
            if name not in self._ids:
                self._ids[name] = len(self._ids)
                self._connection.execute("INSERT INTO names VALUES (?, ?)", (self._ids[name], name))
        names = np.fromiter((self._ids[name] for name in values), np.uint32, len(values))
        numbers = np.fromiter(values.values(), np.float64, len(values))
        self._connection.execute(
            "INSERT INTO recent (step, names, numbers) VALUES (?, ?, ?)", (step, names.tobytes(), numbers.tobytes())
        )
        self._rows += 1
        if self._rows >= CHUNK_ROWS:
            self._join()

    def _join(self) -> None:
        """Move the newest rows into columns."""
        by_name = _by_name(self._connection.execute("SELECT step, names, numbers FROM recent ORDER BY row").fetchall())
        for key, (steps, numbers) in by_name.items():
            _insert_chunk(self._connection, key, steps, numbers)
        self._connection.execute("DELETE FROM recent")
        self._rows = 0

    def cut(self, step: int) -> None:
        """Remove all values of training step ``step`` and later ones, in a transaction of its own."""
        with transaction(self._connection):
            self._join()
            whole = self._connection.execute(
                "SELECT name, first, stride, count, steps, numbers FROM chunks WHERE first + stride * (count - 1) >= ?"
                " OR steps IS NOT NULL",
                (step,),
            ).fetchall()
            for key, first, *column in whole:
                steps, numbers = _column(first, *column)
                if steps[-1] < step:
                    continue
                self._connection.execute("DELETE FROM chunks WHERE name = ? AND first = ?", (key, first))
                if (steps < step).any():
                    _insert_chunk(self._connection, key, steps[steps < step], numbers[steps < step])


def _insert_chunk(connection: sqlite3.Connection, key: int, steps: np.ndarray, numbers: np.ndarray) -> None:
    """Add a column of one scalar; of several values at the same step the last one."""
    steps, numbers = _last_of_each_step(steps, numbers)
    known = connection.execute(
        "SELECT stride, count, steps, numbers FROM chunks WHERE name = ? AND first = ?", (key, int(steps[0]))
    ).fetchone()
    if known is not None:  # the same step again: the newer value replaces that of the earlier column
        older, before = _column(int(steps[0]), *known)
        steps, numbers = np.concatenate([older, steps]), np.concatenate([before, numbers])
        connection.execute("DELETE FROM chunks WHERE name = ? AND first = ?", (key, int(steps[0])))
        _insert_chunk(connection, key, steps, numbers)
        return
    strides = np.diff(steps)
    stride = int(strides[0]) if len(strides) else 1
    regular = not (strides != stride).any()
    connection.execute(
        "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?)",
        (key, int(steps[0]), stride, len(steps), None if regular else steps.tobytes(), numbers.tobytes()),
    )


def _by_name(rows: list[tuple[int, bytes, bytes]]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return the steps and the values of each scalar in rows, by its id."""
    if not rows:
        return {}
    names = [np.frombuffer(each, np.uint32) for _, each, _ in rows]
    keys = np.concatenate(names)
    numbers = np.concatenate([np.frombuffer(each, np.float64) for _, _, each in rows])
    if len(keys) != len(numbers):
        raise ValueError("names and numbers differ in length")
    steps = np.repeat(np.array([step for step, _, _ in rows], np.int64), [len(each) for each in names])
    order = np.argsort(keys, kind="stable")
    keys, steps, numbers = keys[order], steps[order], numbers[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    ends = np.append(starts[1:], len(keys))
    return {
        int(keys[a]): (steps[a:b], numbers[a:b]) for a, b in zip(starts.tolist(), ends.tolist(), strict=True) if a < b
    }


def _column(first: int, stride: int, count: int, steps: bytes | None, numbers: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps and the values of a chunk."""
    values = np.frombuffer(numbers, np.float64)
    if len(values) != count:
        raise ValueError("a column of another length")
    if steps is None:
        return first + stride * np.arange(count, dtype=np.int64), values
    found = np.frombuffer(steps, np.int64)
    if len(found) != count:
        raise ValueError("a column of another length")
    return found, values


def scalar_names(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the ids of all scalars, by name, in the order in which they first appeared."""
    rows = connection.execute("SELECT name, id FROM names ORDER BY id LIMIT ?", (MAX_NAMES,)).fetchall()
    if not all(isinstance(name, str) and isinstance(key, int) for name, key in rows):
        raise ValueError("names of another type")
    return dict(rows)


def read_scalars(connection: sqlite3.Connection, keys: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the training steps (N,) int64, ascending, and the values (N,) float64 of scalars, by their ids."""
    newest = _by_name(
        bounded(connection.execute("SELECT step, names, numbers FROM recent ORDER BY row LIMIT ?", (4 * CHUNK_ROWS,)))
    )
    return [_whole_column(connection, key, newest) for key in keys]


def _whole_column(
    connection: sqlite3.Connection, key: int, newest: Mapping[int, tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return all values of a scalar; of several at the same step the last one."""
    rows = connection.execute(
        "SELECT first, stride, count, steps, numbers FROM chunks WHERE name = ? ORDER BY first", (key,)
    )
    columns = [_column(*row) for row in bounded(rows)]
    columns += [newest.get(key, (np.empty(0, np.int64), np.empty(0)))]
    steps, values = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    if (steps[1:] <= steps[:-1]).any():
        return _last_of_each_step(steps, values)
    return steps, values


def _last_of_each_step(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps, ascending, and the last value of each."""
    order = np.argsort(steps, kind="stable")
    steps, values = steps[order], values[order]
    last = np.append(steps[1:] != steps[:-1], True)
    return steps[last], values[last]
