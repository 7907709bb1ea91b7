"""The run that the Train page shows, and the parts of the page that follow it while it trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.core.messages import Problem
from models.runs.open_run import TrainingRun, open_run
from models.runs.run_folder import is_run_folder
from models.training.run_queue import QueueState, state
from models.training.trained_network import is_training_folder, read_options
from models.training.training_options import TrainingOptions
from viz.components.redraw_timer import redraw_timer
from viz.i18n import _
from viz.pages.page_elements import caption, show_problem
from viz.pages.sent_elements import recorded_fragment
from viz.pages.train.live_chart import TIMER

PAUSE = 0.3
"""Seconds from one picture of a run that is being written to the request of the next, at least."""

PARTS = "train_live_parts"
"""In the session state while the page runs: its parts that change."""

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
    """Draw the part ``name`` of the page; while the run is being written, ``follow_live_parts`` does so again and again.

    What cannot be read is reported in one sentence. The part has no widgets.
    """
    part = LivePart(st.container(key=f"train_part_{name}"), draw)
    if run.is_live:
        st.session_state.setdefault(PARTS, []).append(part)
    else:
        part.draw_now()


@dataclass(frozen=True, eq=False)
class LivePart:
    """A part of the page that changes while a run is written: its place, and the function that draws its content."""

    place: DeltaGenerator
    draw: Callable[[], None]

    def draw_now(self) -> None:
        """Replace the content."""
        with self.place:
            try:
                self.draw()
            except Problem as problem:
                show_problem(problem)


def forget_live_parts() -> None:
    """Forget the parts of a run of the page that ended before it followed them; to be called before the first part."""
    st.session_state.pop(PARTS, None)


def follow_live_parts() -> None:
    """Draw the parts declared by ``live``, and again and again; to be called after the last of them.

    All in one run of one fragment, because the browser goes through the whole page after each run. The browser requests the
    next run only after it has drawn this one and rested: a timer of its own would go on while the page is not ready yet, and
    leave no time for the reader.
    """
    parts: list[LivePart] = st.session_state.pop(PARTS, [])
    if not parts:
        return

    @recorded_fragment
    def follow() -> None:
        for part in parts:
            part.draw_now()
        redraw_timer(pause=PAUSE, key=TIMER)

    follow()


def nothing_recorded(run: ShownRun) -> None:
    """Show why a panel has no picture."""
    caption(_("Nothing has been recorded yet.") if run.is_live else _("This run did not record it."))


def known_scalars(recording: TrainingRun, names: Sequence[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return those of the scalars that the run has, by name: training steps (N,) and values (N,)."""
    known = set(recording.scalar_names)
    return recording.scalars([name for name in names if name in known])
