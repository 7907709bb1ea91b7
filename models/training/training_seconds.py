"""The seconds that a run has spent in training."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from models.runs.run_folder import is_plain_file
from models.training.training_checkpoint import CHECKPOINT

MAX_CHECKPOINT = 1 << 30
"""Bytes of a checkpoint that is opened; the folder may be anybody's."""


def training_seconds(folder: Path) -> float | None:
    """Return the seconds up to the last checkpoint of a run, pauses excluded; None if there is no checkpoint."""
    path = folder / CHECKPOINT
    if not is_plain_file(path) or path.stat().st_size > MAX_CHECKPOINT:
        return None
    try:
        with safe_open(path, "pt") as file:
            seconds = json.loads((file.metadata() or {})["state"])["seconds"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    return float(seconds) if isinstance(seconds, int | float) and 0 <= seconds < 1e9 else None
