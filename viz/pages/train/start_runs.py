"""The start of training runs through the queue: one, or several that are then compared."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from models.core.messages import Problem
from models.training.check_options import check_options
from models.training.run_queue import submit
from models.training.training_options import TrainingOptions
from viz.i18n import _
from viz.pages.page_elements import show_problem
from viz.pages.run_folders import new_run, reader_id, remove_empty_run
from viz.pages.train.run_names import RUNS
from viz.session import Session


def start_run(session: Session, options: TrainingOptions, label: str | None = None) -> str:
    """Add a run to the queue and return its name.

    Raises:
        Problem: the settings or the data are invalid, or the run cannot be stored.
    """
    check_options(options)
    folder = new_run(session, options, label)
    try:
        submit(options, folder, reader_id())
    except Problem:
        remove_empty_run(folder)
        raise
    return folder.name


def start_runs(session: Session, runs: Sequence[tuple[TrainingOptions, str | None]]) -> None:
    """Start runs, of these settings and beginnings of their names, and show the first of them, several in the comparison.

    Where one cannot be started, one sentence says why, and those after it are not started either.
    """
    try:
        with st.spinner(_("Preparing the data and the training process …")):
            names = [start_run(session, options, label) for options, label in runs]
    except Problem as problem:
        show_problem(problem)
        return
    show_runs(session, names)


def show_runs(session: Session, names: Sequence[str]) -> None:
    """Show the first of some runs, and if they are several, all of them in the comparison."""
    session.navigate(run=names[0], training_step=None)
    if len(names) > 1:
        session.set_view_options(runs=RUNS.format(list(names)))
        session.open_panel("run_comparison", default=False, scroll=True)
    st.rerun(scope="app")
