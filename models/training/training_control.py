"""Pause and stop a run from any process: a file in its folder, which the training loop reads before each step."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

from models.runs.run_folder import replace_file

CONTROL = "control.json"
Command = Literal["run", "pause", "stop"]


def send_command(folder: str | Path, command: Command) -> None:
    """Write the command for a run; it takes effect before the next training step.

    Args:
        folder: of the run.
        command: ``"pause"``, ``"run"`` to go on, or ``"stop"``.
    """
    replace_file(Path(folder) / CONTROL, json.dumps({"command": command}).encode())


def read_command(folder: str | Path) -> Command:
    """Return the last command for a run; ``"run"`` without one."""
    try:
        with (Path(folder) / CONTROL).open("rb") as file:
            found = json.loads(file.read(1000))["command"]
    except (OSError, ValueError, KeyError, TypeError):
        return "run"
    return found if found in ("pause", "stop") else "run"


class CommandReader:
    """The commands for one run, read again only after the file has changed."""

    def __init__(self, folder: Path) -> None:
        """Prepare to read the commands in a folder."""
        self._path, self._known, self._command = folder / CONTROL, -1, "run"

    def current(self) -> Command:
        """Return the last command."""
        try:
            changed = os.stat(self._path).st_mtime_ns
        except OSError:
            return "run"
        if changed != self._known:
            self._known, self._command = changed, read_command(self._path.parent)
        return self._command  # type: ignore[return-value]
