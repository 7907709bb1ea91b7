"""What `streamlit run app.py -- NAME` names: a file to open, a folder of training runs or of lessons, or `--lesson N`."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

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


def sort_named(path: Path | None) -> tuple[Path | None, Path | None, Path | None]:
    """Return a named path as a file, a folder of training runs, or a folder of lessons; the other two are None."""
    if path is None or not path.is_dir():
        return path, None, None
    from viz.lessons.find_lessons import lesson_folders  # most readers open no folder

    return (None, None, path) if lesson_folders(path) else (None, path, None)
