"""Unrolled: `streamlit run app.py`, or `streamlit run app.py -- FILE` to open a saved run or a checkpoint."""

import sys

import streamlit as st

from viz import server

if __name__ == "__main__":  # one run of the page
    from viz import layout, runtime
    from viz.command_line import named_path
    from viz.pages import LENSES
    from viz.session import get_session

    st.set_page_config(page_title="Unrolled", page_icon=str(layout.ICON), layout="wide")

    with get_session().page_run(opened=named_path(sys.argv[1:])):
        page = st.navigation([lens.page() for lens in LENSES], position="top")
        with layout.page_frame(page.url_path):
            page.run()
    runtime.free_memory_later()
else:  # imported once by `streamlit run`, which finds `app` by reading this file
    from viz import warm_up

    app = st.App(
        __file__,
        routes=server.routes(st.get_option),
        middleware=server.middleware(st.get_option),
        lifespan=warm_up.lifespan,
    )
