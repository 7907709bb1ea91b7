"""Unrolled: `streamlit run app.py`, or `streamlit run app.py -- run.npz` to open a saved trace."""

import sys
from pathlib import Path

import streamlit as st

from viz import chrome
from viz.i18n import _
from viz.pages import LENSES
from viz.session import session

st.set_page_config(page_title="Unrolled", page_icon=str(chrome.ICON), layout="wide")

with session().run(opened=Path(sys.argv[1]) if len(sys.argv) > 1 else None):
    page = st.navigation(
        [st.Page(lens.show, title=_(lens.title), url_path=lens.name, default=lens is LENSES[0]) for lens in LENSES],
        position="top",
    )
    with chrome.around():
        page.run()
