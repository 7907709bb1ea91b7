"""Streamlit's upload box, whose own text has no parameter, in the language of the page."""

import re
from typing import Any

import streamlit as st

from viz.i18n import _, language

BUTTON_SELECTOR = '[data-testid="stFileUploaderDropzone"] button [data-testid="stMarkdownContainer"]'
HINT_SELECTOR = '[data-testid="stFileUploaderDropzoneInstructions"] span'


def upload_box(label: str, *, key: str, max_upload_size: int | None = None, **settings: Any) -> Any:
    """Show an upload box as ``st.file_uploader`` does; ``max_upload_size`` in MB, None for that of the configuration."""
    if language() != "en":
        limit = max_upload_size or int(st.get_option("server.maxUploadSize"))
        kinds = settings.get("type") or ()
        kinds = [kinds] if isinstance(kinds, str) else kinds
        words = {
            BUTTON_SELECTOR: _("Choose a file"),
            HINT_SELECTOR: " · ".join(
                (_("or drop it here · up to {n} MB").format(n=limit), *[kind.strip(".").upper() for kind in kinds])
            ),
        }
        place = f".st-key-{re.sub('[^a-zA-Z0-9_-]', '-', key)}"
        rules = [
            f'{place} {at} {{ font-size: 0; }} {place} {at}::after {{ content: "{word}"; font-size: 1rem; }}'
            for at, word in words.items()
        ]
        st.html(f"<style>{''.join(rules)}</style>")
    return st.file_uploader(label, key=key, max_upload_size=max_upload_size, **settings)
