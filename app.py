"""Unrolled: `streamlit run app.py`, or `streamlit run app.py -- FILE` to open a saved run or a checkpoint."""

import sys
from pathlib import Path

import streamlit as st

from viz import server

if __name__ == "__main__":  # one run of the page
    from viz import layout, runtime
    from viz.pages import LENSES
    from viz.session import get_session

    st.set_page_config(page_title="Unrolled", page_icon=str(layout.ICON), layout="wide")

    with get_session().page_run(opened=Path(sys.argv[1]) if len(sys.argv) > 1 else None):
        page = st.navigation([lens.page() for lens in LENSES], position="top")
        with layout.page_frame():
            page.run()
    runtime.trim_memory()
else:  # imported once by `streamlit run`, which finds `app` by reading this file
    from viz import warm_up

    app = st.App(__file__, middleware=server.middleware(st.get_option), lifespan=warm_up.lifespan)
