"""The controls of the input text: the text area with its button, and the menu of examples."""

from collections.abc import Sequence

import streamlit as st

from models.core.tokenize_text import display
from models.networks.network import Example
from viz.escape import escape_markdown
from viz.i18n import _, language
from viz.pages import cache
from viz.pages import checkpoint_store as checkpoints
from viz.pages.synced_widget import synced_widget
from viz.pages.unknown_tokens import unknown_note
from viz.session import Session


def text_input(session: Session, unknown: Sequence[str]) -> None:
    """Show the text area, and the ``unknown`` symbols of its text.

    A text that is not valid stays in it, so that it can be corrected.
    """
    card = cache.network(session.view.net or "").card
    labels = {
        "characters": _("Input text, split into characters"),
        "words": _("Input sentence, split into words"),
        "numbers": _("Input values, one per time step"),
    }
    if card.columns > 1:
        labels["numbers"] = _("Input values, {n} per time step, time steps separated by ;").format(n=card.columns)
    opened = checkpoints.find(session.view.net or "")
    if opened is not None and opened.setup.kind == "ids" and card.vocabulary is not None:
        labels["words"] = _("Token ids from 0 to {last}, separated by spaces").format(
            last=f"{len(card.vocabulary) - 1:,}"
        )
    label = f"{labels[card.kind]} · {card.task[language()]}"
    rejected = session.rejected.text if session.rejected and session.rejected.net in (None, session.view.net) else None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="sequence_text"):
        synced_widget(
            st.text_area,
            label,
            key="choose_text",
            value=rejected if rejected is not None else session.view.text or "",
            changed=session.set_text,
            height=104,
        )
        # To click the button takes the focus from the text, which the browser then sends.
        st.button(_("Apply"), key="apply_text", help=_("Or press Ctrl+Enter in the text."))
    if rejected is None:
        unknown_note(card, unknown)
    else:
        st.info(
            _("This text cannot be used; the message at the top says why. The page below still shows: “{text}”").format(
                text=escape_markdown(_short(session.view.text or ""))
            ),
            icon=":material/edit_off:",
        )


def example_menu(session: Session) -> None:
    """Show the menu of the network's examples."""
    examples: tuple[Example, ...] = cache.network(session.view.net or "").card.examples
    # Those in the reader's language first, then those in none, such as source code.
    texts = [
        each.text for each in sorted(examples, key=lambda each: (each.language != language(), each.language or ""))
    ]

    def choose(text: str | None) -> None:
        if text is not None:
            session.navigate(text=text, step=None)

    synced_widget(
        st.selectbox,
        _("Example sequence"),
        texts,
        key="choose_example",
        value=session.view.text if session.view.text in texts else None,
        changed=choose,
        initial_argument="index",
        format_func=_short,
        placeholder=_("your own input"),
    )


def _short(text: str) -> str:
    line = display(text.strip().split("\n")[0]).replace("␣", " ")
    return line if len(line) <= 40 else line[:39] + "…"
