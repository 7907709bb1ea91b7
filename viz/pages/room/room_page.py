"""Room: a class whose pages follow the teacher's, and answer the teacher's questions."""

import streamlit as st

from viz.pages.room.room_presenter import presenter
from viz.session import get_session


def page() -> None:
    """Draw the Room page: the place in which the room's own scripts draw (`viz/rooms/client`), and the presenter's notes."""
    st.html('<div id="unrolled-room"></div>')
    session = get_session()
    session.mark_good()
    presenter(session)
