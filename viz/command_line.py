"""What `streamlit run app.py -- NAME` names: a file, a folder of training runs, of lessons, of an index, or `--lesson N`."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

COMMAND = "unrolled" if __name__.startswith("unrolled.") else "streamlit run app.py --"
"""The command that starts this app, before the name of a file."""

LESSON_OPTION = "--lesson"


def named_lesson(arguments: Sequence[str]) -> str | None:
    """Return the number or the name of the lesson that the command line names, or None."""
    return arguments[1] if len(arguments) > 1 and arguments[0] == LESSON_OPTION else None


def named_path(arguments: Sequence[str]) -> Path | None:
    """Return the file or the folder that the command line names first; a folder is created if its name ends with a slash."""
    if not arguments or arguments[0] == LESSON_OPTION:
        return None
    path = Path(arguments[0])
    if arguments[0].endswith(("/", os.sep)):
        with suppress(OSError):
            path.mkdir(parents=True, exist_ok=True)
    return path


class NamedPath(NamedTuple):
    """A path on the command line by its kind; the other kinds are None."""

    file: Path | None = None
    runs: Path | None = None
    lessons: Path | None = None
    corpus: Path | None = None


def sort_named(path: Path | None) -> NamedPath:
    """Return a named path as a file, or a folder of training runs, of lessons, or of a corpus's index."""
    if path is None or not path.is_dir():
        return NamedPath(file=path)
    if (path / "zarr.json").is_file():
        return NamedPath(corpus=path)
    from viz.lessons.find_lessons import lesson_folders  # most readers open no folder

    return NamedPath(lessons=path) if lesson_folders(path) else NamedPath(runs=path)
