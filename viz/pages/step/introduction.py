"""The first line of the Step page, the page at the root: what the app shows, for whom, and a small network to begin with."""

from dataclasses import fields

import streamlit as st

from viz.address import PAGE_FIELDS, View
from viz.i18n import _
from viz.pages import cache
from viz.pages.page_elements import caption
from viz.session import Session

SMALLEST = "counter"
"""The bundled network with the fewest units."""


def introduction(session: Session) -> None:
    """Show the line, with a button that opens the smallest network."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="introduction"):
        caption(
            _(
                "What an RNN, LSTM or GRU computes, number by number, time step by time step: for students, teachers and "
                "researchers."
            ),
            width="content",
        )
        if session.view.net != SMALLEST:
            st.button(
                _("{name}: the smallest network that you can check by hand").format(name=cache.display_name(SMALLEST)),
                key="smallest",
                type="tertiary",
                icon=":material/calculate:",
                help=_("It has 2 units: every product of every sum is on the page."),
                on_click=lambda: _open(session, SMALLEST),
            )


def _open(session: Session, net: str) -> None:
    """Show the default view of a network."""
    defaults = {field.name: field.default for field in fields(View) if field.name not in PAGE_FIELDS}
    session.navigate(**{**defaults, "net": net})
