"""The list of edits, in order: switched on and off, removed, undone, and taken away as a file."""

import streamlit as st

from models.edit_text import write_edit
from models.edits import Edits
from viz.i18n import _
from viz.pages import sources
from viz.pages.edit_live import Part
from viz.pages.edit_sources import edits_of, put
from viz.pages.edit_turn import turn_edit
from viz.pages.panel import panel
from viz.session import Session

LONGEST = 60


def listed(here: Session) -> list[Part]:
    """Show the list; gives what draws its slider."""
    edits = edits_of(here)
    parts = []
    with panel(_("The edits, in order"), _("Switch one off: does the prediction come back? Then that edit broke it.")):
        if not edits.entries:
            st.markdown(_("Nothing is changed yet."))
        for index, entry in enumerate(edits.entries):
            _row(here, index, write_edit(entry.edit), entry.on)
        if edits.entries and edits.entries[-1].on:
            part = turn_edit(here, len(edits.entries) - 1, _("Turn the last edit"))
            parts += [part] if part else []
        _buttons(here, edits)
    return parts


def _row(here: Session, index: int, text: str, on: bool) -> None:
    key = f"edit_{here.turns}_{index}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"row_{key}"):
        st.toggle(
            _("Edit {n} is on").format(n=index + 1),
            on,
            key=f"on_{key}",
            label_visibility="collapsed",
            on_change=lambda: put(here, edits_of(here).switch(index, not on)),
            width="content",
        )
        shown = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
        st.code(shown, language=None, width="stretch")
        st.button(
            "",
            key=f"out_{key}",
            icon=":material/close:",
            help=_("Remove this edit"),
            type="tertiary",
            on_click=lambda: put(here, edits_of(here).remove(index)),
        )


def _buttons(here: Session, edits: Edits) -> None:
    history = here.history
    with st.container(horizontal=True, gap="small"):
        st.button(_("Undo"), icon=":material/undo:", key="undo", disabled=not history.past, on_click=here.undo)
        st.button(_("Redo"), icon=":material/redo:", key="redo", disabled=not history.future, on_click=here.redo)
        st.download_button(
            _("Edited weights (safetensors)"),
            lambda: sources.edited(here.view.net or "", sources.active(here.view.edits)).save(),
            file_name=f"{here.view.net}-edited.safetensors",
            mime="application/octet-stream",
            icon=":material/download:",
            on_click="ignore",
            disabled=not edits.on,
        )
