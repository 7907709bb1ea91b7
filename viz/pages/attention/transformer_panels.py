"""The Transformer: its heads, its positions, and why it need not wait."""

import os

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.architectures.transformer import TransformerTranslator, positional_encodings
from models.core.tokenize_text import display
from models.networks.critical_path import recurrent_critical_path, transformer_critical_path
from models.networks.timing import Timing, measure_times
from viz.components.attention_heads import attention_heads
from viz.figures.attention_map import attention_map
from viz.figures.dependency_chart import waiting
from viz.figures.positional_encoding import positional_encoding
from viz.figures.timing_chart import timings as timings_figure
from viz.i18n import _
from viz.pages import cache
from viz.pages.attention import attention_cache as attention_sources
from viz.pages.attention.attention_cache import OFFERED
from viz.pages.attention.attention_controls import AttentionSelection, symbol
from viz.pages.attention.decoder_panel import VIEW_ID
from viz.pages.page_elements import chart, page_theme, panel
from viz.session import Session

NAME = "dates-transformer"
HEADS, PICKED, TIMES = "attention_heads", "attention_picked", "attention_times"
MOST = 600
"""Symbols of a text whose heads are drawn: a map has a number for every pair of them."""

LENGTHS = (16, 32, 64, 128, 256, 512, 1024)


def transformer(session: Session, selection: AttentionSelection) -> None:
    """All of it, with the text that is looked at."""
    if NAME not in attention_sources.translators():
        return
    st.markdown("### " + _("From attention to the Transformer: attention without recurrence"))
    if selection.name:
        with panel(
            _("Attention weights of all heads in all layers"),
            _(
                "Each small map is one head. Find one that attends to neighboring tokens and one that attends to the "
                "year. Click to enlarge."
            ),
        ):
            if len(selection.decoding.source) <= MOST:
                _heads(session, selection)
            else:
                st.markdown(
                    _(
                        "An attention map has a weight for every pair of tokens. It is drawn for up to {n} tokens; use a "
                        "shorter text."
                    ).format(n=MOST)
                )
    _positions(selection)
    _waiting(selection)
    _timing()


def _heads(session: Session, selection: AttentionSelection) -> None:
    mine = selection.net == NAME
    changes, edits = (selection.changes, selection.edits) if mine else ("", cache.NO_EDITS)
    found = attention_sources.heads(NAME, selection.text, changes, edits)
    kinds = {kind: [(name, each.weights[0]) for name, each in layers.items()] for kind, layers in found.items()}
    known = {name for layers in found.values() for name in layers}
    picked = st.session_state.get(PICKED)
    if picked is None or picked[0] not in known:
        picked = (selection.name, selection.head) if mine else (next(iter(found["cross"])), 0)
    attention_heads(
        VIEW_ID,
        kinds,
        picked=picked,
        revision=session.revision,
        key=HEADS,
        on_picked_change=lambda: _picked(session, mine, tuple(found["cross"])),
    )
    decoding = attention_sources.decoded(NAME, selection.text, changes, edits)
    kind = next(kind for kind, layers in found.items() if picked[0] in layers)
    weights = found[kind][picked[0]].weights[0, picked[1]]
    labels = {"source": decoding.source, "written": tuple(map(display, decoding.decoder_input))}
    asking = labels["source"] if kind == "source" else labels["written"]
    asked = labels["written"] if kind == "written" else labels["source"]
    layer = list(found[kind]).index(picked[0])
    st.markdown(
        "**" + _("Layer {layer}, head {head}").format(layer=layer + 1, head=picked[1] + 1) + f"** · `{picked[0]}`"
    )
    chart(attention_map(weights, asking, asked, theme=page_theme()), "attention_head_map", names=(NAME, picked[0]))
    if not mine:
        st.button(
            _("Show {name} step by step in the drawing above").format(name=NAME),
            key="attention_to_transformer",
            on_click=lambda: session.navigate(
                net=NAME, text=session.view.text, layer=None, unit=None, step=0, quantity=None, edits="", attend=""
            ),
        )


def _picked(session: Session, mine: bool, cross: tuple[str, ...]) -> None:
    told = st.session_state[HEADS]["picked"]
    st.session_state[PICKED] = (told["name"], int(told["head"]))
    if mine and told["name"] in cross:  # the drawing above shows what reads the source
        session.navigate(layer=told["name"], unit=int(told["head"]))


