"""The decoder at work: the player of the output, the drawing of its attention, the formulas, the way to its cells."""

from dataclasses import replace

import streamlit as st

from viz.components.attention_formulas import attention_formulas
from viz.components.decoder_view import decoding as drawing
from viz.components.trace_loader import sequence
from viz.i18n import _
from viz.pages.attention import attention_cache
from viz.pages.attention.answer_panel import answer_in_words
from viz.pages.attention.attention_controls import Looked, symbol
from viz.pages.lens_link import lens_link
from viz.pages.panel import panel
from viz.pages.synced_widget import shown
from viz.session import Session, session

VIEW_ID = "attention"
DRAWING = "attention_drawing"
ASKED = "attention_contributions"


def stage(here: Session, looked: Looked) -> None:
    """The drawing and the formulas."""
    sequence(_payload(looked), key="attention_sequence")
    with panel(
        _("The decoder at work"),
        _("Play, or press the arrow keys: at each step, which symbols of the source take all the weight?"),
    ):
        if not attention_cache.is_recurrent(looked.net):
            _heads(here, looked)
        st.markdown(answer_in_words(looked.decoding))
        view = {"step": here.view.step, "source": here.view.source, "revision": here.revision}
        drawing(VIEW_ID, view=view, key=DRAWING, on_view_change=_moved, on_pinned_change=_pinned)
        if attention_cache.is_recurrent(looked.net):
            _cells(here, looked)
    with panel(
        _("The same as formulas"),
        _("Click a symbol of the source above to hold on to it: what score has it, and what weight becomes of that?"),
    ):
        attention_formulas(VIEW_ID, cell="GRU", key="attention_formulas")


def explained(looked: Looked) -> bool:
    """Whether the contributions are computed: of a long text only when they are asked for."""
    few = len(looked.decoding.source) <= attention_cache.SOON
    return few or st.session_state.get(ASKED) == (looked.net, looked.text, looked.changes, looked.edits)


def _payload(looked: Looked) -> bytes:
    return attention_cache.payload(
        VIEW_ID, looked.net, looked.text, looked.changes, looked.edits, looked.name, looked.head, explained(looked)
    )


def _heads(here: Session, looked: Looked) -> None:
    """Which layer and which head of a Transformer are drawn."""
    names = list(looked.decoding.attention)
    heads = range(looked.attention.shape[1])
    left, right, _rest = st.columns([1, 1, 2], gap="medium")
    for column, name, label, count, now, field in (
        (left, "attention_layer", _("Decoder layer"), len(names), names.index(looked.name), "layer"),
        (right, "attention_head", _("Head"), len(heads), looked.head, "unit"),
    ):

        def chosen(value: int, field: str = field) -> None:
            here.go(**{field: names[value] if field == "layer" else value})

        with column:
            shown(
                st.segmented_control,
                label,
                list(range(count)),
                key=name,
                value=now,
                changed=chosen,
                begins="default",
                format_func=lambda place: str(place + 1),
                required=True,
            )


def _cells(here: Session, looked: Looked) -> None:
    """Links to the cells of the encoder and the decoder."""
    layers = list(looked.decoding.trace.layers)
    open_view = replace(here.view, unit=None, quantity=None, source=None, attend="")
    with st.container(horizontal=True, gap="medium"):
        lens_link(
            "step",
            _("The decoder's cell at step {step}").format(step=looked.step + 1),
            replace(open_view, layer=layers[-1], step=looked.step),
        )
        lens_link(
            "step",
            _("The encoder's cell at “{token}”").format(token=symbol(looked.decoding, looked.source)),
            replace(open_view, layer=layers[0], step=looked.source),
        )
        lens_link(
            "step",
            _("The encoder's cell there, reading backwards"),
            replace(open_view, layer=layers[1], step=looked.source),
        )


def _moved() -> None:
    reported = st.session_state[DRAWING]["view"]
    session().heard(reported["revision"], step=reported["step"])


def _pinned() -> None:
    reported = st.session_state[DRAWING]["pinned"]
    session().heard(reported["revision"], source=reported["source"])
