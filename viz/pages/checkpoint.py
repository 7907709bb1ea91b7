"""Checkpoint: what is in this file, and is it healthy?"""

import streamlit as st

from viz.i18n import _
from viz.pages import sources
from viz.pages.checkpoint_contents import contents, facts
from viz.pages.checkpoint_input import give
from viz.pages.checkpoint_open import look_at
from viz.pages.checkpoint_run import set_up
from viz.pages.checkpoint_section import section
from viz.session import session


def page() -> None:
    """The Checkpoint lens."""
    here = session()
    looked = look_at(here)
    with section(_("What is in the file"), _("Do the sizes fit each other, and is every layer there that you expect?")):
        st.markdown(f"{looked.title}: {facts(looked)}")
        contents(here, looked)
    with section(_("Run it"), _("Is this how the network was trained? Then every other lens shows what it does.")):
        if looked.opened is not None:
            set_up(here, looked.opened)
        if looked.run is None:
            give(here, looked, sources.network(looked.net))
