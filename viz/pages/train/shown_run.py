"""The run that the Train page shows, and the parts of the page that follow it while it trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from models.core.messages import Problem
from models.runs.open_run import TrainingRun, open_run
from models.runs.run_folder import is_run_folder
from models.training.run_queue import QueueState, state
from models.training.trained_network import is_training_folder, read_options
from models.training.training_options import TrainingOptions
from viz.i18n import _
from viz.pages.page_elements import caption, show_problem

PERIOD = 1.0
"""Seconds between two pictures of a run that is being written."""

LIVE = ("waiting", "running")
"""The states of a run that changes."""


@dataclass(frozen=True, eq=False)
class ShownRun:
    """A run, as it was at the beginning of this run of the page.

    Attributes:
        name: in the address.
        folder: of the run.
        own: whether this reader may pause, stop and delete it.
        state: in the queue.
        recording: what it recorded; None before its first training step.
        options: of a run that was trained here; None for a training loop under ``watch``.
        step: the training step that was chosen with the slider; None for the last.
    """

    name: str
    folder: Path
    own: bool
    state: QueueState
    recording: TrainingRun | None
    options: TrainingOptions | None
    step: int | None = None

    @property
    def has_zoneout(self) -> bool:
        """Whether it was trained here with zoneout, whose averages of states the other pages and the maps cannot show."""
        return self.options is not None and max(self.options.zoneout, self.options.zoneout_cell) > 0

    @property
    def is_live(self) -> bool:
        """Whether the run changes while it is shown."""
        return self.state.status in LIVE


def open_shown_run(name: str, folder: Path, own: bool, step: int | None) -> ShownRun:
    """Return the run in a folder.

    Raises:
        Problem: the folder is damaged.
    """
    recording = open_run(folder) if is_run_folder(folder) else None
    options = None
    if is_training_folder(folder):
        options = read_options(folder)
    return ShownRun(name, folder, own, state(folder), recording, options, step)


def live(run: ShownRun, name: str, draw: Callable[[], None]) -> None:
    """Draw the part ``name`` of the page, once a second as long as the run is being written.

    What cannot be read is reported in one sentence.
    """

    def draw_part() -> None:
        try:
            draw()
        except Problem as problem:
            show_problem(problem)

    part = st.fragment(draw_part, run_every=PERIOD if run.is_live else None)
    with st.container(key=f"train_part_{name}"):
        part()


def nothing_recorded(run: ShownRun) -> None:
    """Show why a panel has no picture."""
    caption(_("Nothing has been recorded yet.") if run.is_live else _("This run did not record it."))


def known_scalars(recording: TrainingRun, names: Sequence[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return those of the scalars that the run has, by name: training steps (N,) and values (N,)."""
    known = set(recording.scalar_names)
    return recording.scalars([name for name in names if name in known])
