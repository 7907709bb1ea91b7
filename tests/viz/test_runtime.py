"""What the app asks of its process."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from viz import runtime

ROOT = Path(__file__).parents[2]
HELD = """
import numpy as np
from viz import runtime

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * %d / 2**20

def held_by_little_things():
    kept = [bytes(100_000) for _ in range(500)]
    last = bytes(100_000)  # keeps what is before it from being given back by itself
    del kept
    return last

runtime.tune_after_import()
before = resident()
np.ones(1 << 18)  # when it is freed, glibc by itself takes its size for that of what lasts shortly
arrays, between = zip(*[(np.ones(1 << 17), bytes(10_000)) for _ in range(100)])
del arrays
print(resident() - before)
last = held_by_little_things()
runtime.trim_memory()
print(resident() - before)
"""


THREADS = """
import os, sys, threading, torch
from viz import runtime
runtime.tune_after_import()
found = []
thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))  # as a run of a page is
thread.start()
thread.join()
print(found[0], max(1, os.cpu_count() // 2), sys.getswitchinterval())
"""


def test_torch_leaves_half_of_the_cores_to_the_server_and_threads_take_short_turns():
    ran = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True, cwd=ROOT)
    threads, half, turn = ran.stdout.split()
    assert threads == half and float(turn) <= 1e-3


def test_runs_of_pages_share_one_collection_of_garbage(monkeypatch):
    monkeypatch.setattr(runtime, "COLLECT_SECONDS", 0.05)
    collected = threading.Semaphore(0)
    monkeypatch.setattr(runtime.gc, "collect", collected.release)
    for _ in range(2):
        for _ in range(5):
            runtime.free_memory_later()
        assert collected.acquire(timeout=60)
    assert not collected.acquire(timeout=0.2)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it is glibc that keeps memory")
def test_memory_goes_back_to_the_system():
    ran = subprocess.run(
        [sys.executable, "-c", HELD % os.sysconf("SC_PAGE_SIZE")], capture_output=True, text=True, check=True,
        cwd=ROOT,
    )  # fmt: skip
    assert all(float(line) < 10 for line in ran.stdout.split()), ran.stdout
