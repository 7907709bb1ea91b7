"""The uploaded files that the server keeps: a bounded number of bytes and files, for a bounded time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from viz import uploads

SIZES = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), min_size=1, max_size=12)


def manager_with(limits, monkeypatch):
    monkeypatch.setattr(MemoryUploadedFileManager, "add_file", MemoryUploadedFileManager.add_file)
    uploads.limit_uploads(limits)
    return MemoryUploadedFileManager("/upload")


def kept(manager):
    return {session: list(files) for session, files in manager.file_storage.items() if files}


@given(SIZES)
def test_the_newest_files_that_fit_are_kept(sizes):
    with pytest.MonkeyPatch.context() as patch:
        manager = manager_with(uploads.UploadLimits(size=50, count=4), patch)
        for number, (session, size) in enumerate(sizes):
            manager.add_file(session, UploadedFileRec(str(number), "a.pt", "", bytes(size)))
            stored = [len(file.data) for files in manager.file_storage.values() for file in files.values()]
            assert str(number) in manager.file_storage[session]
            assert len(stored) <= 4 and sum(stored) <= 50


def test_one_thread_waits_however_many_files_are_added(monkeypatch):
    started = []

    class Timer:
        def __init__(self, seconds, function):
            started.append(function)

        def start(self):
            """Wait for the test to call the function."""

    monkeypatch.setattr(uploads.threading, "Timer", Timer)
    limits = uploads.UploadLimits(seconds=0.0)
    manager = manager_with(limits, monkeypatch)
    for name in "abc":
        manager.add_file("a", UploadedFileRec(name, "a.pt", "", bytes(uploads.SMALL + 1)))
    manager.add_file("a", UploadedFileRec("small", "a.csv", "", b"1"))
    assert len(started) == 1
    started[0]()
    assert kept(manager) == {"a": ["small"]} and len(started) == 2
    manager.remove_session_files("a")
    started[1]()
    assert len(started) == 2


def test_a_readers_own_files_go_first_and_old_ones_go_alone(monkeypatch):
    manager = manager_with(uploads.UploadLimits(size=50, count=9), monkeypatch)
    for session, name, size in (("a", "1", 20), ("b", "2", 20), ("b", "3", 20)):
        manager.add_file(session, UploadedFileRec(name, "a.pt", "", bytes(size)))
    assert kept(manager) == {"a": ["1"], "b": ["3"]}
    limits = uploads.UploadLimits(seconds=0.0)
    manager = manager_with(limits, monkeypatch)
    manager.add_file("a", UploadedFileRec("large", "a.pt", "", bytes(uploads.SMALL + 1)))
    manager.add_file("a", UploadedFileRec("small", "a.csv", "", b"1"))
    limits.remove_old(manager)
    assert kept(manager) == {"a": ["small"]}
    manager.remove_session_files("a")
    limits.remove_old(manager)
    assert limits._added == {}
