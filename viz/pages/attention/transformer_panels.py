"""The Transformer: its heads, its positional encoding, and why it runs in parallel."""

import os

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.architectures.transformer import TransformerTranslator, positional_encodings
from models.core.tokenize_text import display
from models.networks.critical_path import recurrent_critical_path, transformer_critical_path
from models.networks.timing import Timing, measure_times
from viz.components.attention_heads import attention_heads
from viz.components.reports import index, word
from viz.components.streamlit_host import reported
from viz.figures.attention_map import attention_map, min_map_width
from viz.figures.dependency_chart import dependency_chart
from viz.figures.positional_encoding import positional_encoding
from viz.figures.timing_chart import timing_chart
from viz.i18n import _
from viz.pages import cache
from viz.pages.attention import attention_cache
from viz.pages.attention.attention_cache import DEFAULT_NETWORK
from viz.pages.attention.attention_controls import AttentionSelection, source_symbol
from viz.pages.attention.decoder_panel import VIEW_ID
from viz.pages.page_elements import chart, page_theme
from viz.pages.panels import panel
from viz.session import Session

TRANSFORMER = "dates-transformer"
HEADS_KEY, SELECTED_HEAD_KEY, TIMINGS_KEY = "attention_heads", "attention_picked", "attention_times"
MAX_SYMBOLS = 600
"""Symbols of a text up to which attention maps are drawn: a map has a weight for each pair."""

TIMED_LENGTHS = (16, 32, 64, 128, 256, 512, 1024)


def transformer_panels(session: Session, selection: AttentionSelection) -> None:
    """Show all panels of the Transformer for the selected text."""
    if TRANSFORMER not in attention_cache.translator_names():
        return
    st.markdown("### " + _("From attention to the Transformer: attention without recurrence"))
    if selection.name:

        @panel(
            "heads",
            _("Attention weights of all heads in all layers"),
            _(
                "Each small map is one head. Find one that attends to neighboring tokens and one that attends to the "
                "year. Click to enlarge."
            ),
        )
        def draw_heads() -> None:
            if len(selection.decoding.source) <= MAX_SYMBOLS:
                _heads(session, selection)
            else:
                st.markdown(
                    _(
                        "An attention map has a weight for every pair of tokens. It is drawn for up to {n} tokens; use a "
                        "shorter text."
                    ).format(n=MAX_SYMBOLS)
                )

    _positions(selection)
    _dependencies(selection)
    _timing()


def _heads(session: Session, selection: AttentionSelection) -> None:
    is_selected = selection.net == TRANSFORMER
    changes, edits = (selection.changes, selection.edits) if is_selected else ("", cache.NO_EDITS)
    found = attention_cache.attention_by_source(TRANSFORMER, selection.text, changes, edits)
    kinds = {kind: [(name, each.weights[0]) for name, each in layers.items()] for kind, layers in found.items()}
    heads = {name: len(each.weights[0]) for layers in found.values() for name, each in layers.items()}
    picked = st.session_state.get(SELECTED_HEAD_KEY)
    if picked is None or picked[0] not in heads or picked[1] >= heads[picked[0]]:
        picked = (selection.name, selection.head) if is_selected else (next(iter(found["cross"])), 0)
    attention_heads(
        VIEW_ID,
        kinds,
        picked=picked,
        revision=session.revisions.last,
        key=HEADS_KEY,
        on_picked_change=lambda: _picked(session, is_selected, tuple(found["cross"])),
    )
    decoding = attention_cache.cached_decoding(TRANSFORMER, selection.text, changes, edits)
    kind = next(kind for kind, layers in found.items() if picked[0] in layers)
    weights = found[kind][picked[0]].weights[0, picked[1]]
    labels = {"source": decoding.source, "written": tuple(map(display, decoding.decoder_input))}
    queries = labels["source"] if kind == "source" else labels["written"]
    keys = labels["written"] if kind == "written" else labels["source"]
    layer = list(found[kind]).index(picked[0])
    st.markdown(
        "**" + _("Layer {layer}, head {head}").format(layer=layer + 1, head=picked[1] + 1) + f"** · `{picked[0]}`"
    )
    chart(
        attention_map(weights, queries, keys, theme=page_theme()),
        "attention_head_map",
        names=(TRANSFORMER, picked[0]),
        min_width=min_map_width(keys),
    )
    if not is_selected:
        st.button(
            _("Show “{name}” step by step in the drawing above").format(name=cache.display_name(TRANSFORMER)),
            key="attention_to_transformer",
            on_click=lambda: session.navigate(
                net=TRANSFORMER,
                text=session.view.text,
                layer=None,
                unit=None,
                step=0,
                quantity=None,
                edits="",
                attend="",
            ),
        )


