"""The panel of the small neural language models, trained on the corpus in another process."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import streamlit as st

from models.core.messages import Problem
from models.language.neural_models import (
    EMBEDDING,
    HIDDEN,
    MODEL_KINDS,
    WINDOW,
    ModelKind,
    TrainedLanguageModel,
    network_probabilities,
)
from models.language.sentence_probability import product_of
from models.language.smoothing import METHODS, SCORES_ONLY, Smoothing, probabilities, sentence_ngrams
from models.language.train_language_model import check_trainable
from viz.colours import CURVES, KIND, Theme
from viz.figures.training_curves import TrainingCurve, training_curves
from viz.i18n import _, ngettext
from viz.pages.call_note import call_note
from viz.pages.language.corpus_store import CountedCorpus
from viz.pages.language.language_controls import LanguageView, method_titles
from viz.pages.language.smoothing_panel import perplexity_text
from viz.pages.language.train_on_corpus import train_on_corpus
from viz.pages.page_elements import caption, chart, dense_table, page_theme, show_problem
from viz.pages.panels import panel
from viz.pages.screen_reader_table import HiddenNumber, hidden_numbers

STARTED = "language_started_trainings"
"""In the session state: the trainings that this reader started and may stop, as (digest of the corpus, key)."""


def model_titles() -> dict[ModelKind, str]:
    """Return the names of the networks."""
    return {"window": _("Fixed window"), "RNN": "RNN", "LSTM": "LSTM"}


def neural_models_panel(view: LanguageView) -> None:
    """Declare the panel."""

    @panel(
        "neural_models",
        _("Neural language models beside the counts"),
        _("Does a network give the held-out sentences a lower perplexity than the best smoothing?"),
    )
    def draw() -> None:
        try:
            _networks(view)
        except Problem as problem:
            show_problem(problem)
        train_on_corpus(view)
        for line in (
            _(
                "Fixed window (Bengio et al. 2003): the vectors of the last {window} words go through one hidden layer. It "
                "has a fixed number of inputs: what lies further back has no effect, and a text of any length is read "
                "only through this window. The RNN and the LSTM have no such limit."
            ).format(window=WINDOW),
            _(
                "The softmax of a network is never 0, so a combination of known words that was never counted gets a "
                "probability, usually a higher one where similar words, with similar vectors, were counted. A word "
                "outside the vocabulary has no vector of its own: all such words share that of the unknown word."
            ),
        ):
            caption(line)


def _networks(view: LanguageView) -> None:
    """Show the networks, and their training.

    Raises:
        Problem: the corpus cannot be trained on, or a training failed.
    """
    check_trainable(view.corpus)
    networks = view.counted.networks
    if len(networks) < len(MODEL_KINDS):
        _training(view)
    if networks:
        _comparison(view, networks)
        _curves(networks, page_theme())


def _training(view: LanguageView) -> None:
    """Show the button that starts the training of all networks, or that they are being trained."""
    counted = view.counted
    if counted.calls.is_running(*MODEL_KINDS):
        training_note(counted, MODEL_KINDS)
        return
    if st.button(
        _("Train the three networks"), icon=":material/play_arrow:", type="primary", key="language_train_networks"
    ):
        with starting(counted, MODEL_KINDS):
            for kind in MODEL_KINDS:
                counted.train_network(kind)
        st.rerun()
    caption(
        _(
            "{embedding} numbers per word, {hidden} units. First without the held-out sentences, to find the number of "
            "epochs with the lowest perplexity on them, then on all sentences for as many epochs. It takes some seconds, in "
            "a process of its own."
        ).format(embedding=EMBEDDING, hidden=HIDDEN)
    )


@contextmanager
def starting(counted: CountedCorpus, keys: Sequence[Hashable]) -> Iterator[None]:
    """Show that trainings are being started, and remember that this reader started them."""
    st.session_state.setdefault(STARTED, set()).update((counted.digest, key) for key in keys)
    with st.spinner(_("Preparing the data and the process …")):
        yield


def training_note(counted: CountedCorpus, keys: Sequence[Hashable]) -> None:
    """Show that a training goes on, to its reader with a button to stop it, and run the page again once it has ended."""
    is_own = any((counted.digest, key) in st.session_state.get(STARTED, ()) for key in keys)
    text = _("Training in another process; the page shows the result by itself …")
    call_note(counted.calls, keys, text, key=f"language_stop_{keys[0]}", can_stop=is_own)


def _comparison(view: LanguageView, networks: dict[ModelKind, TrainedLanguageModel]) -> None:
    """Show the perplexity of every model on the held-out sentences, and the probability of the typed sentence."""
    rows, hidden = [], []
    held, sentence, size = _("Held-out perplexity"), _("Sentence: log₂ P"), _("Parameters")
    sees, epochs = _("Depends on"), _("Epochs")
    for kind, model in networks.items():
        found = product_of(network_probabilities(model, view.corpus, view.words))
        rows.append(
            {
                _("Model"): model_titles()[kind],
                sees: last_words(WINDOW) if kind == "window" else _("all words before"),
                size: f"{model.parameters:,}",
                epochs: f"{model.epochs}" + (" " + _("(time limit)") if model.was_cut_short else ""),
                held: perplexity_text(model.held_out_perplexity),
                sentence: log2_text(found.log2),
            }
        )
        hidden += [
            HiddenNumber("perplexity", kind, model.held_out_perplexity, 0),
            HiddenNumber("sentence_log2", kind, found.log2, 0),
        ]
    ngrams = sentence_ngrams(view.corpus, view.words, view.order)
    for method in METHODS:
        if method in SCORES_ONLY:
            continue
        smoothing = view.smoothing if method == view.smoothing.method else Smoothing(method)
        score = view.counted.held_out_score(smoothing, view.order)
        rows.append(
            {
                _("Model"): _("counting, n = {n}: {method}").format(n=view.order, method=method_titles()[method]),
                sees: last_words(view.order - 1),
                size: "–",
                epochs: "–",
                held: perplexity_text(score.perplexity),
                sentence: log2_text(product_of(probabilities(view.counted.counts, smoothing, ngrams)).log2),
            }
        )
    dense_table(rows)
    hidden_numbers(hidden, _("Neural language models beside the counts"), "language_networks")
    caption(
        _(
            "The number of epochs was chosen on these held-out sentences, so the perplexities of the networks are slightly "
            "too low. Words that occur once are replaced by the unknown word half of the time in training, so that it "
            "gets a probability too."
        )
    )


def last_words(count: int) -> str:
    """Return the words that a model of a fixed context depends on."""
    return ngettext("the last {n} word", "the last {n} words", count).format(n=count) if count else "–"


def log2_text(value: float) -> str:
    """Return the logarithm of a probability."""
    return "−∞" if np.isinf(value) else f"{value:.3f}".replace("-", "−")


def _curves(networks: dict[ModelKind, TrainedLanguageModel], theme: Theme) -> None:
    """Show the bits by epoch of each network, on the held-out sentences and in training."""
    colours = {"window": CURVES[3], "RNN": KIND["RNN"], "LSTM": KIND["LSTM"]}
    curves = []
    for kind, model in networks.items():
        colour = colours[kind][theme]
        for values, dash, name in (
            (model.held_out_bits, "solid", _("{model}: held out")),
            (model.training_bits, "dot", _("{model}: training")),
        ):
            curves.append(
                TrainingCurve(
                    name.format(model=model_titles()[kind]),
                    np.arange(1, len(values) + 1),
                    np.array(values),
                    colour=colour,
                    dash=dash,
                )
            )
    figure = training_curves(curves, title=_("bits per factor"), time=_("epoch"), theme=theme)
    chart(figure, "language_learning", names=("language-models",))


def network_factors(view: LanguageView) -> dict[ModelKind, np.ndarray]:
    """Return the probabilities (T + 1) of the words of the sentence under each trained network."""
    try:
        networks = view.counted.networks
    except Problem as problem:
        show_problem(problem)
        return {}
    compute = partial(network_probabilities, corpus=view.corpus, words=view.words)
    return {kind: compute(model) for kind, model in networks.items()}
