"""The separate process in which files are parsed: requests on standard input, answers on standard output.

    python -I parser_process.py FOLDER          # FOLDER: where ``models`` can be imported from

Whatever a parser does with a file, run for ever, take all memory or crash, ends this process only. It has limits on memory
and processor time and a lower priority than the server, and may not write files. It starts with the standard library alone,
and imports the rest for the first file that needs it. A request is a line of JSON, an answer a line of JSON and as many
bytes as its ``"bytes"`` says: plain data, of which nothing is unpickled or called.

    {"do": "open" or "graph" or "run" or "hdf5" or "values", "file": path, "key": name of the file, "limits": {...}, ...}
    {"result": ..., "bytes": 0}  or  {"refused": sentence, "values": {...}}  or  {"memory": true}
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

PAUSE = 0.02
"""Seconds between two measurements of the memory where the operating system does not limit it."""
NICENESS = 5
"""How far processes of usual priority are preferred to this one."""
MEMORY_EXIT = 86
"""The exit status of a process that took too much memory."""


class Files:
    """The file that was opened last, so that further requests about it need not parse it again."""

    def __init__(self) -> None:
        """Start with none."""
        self.key = ""
        self.opened: Any = None

    def checkpoint(self, request: dict[str, Any]) -> Any:
        """Return the file of a request as a checkpoint."""
        from models import checkpoints
        from models.checkpoints.parsing.file_source import FileSource
        from models.checkpoints.parsing.parser_role import parse_here

        parse_here()
        if self.key != request["key"]:
            self.opened = None
            source = FileSource(request["file"], checkpoints.Limits(**request["limits"]))
            if request["copied"]:  # the files beside a copy are none of its own
                source.path = None
            self.opened, self.key = checkpoints.load_source(source), request["key"]
        return self.opened

    def hdf5(self, request: dict[str, Any]) -> Any:
        """Return the file of a request as an HDF5 file."""
        import h5py

        if self.key != request["key"]:
            self.opened = None
            self.opened, self.key = h5py.File(request["file"], "r"), request["key"]
        return self.opened


def answer(request: dict[str, Any], files: Files) -> tuple[dict[str, Any], memoryview]:
    """Return the answer to one request: its header, and its bytes."""
    nothing = memoryview(b"")
    try:
        match request["do"]:
            case "ready":
                from models import checkpoints

                checkpoints.import_formats()
                with suppress(ImportError):  # of HDF5 files alone
                    import h5py  # noqa: F401

                return {"result": None}, nothing
            case "open":
                files.checkpoint(request)
                return {"result": None}, nothing
            case "graph":
                build = files.checkpoint(request).graph
                if build is not None:
                    build()
                return {"result": None}, nothing
            case "run":
                from models.core.trace import load_trace

                load_trace(request["file"])
                return {"result": None}, nothing
            case "hdf5":
                return hdf5_answer(request, files), nothing
            case "values":
                tree = hdf5_tree()
                return {"result": None}, tree.read_values(files.hdf5(request), request["path"])
            case _:
                return {"refused": "damaged", "values": {}}, nothing
    except MemoryError:
        return {"memory": True}, nothing
    except Exception as error:
        if any(map(is_memory_error, causes(error))):
            return {"memory": True}, nothing
        sentence, values = getattr(error, "sentence", ""), getattr(error, "values", {})
        if sentence:
            texts = {name: value if type(value) is int else str(value) for name, value in values.items()}
            return {"refused": sentence, "values": texts}, nothing
        return {"refused": "damaged", "values": {}}, nothing


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Generate an error and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def is_memory_error(error: BaseException) -> bool:
    """Return whether an error is Python's, or torch's, for memory that was not available."""
    return isinstance(error, MemoryError) or "allocate memory" in str(error)[:1000]


def hdf5_tree() -> Any:
    """Return the module that reads HDF5, without the project's packages, which take seconds to import."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    try:
        return import_module("hdf5_tree")
    finally:
        del sys.path[0]


def hdf5_answer(request: dict[str, Any], files: Files) -> dict[str, Any]:
    """Return the tree of an HDF5 file."""
    tree, limits = hdf5_tree(), request["limits"]
    try:
        size = os.path.getsize(request["file"]) if files.key != request["key"] else request["size"]
        attributes, tensors = tree.read_tree(files.hdf5(request), limits["tensors"], limits["unpacked"], size)
    except tree.Hdf5Refusal as refusal:
        return {"result": {"refused": refusal.args[0], "name": refusal.args[1]}}
    return {"result": {"attributes": attributes, "tensors": tensors}}


def limit_resources(memory: int, seconds: float) -> None:
    """Limit memory (bytes above what is in use) and processor time from now on, where the operating system can."""
    if resource is None:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _soft(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 1)
    _soft(resource.RLIMIT_CORE, 0)
    _soft(resource.RLIMIT_FSIZE, 0)
    if sys.platform == "linux":
        with open("/proc/self/statm") as file:
            data = int(file.read().split()[5]) * resource.getpagesize()
        _soft(resource.RLIMIT_DATA, data + memory)


def _soft(kind: int, limit: int) -> None:
    resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))


def memory_in_use() -> int:
    """Return the peak of this process's memory in bytes; 0 where it is not known."""
    if resource is not None:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    import ctypes
    from ctypes import wintypes

    class Counters(ctypes.Structure):
        _fields_ = [("size", wintypes.DWORD), ("faults", wintypes.DWORD)] + [
            (name, ctypes.c_size_t) for name in ("peak", "now", "a", "b", "c", "d", "pages", "most_pages")
        ]

    counters = Counters(size=ctypes.sizeof(Counters))
    kernel = ctypes.windll.kernel32
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    kernel.K32GetProcessMemoryInfo.argtypes = (wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD)
    found = kernel.K32GetProcessMemoryInfo(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.size)
    return max(counters.now, counters.pages) if found else 0


def watch_memory(limit: list[float]) -> None:
    """End this process when it takes more memory than ``limit[0]`` bytes."""
    while True:
        time.sleep(PAUSE)
        if memory_in_use() > limit[0]:
            os._exit(MEMORY_EXIT)


def main() -> None:
    """Answer requests until standard input ends."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    incoming: BinaryIO = sys.stdin.buffer
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not be part of an answer
    sys.path.append(sys.argv[1])
    files, most = Files(), [float("inf")]
    if sys.platform != "linux":
        threading.Thread(target=watch_memory, args=(most,), daemon=True).start()
    while line := incoming.readline():
        request = json.loads(line)
        if "limits" in request:
            limits = request["limits"]
            limit_resources(limits["memory"], limits["seconds"])
            most[0] = memory_in_use() + limits["memory"]
        header, body = answer(request, files)
        most[0] = float("inf")
        outgoing.write(json.dumps({**header, "bytes": len(body)}).encode() + b"\n")
        outgoing.write(body)
        outgoing.flush()


if __name__ == "__main__":
    main()
