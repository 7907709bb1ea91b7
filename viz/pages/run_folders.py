"""The run folders of this server: those named on the command line, each reader's own, and those that a link names.

A run that was started on the page is in the folder named on the command line, else in `RUNS_FOLDER`. Its name is random and
therefore only known to its reader and to those who got a link; other runs, written by ``watch``, are listed for everybody.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

import streamlit as st

from models.core.messages import Problem
from models.runs.run_folder import is_plain_file, is_run_folder, replace_file
from models.training.trained_network import is_training_folder
from models.training.training_options import TrainingOptions
from viz.reader_cookie import NAME, reader_of
from viz.session import Session

RUNS_FOLDER = "UNROLLED_RUNS"
"""Environment variable: the folder of the runs that are started on the page."""

OWNER = "reader"
"""The file of a run folder with the hash of its reader."""

MAX_LISTED, MAX_OWN = 200, 1000
"""Runs that are listed, and runs that the pages of this server may store."""

READER = "train_reader"


@dataclass(frozen=True)
class RunEntry:
    """A run in the list: its name in the address, its folder, and when it was last changed."""

    name: str
    folder: Path
    changed: float


def runs_root(session: Session) -> Path:
    """Return the folder in which runs are started: the one named on the command line, unless that is itself a run."""
    named = session.runs_folder
    if named is not None and not is_run_folder(named):
        return named
    chosen = os.environ.get(RUNS_FOLDER)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(chosen) if chosen else Path(data) / "unrolled" / "runs"


def reader_id() -> str:
    """Return what identifies this reader: of the browser's cookie, else of this session."""
    found = reader_of(st.context.cookies.get(NAME))
    return found or st.session_state.setdefault(READER, token_hex(16))


def _owner_hash() -> str:
    return sha256(reader_id().encode()).hexdigest()


def is_own(folder: Path) -> bool:
    """Return whether this reader started the run in a folder."""
    return _owner(folder) == _owner_hash()


def _owner(folder: Path) -> str | None:
    """Return the hash of a run's reader; None for a run that was not started on the page."""
    path = folder / OWNER
    if not is_plain_file(path):
        return None
    try:
        with path.open("rb") as file:
            return file.read(100).decode("ascii", "replace")
    except OSError:
        return ""


def listed_runs(session: Session) -> list[RunEntry]:
    """Return this reader's runs and those of the command line, the last changed first."""
    named = session.runs_folder
    found = [RunEntry(named.resolve().name, named, 0.0)] if named is not None and is_run_folder(named) else []
    try:
        children = [Path(entry.path) for entry in os.scandir(runs_root(session)) if entry.is_dir()]
    except OSError:
        children = []
    shared, reader = named is not None and not found, _owner_hash()
    for folder in children:
        owner = _owner(folder)
        visible = owner == reader or (shared and owner is None)
        if visible and _is_name(folder.name) and _has_run(folder):
            found.append(RunEntry(folder.name, folder, _changed(folder)))
    return sorted(found, key=lambda entry: -entry.changed)[:MAX_LISTED]


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def _has_run(folder: Path) -> bool:
    """Return whether a folder has a recording, or the settings of a run that has recorded nothing yet."""
    return is_run_folder(folder) or is_training_folder(folder)


def _is_name(name: str) -> bool:
    return name.isprintable() and name not in ("", ".", "..") and not set(name) & set("/\\\0") and len(name) <= 200


def find_run(session: Session, name: str) -> Path:
    """Return the folder of a run that the reader's list or a link names.

    Raises:
        Problem: there is no such run.
    """
    named = session.runs_folder
    if named is not None and is_run_folder(named) and named.resolve().name == name:
        return named
    folder = runs_root(session) / name
    if not _is_name(name) or not _has_run(folder) or (named is None and _owner(folder) is None):
        raise Problem("There is no training run “{name}” here. Choose a run from the list.", name=name[:60])
    return folder


def new_run(session: Session, options: TrainingOptions, label: str | None = None) -> Path:
    """Return the path of a new run of this reader, and create its folder.

    Args:
        session: of the reader.
        options: of the run.
        label: the beginning of its name; None for its task and cell.

    Raises:
        Problem: the folder cannot be created, or there are too many runs.
    """
    root = runs_root(session)
    start = label or f"{options.task}-{options.cell}"
    folder = root / f"{start}-{token_hex(6)}".lower()
    try:
        root.mkdir(parents=True, exist_ok=True)
        if sum(1 for _each in os.scandir(root)) >= MAX_OWN:
            raise Problem(
                "{folder} contains {count} runs, and no more are stored. Delete some of them first.",
                folder=str(root),
                count=MAX_OWN,
            )
        folder.mkdir()
        replace_file(folder / OWNER, _owner_hash().encode())
    except OSError as error:
        raise Problem(
            "The run cannot be written: {reason}. Free space on the disk, or choose another folder.",
            reason=(error.strerror or str(error)).lower(),
        ) from error
    return folder


def remove_empty_run(folder: Path) -> None:
    """Remove the folder of a run that could not be prepared."""
    if not is_run_folder(folder):
        shutil.rmtree(folder, ignore_errors=True)
