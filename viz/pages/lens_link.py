"""A link from one lens to another, to a view of its own."""

import streamlit as st

from viz.address import View, write


def lens_link(name: str, label: str, view: View, icon: str = ":material/open_in_new:") -> None:
    """A link that opens ``view`` in the lens ``name``."""
    from viz.pages import LENSES  # which names the lens that this link stands on

    lens = next(lens for lens in LENSES if lens.name == name)
    st.page_link(lens.page(), label=label, icon=icon, query_params=write(view))
