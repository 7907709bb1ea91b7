"""What stands on every lens while the network is edited_banner: that it is, and the way back."""

from dataclasses import replace

import streamlit as st

from models.edits.edit import Edits
from viz.i18n import _, ngettext
from viz.session import Session


def edited_banner(session: Session) -> None:
    """Say that this is an edited network, where it is one."""
    edits = session.edit_history.now
    if not edits.entries:
        return
    count, on = len(edits.entries), len(edits.on)
    told = ngettext("This is an edited network: {n} edit.", "This is an edited network: {n} edits.", on).format(n=on)
    if not on:
        told = ngettext("{n} edit, switched off.", "{n} edits, all switched off.", count).format(n=count)
    elif on < count:
        off = count - on
        told += " " + ngettext("{n} more is switched off.", "{n} more are switched off.", off).format(n=off)
    if edits.interventions:
        told += " " + _("Where a value is fixed, it replaces the result of the formula.")
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="edited"):
        st.markdown(f":material/edit: **{told}**", width="content")
        if on:
            st.button(
                _("Switch all off"), on_click=lambda: _switch(session, on=False), key="edits_off", type="tertiary"
            )
        else:
            st.button(_("Switch all on"), on_click=lambda: _switch(session, on=True), key="edits_on", type="tertiary")
        st.button(_("Clear all edits"), on_click=lambda: session.set_edits(Edits()), key="edits_clear", type="tertiary")


def _switch(session: Session, *, on: bool) -> None:
    edits = session.edits
    session.set_edits(Edits(tuple(replace(entry, on=on) for entry in edits.entries)))
