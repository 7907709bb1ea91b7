"""Mutated run folders: each opens, or is refused in one sentence, within bounded time.

`python -m tests.models.runs.test_hostile_folders 2000 [SEED]` opens that many and prints what became of them.
"""

import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import pytest

from models.runs import map_store
from models.training.training_loop import train
from models.training.training_options import TrainingOptions
from tests.support.mutated_runs import mutate_run, run_refusals

SMALL = TrainingOptions(
    task="counting", units=4, embedding=0, examples=16, steps=8, sequence_length=6, validate_every=4, record_every=2,
    snapshots=3,
)  # fmt: skip
SECONDS = 15.0
"""Processor time in which a folder is opened with all that is in it, with about ten queries."""


def small_run(folder):
    """Train for a few steps, into a folder with files of every kind."""
    with patch.object(map_store, "CHUNK_ROWS", 2):
        train(SMALL, folder)
    assert list(folder.rglob("*.npy")) and list(folder.rglob("*.safetensors"))
    return folder


def outcome(folder, seed, root):
    """Open a mutated copy of a run folder; return "opened" or "refused", and the seconds."""
    copy = root / f"run-{seed}"
    shutil.copytree(folder, copy, symlinks=True)
    changed, start = mutate_run(copy, random.Random(seed)), time.process_time()
    refused = run_refusals(copy)
    taken = time.process_time() - start
    assert all(each.endswith(".") and len(each) < 2000 and "\n" not in each for each in refused), (
        seed,
        changed,
        refused,
    )
    assert taken < SECONDS, (seed, changed)
    shutil.rmtree(copy)
    return "refused" if refused else "opened", taken


@pytest.mark.slow
def test_mutated_run_folders_open_or_are_refused(tmp_path):
    folder, seeds = small_run(tmp_path / "run"), [random.randrange(10**9) for _ in range(20)]
    assert {outcome(folder, seed, tmp_path)[0] for seed in seeds} == {"opened", "refused"}


def main():
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        folder = small_run(root / "run")
        found, slowest = Counter(), (0.0, 0)
        for each in range(seed * 10**6, seed * 10**6 + count):
            try:
                what, taken = outcome(folder, each, root)
            except Exception as error:
                traceback.print_exc(limit=-4)
                what, taken = f"{type(error).__name__}: {str(error)[:300]}", 0.0
                print(each, what, flush=True)
                what = type(error).__name__
            found[what] += 1
            slowest = max(slowest, (taken, each))
    print(found, f"slowest {slowest[0]:.2f} s (seed {slowest[1]})")


if __name__ == "__main__":
    main()