def _picked(session: Session, is_selected: bool, cross: tuple[str, ...]) -> None:
    picked = reported(HEADS_KEY, "picked", {"name": word, "head": index})
    if picked is None:
        return
    st.session_state[SELECTED_HEAD_KEY] = (picked["name"], picked["head"])
    if is_selected and picked["name"] in cross:  # the drawing above shows cross-attention
        session.navigate(layer=picked["name"], unit=picked["head"])


def _positions(selection: AttentionSelection) -> None:
    @panel(
        "positions",
        _("Positional encoding: token order as sine and cosine values"),
        _(
            "Without recurrence the order of tokens is lost, so sine and cosine waves of different frequencies "
            "are added to the embeddings: high frequencies at the top, low ones at the bottom."
        ),
    )
    def draw_positions() -> None:
        module = cache.network(TRANSFORMER).module
        assert isinstance(module, TransformerTranslator)
        size = module.embedding.embedding_dim
        labels = list(selection.decoding.source)
        encoding = positional_encodings(len(labels), size).numpy()
        figure = positional_encoding(encoding, labels, theme=page_theme())
        chart(figure, "positions", names=(TRANSFORMER, "positions"), min_width=760)
        place, column = selection.source, 4
        st.latex(
            rf"PE_{{t,\,2i}} = \sin\frac{{t}}{{10000^{{2i/{size}}}}}, \quad "
            rf"PE_{{t,\,2i+1}} = \cos\frac{{t}}{{10000^{{2i/{size}}}}}"
            rf"\qquad PE_{{{place},\,{column}}} = \sin\frac{{{place}}}{{{10000 ** (column / size):.4g}}}"
            rf" = {encoding[place, column]:.4f}"
        )
        st.caption(
            _("Example: dimension {column} at position {place} (“{token}”), both counted from 0.").format(
                column=column, token=source_symbol(selection.decoding, place), place=place
            )
        )


def _dependencies(selection: AttentionSelection) -> None:
    @panel(
        "dependencies",
        _("Why the Transformer runs in parallel: dependencies between computations"),
        _(
            "The number of sequential steps before each position can be computed. Rising lines are computed one "
            "after another, flat lines in parallel."
        ),
    )
    def draw_dependencies() -> None:
        decoding = selection.decoding
        module = cache.network(TRANSFORMER).module
        assert isinstance(module, TransformerTranslator)
        layers = len(module.encoder.layers)
        source, output = len(decoding.source), len(decoding.target)
        one, other = recurrent_critical_path(source, output), transformer_critical_path(source, output, layers)
        labels = [*decoding.source, *map(display, decoding.target)]
        chart(dependency_chart(one, other, labels, theme=page_theme()), "waiting", names=("waiting",), min_width=520)
        st.markdown(
            _(
                "To encode these {source} tokens, a one-layer recurrent network needs **{source}** sequential steps "
                "(T + L − 1 for T tokens and L layers); the Transformer needs **{layers}**, one per layer, whatever "
                "the length. In training, where the target output is given, its decoder needs {layers} more. Only "
                "when it generates must it wait for its own previous output, like any decoder."
            ).format(source=source, layers=layers)
        )


def _timing() -> None:
    @panel(
        "timing",
        _("Computation time by input length, measured on this machine"),
        _(
            "Fewer sequential steps do not mean less computation: every token attends to every other, so the work "
            "grows with T². At what length do the lines cross?"
        ),
    )
    def draw_timing() -> None:
        found: list[Timing] = st.session_state.get(TIMINGS_KEY, [])
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
            ).format(first=DEFAULT_NETWORK, second=TRANSFORMER, threads=threads)
        )


def _measure(bar: DeltaGenerator, place: DeltaGenerator) -> list[Timing]:
    """Measure the times and show each as soon as it is there; stopping keeps those."""
    translator, other = cache.network(DEFAULT_NETWORK).module, cache.network(TRANSFORMER).module
    symbols = len(cache.network(TRANSFORMER).vocabulary or ())
    runs = {
        DEFAULT_NETWORK: lambda ids: translator.encode(ids),  # type: ignore[operator]
        TRANSFORMER: lambda ids: other.encode(ids, ids == 0),  # type: ignore[operator]
    }
    found: list[Timing] = []
    for each in measure_times(runs, TIMED_LENGTHS, symbols):
        found.append(each)
        st.session_state[TIMINGS_KEY] = list(found)
        bar.progress(
            len(found) / (2 * len(TIMED_LENGTHS)),
            _("{name}: {length} tokens").format(name=each.name, length=each.length),
        )
        if len(found) % 2 == 0:
            _chart(place, found, f"timings_{len(found)}")
    bar.empty()
    return found


def _chart(place: DeltaGenerator, found: list[Timing], key: str) -> None:
    with place.container():
        chart(timing_chart(found, theme=page_theme()), key, names=("timings",))
