"""Attention: which source tokens does the decoder attend to, and what does it get from them?"""

from dataclasses import replace

import streamlit as st

from viz.address import View, page_fields
from viz.escape import escape_markdown
from viz.i18n import _
from viz.pages import cache
from viz.pages.attention import attention_cache
from viz.pages.attention.attention_cache import DEFAULT_NETWORK, FIXED_CONTEXT_NETWORK
from viz.pages.attention.attention_controls import AttentionSelection, attention_controls, default_text
from viz.pages.attention.attention_edits import attention_edit_panel
from viz.pages.attention.attention_map_panel import alignment_panel, contribution_panel
from viz.pages.attention.compare_networks import beam_search_panel, compare_networks
from viz.pages.attention.decoder_panel import decoder_panel
from viz.pages.attention.recorded_attention import recorded_attention
from viz.pages.attention.rnn_arrangements import rnn_arrangements
from viz.pages.attention.transformer_panels import transformer_panels
from viz.pages.controls import saved_run, show_controls
from viz.pages.keep_panels import keep_panels_button
from viz.pages.nonfinite_notes import decoding_note
from viz.session import Session, get_session


def page() -> None:
    """Show the Attention page."""
    session = get_session()
    _attention_panels(session)
    keep_panels_button(session, "attention", further=True)


def _attention_panels(session: Session) -> None:
    file = saved_run(session)
    if file is not None and session.view.net in (None, file.name) and cache.load_saved_run(file).attention:
        recorded_attention(session, file)
        return
    if session.view.net is None:
        session.fill_defaults(net=DEFAULT_NETWORK)
    if not attention_cache.is_sequence_to_sequence(session.view.net):
        show_controls(session)
        if attention_cache.is_sequence_to_sequence(session.view.net):  # back at the last good view, with other controls
            st.rerun()
        offer_attention(session)
        show_arrangements(session)
        return
    selection = attention_controls(session)
    note = decoding_note(selection.decoding)
    if note is not None:
        st.warning(note, icon=":material/error:")
    if selection.name:
        show_attention(session, selection)
    else:
        offer_attention(session)
    if selection.net not in attention_cache.translator_names():
        # an opened file: its symbols differ from those of the bundled networks
        beam_search_panel(selection, [selection.net])
        show_arrangements(session)
        return
    compare_networks(session, selection)
    beam_search_panel(selection, list(dict.fromkeys((selection.net, FIXED_CONTEXT_NETWORK))))
    transformer_panels(session, selection)
    show_arrangements(session, selection)


def show_arrangements(session: Session, selection: AttentionSelection | None = None) -> None:
    """Show the four RNN arrangements; the last one with the selected network and text, if it is recurrent."""
    net = selection.net if selection and attention_cache.is_recurrent_translator(selection.net) else DEFAULT_NETWORK
    text = selection.text if selection else default_text(cache.network(net).card)
    decoding = attention_cache.cached_decoding(net, text)
    rnn_arrangements(decoding.source, decoding.target, View(net=net, text=text))


def show_attention(session: Session, selection: AttentionSelection) -> None:
    """Show the panels of the attention: step by step, interventions, alignment and contributions."""
    decoder_panel(session, selection)
    attention_edit_panel(session, selection)
    alignment_panel()
    contribution_panel(selection)


def offer_attention(session: Session) -> None:
    """Show that the network has no attention and a button to one that has; the text is kept if that network accepts it."""
    net = session.view.net or ""
    name = escape_markdown(cache.display_name(net))
    keeps_text = net in attention_cache.translator_names()
    text = _("{name} has no attention: each step uses only the current input and the recurrent state.").format(
        name=name
    )
    if attention_cache.is_sequence_to_sequence(net):
        text = (
            _("{name} has no attention: its decoder gets the same context vector at every step.").format(name=name)
            if keeps_text
            else _("{name} has no attention: its decoder only starts from the encoder's last state.").format(name=name)
        )
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="offer"):
        st.info(text, icon=":material/visibility_off:")
        st.button(
            _("Open {name}, which has attention").format(name=cache.display_name(DEFAULT_NETWORK)),
            key="attention_offer",
            type="primary",
            on_click=lambda: session.navigate(
                **vars(
                    replace(
                        View(net=DEFAULT_NETWORK, text=session.view.text if keeps_text else None),
                        **page_fields(session.view),
                    )
                )
            ),
        )
