"""What the app asks of the process that it runs in: its cores and its memory."""

import ctypes
import gc
import sys

from threadpoolctl import threadpool_limits

MMAP_THRESHOLD, LARGE = -3, 1 << 17
"""A name of the C library's, and the bytes from which an array is given memory of its own, 128 kB."""


def tune_after_import() -> None:
    """Called when modules have been imported: what a page computes from here on leaves the most to those who draw."""
    # After a product numpy's threads wait for another at full speed; those who draw have better use for the cores.
    threadpool_limits(1, user_api="blas")
    # Streamlit collects garbage after every run. What has been imported stays, and is not to be walked through
    # each time: with torch it takes longer than most runs.
    gc.collect()
    gc.freeze()
    # Every run is a thread's, and the C library keeps what each of them had: of a long sequence several times its size.
    # Memory of its own goes back as soon as an array is gone.
    if (library := _glibc()) is not None:
        library.mallopt(MMAP_THRESHOLD, LARGE)


def trim_memory() -> None:
    """Hand back to the system what small things took and no longer take; this takes about half a millisecond."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None  # other C libraries have none, and need none
