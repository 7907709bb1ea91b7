"""The banner on every page while the network is edited, with buttons that switch the edits off."""

from dataclasses import replace

import streamlit as st

from models.edits.edit import Edits
from viz.i18n import _, ngettext
from viz.session import Session


def edited_banner(session: Session) -> None:
    """Show the banner if the network is edited."""
    edits = session.edit_history.now
    if not edits.entries:
        return
    count, on = len(edits.entries), len(edits.on)
    message = ngettext("This is an edited network: {n} edit.", "This is an edited network: {n} edits.", on).format(n=on)
    if not on:
        message = ngettext("{n} edit, switched off.", "{n} edits, all switched off.", count).format(n=count)
    elif on < count:
        off = count - on
        message += " " + ngettext("{n} more is switched off.", "{n} more are switched off.", off).format(n=off)
    if edits.interventions:
        message += " " + _("Where a value is fixed, it replaces the result of the formula.")
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="edited"):
        st.markdown(f":material/edit: **{message}**", width="content")
        if on:
            st.button(
                _("Switch all off"), on_click=lambda: _switch(session, on=False), key="edits_off", type="tertiary"
            )
        else:
            st.button(_("Switch all on"), on_click=lambda: _switch(session, on=True), key="edits_on", type="tertiary")
        st.button(_("Clear all edits"), on_click=lambda: session.set_edits(Edits()), key="edits_clear", type="tertiary")


def attention_edits_note(session: Session) -> None:
    """Say that the edits of the attention are not applied, on a page that runs the network without them."""
    if session.view.attend:
        st.caption(_("The attention edits of this view are not applied to the values on this page."))


def _switch(session: Session, *, on: bool) -> None:
    edits = session.edits
    session.set_edits(Edits(tuple(replace(entry, on=on) for entry in edits.entries)))
