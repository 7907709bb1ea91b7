"""What `streamlit run app.py -- NAME` names: a file to open, a folder of training runs, or a folder of lessons."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


def named_path(arguments: Sequence[str]) -> Path | None:
    """Return the file or the folder that the command line names first; a folder is created if its name ends with a slash."""
    if not arguments:
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