def _positions(selection: AttentionSelection) -> None:
    module = cache.network(NAME).module
    assert isinstance(module, TransformerTranslator)
    size = module.embedding.embedding_dim
    labels = list(selection.decoding.source)
    encoding = positional_encodings(len(labels), size).numpy()
    with panel(
        _("Positional encoding: token order as sine and cosine values"),
        _(
            "Without recurrence the order of tokens is lost, so sine and cosine waves of different frequencies "
            "are added to the embeddings: high frequencies at the top, low ones at the bottom."
        ),
    ):
        chart(positional_encoding(encoding, labels, theme=page_theme()), "positions", names=(NAME, "positions"))
        place, column = selection.source, 4
        st.latex(
            rf"PE_{{t,\,2i}} = \sin\frac{{t}}{{10000^{{2i/{size}}}}}, \quad "
            rf"PE_{{t,\,2i+1}} = \cos\frac{{t}}{{10000^{{2i/{size}}}}}"
            rf"\qquad PE_{{{place},\,{column}}} = \sin\frac{{{place}}}{{{10000 ** (column / size):.4g}}}"
            rf" = {encoding[place, column]:.4f}"
        )
        st.caption(
            _("Example: dimension {column} at position {place} (“{token}”), both counted from 0.").format(
                column=column, token=symbol(selection.decoding, place), place=place
            )
        )


def _waiting(selection: AttentionSelection) -> None:
    decoding = selection.decoding
    module = cache.network(NAME).module
    assert isinstance(module, TransformerTranslator)
    layers = len(module.encoder.layers)
    source, output = len(decoding.source), len(decoding.target)
    one, other = recurrent_critical_path(source, output), transformer_critical_path(source, output, layers)
    with panel(
        _("Why the Transformer runs in parallel: dependencies between computations"),
        _(
            "The number of sequential steps before each position can be computed. Rising lines are computed one "
            "after another, flat lines in parallel."
        ),
    ):
        labels = [*decoding.source, *map(display, decoding.target)]
        chart(waiting(one, other, labels, theme=page_theme()), "waiting", names=("waiting",))
        st.markdown(
            _(
                "To encode these {source} tokens, a one-layer recurrent network needs **{source}** sequential steps "
                "(T + L − 1 for T tokens and L layers); the Transformer needs **{layers}**, one per layer, whatever "
                "the length. In training, where the target output is given, its decoder needs {layers} more. Only "
                "when it generates must it wait for its own previous output, like any decoder."
            ).format(source=source, layers=layers)
        )


def _timing() -> None:
    with panel(
        _("Computation time by input length, measured on this machine"),
        _(
            "Fewer sequential steps do not mean less computation: every token attends to every other, so the work "
            "grows with T². At what length do the lines cross?"
        ),
    ):
        found: list[Timing] = st.session_state.get(TIMES, [])
        left, right = st.columns([1, 3], vertical_alignment="center")
        with left:
            start = st.button(_("Measure now"), key="attention_measure", icon=":material/timer:")
            place = st.empty()
        with right:
            bar = st.empty()
        chart_place = st.empty()
        if start:
            place.button(_("Stop"), key="attention_stop", icon=":material/stop:")
            found = _measure(bar, chart_place)
            place.empty()
        if not found:
            st.markdown(_("No measurements yet."))
            return
        _chart(chart_place, found, "timings")
        threads = os.cpu_count() or 1
        st.caption(
            _(
                "Median time of several forward passes of the encoders of {first} and {second} with one input, on "
                "{threads} CPU cores. A recurrent step must wait for the previous one. Attention computes T × T dot "
                "products: a GPU computes them in parallel, a few CPU cores largely one after another."
            ).format(first=OFFERED, second=NAME, threads=threads)
        )


def _measure(bar: DeltaGenerator, place: DeltaGenerator) -> list[Timing]:
    """Measure, and show what is there so far; stopping leaves that."""
    translator, other = cache.network(OFFERED).module, cache.network(NAME).module
    symbols = len(cache.network(NAME).vocabulary or ())
    runs = {
        OFFERED: lambda ids: translator.encode(ids),  # type: ignore[operator]
        NAME: lambda ids: other.encode(ids, ids == 0),  # type: ignore[operator]
    }
    found: list[Timing] = []
    for each in measure_times(runs, LENGTHS, symbols):
        found.append(each)
        st.session_state[TIMES] = list(found)
        bar.progress(
            len(found) / (2 * len(LENGTHS)), _("{name}: {length} tokens").format(name=each.name, length=each.length)
        )
        if len(found) % 2 == 0:
            _chart(place, found, f"timings_{len(found)}")
    bar.empty()
    return found


def _chart(place: DeltaGenerator, found: list[Timing], key: str) -> None:
    with place.container():
        chart(timings_figure(found, theme=page_theme()), key, names=("timings",))
