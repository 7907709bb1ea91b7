"""The note that calls in another process go on: their progress, the time left, and a button to stop them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import streamlit as st

from models.training.call_progress import CallProgress
from models.training.queued_calls import QueuedCalls
from viz.i18n import _, translate

PERIOD = 1.0
"""Seconds between two looks whether a call has ended."""


def call_note(calls: QueuedCalls, keys: Sequence[Hashable], text: str, *, key: str, can_stop: bool = True) -> None:
    """Show that calls go on, and run the page again once they have ended.

    Args:
        calls: of which some run.
        keys: theirs.
        text: what they do.
        key: of the button that stops them.
        can_stop: whether this reader may stop them.
    """

    def wait() -> None:
        if not calls.is_running(*keys):
            st.rerun(scope="app")
        found = next((state for each in keys if (state := calls.progress(each)) is not None), None)
        if found is None:
            st.markdown(f":material/hourglass_top: {text}")
        else:
            st.progress(min(1.0, found.share), f"{text} {_progress_text(found)}")
        if can_stop and st.button(_("Stop"), icon=":material/stop:", key=key):
            calls.stop(*keys)
            st.rerun(scope="app")

    st.fragment(wait, run_every=PERIOD)()


def _progress_text(found: CallProgress) -> str:
    """Return the share that is done, what is being done, and the time left."""
    parts = [f"{found.share:.0%}"]
    if found.seconds_left is not None:
        seconds = max(1, round(found.seconds_left))
        if seconds < 100:
            parts.append(_("about {n} s left").format(n=seconds))
        else:
            parts.append(_("about {n} min left").format(n=round(seconds / 60)))
    told = " · ".join(parts)
    return told if found.part is None else f"{told} · {translate(found.part)}"
