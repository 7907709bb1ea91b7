"""The arithmetic of an output layer: logits from a hidden state, and probabilities from logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from models.networks.output_step import OutputStep
from viz.i18n import _
from viz.pages.page_elements import caption, dense_table
from viz.pages.screen_reader_table import HiddenNumber, hidden_numbers

SHOWN, TERMS = 8, 5
"""Outputs in the table, and terms of the sum that are written out."""


def sigmoid_of(z: float) -> float:
    """Return the sigmoid of a logit."""
    return float(0.5 * (1 + np.tanh(z / 2)))


def show_output_step(found: OutputStep, names: Sequence[str], key: str, *, sigmoid: bool = False) -> None:
    """Show the sum of the highest output with its largest terms, a table of the outputs, and the softmax.

    Args:
        found: the output layer at one time step.
        names: of its outputs.
        key: ``data-group`` of the numbers for screen readers.
        sigmoid: whether the single output passes through the sigmoid.
    """
    logits = found.logits
    order = np.argsort(-logits, kind="stable") if found.has_softmax else np.arange(len(logits))
    best = int(order[0])
    st.latex(_sum_formula(found, best, names[best]))
    probability, exponentials = found.probability, found.exponentials
    rows = []
    for k in order[:SHOWN]:
        row = {
            _("Output"): names[k],
            "W h": _digits(float(found.weight[k] @ found.hidden)),
            "b": _digits(float(found.bias[k])),
            _("Logit z") if found.has_softmax or sigmoid else _("Value"): _digits(float(logits[k])),
        }
        if sigmoid:
            row |= {"σ(z)": f"{sigmoid_of(float(logits[k])):.4f}"}
        if found.has_softmax:
            row |= {"e^(z − max)": _digits(float(exponentials[k])), "p": f"{probability[k]:.4f}"}
        rows.append(row)
    dense_table(rows)
    values = probability if found.has_softmax else [sigmoid_of(z) for z in logits] if sigmoid else logits
    hidden_numbers(
        [HiddenNumber("logit", found.module, float(logits[k]), int(k)) for k in order[:SHOWN]]
        + [HiddenNumber("output", found.module, float(values[k]), int(k)) for k in order[:SHOWN]],
        _("Output layer"),
        key,
    )
    if sigmoid:
        z = float(logits[0])
        with np.errstate(over="ignore"):
            power = f"{np.exp(-z):.4g}".replace("inf", r"\infty")
        st.latex(rf"p = \sigma(z) = \frac{{1}}{{1 + e^{{-z}}}} = \frac{{1}}{{1 + {power}}} = {sigmoid_of(z):.4f}")
        return
    if not found.has_softmax:
        caption(_("No activation follows: the sums are the predicted values."))
        return
    total = exponentials.sum()
    st.latex(
        rf"p = \frac{{e^{{z - \max z}}}}{{\sum e^{{z - \max z}}}} = "
        rf"\frac{{{exponentials[best]:.4g}}}{{{total:.4g}}} = {probability[best]:.4f}"
    )
    if len(logits) == 2:
        difference = float(logits[best] - logits[1 - best])
        caption(
            _(
                "With two outputs, the softmax is a sigmoid of the difference of the logits: σ({difference:.4f}) = "
                '{p:.4f}. Dense(1, activation="sigmoid") with binary cross-entropy computes the same from one logit.'
            ).format(difference=difference, p=float(probability[best]))
        )


def _sum_formula(found: OutputStep, k: int, name: str) -> str:
    """Return the sum of one output with its largest terms as LaTeX."""
    terms = found.weight[k] * found.hidden
    largest = np.arange(len(terms)) if len(terms) <= SHOWN else np.argsort(-np.abs(terms), kind="stable")[:TERMS]
    written = " ".join(_braced(terms[j], f"{_('unit')} {j}") for j in largest).removeprefix("+")
    others = len(terms) - len(largest)
    rest = terms.sum() - terms[largest].sum()
    more = _braced(rest, _("{n} other units").format(n=others)) if others else ""
    total = f"{_braced(found.bias[k], 'b')} = {found.logits[k]:.4f}"
    return rf"z_{{\text{{{_math_text(name)}}}}} = \sum_j W_j h_j + b = {written}{more} {total}"


def _braced(value: float, text: str) -> str:
    """Return a signed number with a text under it as LaTeX."""
    return rf"{'-' if value < 0 else '+'}\underbrace{{{abs(value):.3f}}}_{{\text{{{text}}}}}"


def _math_text(text: str) -> str:
    """Return a symbol for the text mode of LaTeX, at most 20 characters."""
    return "".join(
        f"\\{letter}" if letter in "#$%&_{}" else " " if letter in "\\^~" else letter for letter in text[:20]
    )


def _digits(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")
