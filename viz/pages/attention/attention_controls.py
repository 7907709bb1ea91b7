"""The controls at the top of the Attention page: network and text; and the output for them."""

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
from viz.pages.attention import attention_cache
from viz.pages.controls import requested_network, saved_run
from viz.pages.edited_banner import edited_banner
from viz.pages.left_out import show_left_out
from viz.pages.long_input import offer_parts
from viz.pages.network_card import network_card_button
from viz.pages.synced_widget import synced_widget
from viz.pages.text_controls import example_menu, text_input
from viz.session import Session

NETWORK_KEY = "attention_net"
MAX_DEFAULT_LENGTH = 30
"""Largest length of a default text, so that each symbol has a wide column."""


@dataclass(frozen=True)
class AttentionSelection:
    """Selection of the Attention page.

    Attributes:
        net, text, changes, edits: the network, its input, its interventions as text, and the edits.
        decoding: the output.
        name, head: module and head of the drawn attention; the name is "" if the network has none.
        step: the output step.
        source: the selected source symbol; by default the one with the largest attention weight.
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
        """Attention that is drawn."""
        return self.decoding.attention[self.name]


def attention_controls(session: Session) -> AttentionSelection:
    """Show the controls, run the view's network, and return the selection; fills in what the view leaves open.

    Shows a notice if the text is not valid, and keeps the last valid view.
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
    show_left_out(cache.network(selection.net))
    return selection


def _decoded(session: Session, net: str) -> Decoding:
    """Return the output; if the text or the interventions are not valid, show a notice and use the last valid ones."""
    start = default_text(cache.network(net).card)
    text = session.view.text if session.view.text is not None else start
    session.fill_defaults(net=net, text=text)
    try:
        return attention_cache.cached_decoding(net, text, session.view.attend, session.edits)
    except Problem as problem:
        sentence = translate(problem)
    if session.view.attend:  # only the interventions may be wrong: drop them and keep the text
        try:
            found = attention_cache.cached_decoding(net, text, "", session.edits)
        except Problem:
            pass
        else:
            session.fill_defaults(attend="")
            session.add_notice(sentence)
            return found
    session.reject(sentence)
    if session.view.net != net:  # the last valid view was of another network
        session.fill_defaults(
            net=net, text=start, layer=None, unit=None, step=None, quantity=None, edits="", source=None, attend=""
        )
    try:
        return attention_cache.cached_decoding(net, session.view.text or start, session.view.attend, session.edits)
    except Problem as problem:
        session.add_notice(translate(problem))
        session.fill_defaults(text=start, edits="", attend="")
        return attention_cache.cached_decoding(net, start)


def default_text(card: ModelCard) -> str:
    """Return a network's default text: its longest short example in the page's language."""
    own = [example.text for example in card.examples if example.language == language()]
    return max((text for text in own if len(text) <= MAX_DEFAULT_LENGTH), key=len, default=card.default.text)


def _fill(session: Session, net: str, decoding: Decoding) -> AttentionSelection:
    """Fill in what the view leaves open, replace what is out of range, and return the selection."""
    view = session.view
    steps = len(decoding.symbols)
    layers = list(decoding.attention if not attention_cache.is_recurrent_translator(net) else decoding.trace.layers)
    decoder = layers[-1]  # the decoder: the view's step is an output step
    layer = view.layer if view.layer in layers and not view.layer.startswith("encoder") else decoder
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
    if layer == name:  # a Transformer: the view's unit is the head
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
        network_menu(session)
    with example:
        example_menu(session)
    with card:
        network_card_button(cache.network(session.view.net or "").card)
    text_input(session, decoding.unknown)
    offer_parts(session)


def network_menu(session: Session) -> None:
    """Show the menu of networks; the text stays between sequence-to-sequence networks."""
    names = list(cache.network_choices(saved_run(session)))
    now = session.view.net or names[0]

    def chosen(net: str) -> None:
        if attention_cache.is_sequence_to_sequence(net) and attention_cache.is_sequence_to_sequence(session.view.net):
            session.navigate(**vars(replace(session.view, net=net, layer=None, unit=None, quantity=None, attend="")))
        else:
            view = session.view
            session.navigate(**vars(View(net=net, lang=view.lang, panel=view.panel, mode=view.mode)))

    label, title = _("Network"), cache.named(names)
    synced_widget(
        st.selectbox,
        label,
        names,
        key=NETWORK_KEY,
        value=now,
        changed=chosen,
        initial_argument="index",
        format_func=title,
    )


def source_symbol(decoding: Decoding, place: int) -> str:
    """Return a source symbol as it is shown in a sentence."""
    return display(decoding.source[place])
