"""The list of edits in order: toggle, remove, undo, and download the edited weights."""

import streamlit as st

from models.edits.edit import Edit, Edits, Entry, WeightChange
from models.edits.edit_syntax import write_edit
from viz.edit_text import describe_edit
from viz.escape import code_span, escape_markdown, file_name
from viz.i18n import _
from viz.pages import cache
from viz.pages.edit import edit_cache
from viz.pages.edit.edit_cache import apply_edits
from viz.pages.edit.edit_slider import edit_slider
from viz.pages.edit.live_redraw import RedrawParts
from viz.pages.edit.weight_selection import edit_place, gate_block, selected_entry, selected_matrix
from viz.pages.panels import panel
from viz.pages.synced_widget import synced_widget
from viz.session import Session

MAX_TEXT_LENGTH = 60
MAX_ROWS, MAX_HEIGHT = 8, 480
"""A longer list scrolls in a container of that many CSS pixels, so that undo stays visible."""


def edit_list(session: Session, parts: RedrawParts) -> None:
    """Declare the panel of the list; it adds the function that draws its slider to ``parts``."""
    edits = session.edits

    @panel(
        "edit_list",
        _("List of edits"),
        _(
            "All edits, applied in this order. Turn one off: if the prediction returns to what it was, that edit "
            "caused the change."
        ),
        opened=True,
    )
    def draw_edit_list() -> None:
        if not edits.entries:
            st.markdown(_("No changes yet."))
        with st.container(height=MAX_HEIGHT if len(edits.entries) > MAX_ROWS else "content", border=False):
            for index, entry in enumerate(edits.entries):
                _row(session, index, entry)
        if edits.entries and edits.entries[-1].on and not _is_selected_entry(session, edits.entries[-1].edit):
            part = edit_slider(session, len(edits.entries) - 1, _("Adjust the last edit"))
            parts.last_sliders += [part] if part else []
        _buttons(session, edits)


def _is_selected_entry(session: Session, edit: Edit) -> bool:
    """Return whether an edit sets the selected entry of the matrix, which already has a slider."""
    parameters = edit_cache.edited_parameters(session)
    name, gate = selected_matrix(parameters)
    row, column = selected_entry(name, gate, gate_block(parameters, name, gate).shape)
    return edit == WeightChange(edit_place(parameters, name, gate, row, column), "=", getattr(edit, "value", 0.0))


def _row(session: Session, index: int, entry: Entry) -> None:
    text, on = write_edit(entry.edit), entry.on
    short = text if len(text) <= MAX_TEXT_LENGTH else text[: MAX_TEXT_LENGTH - 1] + "…"
    key = f"edit_{session.slider_generation}_{index}"
    switch, words, out = st.columns([2, 12, 2], vertical_alignment="center", gap="small")
    with switch:
        synced_widget(
            st.toggle,
            _("Edit {n} on/off").format(n=index + 1),
            key=f"on_{index}",
            value=on,
            changed=lambda now: _toggle(session, index, now),
            label_visibility="collapsed",
        )
    with words:
        st.markdown(escape_markdown(describe_edit(entry.edit)), help=code_span(short))
    with out:
        st.button(
            "",
            key=f"out_{key}",
            icon=":material/close:",
            help=_("Remove this edit"),
            type="tertiary",
            on_click=lambda: _remove(session, index),
        )


def _toggle(session: Session, index: int, on: bool) -> None:
    edits = session.edits
    if index < len(edits.entries):  # it may have been removed since
        apply_edits(session, edits.switch(index, on))


def _remove(session: Session, index: int) -> None:
    edits = session.edits
    if index < len(edits.entries):
        apply_edits(session, edits.remove(index))


def _buttons(session: Session, edits: Edits) -> None:
    history = session.edit_history
    with st.container(horizontal=True, gap="small"):
        st.button(_("Undo"), icon=":material/undo:", key="undo", disabled=not history.past, on_click=session.undo)
        st.button(_("Redo"), icon=":material/redo:", key="redo", disabled=not history.future, on_click=session.redo)
        st.download_button(
            _("Edited weights (safetensors)"),
            lambda: cache.edited_network(session.view.net or "", cache.active_edits(session.edits)).save(),
            file_name=f"{file_name(cache.download_name(session.view.net or ''))}-edited.safetensors",
            mime="application/octet-stream",
            icon=":material/download:",
            on_click="ignore",
            disabled=not edits.on,
        )
