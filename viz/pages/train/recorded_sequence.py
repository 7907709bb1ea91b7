"""A snapshot of a run with zoneout on the other pages: its recorded sequence, opened as a saved run."""

from __future__ import annotations

from io import BytesIO

import streamlit as st

from models.core.messages import Problem
from models.training.zoneout_recording import record_zoneout
from viz.i18n import _
from viz.pages import find_lens
from viz.pages.page_elements import caption, show_problem
from viz.pages.train.shown_run import ShownRun
from viz.pages.uploaded_runs import open_uploaded_run
from viz.session import Session

SHOWN_ON = ("step", "states", "gradients")
"""The pages that show a saved run of a cell of the user's own."""


def recorded_sequence_buttons(session: Session, run: ShownRun, step: int) -> None:
    """Show a button for each page that can show the recorded sequence at a training step."""
    caption(
        _(
            "The cells average with the previous state (zoneout). The other pages show the recorded sequence at training "
            "step {step:,}, with the equations of these cells, but not another text or edits:"
        ).format(step=step)
    )
    with st.container(horizontal=True, gap="small"):
        for name in SHOWN_ON:
            lens = find_lens(name)
            if st.button(_(lens.title), key=f"train_zoneout_{name}", icon=":material/open_in_new:"):
                try:
                    file = _recorded(run, step)
                except Problem as problem:
                    show_problem(problem)
                    return
                session.navigate(run=None, training_step=None)
                session.show_file(file)
                st.switch_page(lens.page())


def _recorded(run: ShownRun, step: int) -> str:
    """Return the name of the saved run of a snapshot. Raises Problem: the snapshot is damaged."""
    content = BytesIO()
    record_zoneout(run.folder, step).save(content)
    return open_uploaded_run(f"{run.name}-{step}.npz", content.getvalue()).name
