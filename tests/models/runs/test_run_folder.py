"""Run folders: whole after ``kill -9``, thinned as they grow, followed while being written, bounded in a stranger's."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from contextlib import closing
from math import inf, nan

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import Problem, open_run
from models.runs import map_store, scalar_store
from models.runs.map_store import MapRow, layer_folder
from models.runs.nonfinite_place import NonFinitePlace
from models.runs.run_folder import DATABASE, DESCRIPTION, HEARTBEAT, STALE_SECONDS
from models.runs.run_writer import RunWriter
from models.runs.time_bins import MAX_BINS, bin_means, bin_width, join_bins

MAPS = ("gradient/hidden", "closed/candidate", "open/candidate", "mean/candidate")
ENTRY = {"kind": "RNN", "options": {}, "inputs": 2, "units": 3, "outputs": 3}


def new_run(folder, every=2, layers=("rnn.l0",), snapshots=3, **options):
    return RunWriter(folder, every, dict.fromkeys(layers, ENTRY), dict.fromkeys(layers, MAPS), snapshots, **options)


def row(step, length=6, width=1):
    """Return a row with different values everywhere."""
    positions = -(-length // width)
    values = step + np.arange(len(MAPS))[:, None] / 8 + np.arange(positions) / 1024
    return MapRow(step, length, width, values.astype(np.float32))


def write(writer, step):
    writer.write_step(step, {"loss/train": step / 7, "one": 1.0}, {"rnn.l0": row(step)})
    if writer.snapshots.due(step):
        writer.write_snapshot(step, bytes([step % 256]) * 100)


@pytest.fixture(name="small")
def small_chunks(monkeypatch):
    """Columns and files of a few rows, so that they are joined and thinned all the time."""
    monkeypatch.setattr(scalar_store, "CHUNK_ROWS", 5)
    monkeypatch.setattr(map_store, "CHUNK_ROWS", 4)
    monkeypatch.setattr(map_store, "MAX_ROWS", 16)


def check(run, last, every=2, newest=True):
    """Every recorded loss is there; the rows of the map are at regular steps, with the newest, and none was changed."""
    steps, loss = run.scalar("loss/train")
    assert steps.tolist() == list(range(0, last + 1, every))
    np.testing.assert_array_equal(loss, steps / 7)
    found = run.gradient_map("rnn.l0")
    assert found.steps.tolist() == sorted({*range(0, last + 1, found.stride)} | ({last} if newest else set()))
    np.testing.assert_array_equal(found.values, np.stack([row(int(step)).values[0] for step in found.steps]))
    gate = run.gate_map("rnn.l0", "candidate")
    np.testing.assert_array_equal(gate.values, [row(int(step)).values[1:3].sum(0) for step in gate.steps])


def test_a_run_grows_and_is_thinned(tmp_path, small):
    writer = new_run(tmp_path / "run")
    for step in range(0, 400, 2):
        write(writer, step)
        if step % 26 == 0 or step > 380:
            check(open_run(tmp_path / "run"), step)
    run = open_run(tmp_path / "run")
    assert run.status == "running" and run.last_step == 398
    found = run.gradient_map("rnn.l0")
    assert found.stride == 32 and len(found.steps) <= 16 + 4 + 1 and found.every == 2
    files = list((tmp_path / "run").rglob("*.npy"))
    assert sum(np.load(path).shape[1] for path in files) <= 16 + 4
    assert list(run.snapshots) == [0, 256, 384]
    writer.close("finished")
    assert open_run(tmp_path / "run").status == "finished"
    assert not (tmp_path / "run" / f"{DATABASE}-wal").exists()
    check(open_run(tmp_path / "run"), 398)


@pytest.mark.parametrize("attempt", range(4))
def test_a_killed_writer_leaves_a_whole_folder(tmp_path, small, attempt):
    folder = tmp_path / "run"
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:  # writes until it is killed
        try:
            writer = new_run(folder)
            for step in range(0, 1_000_000, 2):
                write(writer, step)
                os.write(write_end, step.to_bytes(4, "little"))
        finally:
            os._exit(1)
    os.close(write_end)
    told = b""
    while len(told) < 4 * (40 + 61 * attempt):
        told += os.read(read_end, 4096)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(read_end, 4096):
        told += more
    os.close(read_end)
    last = int.from_bytes(told[len(told) // 4 * 4 - 4 : len(told) // 4 * 4], "little")
    run = open_run(folder)
    assert run.status == "interrupted"
    assert run.last_step in (last, last + 2)  # it was killed before it could report the next one
    check(run, run.last_step)
    for step, path in run.snapshots.items():
        assert path.read_bytes() == bytes([step % 256]) * 100
    again = new_run(folder, resume_at=61)
    assert open_run(folder).status == "running"
    check(open_run(folder), 60, newest=False)
    for step in range(62, 180, 2):
        write(again, step)
    again.close("finished")
    check(open_run(folder), 178)
    listed = {file for (file,) in sqlite3.connect(folder / DATABASE).execute("SELECT file FROM map_chunks")}
    assert listed == {str(path.relative_to(folder)) for path in folder.rglob("*.npy")}


def test_readers_follow_a_writer(tmp_path, small):
    writer, run = new_run(tmp_path / "run"), None
    for step in range(0, 60, 2):
        write(writer, step)
        run = run or open_run(tmp_path / "run")
        assert run.scalar("loss/train")[0][-1] == step
        assert run.gradient_map("rnn.l0").steps[-1] == step
    path = tmp_path / "run" / HEARTBEAT
    before = time.time() - STALE_SECONDS - 1
    os.utime(path, (before, before))
    assert run.status == "interrupted"
    writer.close("stopped")
    assert run.status == "stopped"


def test_a_read_only_folder_opens(tmp_path, small):
    writer = new_run(tmp_path / "run")
    for step in range(0, 60, 2):
        write(writer, step)
    writer.close("finished")
    for path in [*(tmp_path / "run").rglob("*"), tmp_path / "run"]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    check(open_run(tmp_path / "run"), 58)
    for path in [tmp_path / "run", *(tmp_path / "run").rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.dictionaries(st.sampled_from(["a", "b/c", "손실"]), st.floats(width=64), max_size=3), min_size=1, max_size=40
    ),
    stride=st.integers(1, 3),
    cut=st.integers(0, 60),
)
def test_scalars_are_read_as_they_were_written(tmp_path_factory, monkeypatch, rows, stride, cut):
    monkeypatch.setattr(scalar_store, "CHUNK_ROWS", 5)
    folder = tmp_path_factory.mktemp("scalars")
    with closing(sqlite3.connect(folder / "none", isolation_level=None)):
        writer = new_run(folder / "run")
    expected: dict[str, dict[int, float]] = {}
    for index, values in enumerate(rows):
        step = index // stride * 2  # several rows of one step
        writer.write_scalars(step, values)
        for name, value in values.items():
            expected.setdefault(name, {})[step] = value
    for cut_at in (None, cut):
        if cut_at is not None:
            writer.close("stopped")
            writer = new_run(folder / "run", resume_at=cut_at)
            expected = {name: {s: v for s, v in of.items() if s < cut_at} for name, of in expected.items()}
        run = open_run(folder / "run")
        assert set(run.scalar_names) == set(expected)
        for name, series in expected.items():
            steps, values = run.scalar(name)
            assert steps.tolist() == sorted(series)
            np.testing.assert_array_equal(values, [series[step] for step in sorted(series)])
    writer.close("finished")


@settings(deadline=None, max_examples=40)
@given(
    length=st.integers(1, 3000),
    doublings=st.integers(0, 3),
    most=st.integers(1, MAX_BINS),
)
def test_bins_are_means_whatever_their_width(length, doublings, most):
    values = torch.rand(2, length, dtype=torch.float64)
    width = bin_width(length, most)
    assert -(-length // width) <= most and (width == 1 or -(-length // (width // 2)) > most)
    means = bin_means(values, width)
    expected = [values[:, start : start + width].mean(1) for start in range(0, length, width)]
    torch.testing.assert_close(means, torch.stack(expected, 1))
    wider = width << doublings
    joined = join_bins(means.numpy(), length, width, wider)
    np.testing.assert_allclose(joined, bin_means(values, wider).numpy())


def test_rows_of_other_lengths_and_widths_are_aligned(tmp_path, small):
    writer = new_run(tmp_path / "run")
    kept = {step: row(step, length, width) for step, length, width in
            ((0, 6, 1), (2, 3, 1), (4, 600, 4), (6, 5, 1), (8, 700, 4), (10, 1, 1), (12, 600, 4))}  # fmt: skip
    for step, each in kept.items():
        writer.write_step(step, {}, {"rnn.l0": each})
    found = open_run(tmp_path / "run").gradient_map("rnn.l0")
    assert found.steps.tolist() == list(kept) and found.width == 4 and found.values.shape == (7, 175)
    np.testing.assert_allclose(found.values[0][:2], [row(0).values[0, :4].mean(), row(0).values[0, 4:].mean()])
    np.testing.assert_array_equal(found.values[4], kept[8].values[0])
    assert np.isnan(found.values[1, 1:]).all() and np.isnan(found.values[2, 150:]).all()
    writer.close("finished")


def test_places_and_samples(tmp_path):
    writer = new_run(tmp_path / "run")
    place = NonFinitePlace("state_gradient", "inf", "rnn.l0", "hidden_grad", 3, 1, 2)
    assert open_run(tmp_path / "run").first_nonfinite is None
    writer.write_nonfinite(9, place)
    writer.write_nonfinite(11, NonFinitePlace("loss", "nan"))
    writer.write_sample(4, "한국어\n")
    writer.write_scalars(4, {"loss/train": nan, "b": inf})
    run = open_run(tmp_path / "run")
    assert run.first_nonfinite == (9, place) and run.samples == [(4, "한국어\n")]
    assert np.isnan(run.scalar("loss/train")[1]).all() and run.scalar("b")[1].tolist() == [inf]
    assert str(place) == "The gradient with respect to the hidden state of rnn.l0 is ∞ at time step 4 (unit 2)."
    writer.close("finished")


def test_names_of_layers_do_not_leave_the_folder(tmp_path):
    names = ("a/../../../b.l0", "../c.l0", "유닛.l0", "x" * 60)
    writer = new_run(tmp_path / "run", layers=names)
    for name in names:
        writer.write_step(0, {}, {name: row(0)})
        assert "/" not in layer_folder(0, name)
    writer.close("finished")
    run = open_run(tmp_path / "run")
    assert [run.gradient_map(name).steps.tolist() for name in names] == [[0]] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def change(folder, statement):
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute(statement)


HOSTILE_SQL = {
    "view": "CREATE VIEW more AS SELECT 1",
    "trigger": "CREATE TRIGGER t AFTER INSERT ON names BEGIN SELECT 1; END",
    "other table": "CREATE TABLE more (x)",
    "missing table": "DROP TABLE samples",
    "column of text": "UPDATE map_chunks SET steps = 'abc'",
    "many rows": "UPDATE map_chunks SET lengths = zeroblob(80000), steps = zeroblob(80000)",
    "huge length": "UPDATE map_rows SET length = 9223372036854775807",
    "negative width": "UPDATE map_rows SET width = -1",
    "wide row": "UPDATE map_rows SET numbers = zeroblob(1000000)",
    "odd row": "UPDATE map_rows SET numbers = zeroblob(7)",
    "file outside": "UPDATE map_chunks SET file = '../../secret.npy'",
    "absolute file": "UPDATE map_chunks SET file = '/etc/passwd'",
    "file elsewhere": "UPDATE map_chunks SET file = 'arrays/../run.json'",
    "missing file": "UPDATE map_chunks SET file = 'arrays/0-rnn.l0/none.npy'",
    "other file": "UPDATE map_chunks SET file = 'arrays/0-rnn.l0/pickled.npy'",
}


@pytest.mark.parametrize("how", [*HOSTILE_SQL, "junk", "link", "fifo", "log link"])
def test_strangers_databases_are_refused_in_one_sentence(tmp_path, small, how):
    folder = tmp_path / "run"
    writer = new_run(folder)
    for step in range(0, 20, 2):
        write(writer, step)
    writer.close("finished")
    np.save(folder / "arrays" / "0-rnn.l0" / "pickled.npy", np.array([{}], object), allow_pickle=True)
    run, path = open_run(folder), folder / DATABASE
    if how in HOSTILE_SQL:
        change(folder, HOSTILE_SQL[how])
    elif how == "log link":
        (folder / f"{DATABASE}-wal").symlink_to("/etc/passwd")
    else:
        path.rename(tmp_path / "elsewhere")
        if how == "junk":
            path.write_bytes(b"SQLite format 3\x00" + os.urandom(5000))
        elif how == "link":
            path.symlink_to(tmp_path / "elsewhere")
        else:
            os.mkfifo(path)
    with pytest.raises(Problem) as caught:
        run.gradient_map("rnn.l0")
    assert str(caught.value).count(". ") == 1 and str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "contents",
    ["", "[]", "{}", "[" * 100_000, '{"format": "unrolled run 1", "layers": 3}',
     '{"format": "unrolled run 1", "layers": [{"name": 1, "kind": "RNN", "maps": []}]}',
     '{"format": "unrolled run 1", "layers": [{"name": "a", "kind": "RNN", "maps": [3]}]}',
     '{"format": "unrolled run 1", "layers": [{"kind": "RNN", "maps": []}]}', " " * (1 << 22) + "{}"],
    ids=range(9),
)  # fmt: skip
def test_strangers_descriptions_are_refused_in_one_sentence(tmp_path, contents):
    (tmp_path / DESCRIPTION).write_text(contents)
    with pytest.raises(Problem, match=r"run\.json in .* does not describe a run"):
        open_run(tmp_path)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(Problem, match="is not a run folder"):
        open_run(tmp_path)
    writer = new_run(tmp_path / "run")
    run = open_run(tmp_path / "run")
    for wrong, message in (
        (lambda: run.scalar("none"), "no scalar none"),
        (lambda: run.gradient_map("none"), "no layer none"),
        (lambda: run.gate_map("rnn.l0", "forget_gate"), "no map of closed/forget_gate"),
    ):
        with pytest.raises(Problem, match=message):
            wrong()
    assert run.gradient_map("rnn.l0").values.shape == (0, 0) and run.last_step is None and run.scalar_names == ()
    writer.close("failed")
    assert run.status == "failed"
    description = json.loads((tmp_path / "run" / DESCRIPTION).read_text())
    assert description["status"] == "failed" and description["ended"] >= description["started"]
