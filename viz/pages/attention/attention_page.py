"""Attention: which source step does the decoder read, and what does it fetch?"""

import streamlit as st

from viz.address import View
from viz.i18n import _
from viz.markdown import plain
from viz.pages import cache
from viz.pages.attention import attention_cache as attention_sources
from viz.pages.attention.attention_cache import OFFERED, WITHOUT
from viz.pages.attention.attention_controls import Looked, choose_text, opening
from viz.pages.attention.attention_edits import changes
from viz.pages.attention.attention_map_panel import contributed, mapped
from viz.pages.attention.compare_networks import beams, without
from viz.pages.attention.decoder_panel import stage
from viz.pages.attention.recorded_attention import recorded
from viz.pages.attention.rnn_arrangements import shapes
from viz.pages.attention.transformer_panels import transformer
from viz.pages.controls import choose, saved_run
from viz.session import Session, session


def page() -> None:
    """The Attention lens."""
    here = session()
    file = saved_run(here)
    if file is not None and here.view.net in (None, file.name) and cache.opened(file).attention:
        recorded(here, file)
        return
    if here.view.net is None:
        here.settle(net=OFFERED)
    if not attention_sources.writes(here.view.net):
        choose(here)
    if not attention_sources.writes(here.view.net):  # also where a name in a link was none
        offer(here)
        drawn_shapes(here)
        return
    looked = choose_text(here)
    if looked.name:
        show(here, looked)
    else:
        offer(here)
    if (
        looked.net not in attention_sources.translators()
    ):  # an opened one, of other symbols than those that come with it
        beams(looked, [looked.net])
        drawn_shapes(here)
        return
    without(here, looked)
    beams(looked, list(dict.fromkeys((looked.net, WITHOUT))))
    transformer(here, looked)
    drawn_shapes(here, looked)


def drawn_shapes(here: Session, looked: Looked | None = None) -> None:
    """The four shapes; the last one with what is looked at, if recurrent networks can read it."""
    net = looked.net if looked and attention_sources.is_recurrent(looked.net) else OFFERED
    text = looked.text if looked else opening(cache.network(net).card)
    decoding = attention_sources.decoded(net, text)
    shapes(decoding.source, decoding.target, View(net=net, text=text))


def show(here: Session, looked: Looked) -> None:
    """The attention itself: at work, changed, as a map, and what it explains."""
    stage(here, looked)
    changes(here, looked)
    mapped()
    contributed(looked)


def offer(here: Session) -> None:
    """Say that the network has no attention, and offer one that has, with the same text where it can be read."""
    net = here.view.net or ""
    name = plain(cache.title(net))
    keeps = net in attention_sources.translators()
    said = _("{name} has no attention: nothing chooses what it reads at a step.").format(name=name)
    if attention_sources.writes(net):
        said = _("{name} has no attention: its decoder gets the same summary of the text at every step.").format(
            name=name
        )
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="offer"):
        st.info(said, icon=":material/visibility_off:")
        st.button(
            _("Look at one that has: {name}").format(name=OFFERED),
            key="attention_offer",
            type="primary",
            on_click=lambda: here.go(
                **vars(View(net=OFFERED, text=here.view.text if keeps else None, lang=here.view.lang))
            ),
        )
