"""The four shapes of a recurrent network, each with a bundled network that runs."""

from collections.abc import Sequence

import streamlit as st

from models.core.tokenize_text import display
from models.networks.forward_run import ClassPrediction, SymbolPrediction
from models.networks.generation import GeneratedText, generate
from viz.address import View
from viz.components.sequence_shape import sequence_shape
from viz.i18n import _, language, translate
from viz.pages import cache
from viz.pages.attention.answer_panel import percent
from viz.pages.page_elements import lens_link, panel

WRITER, JUDGE = "python-lm", "sentiment"
FIRST = "attention_first"
WRITTEN, DRAWN = 48, 5
"""Symbols that are written on, and how many of them are drawn."""


def shapes(source: Sequence[str], output: Sequence[str], translated: View) -> None:
    """The four drawings side by side.

    Args:
        source, output: what a recurrent network that translates read and wrote.
        translated: the network and its text.
    """
    with panel(
        _("Four input–output structures of recurrent networks"),
        _(
            "They differ only in when inputs are taken and outputs are produced. How many inputs and outputs does "
            "each have, and when does the first output come?"
        ),
    ):
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
    first = st.session_state.get(FIRST) or "d"
    try:
        writing = written(first[:1])
    except ValueError as problem:
        st.warning(translate(problem))
        writing = written("d")
    inputs = (writing.start[0], *[None] * (DRAWN - 1))
    sequence_shape(
        "shape_writes", inputs, writing.symbols[:DRAWN], label=_("One to many"), fed=True, key="shape_writes"
    )
    st.caption(
        _("{name} generates text from one character: each output is fed back as the next input.").format(name=WRITER)
    )
    st.text_input(_("First character"), "d", max_chars=1, key=FIRST)
    st.code(writing.text, language=None, wrap_lines=True)
    _open(View(net=WRITER, text=writing.text))


def _many_to_one() -> None:
    st.markdown("##### " + _("Many to one"))
    example = _example(JUDGE)
    reading = cache.forward_run(JUDGE, example)
    answer = reading.prediction
    assert isinstance(answer, ClassPrediction)
    said = answer.classes[language()][answer.best]
    drawn = _short(reading.labels)
    outputs = (*[None] * (len(drawn) - 1), said)
    sequence_shape("shape_judges", drawn, outputs, label=_("Many to one"), key="shape_judges")
    st.caption(
        _(
            "{name} takes a whole review as input and outputs one class after the last token: “{answer}” ({chance})."
        ).format(name=JUDGE, answer=said, chance=percent(float(answer.probability[answer.best])))
    )
    _open(View(net=JUDGE, text=example))


def _in_step() -> None:
    st.markdown("##### " + _("Many to many (one output per step)"))
    text = "def f("
    reading = cache.forward_run(WRITER, text)
    expected = reading.prediction
    assert isinstance(expected, SymbolPrediction)
    outputs = [expected.vocabulary[index] for index in expected.top(1)[:, 0]]
    sequence_shape(
        "shape_expects", reading.labels, outputs, label=_("Many to many (one output per step)"), key="shape_expects"
    )
    st.caption(_("{name} predicts the next character after each input character.").format(name=WRITER))
    _open(View(net=WRITER, text=text))


def _delayed(source: Sequence[str], output: Sequence[str], translated: View) -> None:
    st.markdown("##### " + _("Many to many (sequence-to-sequence)"))
    read, wrote = _short(source), _short(output)
    inputs = (*read, *[None] * len(wrote))
    outputs = (*[None] * len(read), *wrote)
    sequence_shape(
        "shape_translates", inputs, outputs, label=_("Many to many (sequence-to-sequence)"), key="shape_translates"
    )
    st.caption(
        _(
            "{name} takes the whole input before it generates the output: sequence-to-sequence, as in translation."
        ).format(name=translated.net)
    )
    _open(translated)


@st.cache_resource(show_spinner=False, max_entries=64)
def written(first: str) -> GeneratedText:
    """What the language model writes after one symbol. Raises Problem: it cannot be read."""
    return generate(cache.network(WRITER), first, WRITTEN)


def _example(name: str) -> str:
    """The network's first example in the reader's language."""
    examples = cache.network(name).card.examples
    return next((each.text for each in examples if each.language in (None, language())), examples[0].text)


def _short(labels: Sequence[str], most: int = 4) -> tuple[str, ...]:
    shown = tuple(map(display, labels))
    return shown if len(shown) <= most else (*shown[: most - 2], "…", shown[-1])


def _open(view: View) -> None:
    lens_link("step", _("Open on the Step page"), view)
