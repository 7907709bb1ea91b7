"""Mutations of a run folder: of its files' bytes, of its JSON, its tables, its arrays and its snapshots."""

from __future__ import annotations

import json
import random
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from models.core.messages import Problem
from models.runs.open_run import open_run
from models.runs.run_database import TABLES
from models.runs.run_folder import DATABASE
from models.training.trained_network import network_of, read_card, read_options
from tests.support.hostile_files import safetensors_of
from tests.support.hostile_text import HOSTILE
from tests.support.open_whole import tensor_refusals

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 7, 1.5, 1e308, -(10**400), 2**63 - 1, 2**63, 10**12, "", "0", "x" * 3000, "../..", "\0", [], {},
    [[]], [None] * 500, {"en": 1}, {"en": "a", "ko": "b"}, float("nan"), float("inf"), *HOSTILE[:8],
)  # fmt: skip
SQL_VALUES = (
    "NULL", "0", "-1", "1", "2", "1000000", "9223372036854775807", "-9223372036854775808", "1.5", "1e308", "''", "'abc'",
    "'../../x'", "x'00'", "zeroblob(8)", "zeroblob(16)", "zeroblob(4096)", "zeroblob(3000000)", "randomblob(64)",
    "cast(zeroblob(3) as text)",
)  # fmt: skip
COUNT = "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n LIMIT {count}) SELECT "
SQL = (
    "CREATE VIEW more AS SELECT 1", "CREATE TRIGGER t AFTER INSERT ON names BEGIN SELECT 1; END", "DROP TABLE names",
    "CREATE INDEX i ON recent (step)", "DELETE FROM recent", "DELETE FROM names", "DELETE FROM strides",
    f"INSERT INTO names {COUNT.format(count=200_000)} i, 's' || i FROM n",
    f"INSERT INTO samples {COUNT.format(count=20_000)} i, i, 'x' FROM n",
    f"INSERT INTO recent {COUNT.format(count=50_000)} i, i, zeroblob(4), zeroblob(8) FROM n",
    "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql = 'CREATE VIEW names AS SELECT 1 AS id' WHERE name = 'names'",
    "PRAGMA journal_mode=WAL; DELETE FROM names",
)  # fmt: skip


def mutate_run(folder: Path, source: random.Random) -> str:
    """Change a run folder in one to three places; return what was changed."""
    changes = source.choices((_bytes, _json, _json, _sql, _sql, _array, _snapshot, _link), k=source.randint(1, 3))
    done = []
    for change in changes:
        with suppress(
            sqlite3.Error, OSError, ValueError, IndexError, RecursionError
        ):  # an earlier change left nothing to change
            done.append(change(folder, source))
    return "; ".join(done)


def _bytes(folder: Path, source: random.Random) -> str:
    path = source.choice(_files(folder))
    data = bytearray(path.read_bytes())
    how = source.randrange(3)
    if how == 0 and data:
        for _ in range(source.randint(1, 8)):
            data[source.randrange(len(data))] = source.randrange(256)
    elif how == 1:
        data = data[: source.randint(0, len(data))]
    else:
        data += bytes(source.randint(1, 5000))
    path.write_bytes(bytes(data))
    return f"bytes of {path.name}"


def _json(folder: Path, source: random.Random) -> str:
    path = folder / source.choice(("run.json", "options.json", "card.json"))
    contents = json.loads(path.read_text())
    at, trail = contents, [path.name]
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = source.choice(keys)
        trail.append(str(key))
        if not isinstance(at[key], dict | list) or not at[key] or source.random() < 0.3:
            break
        at = at[key]
    if source.random() < 0.1:
        path.write_text("[" * 300_000)
    else:
        if source.random() < 0.15 and isinstance(at, dict):
            del at[key]
        else:
            at[key] = source.choice(ODD)
        trail.append(repr(at.get(key) if isinstance(at, dict) else at[key])[:40])
        path.write_text(json.dumps(contents))
    return " ".join(trail)


