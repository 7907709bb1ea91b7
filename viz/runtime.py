"""Settings of the process that the app runs in: threads and memory."""

import ctypes
import gc
import os
import sys
import threading

import torch
from threadpoolctl import threadpool_limits

SWITCH_SECONDS = 5e-4
"""The most seconds that one thread computes in Python while another waits to."""
COLLECT_SECONDS = 2.0
"""Seconds from the end of a page's run to a collection of garbage."""
MMAP_THRESHOLD, LARGE = -3, 1 << 17
"""The C library's constant for the setting, and its value: arrays from 128 kB on get memory of their own."""


def tune_after_import() -> None:
    """Set up the process after modules were imported: few threads, little garbage collection, freed memory returned.

    One thread for numpy and half of the cores for torch keep the others free for the threads that serve the pages, and for
    the browser where it is on the same machine: a product waits for its slowest thread.
    """
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
    # After a product numpy's threads wait for the next one at full speed, which slows the server's threads down.
    threadpool_limits(1, user_api="blas")
    # A page releases Python's lock at each message that it sends. With Python's own interval of 5 ms it would wait that long
    # at every message while the page of another reader computes.
    sys.setswitchinterval(SWITCH_SECONDS)
    # Imported modules are never freed, and to visit them at each collection would, with torch, take longer than most runs.
    gc.collect()
    gc.freeze()
    # Every run has a thread, and the C library keeps the memory that each thread freed: after a long sequence several times
    # its size. An array with memory of its own returns it to the operating system when it is freed.
    if (library := _glibc()) is not None:
        library.mallopt(MMAP_THRESHOLD, LARGE)


def free_memory_later() -> None:
    """Collect garbage in ``COLLECT_SECONDS``, and return freed small allocations to the operating system.

    To be called after each run of a page. Whatever the number of runs, only one collection waits: all threads stop while it
    visits every object, up to a tenth of a second.
    """
    if _waits.acquire(blocking=False):
        timer = threading.Timer(COLLECT_SECONDS, _free_memory)
        timer.daemon = True
        timer.start()


_waits = threading.Lock()


def _free_memory() -> None:
    _waits.release()
    gc.collect()
    trim_memory()


def trim_memory() -> None:
    """Return freed small allocations to the operating system; takes about half a millisecond."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None  # other C libraries lack it and do not need it
