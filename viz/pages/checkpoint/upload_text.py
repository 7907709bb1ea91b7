"""The boxes that take files, in the language of the page: Streamlit's own words in them are English."""

import streamlit as st

from viz.i18n import _, language

BUTTON = '[data-testid="stFileUploaderDropzone"] button [data-testid="stMarkdownContainer"]'
HINT = '[data-testid="stFileUploaderDropzoneInstructions"] span'


def speak_box(limit: int) -> None:
    """Put the page's words in the place of Streamlit's, which cannot be given; ``limit`` in bytes."""
    if language() == "en":
        return
    words = {BUTTON: _("Choose a file"), HINT: _("or drop it here · up to {n} MB").format(n=limit >> 20)}
    rules = [
        f'{at} {{ font-size: 0; }} {at}::after {{ content: "{word}"; font-size: 1rem; }}' for at, word in words.items()
    ]
    st.html(f"<style>{''.join(rules)}</style>")
