"""The controls at the head of the Attention lens: which network, which text, and what it wrote for it."""

from dataclasses import dataclass, replace

import streamlit as st

from models.core.attention import AttentionTrace
from models.core.messages import Problem
from models.core.tokenize_text import display
from models.decoding import Decoding
from models.edits.edit import Edits
from models.networks.network import ModelCard
from viz.address import View
from viz.i18n import _, language, translate
from viz.pages import cache
from viz.pages.attention import attention_cache as attention_sources
from viz.pages.controls import example_menu, requested_network, saved_run, text_input
from viz.pages.edited_banner import edited_banner
from viz.pages.network_card import network_card_button
from viz.pages.synced_widget import synced_widget
from viz.session import Session

NET = "attention_net"
SHORT = 30
"""Symbols of an opening text at most: each then has a wide column."""


@dataclass(frozen=True)
class AttentionSelection:
    """What is looked at.

    Attributes:
        net, text, changes, edits: what ran.
        decoding: what the network wrote.
        name, head: the attention that is drawn; "" where the network has none.
        step: of the output.
        source: the symbol of the source that is picked out: the reader's, else the one that is read most.
    """

    net: str
    text: str
    changes: str
    edits: Edits
    decoding: Decoding
    name: str
    head: int
    step: int
    source: int

    @property
    def attention(self) -> AttentionTrace:
        """The attention that is drawn."""
        return self.decoding.attention[self.name]


def choose_text(session: Session) -> AttentionSelection:
    """Show the controls and let the network that the view names write; fills in whatever the view leaves open.

    What cannot be read is told in one sentence, and the last good view stays.
    """
    net = requested_network(session, saved_run(session))
    decoding = _decoded(session, net)
    edited_banner(session)
    if not cache.changes_weights_only(session.edits):
        st.info(
            _("Only weight edits apply on this page; fixed values and token edits are ignored."),
            icon=":material/edit_off:",
        )
    selection = _fill(session, net, decoding)
    session.mark_good()
    _show(session, decoding)
    return selection


def _decoded(session: Session, net: str) -> Decoding:
    """What the network writes; what is wrong with the text or the changes is told, and they are as they last were."""
    start = opening(cache.network(net).card)
    text = session.view.text if session.view.text is not None else start
    session.fill_defaults(net=net, text=text)
    try:
        return attention_sources.decoded(net, text, session.view.attend, session.edits)
    except Problem as problem:
        sentence = translate(problem)
    if session.view.attend:  # the changes alone may be wrong: they go, the text stays
        try:
            found = attention_sources.decoded(net, text, "", session.edits)
        except Problem:
            pass
        else:
            session.fill_defaults(attend="")
            session.add_notice(sentence)
            return found
    session.reject(sentence)
    if session.view.net != net:  # the last good view was another network's
        session.fill_defaults(
            net=net, text=start, layer=None, unit=None, step=None, quantity=None, edits="", source=None, attend=""
        )
    try:
        return attention_sources.decoded(net, session.view.text or start, session.view.attend, session.edits)
    except Problem as problem:
        session.add_notice(translate(problem))
        session.fill_defaults(text=start, edits="", attend="")
        return attention_sources.decoded(net, start)


def opening(card: ModelCard) -> str:
    """The text that a network is shown with first: its longest example of one line in the reader's language."""
    own = [example.text for example in card.examples if example.language == language()]
    return max((text for text in own if len(text) <= SHORT), key=len, default=card.default.text)


def _fill(session: Session, net: str, decoding: Decoding) -> AttentionSelection:
    """Choose what the view leaves open, and what does not fit."""
    view = session.view
    steps = len(decoding.symbols)
    layers = list(decoding.attention if not attention_sources.is_recurrent(net) else decoding.trace.layers)
    writing = layers[-1]  # the decoder's: a step is one of the output's
    layer = view.layer if view.layer in layers and not view.layer.startswith("encoder") else writing
    step = view.step if view.step is not None and view.layer in (None, layer) else 0
    if step >= steps:
        session.add_notice(
            _("The link's value {value} for “{name}” is out of range. Use 0 to {last}.").format(
                name="step", value=step, last=steps - 1
            )
        )
        step = 0
    source = view.source if view.source is not None and view.source < len(decoding.source) else None
    name, head, unit, quantity = "", 0, view.unit, view.quantity
    if decoding.attention:
        name = layer if layer in decoding.attention else next(iter(decoding.attention))
    if layer == name:  # a Transformer's: its units are heads
        head = unit if unit is not None and unit < decoding.attention[name].shape[1] else 0
        unit, quantity = head, None
    session.fill_defaults(layer=layer, unit=unit, step=step, quantity=quantity, source=source)
    most = int(decoding.attention[name].weights[0, head, step].argmax()) if name else 0
    return AttentionSelection(
        net=net,
        text=session.view.text or "",
        changes=session.view.attend,
        edits=session.edits,
        decoding=decoding,
        name=name,
        head=head,
        step=step,
        source=most if source is None else source,
    )


def _show(session: Session, decoding: Decoding) -> None:
    which, example, card = st.columns([3, 6, 3], gap="medium", vertical_alignment="bottom")
    with which:
        pick_network(session)
    with example:
        example_menu(session)
    with card:
        network_card_button(cache.network(session.view.net or "").card)
    text_input(session, decoding.unknown)


def pick_network(session: Session) -> None:
    """The menu of all networks; from one that writes to another the text stays."""
    names = list(cache.network_choices(saved_run(session)))
    now = session.view.net or names[0]

    def chosen(net: str) -> None:
        if attention_sources.writes(net) and attention_sources.writes(session.view.net):
            session.navigate(**vars(replace(session.view, net=net, layer=None, unit=None, quantity=None, attend="")))
        else:
            session.navigate(**vars(View(net=net, lang=session.view.lang)))

    label, title = _("Network"), cache.display_name
    synced_widget(st.selectbox, label, names, key=NET, value=now, changed=chosen, begins="index", format_func=title)


def symbol(decoding: Decoding, place: int) -> str:
    """A symbol of the source, as it stands in a sentence."""
    return display(decoding.source[place])
