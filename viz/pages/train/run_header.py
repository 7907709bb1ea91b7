"""The top of the Train page: the list of runs, the state of the one that is shown, and its buttons."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import streamlit as st

from models.core.messages import Problem
from models.runs.run_folder import read_description
from models.training.run_queue import state, stop, submit_resume
from models.training.training_control import read_command, send_command
from viz.escape import escape_markdown
from viz.i18n import _, ngettext, translate
from viz.pages.page_elements import show_problem
from viz.pages.run_folders import find_run, is_own, listed_runs, reader_id
from viz.pages.synced_widget import synced_widget
from viz.pages.train.run_names import run_title
from viz.pages.train.shown_run import ShownRun, live, open_shown_run
from viz.pages.trained_networks import nearest_snapshot
from viz.session import Session

RESUMABLE = ("stopped", "interrupted", "unknown")
"""The states of a run that can go on; an unknown one was stopped before it began."""


def choose_run(session: Session) -> ShownRun | None:
    """Show the list of runs and return the one that the view names, else the newest; None if there is none."""
    missing = session.startup_file
    if missing is not None and not missing.exists():
        session.startup_file = None
        session.add_notice(
            _("The folder {name} was not found. End its name with a slash to create it.").format(name=missing.name)
        )
    names = [entry.name for entry in listed_runs(session)]
    name = session.view.run
    run = None
    if name is None and names:
        name = names[0]
    if name is not None:
        try:
            run = _open(session, name)
        except Problem as problem:
            session.add_notice(translate(problem))
            name = names[0] if names and names[0] != name else None
            run = _open_if_whole(session, name)
    session.fill_defaults(run=None if run is None else run.name, training_step=None if run is None else run.step)
    if run is None:
        return None
    if run.name not in names:
        names.insert(0, run.name)  # of a link
    which, actions = st.columns([2, 3], gap="medium", vertical_alignment="bottom")
    with which:
        synced_widget(
            st.selectbox,
            _("Training run"),
            names,
            key="choose_run",
            value=run.name,
            changed=lambda chosen: session.navigate(run=chosen, training_step=None),
            initial_argument="index",
            format_func=run_title,
        )
    with actions:
        _buttons(session, run)
    live(run, "state", lambda: _show_state(run))
    return run


def _open(session: Session, name: str) -> ShownRun:
    folder = find_run(session, name)
    chosen = session.view.training_step if session.view.run == name else None
    step = None if chosen is None else nearest_snapshot(folder, chosen)
    return open_shown_run(name, folder, is_own(folder), step)


def _open_if_whole(session: Session, name: str | None) -> ShownRun | None:
    try:
        return None if name is None else _open(session, name)
    except Problem:
        return None


def _show_state(run: ShownRun) -> None:
    """Show how far the run is, and where NaN came; run the whole page again when the run's state has changed."""
    now = state(run.folder)
    recording = run.recording
    if now.status != run.state.status or (recording is None and now.status in ("running", "finished", "stopped")):
        st.rerun(scope="app")
    if now.problem is not None:
        message = translate(now.problem) if isinstance(now.problem, Problem) else type(now.problem).__name__
        st.error(escape_markdown(_("The run failed: {reason}").format(reason=message)), icon=":material/block:")
    if recording is None and now.status in ("unknown", "failed"):
        st.info(_("This run has no training step yet."), icon=":material/info:")
        return
    if recording is None:
        place = now.place or 0
        st.info(
            ngettext("Waiting: {n} run is before this one.", "Waiting: {n} runs are before this one.", place).format(
                n=place
            )
            if place
            else _("Training begins …"),
            icon=":material/hourglass_top:",
        )
        return
    done = recording.updates
    total = recording.settings.get("total_steps")
    text = _status_text(run, now.status).format(step=f"{done:,}")
    if isinstance(total, int) and total > 0:
        st.progress(min(1.0, done / total), text=_("{state} · {total:,} in all").format(state=text, total=total))
    else:
        st.markdown(text)
    found = recording.first_nonfinite
    if found is not None:
        step, place_of = found
        st.error(
            escape_markdown(
                _("The first NaN or infinity is at training step {step:,}. {place}").format(
                    step=step, place=translate(place_of.sentence)
                )
            ),
            icon=":material/priority_high:",
        )
    for note in () if run.has_zoneout else recording.notes:  # the panel of the maps says it in the words of the page
        st.caption(escape_markdown(_(note)))


def _status_text(run: ShownRun, status: str) -> str:
    """Return the sentence of a state, with a placeholder for the training step."""
    if status == "running" and read_command(run.folder) == "pause":
        return _("Paused at training step {step}")
    reason = read_description(run.folder).get("reason") if status in ("finished", "stopped") else None
    by_reason = {
        "early stopping": _("Stopped early at training step {step}, because the validation loss no longer fell"),
        "time": _("Stopped at training step {step}, at the longest duration"),
        "not finite": _("Stopped at training step {step}, because the loss was no longer finite"),
    }
    if isinstance(reason, str) and reason in by_reason:
        return by_reason[reason]
    return {
        "waiting": _("Waiting to go on from training step {step}"),
        "running": _("Training step {step}"),
        "finished": _("Finished at training step {step}"),
        "stopped": _("Stopped at training step {step}"),
        "failed": _("Failed at training step {step}"),
        "interrupted": _("Interrupted at training step {step}: the program that wrote this run has ended"),
    }.get(status, _("Training step {step}"))


def _buttons(session: Session, run: ShownRun) -> None:
    """Show the buttons that the state of the run allows."""
    if run.options is None or not run.own:
        return
    row = st.container(horizontal=True, gap="small", vertical_alignment="bottom")
    status = run.state.status
    paused = status == "running" and read_command(run.folder) == "pause"
    with row:
        if status == "running" and not paused:
            _button("pause", _("Pause"), ":material/pause:", lambda: send_command(run.folder, "pause"))
        if paused:
            _button("continue", _("Continue"), ":material/play_arrow:", lambda: send_command(run.folder, "run"))
        if status in ("running", "waiting"):
            _button("stop", _("Stop"), ":material/stop:", lambda: stop(run.folder))
        if status in RESUMABLE:
            _button("continue", _("Continue"), ":material/play_arrow:", lambda: submit_resume(run.folder, reader_id()))
        if not run.is_live:
            with st.popover(_("Delete …"), icon=":material/delete:"):
                st.markdown(_("The recordings and the weights of this run will be deleted."))
                _button("delete", _("Delete the run"), ":material/delete:", lambda: _delete(session, run))


def _button(name: str, label: str, icon: str, act: Callable[[], Any]) -> None:
    """Show a button; what it cannot do is one sentence."""
    if st.button(label, icon=icon, key=f"train_{name}"):
        try:
            with st.spinner(label):
                act()
        except Problem as problem:
            show_problem(problem)
        else:
            st.rerun()


def _delete(session: Session, run: ShownRun) -> None:
    shutil.rmtree(run.folder, ignore_errors=True)
    session.navigate(run=None, training_step=None)
