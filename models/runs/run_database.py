"""The SQLite database of a run folder: its tables, and connections of one writer and of any number of readers.

The writer uses the write-ahead log: a transaction is whole or absent after ``kill -9``, and readers do not wait for it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from models.core.messages import Problem
from models.runs.run_folder import DATABASE, is_plain_file

TABLES = {
    "names": "CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "recent": "CREATE TABLE recent (row INTEGER PRIMARY KEY, step INTEGER NOT NULL, names BLOB NOT NULL, "
    "numbers BLOB NOT NULL)",
    "chunks": "CREATE TABLE chunks (name INTEGER NOT NULL, first INTEGER NOT NULL, stride INTEGER NOT NULL, "
    "count INTEGER NOT NULL, steps BLOB, numbers BLOB NOT NULL, PRIMARY KEY (name, first)) WITHOUT ROWID",
    "map_rows": "CREATE TABLE map_rows (layer INTEGER NOT NULL, step INTEGER NOT NULL, length INTEGER NOT NULL, "
    "width INTEGER NOT NULL, numbers BLOB NOT NULL, PRIMARY KEY (layer, step))",
    "map_chunks": "CREATE TABLE map_chunks (layer INTEGER NOT NULL, first INTEGER NOT NULL, file TEXT NOT NULL, "
    "width INTEGER NOT NULL, steps BLOB NOT NULL, lengths BLOB NOT NULL, PRIMARY KEY (layer, first))",
    "strides": "CREATE TABLE strides (layer INTEGER PRIMARY KEY, stride INTEGER NOT NULL)",
    "nonfinite": "CREATE TABLE nonfinite (step INTEGER PRIMARY KEY, place TEXT NOT NULL)",
    "samples": "CREATE TABLE samples (row INTEGER PRIMARY KEY, step INTEGER NOT NULL, text TEXT NOT NULL)",
}
"""The statements that create the tables.

``names``: the scalars. ``recent``: the newest values, of one call each: the ids of the names (uint32) and the values
(float64). ``chunks``: older values of one name: ``steps`` (int64), or NULL where they are ``first + stride * index``.
``map_rows``: the newest rows of a layer's maps, (quantities, positions) float32; ``map_chunks``: the .npy files of the older
ones; ``strides``: the rows kept are those of training steps divisible by it. ``nonfinite``: where NaN or infinity first
appeared, as JSON. ``samples``: texts written during training.
"""

MAX_SECONDS = 10.0
"""The time after which a query of a reader is ended."""
MAX_BLOB = 1 << 26
"""The largest value that a reader loads, in bytes."""
MAX_LOADED = 1 << 28
"""The most bytes that a reader loads by one query."""

T = TypeVar("T")


def create_database(folder: Path) -> sqlite3.Connection:
    """Return the writer's connection to a run's database, with its tables made where it is new."""
    connection = sqlite3.connect(folder / DATABASE, isolation_level=None, check_same_thread=False, timeout=30)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA journal_size_limit=8388608")
        with transaction(connection):
            known = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
            for name, statement in TABLES.items():
                if name not in known:
                    connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def close_database(connection: sqlite3.Connection) -> None:
    """Close the writer's connection, and leave one file without a write-ahead log if no reader uses the database."""
    try:
        connection.execute("PRAGMA busy_timeout=200")
        connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error:  # a reader has it open: the log remains, which is as valid
        pass
    finally:
        connection.close()


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a block in one transaction of the writer."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # SQLite may have ended it, as when the disk is full
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def read_database(folder: Path, read: Callable[[sqlite3.Connection], T]) -> T:
    """Return what ``read`` returns of a consistent state of a run's database, which a stranger may have made.

    Raises:
        Problem: there is no database, it is damaged, or it is not one of a run.
    """
    path = folder / DATABASE
    if not is_plain_file(path):
        raise Problem(
            "{folder} contains no scalars.sqlite. Copy the whole folder of the run.",
            folder=str(folder),
        )
    try:
        with closing(_connect(path)) as connection:
            connection.execute("BEGIN")
            _check_tables(connection)
            return read(connection)
    except Problem:
        raise
    except Exception as error:  # values of other types or sizes than a run's
        raise Problem(
            "The scalars.sqlite in {folder} is damaged. Copy the folder of the run again.", folder=str(folder)
        ) from error


def bounded(rows: Iterable[tuple]) -> list[tuple]:
    """Return the rows of a query.

    Raises:
        ValueError: they are larger than ``MAX_LOADED``.
    """
    found, size = [], 0
    for row in rows:
        size += sum(64 + (len(each) if isinstance(each, bytes | str) else 0) for each in row)
        if size > MAX_LOADED:
            raise ValueError("more values than a run has")
        found.append(row)
    return found


def _connect(path: Path) -> sqlite3.Connection:
    """Return a connection that changes nothing and runs no code of the file."""
    log = path.with_name(f"{path.name}-wal")
    if log.is_symlink() or path.with_name(f"{path.name}-shm").is_symlink():
        raise sqlite3.DatabaseError("a link instead of a file")
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        return _prepared(sqlite3.connect(address, uri=True, isolation_level=None, timeout=5))
    except sqlite3.OperationalError:
        if log.exists() and log.stat().st_size:
            raise
        # In a folder that cannot be written, SQLite opens a file of this kind only if it is declared unchanging.
        return _prepared(sqlite3.connect(f"{address}&immutable=1", uri=True, isolation_level=None))


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Return the connection with limits on what it may load and on its time; an error if it cannot read."""
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BLOB)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA query_only=ON")
        end = time.monotonic() + MAX_SECONDS
        connection.set_progress_handler(lambda: time.monotonic() > end, 100_000)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _check_tables(connection: sqlite3.Connection) -> None:
    """Check that the database has the tables of a run and nothing that computes: no views, no triggers."""
    found = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchmany(100)
    tables = {name: sql for kind, name, sql in found if kind == "table"}
    if tables != TABLES or {kind for kind, _, _ in found} - {"table", "index"}:
        raise sqlite3.DatabaseError("not the tables of a run")
