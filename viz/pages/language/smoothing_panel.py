"""The panels of smoothing: the arithmetic of the selected factor, all methods on held-out sentences, and sparsity."""

from __future__ import annotations

import streamlit as st

from models.language.sentence_probability import product_of
from models.language.smoothing import (
    METHODS,
    SCORES_ONLY,
    Method,
    Smoothing,
    probabilities,
    sentence_ngrams,
    sum_over_words,
)
from viz.figures.unseen_ngrams import unseen_ngrams
from viz.i18n import _
from viz.pages.gradients.norm_panels import number_text
from viz.pages.language.factor_arithmetic import factor_lines
from viz.pages.language.language_controls import LanguageView, method_titles
from viz.pages.page_elements import caption, chart, dense_table, page_theme
from viz.pages.panels import panel
from viz.pages.screen_reader_table import HiddenNumber, hidden_numbers

FORMULAS: dict[Method, str] = {
    "none": r"P_n = \frac{c}{N}",
    "add_k": r"P_n = \frac{c + k}{N + k\,V}",
    "interpolation": r"P_n = \lambda\,\frac{c}{N} + (1 - \lambda)\,P_{n-1}",
    "backoff": r"S_n = \begin{cases} \frac{c}{N} & c > 0 \\ b\,S_{n-1} & c = 0 \end{cases}",
    "witten_bell": r"P_n = \frac{c + T\,P_{n-1}}{N + T}",
    "kneser_ney": r"P_n = \frac{\max(c - d,\,0)}{N} + \frac{d\,T}{N}\,P_{n-1}",
}
"""The formula of each method."""

MAX_SUMMED = 100_000
"""Words of a vocabulary over which the probabilities are summed."""


def smoothing_panel(view: LanguageView) -> None:
    """Declare the panel of the arithmetic and of the comparison of all methods."""

    @panel(
        "smoothing",
        _("Smoothing: what the zero becomes"),
        _("Compare the methods: which one gives the held-out sentences the lowest perplexity?"),
    )
    def draw() -> None:
        _arithmetic(view)
        _comparison(view)


def _arithmetic(view: LanguageView) -> None:
    """Show the formula of the method, and the computation of the selected factor."""
    method = view.smoothing.method
    general, numbers = st.columns([2, 3], gap="medium", vertical_alignment="center")
    with general:
        st.markdown(f"**{method_titles()[method]}**")
        st.latex(FORMULAS[method])
        caption(_sentence_on(method))
    with numbers:
        st.latex(factor_lines(view.counted.counts, view.smoothing, view.factor))
    caption(
        _(
            "c: count of the n-gram. N: count of its first n − 1 words. T: how many different words follow them. "
            "V = {v:,}: words that may come next, with ⊣ and one unknown word for all that the corpus lacks."
        ).format(v=view.corpus.choices)
    )
    if view.corpus.choices <= MAX_SUMMED:
        total = sum_over_words(view.counted.counts, view.smoothing, view.factor.context)
        caption(
            _("After “{context}”, the values of all {v:,} words sum to {total}.").format(
                context=view.factor.given or "–", v=view.corpus.choices, total=f"{total:.4g}"
            )
        )


def _sentence_on(method: Method) -> str:
    """Return what a method does with what was never counted."""
    return {
        "none": _("Relative frequencies give everything that was never counted the probability 0."),
        "add_k": _(
            "k is added to every count. With a large vocabulary, most of the probability then goes to what was never counted."
        ),
        "interpolation": _("Every order always takes part, with one fixed weight λ. P₀ is 1 / V."),
        "backoff": _(
            "Only where the count is 0 does the shorter context take part. The scores do not sum to 1, and a word that the "
            "corpus lacks still gets 0."
        ),
        "witten_bell": _(
            "The share of the shorter context is T / (N + T): large after a context that many different words follow."
        ),
        "kneser_ney": _(
            "d is taken from every count. Below the highest order, c counts how many different words precede an n-gram, not "
            "how often it occurs."
        ),
    }[method]


def _comparison(view: LanguageView) -> None:
    """Show the selected factor, the sentence and the held-out sentences under every method."""
    counts, rows, hidden = view.counted.counts, [], []
    ngrams = sentence_ngrams(view.corpus, view.words, view.order)
    for method in METHODS:
        smoothing = view.smoothing if method == view.smoothing.method else Smoothing(method)
        found = probabilities(counts, smoothing, ngrams)
        score = view.counted.held_out_score(smoothing, view.order)
        mark = " ←" if method == view.smoothing.method else ""
        is_score = method in SCORES_ONLY
        rows.append(
            {
                _("Method"): method_titles()[method] + mark,
                _("Selected factor"): number_text(float(found[view.selected]), 4),
                _("Sentence"): number_text(product_of(found).probability, 4),
                _("Held-out perplexity"): "–" if is_score else perplexity_text(score.perplexity),
                _("Zeros"): f"{score.zeros:,} / {score.count:,}",
            }
        )
        hidden.append(HiddenNumber("probability", method, float(found[view.selected]), view.selected))
        if not is_score:
            hidden.append(HiddenNumber("perplexity", method, score.perplexity, view.order))
    dense_table(rows)
    hidden_numbers(hidden, _("Smoothing: what the zero becomes"), "language_methods")
    caption(
        _(
            "Held out: every fifth sentence ({sentences:,}) is left out of these counts and predicted; {share:.1%} of its "
            "words are not in the vocabulary. A single factor of 0 makes the perplexity infinite. The first two columns are "
            "of the whole corpus. Stupid back-off has no perplexity, since its scores are no probabilities."
        ).format(
            sentences=len(view.counted.held.sentences.sentences),
            share=view.counted.held.unknown_share,
        )
    )


def perplexity_text(value: float) -> str:
    """Return a perplexity as text."""
    return "∞" if value == float("inf") else f"{value:,.2f}" if value < 1e5 else number_text(value, 4)


def unseen_ngrams_panel(view: LanguageView) -> None:
    """Declare the panel of the share of n-grams that were never counted."""

    @panel(
        "unseen_ngrams",
        _("Sparsity: n-grams that were never counted"),
        _("How fast does the share grow with n? Each of these n-grams is a factor of 0 without smoothing."),
    )
    def draw() -> None:
        shares = view.counted.unseen
        chart(unseen_ngrams(shares, marked=view.order, theme=page_theme()), "language_unseen", names=("unseen-ngrams",))
        hidden_numbers(
            [HiddenNumber("unseen_share", "held_out", share, n) for n, share in enumerate(shares, 1)],
            _("Sparsity: n-grams that were never counted"),
            "language_unseen_shares",
        )
        caption(
            _(
                "Of the n-grams of the held-out sentences. More text lowers the curve, but no corpus has all sentences: the "
                "number of possible n-grams is Vⁿ, here {v:,}⁵ = {all} for n = 5."
            ).format(v=view.corpus.choices, all=number_text(float(view.corpus.choices) ** 5))
        )
