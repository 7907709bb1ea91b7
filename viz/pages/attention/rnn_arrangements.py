"""The four input–output arrangements of recurrent networks, each with a bundled network."""

from collections.abc import Sequence

import streamlit as st

from models.core.tokenize_text import display
from models.networks.forward_run import ClassPrediction, SymbolPrediction
from models.networks.generation import GeneratedText, generate
from viz.address import View
from viz.components.sequence_shape import sequence_shape
from viz.i18n import _, language, translate
from viz.pages import cache
from viz.pages.attention.answer_panel import format_probability
from viz.pages.page_elements import lens_link
from viz.pages.panels import panel

LANGUAGE_MODEL, CLASSIFIER = "python-lm", "sentiment"
FIRST_CHARACTER_KEY = "attention_first"
GENERATED_LENGTH, DRAWN_LENGTH = 48, 5
"""Symbols that are generated, and how many of them are drawn."""


def rnn_arrangements(source: Sequence[str], output: Sequence[str], translated: View) -> None:
    """Show the four drawings.

    Args:
        source, output: the input and output of a recurrent sequence-to-sequence network.
        translated: the view with that network and its text.
    """

    @panel(
        "arrangements",
        _("Four input–output structures of recurrent networks"),
        _(
            "They differ only in when inputs are taken and outputs are produced. How many inputs and outputs does "
            "each have, and when does the first output come?"
        ),
    )
    def draw_arrangements() -> None:
        above, below = st.columns(2, gap="large"), st.columns(2, gap="large")
        with above[0]:
            _one_to_many()
        with above[1]:
            _many_to_one()
        with below[0]:
            _in_step()
        with below[1]:
            _delayed(source, output, translated)


def _one_to_many() -> None:
    st.markdown("##### " + _("One to many"))
    first = st.session_state.get(FIRST_CHARACTER_KEY) or "i"
    try:
        generated = generated_text(first[:1])
    except ValueError as problem:
        st.warning(translate(problem))
        generated = generated_text("i")
    inputs = (generated.prompt[0], *[None] * (DRAWN_LENGTH - 1))
    sequence_shape(
        "shape_writes", inputs, generated.symbols[:DRAWN_LENGTH], label=_("One to many"), fed=True, key="shape_writes"
    )
    st.caption(
        _("“{name}” generates text from one character: each output is fed back as the next input.").format(
            name=cache.display_name(LANGUAGE_MODEL)
        )
    )
    st.text_input(_("First character"), "i", max_chars=1, key=FIRST_CHARACTER_KEY)
    st.code(generated.text, language=None, wrap_lines=True)
    _open(View(net=LANGUAGE_MODEL, text=generated.text))


def _many_to_one() -> None:
    st.markdown("##### " + _("Many to one"))
    example = _example(CLASSIFIER)
    run = cache.forward_run(CLASSIFIER, example)
    answer = run.prediction
    assert isinstance(answer, ClassPrediction)
    best_class = answer.classes[language()][answer.best]
    drawn = _short(run.labels)
    outputs = (*[None] * (len(drawn) - 1), best_class)
    sequence_shape("shape_judges", drawn, outputs, label=_("Many to one"), key="shape_judges")
    st.caption(
        _(
            "“{name}” takes a whole review as input and outputs one class after the last token: “{answer}” ({chance})."
        ).format(
            name=cache.display_name(CLASSIFIER),
            answer=best_class,
            chance=format_probability(float(answer.probability[answer.best])),
        )
    )
    _open(View(net=CLASSIFIER, text=example))


def _in_step() -> None:
    st.markdown("##### " + _("Many to many (one output per step)"))
    text = "def f("
    run = cache.forward_run(LANGUAGE_MODEL, text)
    expected = run.prediction
    assert isinstance(expected, SymbolPrediction)
    outputs = [expected.vocabulary[index] for index in expected.top(1)[:, 0]]
    sequence_shape(
        "shape_expects", run.labels, outputs, label=_("Many to many (one output per step)"), key="shape_expects"
    )
    st.caption(
        _("“{name}” predicts the next character after each input character.").format(
            name=cache.display_name(LANGUAGE_MODEL)
        )
    )
    _open(View(net=LANGUAGE_MODEL, text=text))


def _delayed(source: Sequence[str], output: Sequence[str], translated: View) -> None:
    st.markdown("##### " + _("Many to many (sequence-to-sequence)"))
    read, written = _short(source), _short(output)
    inputs = (*read, *[None] * len(written))
    outputs = (*[None] * len(read), *written)
    sequence_shape(
        "shape_translates", inputs, outputs, label=_("Many to many (sequence-to-sequence)"), key="shape_translates"
    )
    st.caption(
        _(
            "“{name}” takes the whole input before it generates the output: sequence-to-sequence, as in translation."
        ).format(name=cache.display_name(translated.net or ""))
    )
    _open(translated)


@st.cache_resource(show_spinner=False, max_entries=64)
def generated_text(first: str) -> GeneratedText:
    """Return what the language model generates after one symbol. Raises Problem if the symbol is not in its vocabulary."""
    return generate(cache.network(LANGUAGE_MODEL), first, GENERATED_LENGTH)


def _example(name: str) -> str:
    """Return the network's first example in the page's language."""
    examples = cache.network(name).card.examples
    return next((each.text for each in examples if each.language in (None, language())), examples[0].text)


def _short(labels: Sequence[str], most: int = 4) -> tuple[str, ...]:
    shown = tuple(map(display, labels))
    return shown if len(shown) <= most else (*shown[: most - 2], "…", shown[-1])


def _open(view: View) -> None:
    lens_link("step", _("Open on the Step page"), view)
