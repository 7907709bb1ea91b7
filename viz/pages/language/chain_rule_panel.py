"""The panel of the chain rule: a sentence as the product of the probabilities of its words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st

from models.language.neural_models import ModelKind
from models.language.sentence_probability import Factor, SentenceProduct, product_of
from models.language.smoothing import SCORES_ONLY
from viz.escape import escape_markdown
from viz.i18n import _, ngettext
from viz.pages.gradients.norm_panels import number_text
from viz.pages.language.factor_arithmetic import number, product_line
from viz.pages.language.language_controls import LanguageView, method_titles
from viz.pages.language.neural_models_panel import log2_text, model_titles, network_factors
from viz.pages.page_elements import caption, dense_table
from viz.pages.panels import panel
from viz.pages.screen_reader_table import HiddenNumber, hidden_numbers


def chain_rule_panel(view: LanguageView) -> None:
    """Declare the panel."""

    @panel(
        "chain_rule",
        _("The chain rule: a sentence as a product"),
        _("Which factor is the smallest? One factor of 0 makes the whole product 0."),
    )
    def draw() -> None:
        found = np.array([each.probability for each in view.factors])
        product = product_of(found)
        is_plain = view.smoothing.method == "none"
        st.latex(product_line(view.factors, probability_tex(product), fractions=is_plain))
        networks = network_factors(view)
        dense_table([_row(factor, place, networks) for place, factor in enumerate(view.factors)])
        _products(view, product, networks)
        _zeros(view)
        caption(
            _(
                "The chain rule itself is exact: every word given all words before it. An n-gram model keeps only the last "
                "n − 1 of them, here at most {n}. ⊢ is the start of a sentence; ⊣ is its end, the last factor, so that the "
                "probabilities of all sentences of all lengths sum to 1. The marks that end a sentence are left out."
            ).format(n=view.order - 1)
        )


def _row(factor: Factor, place: int, networks: Mapping[ModelKind, np.ndarray]) -> dict[str, str]:
    """Return the row of a factor in the table; the probabilities of the networks come last."""
    word = factor.word + (" " + _("(not in the vocabulary)") if factor.is_unknown else "")
    return {
        _("Word"): word,
        _("Given"): factor.given or "–",
        _("Count"): f"{factor.count:,} / {factor.context_count:,}",
        _("Probability"): number_text(factor.probability, 4),
        _("−log₂ p (bits)"): bits_text(factor.probability),
        **{model_titles()[kind]: number_text(float(found[place]), 4) for kind, found in networks.items()},
    }


def bits_text(probability: float) -> str:
    """Return the surprisal of a probability in bits."""
    return f"{-np.log2(probability) + 0.0:.3f}" if probability > 0 else "∞"


def probability_tex(product: SentenceProduct) -> str:
    """Return a product of probabilities in TeX; 0 only where it is 0."""
    if product.log2 == -np.inf or product.probability > 0:
        return number(product.probability)
    exponent = int(np.floor(product.log2 * np.log10(2)))
    return rf"{10 ** (product.log2 * np.log10(2) - exponent):.2f} \cdot 10^{{{exponent}}}"


def product_row(title: str, product: SentenceProduct) -> dict[str, str]:
    """Return the row of a model in the table of the probabilities of the sentence."""
    is_zero = product.log2 == -np.inf
    tiny = product.probability == 0 and not is_zero
    return {
        _("Model"): title,
        "P": f"2^{product.log2:.1f}".replace("-", "−") if tiny else number_text(product.probability, 4),
        "log₂ P": log2_text(product.log2),
        "ln P": log2_text(product.ln),
        _("bits per factor"): "∞" if is_zero else f"{product.bits:.3f}",
        _("perplexity"): "∞" if is_zero else number_text(product.perplexity, 4),
    }


def _products(view: LanguageView, product: SentenceProduct, networks: Mapping[ModelKind, np.ndarray]) -> None:
    """Show the product, its logarithms and the perplexity."""
    title = _("counting, n = {n}: {method}").format(n=view.order, method=method_titles()[view.smoothing.method])
    products = {kind: product_of(found) for kind, found in networks.items()}
    rows = [product_row(title, product), *[product_row(model_titles()[kind], each) for kind, each in products.items()]]
    dense_table(rows)
    hidden = [
        HiddenNumber("probability", "counting", each.probability, place) for place, each in enumerate(view.factors)
    ]
    hidden.append(HiddenNumber("sentence_log2", "counting", product.log2, 0))
    for kind, found in networks.items():
        hidden += [HiddenNumber("probability", kind, float(each), place) for place, each in enumerate(found)]
        hidden.append(HiddenNumber("sentence_log2", kind, products[kind].log2, 0))
    hidden_numbers(hidden, _("Probabilities of the sentence"), "language_factors")
    if view.smoothing.method in SCORES_ONLY:
        caption(
            _(
                "Stupid back-off gives scores, not probabilities: they do not sum to 1. Its product and perplexity cannot be "
                "compared with those of the others."
            )
        )


def _zeros(view: LanguageView) -> None:
    """Say which factors are 0, and why."""
    for factor in view.factors:
        if factor.probability > 0:
            continue
        words = {
            "word": escape_markdown(factor.word),
            "context": escape_markdown(factor.given),
            "n": factor.context_count,
        }
        if factor.is_unknown:
            text = _("“{word}” is not in the vocabulary of the corpus, so its count is 0, and the product is 0.")
        elif factor.context_count == 0:
            text = _("“{context}” never occurs in the corpus: 0 / 0 is undefined, and counts as 0. The product is 0.")
        else:
            text = ngettext(
                "“{context}” occurs {n:,} time, but “{word}” never follows. The factor is 0 / {n:,}, so the product is 0.",
                "“{context}” occurs {n:,} times, but “{word}” never follows. The factor is 0 / {n:,}, so the product is 0.",
                factor.context_count,
            )
        st.warning(text.format(**words), icon=":material/exposure_zero:")
    if any(each.probability == 0 for each in view.factors) and view.smoothing.method == "none":
        caption(_("Choose a smoothing above to see what the zero becomes."))
