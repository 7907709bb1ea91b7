"""The decoder step by step: playback of the output, drawing of its attention, formulas, and links to its cells."""

from dataclasses import replace

import streamlit as st

from models.edits.edit_syntax import write_edit
from viz.components.attention_formulas import attention_formulas
from viz.components.decoder_view import decoder_view
from viz.components.reports import VIEW, index, optional
from viz.components.streamlit_host import reported
from viz.components.trace_loader import trace_loader
from viz.i18n import _
from viz.pages import cache
from viz.pages.attention import attention_cache
from viz.pages.attention.answer_panel import describe_output
from viz.pages.attention.attention_controls import AttentionSelection, source_symbol
from viz.pages.find_elsewhere import STATE, find_elsewhere
from viz.pages.keep_page import keep_page_button, kept_address
from viz.pages.page_elements import lens_link
from viz.pages.panels import named_open, panel
from viz.pages.synced_widget import synced_widget
from viz.panel_texts.attention_texts import attention_formulas_text, decoder_text
from viz.session import Session, get_session
from viz.show.attention_view import decoding_view
from viz.show.run_source import edits_sentence
from viz.show.shown_view import ShownView

VIEW_ID = "attention"
DECODER_VIEW_KEY = "attention_drawing"
CONTRIBUTIONS_KEY = "attention_contributions"
CONTRIBUTIONS_PANEL = "token_contributions"


def decoder_panel(session: Session, selection: AttentionSelection) -> None:
    """Show the drawing and the formulas."""
    payload = _payload(selection)
    trace_loader(payload, key="attention_sequence")

    @panel("decoder", *decoder_text())
    def draw_decoder() -> None:
        if not attention_cache.is_recurrent_translator(selection.net):
            _heads(session, selection)
        st.markdown(describe_output(selection.decoding))
        revisions = session.revisions
        view = {
            "step": session.view.step,
            "source": session.view.source,
            "revision": revisions.last,
            "since": revisions.since(),
        }
        decoder_view(VIEW_ID, view=view, key=DECODER_VIEW_KEY, on_view_change=_moved, on_pinned_change=_pinned)
        if attention_cache.is_recurrent_translator(selection.net):
            _cells(session, selection)

    @panel("attention_formulas", *attention_formulas_text())
    def draw_attention_formulas() -> None:
        attention_formulas(VIEW_ID, cell="GRU", key="attention_formulas")

    keep_page_button(session, lambda: _kept_view(session, selection, payload))


def _kept_view(session: Session, selection: AttentionSelection, payload: bytes) -> ShownView:
    changes = [*filter(None, selection.changes.split(";")), *map(write_edit, session.edits.weights)]
    return decoding_view(
        cache.network(selection.net),
        selection.text,
        selection.decoding,
        VIEW_ID,
        payload,
        step=selection.step,
        address=kept_address(session.view),
        note=edits_sentence(*changes),
    )


def shows_contributions(selection: AttentionSelection) -> bool:
    """Return whether the contributions are computed: where their panel is open; those of a long text on request only."""
    if not named_open(CONTRIBUTIONS_PANEL):
        return False
    few = len(selection.decoding.source) <= attention_cache.MAX_IMMEDIATE_SYMBOLS
    return few or st.session_state.get(CONTRIBUTIONS_KEY) == (
        selection.net,
        selection.text,
        selection.changes,
        selection.edits,
    )


def _payload(selection: AttentionSelection) -> bytes:
    return attention_cache.head_payload(
        VIEW_ID,
        selection.net,
        selection.text,
        selection.changes,
        selection.edits,
        selection.name,
        selection.head,
        shows_contributions(selection),
    )


def _heads(session: Session, selection: AttentionSelection) -> None:
    """Show the menus of a Transformer's layers and heads."""
    names = list(selection.decoding.attention)
    heads = range(selection.attention.shape[1])
    left, right, _rest = st.columns([1, 1, 2], gap="medium")
    for column, name, label, count, now, field in (
        (left, "attention_layer", _("Decoder layer"), len(names), names.index(selection.name), "layer"),
        (right, "attention_head", _("Head"), len(heads), selection.head, "unit"),
    ):

        def chosen(value: int, field: str = field) -> None:
            session.navigate(**{field: names[value] if field == "layer" else value})

        with column:
            synced_widget(
                st.segmented_control,
                label,
                list(range(count)),
                key=name,
                value=now,
                changed=chosen,
                initial_argument="default",
                format_func=lambda place: str(place + 1),
                required=True,
            )


def _cells(session: Session, selection: AttentionSelection) -> None:
    """Show links to the cells of the encoder and the decoder."""
    layers = list(selection.decoding.trace.layers)
    open_view = replace(session.view, unit=None, quantity=None, source=None, attend="")
    with st.container(horizontal=True, gap="medium"):
        lens_link(
            "step",
            _("Decoder cell at step {step}").format(step=selection.step + 1),
            replace(open_view, layer=layers[-1], step=selection.step),
        )
        lens_link(
            "step",
            _("Forward encoder cell at “{token}”").format(token=source_symbol(selection.decoding, selection.source)),
            replace(open_view, layer=layers[0], step=selection.source),
        )
        lens_link(
            "step",
            _("Backward encoder cell at the same token"),
            replace(open_view, layer=layers[1], step=selection.source),
        )
    encoder = {
        "layer": layers[0],
        "step": selection.source,
        "unit": None,
        "quantity": None,
        "source": None,
        "attend": "",
    }
    find_elsewhere(selection.decoding.trace.layers[layers[0]], STATE, key="attention", **encoder)


def _moved() -> None:
    view = reported(DECODER_VIEW_KEY, "view", {name: VIEW[name] for name in ("revision", "step")})
    if view is not None:
        get_session().apply_report(**view)


def _pinned() -> None:
    pinned = reported(DECODER_VIEW_KEY, "pinned", {"revision": index, "source": optional(index)})
    if pinned is not None:
        get_session().apply_report(**pinned)
