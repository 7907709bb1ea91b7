"""Attention: which source step does the decoder read, and what does it fetch?"""

import streamlit as st

from viz.address import View
from viz.i18n import _
from viz.pages import cache
from viz.pages.attention import attention_cache as attention_sources
from viz.pages.attention.attention_cache import OFFERED, WITHOUT
from viz.pages.attention.attention_controls import AttentionSelection, choose_text, opening
from viz.pages.attention.attention_edits import changes
from viz.pages.attention.attention_map_panel import contributed, mapped
from viz.pages.attention.compare_networks import beams, without
from viz.pages.attention.decoder_panel import stage
from viz.pages.attention.recorded_attention import recorded
from viz.pages.attention.rnn_arrangements import shapes
from viz.pages.attention.transformer_panels import transformer
from viz.pages.controls import saved_run, show_controls
from viz.pages.page_elements import escape_markdown
from viz.session import Session, get_session


def page() -> None:
    """The Attention lens."""
    session = get_session()
    file = saved_run(session)
    if file is not None and session.view.net in (None, file.name) and cache.load_saved_run(file).attention:
        recorded(session, file)
        return
    if session.view.net is None:
        session.fill_defaults(net=OFFERED)
    if not attention_sources.writes(session.view.net):
        show_controls(session)
    if not attention_sources.writes(session.view.net):  # also where a name in a link was none
        offer(session)
        drawn_shapes(session)
        return
    selection = choose_text(session)
    if selection.name:
        show(session, selection)
    else:
        offer(session)
    if (
        selection.net not in attention_sources.translators()
    ):  # an opened one, of other symbols than those that come with it
        beams(selection, [selection.net])
        drawn_shapes(session)
        return
    without(session, selection)
    beams(selection, list(dict.fromkeys((selection.net, WITHOUT))))
    transformer(session, selection)
    drawn_shapes(session, selection)


def drawn_shapes(session: Session, selection: AttentionSelection | None = None) -> None:
    """The four shapes; the last one with what is looked at, if recurrent networks can read it."""
    net = selection.net if selection and attention_sources.is_recurrent(selection.net) else OFFERED
    text = selection.text if selection else opening(cache.network(net).card)
    decoding = attention_sources.decoded(net, text)
    shapes(decoding.source, decoding.target, View(net=net, text=text))


def show(session: Session, selection: AttentionSelection) -> None:
    """The attention itself: at work, changed, as a map, and what it explains."""
    stage(session, selection)
    changes(session, selection)
    mapped()
    contributed(selection)


def offer(session: Session) -> None:
    """Say that the network has no attention, and offer one that has, with the same text where it can be read."""
    net = session.view.net or ""
    name = escape_markdown(cache.display_name(net))
    keeps = net in attention_sources.translators()
    said = _("{name} has no attention: each step uses only the current input and the recurrent state.").format(
        name=name
    )
    if attention_sources.writes(net):
        said = _("{name} has no attention: its decoder gets the same context vector at every step.").format(name=name)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="offer"):
        st.info(said, icon=":material/visibility_off:")
        st.button(
            _("Open {name}, which has attention").format(name=OFFERED),
            key="attention_offer",
            type="primary",
            on_click=lambda: session.navigate(
                **vars(View(net=OFFERED, text=session.view.text if keeps else None, lang=session.view.lang))
            ),
        )
