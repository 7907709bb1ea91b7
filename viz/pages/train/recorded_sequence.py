"""A snapshot of a run with zoneout on the other pages: its run of a sequence, opened as a saved run, and its file."""

from __future__ import annotations

from io import BytesIO

import streamlit as st

from models.core.messages import Problem
from models.runs.open_run import open_run
from models.training.trained_network import read_card, snapshot_network
from models.training.zoneout_recording import record_zoneout
from viz.i18n import _
from viz.pages import checkpoint_store as checkpoints
from viz.pages import find_lens
from viz.pages.page_elements import caption, show_problem
from viz.pages.train.shown_run import ShownRun
from viz.pages.unknown_tokens import unknown_note
from viz.pages.uploaded_runs import open_uploaded_run
from viz.session import Session

SHOWN_ON = ("step", "states", "gradients")
"""The pages that show a saved run of a cell of the user's own."""


def recorded_sequence_buttons(session: Session, run: ShownRun, step: int) -> None:
    """Show a text, and a button for each page that can show its run by the network at a training step."""
    caption(
        _(
            "The cells average with the previous state (zoneout). Step, States and Gradients show a text at training step "
            "{step:,} with the equations of these cells, but no edits; Checkpoint shows the weights, and names zoneout as "
            "not applied:"
        ).format(step=step)
    )
    try:
        recorded = read_card(run.folder).default.text
        text = st.text_area(_("Text"), recorded, height=68, key=f"train_zoneout_text_{run.name}")
        if text != recorded:
            network = snapshot_network(run.folder, step)
            unknown_note(network.card, network.unknown(text))
    except Problem as problem:
        show_problem(problem)
        return
    with st.container(horizontal=True, gap="small"):
        for name in (*SHOWN_ON, "checkpoint"):
            lens = find_lens(name)
            if st.button(_(lens.title), key=f"train_zoneout_{name}", icon=":material/open_in_new:"):
                try:
                    _open(session, run, step, text, name)
                except Problem as problem:
                    show_problem(problem)
                    return
                st.switch_page(lens.page())


def _open(session: Session, run: ShownRun, step: int, text: str, lens: str) -> None:
    """Show the run of a text, or on Checkpoint the file of the weights. Raises Problem: they cannot be opened."""
    if lens == "checkpoint":
        opened = checkpoints.open_path(open_run(run.folder).snapshots[step])
        if not opened.checkpoint.unapplied:
            raise Problem(
                "The file of this snapshot does not state its zoneout, so its states would be those of other cells. Train "
                "the network again."
            )
        session.remember_network(opened.name)
        session.navigate(
            net=opened.name, text=None, layer=None, unit=None, step=None, quantity=None, run=None, training_step=None
        )
        return
    content = BytesIO()
    record_zoneout(run.folder, step, text).save(content)
    file = open_uploaded_run(f"{run.name}-{step}.npz", content.getvalue()).name
    session.navigate(run=None, training_step=None)
    session.show_file(file)