def _sql(folder: Path, source: random.Random) -> str:
    table = source.choice(list(TABLES))
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        statement = (
            f"UPDATE {table} SET {source.choice(columns)} = {source.choice(SQL_VALUES)}" if columns else "SELECT 1"
        )
        if source.random() < 0.3:
            statement = f"{statement} WHERE rowid % 2" if "chunks" not in table else statement
        if source.random() < 0.3:
            statement = source.choice(SQL)
        connection.executescript(statement)
    return statement[:80]


def _array(folder: Path, source: random.Random) -> str:
    path = source.choice([each for each in _files(folder) if each.suffix == ".npy"])
    shape = source.choice(((10**12, 4, 4), (0, 4, 4), (1 << 62, 1 << 62), (3,), (2,) * 40))
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    huge = b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31) + b" " * 5000
    nested = b"\x93NUMPY\x02\x00" + struct.pack("<I", 100_000) + b"(" * 100_000
    path.write_bytes(source.choice((head + bytes(64), huge, nested, b"")))
    if source.random() < 0.3:
        np.save(path, np.array([{}], object), allow_pickle=True)
    return f"array {path.name}"


def _snapshot(folder: Path, source: random.Random) -> str:
    path = source.choice([each for each in _files(folder) if each.suffix == ".safetensors"])
    names = ["rnn.layers.0.weight_hh_l0", "rnn.weight_hh_l0", "head.weight", *HOSTILE[:3]]
    entry = {"dtype": "F32", "shape": [1 << 20], "data_offsets": [0, 4 << 20]}
    how = source.randrange(4)
    if how == 0:
        path.write_bytes(safetensors_of(dict.fromkeys(names, entry), bytes(4 << 20)))
    elif how == 1:
        path.write_bytes(safetensors_of({names[0]: entry | {"shape": [10**18] * 2000}}, bytes(8)))
    elif how == 2:
        path.write_bytes(safetensors_of(b"[" * 200_000))
    else:
        path.rename(path.with_name(f"{source.choice(('9' * 15, '0', '9' * 400, 'x'))}.safetensors"))
    return f"snapshot {path.name} {how}"


def _link(folder: Path, source: random.Random) -> str:
    path = source.choice([*_files(folder), *(each for each in folder.iterdir() if each.is_dir())])
    target = source.choice(
        ("/etc/passwd", "/dev/zero", str(folder), str(folder / "run.json"), "/proc/self/mem", "loop")
    )
    if path.is_dir():
        path.rename(folder.parent / f"{folder.name}-moved-{source.randrange(10**9)}")
    else:
        path.unlink()
    path.symlink_to(path if target == "loop" else target)
    return f"link {path.name} to {target}"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def run_refusals(folder: Path) -> list[str]:
    """Open a run folder with all that is in it; return the sentences of what is refused."""
    from models import load_checkpoint

    refused: list[str] = []

    def attempt(read: Callable[[], object]) -> Any:
        try:
            return read()
        except Problem as problem:
            refused.append(str(problem))
            return None

    run = attempt(lambda: open_run(folder))
    if run is not None:
        for name in ("status", "notes", "samples", "first_nonfinite", "updates", "last_step"):
            attempt(lambda name=name: getattr(run, name))
        attempt(lambda: run.scalars(run.scalar_names[:200]))
        for layer in list(run.layers.values())[:3]:
            for quantity in ("hidden", "cell"):
                attempt(lambda layer=layer, quantity=quantity: run.gradient_map(layer.name, quantity))
            for gate in layer.gates[:5]:
                attempt(lambda layer=layer, gate=gate: run.gate_map(layer.name, gate))
        for path in list(run.snapshots.values())[:3]:
            checkpoint = attempt(lambda path=path: load_checkpoint(path))
            refused.extend([] if checkpoint is None else map(str, tensor_refusals(checkpoint)))
    attempt(lambda: read_options(folder))
    attempt(lambda: read_card(folder))
    attempt(lambda: network_of(folder))
    return refused
