"""Contents of panels that are computed only when their reader asks: a link, which opens every panel, must not cost much."""

import streamlit as st

from viz.i18n import _

ASKED = "costly_asked"
"""In the session state: what the reader asked for, by panel or part of one."""


def is_asked(panel: str, contents: object, cost: float, most: float) -> bool:
    """Return whether to compute a panel; if it costs much and the reader has not asked for it yet, show a button instead.

    Args:
        panel: the panel's name.
        contents: what is computed, such as the run and the layer; another one waits for a click again.
        cost: of the computation.
        most: the cost of a computation that waits for no click, in the same unit: about two seconds.
    """
    if cost <= most or was_asked(panel, contents):
        return True
    st.caption(_("This takes long for a run of this size, so it is computed only if you ask for it."))
    ask_button(_("Compute it"), panel, contents, key=f"ask_{panel}")
    return False


def was_asked(name: str, contents: object) -> bool:
    """Return whether the reader has clicked the button of ``name`` for these contents."""
    return bool(st.session_state.setdefault(ASKED, {}).get(name) == contents)


def ask_button(label: str, name: str, contents: object, *, key: str) -> None:
    """Show the button with which the reader asks for contents."""
    asked = st.session_state.setdefault(ASKED, {})
    st.button(label, key=key, on_click=lambda: asked.update({name: contents}))
