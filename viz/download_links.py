"""Files that are made when the reader presses their button: for how long a button of the page before works.

Streamlit makes a link for such a file at every run of the page, and removes that of the run before when the run ends. The
browser has the new one only later, and a press in between would answer that the file is not found.
"""

from collections import Counter

from streamlit import runtime
from streamlit.runtime.media_file_manager import MediaFileManager

KEPT_LINKS = 12
"""Links of earlier runs that are kept for each session: more than the buttons of a page."""


def keep_links() -> None:
    """Make Streamlit keep the newest links of the earlier runs of an open session."""
    setattr(MediaFileManager, "_remove_orphaned_deferred_callables", _remove_old_links)  # noqa: B010 - of another package


def _remove_old_links(manager: MediaFileManager) -> None:
    """Remove the links that no page shows, except the newest `KEPT_LINKS` of each open session."""
    shown = {link for links in manager._files_by_session_and_coord.values() for link in links.values()}
    earlier: Counter[str] = Counter()
    for link, entry in reversed(tuple(manager._deferred_callables.items())):  # the newest first
        if link in shown:
            continue
        session = entry["session_id"]
        earlier[session] += 1
        if earlier[session] > KEPT_LINKS or not _is_open(session):
            manager._drop_deferred_id(link)


def _is_open(session: str) -> bool:
    return runtime.exists() and runtime.get_instance().is_active_session(session)
