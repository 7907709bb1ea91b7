"""An index has the same bytes whoever computes its shards, and after it was stopped."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from models.core.messages import Problem
from models.corpus.build_index import IndexOptions, build_index
from models.corpus.corpus_index import CorpusIndex
from models.corpus.read_sources import Document
from tests.models.corpus.small_indexes import Letters, build, chunk_bytes, letter_network, letter_texts

ROOT = Path(__file__).parents[3]
TEXTS = [*letter_texts(2, 12, 400), "ab" * 900]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The bytes of an index that one process computed."""
    folder = tmp_path_factory.mktemp("index") / "index"
    build(letter_network(), TEXTS, folder)
    assert not (folder / "work").exists()
    return chunk_bytes(folder)


@pytest.mark.parametrize("scheduler", ["here", "threads", "processes"])
def test_the_same_bytes_on_threads_and_processes(scheduler, tmp_path, expected):
    if scheduler != "here":
        pytest.importorskip("distributed")
    build(letter_network(), TEXTS, tmp_path / "index", scheduler=scheduler)
    assert chunk_bytes(tmp_path / "index") == expected


class StoppedError(Exception):
    """The error by which a test stops a build."""


def test_a_build_that_was_stopped_goes_on(tmp_path, expected):
    documents = [Document(f"d{k}", each) for k, each in enumerate(TEXTS)]
    options = IndexOptions(shard_steps=512)
    seen = []
    for part, calls in (("tokens", 5), ("states", 1), ("states", 3), ("summaries", 1)):
        counted = []

        def stop(state, part=part, calls=calls, counted=counted):
            seen.append(state)
            counted.append(state.part == part)
            if sum(counted) == calls:
                raise StoppedError

        with pytest.raises(StoppedError):
            build_index(letter_network(), documents, tmp_path / "index", options, scheduler="here", progress=stop)
        with pytest.raises(Problem):
            CorpusIndex(tmp_path / "index")
    assert max(each.done for each in seen if each.part == "states") < sum(map(len, TEXTS)) + 1
    build_index(letter_network(), iter(documents), tmp_path / "index", options, scheduler="here")
    assert chunk_bytes(tmp_path / "index") == expected
    with pytest.raises(Problem, match="made with another network"):
        build(letter_network(Letters(seed=7)), TEXTS, tmp_path / "index")
    for texts, changed in ((TEXTS, {"threshold": 0.5}), (TEXTS[1:], {}), (TEXTS, {"longest": 7})):
        with pytest.raises(Problem, match="another corpus or with other options"):
            build(letter_network(), texts, tmp_path / "index", **changed)
    assert chunk_bytes(tmp_path / "index") == expected


@pytest.mark.parametrize("change", ["text", "time", "more"])
def test_a_build_does_not_go_on_with_other_files(change, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("ab" * 400)
    address, folder = str(tmp_path / "in"), tmp_path / "index"

    def stop(state):
        if state.part == "states":
            raise StoppedError

    def build_files(progress=lambda state: None):
        return build_index(letter_network(), address, folder, scheduler="here", progress=progress)

    with pytest.raises(StoppedError):
        build_files(stop)
    with pytest.raises(StoppedError):  # the same files
        build_files(stop)
    if change == "text":
        (tmp_path / "in" / "a.txt").write_text("ab" * 399)
    elif change == "time":
        os.utime(tmp_path / "in" / "a.txt", (0, 0))
    else:
        (tmp_path / "in" / "b.txt").write_text("ab")
    with pytest.raises(Problem, match=r"Files at .* have changed since the build"):
        build_files()
    with pytest.raises(Problem, match="another corpus or with other options"):
        build_index(letter_network(), f"{address}/*", folder, scheduler="here")


def start(output, *arguments):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)


def until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


class SlowLetters(Letters):
    """A network that takes a moment for each batch, so that a worker can be killed while it computes."""

    def forward(self, ids):
        time.sleep(0.05)
        return super().forward(ids)


@pytest.mark.slow
def test_the_same_bytes_on_a_cluster_of_which_a_worker_is_killed(tmp_path, expected, monkeypatch):
    log = tmp_path / "log"
    with log.open("w") as output:
        running = [
            start(output, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        ]
        try:
            address = until(lambda: re.search(r"Scheduler at:\s+(tcp://\S+)", log.read_text())).group(1)
            for _ in range(2):
                running.append(
                    start(
                        output,
                        "distributed.cli.dask_worker",
                        address,
                        "--nthreads",
                        "1",
                        "--no-nanny",
                        "--no-dashboard",
                    )
                )
            until(lambda: len(re.findall(r"Registered to", log.read_text())) == 2)
            monkeypatch.setenv("UNROLLED_SCHEDULER", address)
            killed = threading.Event()

            def kill(state):
                if state.part == "states" and state.done and not killed.is_set():
                    killed.set()
                    os.kill(running[-1].pid, signal.SIGKILL)

            documents = [Document(f"d{k}", each) for k, each in enumerate(TEXTS)]
            options = IndexOptions(shard_steps=512)
            build_index(letter_network(SlowLetters()), documents, tmp_path / "index", options, progress=kill)
            assert killed.is_set() and running[-1].wait(60) == -signal.SIGKILL
        finally:
            for each in running:
                each.kill()
                each.wait()
    assert chunk_bytes(tmp_path / "index") == expected
