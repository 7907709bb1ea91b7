"""The slider over a run's snapshots, and the links that show the network of one on the other pages."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from models.core.messages import Problem
from models.runs.open_run import TrainingRun
from models.training.trained_network import is_training_folder
from viz.address import PAGE_FIELDS
from viz.components.redraw_timer import redraw_timer
from viz.i18n import _
from viz.pages import find_lens
from viz.pages.page_elements import caption, lens_link, show_problem
from viz.pages.sent_elements import recorded_fragment
from viz.pages.synced_widget import synced_widget
from viz.pages.train.recorded_sequence import recorded_sequence_buttons
from viz.pages.train.shown_run import ShownRun
from viz.pages.trained_networks import network_name, open_snapshot
from viz.session import Session
from viz.view_options import options_for_new_network

SHOWN_ON = ("step", "states", "gradients", "edit", "checkpoint")
"""The pages that show the network of a snapshot."""
PAUSE = 5.0
"""Seconds after which new snapshots of a run that is being written are looked for."""


def snapshot_slider(session: Session, run: ShownRun, recording: TrainingRun) -> None:
    """Show the slider and the links, as soon as there is a snapshot."""
    with st.container(key="train_part_snapshots"):
        recorded_fragment(_draw)(session, run, recording)


def _draw(session: Session, run: ShownRun, recording: TrainingRun) -> None:
    if run.is_live:
        redraw_timer(pause=PAUSE, key="train_snapshot_timer")
    if session.view.training_step != run.step:
        st.rerun(scope="app")
    snapshots = recording.snapshots
    if not snapshots:
        return
    steps = sorted(snapshots)
    step = run.step if run.step in snapshots else steps[-1]
    slider, links = st.columns([2, 3], gap="medium", vertical_alignment="bottom")
    with slider:
        if len(steps) > 1:
            synced_widget(
                st.select_slider,
                _("Training step of the snapshot"),
                steps,
                key=f"train_snapshot_{run.name}",
                value=step,
                changed=lambda chosen: session.navigate(training_step=chosen),
                format_func=lambda each: f"{each:,}",
            )
    with links:
        if run.has_zoneout:
            recorded_sequence_buttons(session, run, step)
            return
        caption(_("Show the network as it was at training step {step:,}:").format(step=step))
        row = st.container(horizontal=True, gap="small")
        with row:
            _links(session, run, step)


def _links(session: Session, run: ShownRun, step: int) -> None:
    """Show a link to each page, or, for a module of one's own, whose snapshot is opened as a file, a button."""
    view = replace(
        session.view, text=None, layer=None, unit=None, step=None, quantity=None, edits="", attend="",
        look=options_for_new_network(session.view.look), run=run.name, training_step=step,
    )  # fmt: skip
    if is_training_folder(run.folder):
        view = replace(view, net=network_name(run.name, run.folder, step))
        for name in SHOWN_ON:
            lens_link(name, _(find_lens(name).title), view)
        return
    for name in SHOWN_ON:
        lens = find_lens(name)
        if st.button(_(lens.title), key=f"train_open_{name}", icon=":material/open_in_new:"):
            try:
                net = open_snapshot(run.name, run.folder, step)
            except Problem as problem:
                show_problem(problem)
                return
            session.remember_network(net)
            fields = {field: value for field, value in vars(view).items() if field not in PAGE_FIELDS}
            session.navigate(**fields | {"net": net})
            st.switch_page(lens.page())
