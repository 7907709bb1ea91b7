"""What `streamlit run app.py -- NAME` names: a file to open, or a folder of training runs."""

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
