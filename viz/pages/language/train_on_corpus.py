"""The button that opens the Train page with the corpus as the text to train on."""

from __future__ import annotations

import streamlit as st

from viz.i18n import _
from viz.pages.language.language_controls import LanguageView
from viz.pages.page_elements import caption
from viz.pages.train.setting_controls import set_options
from viz.session import get_session

MAX_CHARACTERS = 200_000
"""Characters of a corpus that the Train page gets from here; a longer one is uploaded there as a file."""


def train_on_corpus(view: LanguageView) -> None:
    """Show the button."""
    sentences = view.corpus.sentences
    size = sum(map(len, sentences)) + len(sentences) - 1
    is_long = size > MAX_CHARACTERS
    if st.button(_("Train on this corpus on the Train page"), icon=":material/open_in_new:", key="language_to_train"):
        set_options(task="text", level="words", data="" if is_long else "\n".join(sentences))
        get_session().open_panel("new_run", default=False, scroll=True)
        from viz.pages import find_lens  # here, because viz.pages imports this page

        st.switch_page(find_lens("train").page())
    if is_long:
        caption(
            _(
                "The Train page opens without this corpus, since it has {n:,} characters and at most {most:,} are taken from "
                "here. Upload its file there."
            ).format(n=size, most=MAX_CHARACTERS)
        )
