"""The arithmetic of one factor of a sentence under an n-gram model, as LaTeX with the numbers filled in."""

from __future__ import annotations

import numpy as np

from models.language.corpus import START, SYMBOLS
from models.language.corpus_counts import CorpusCounts
from models.language.sentence_probability import Factor
from models.language.smoothing import SCORES_ONLY, OrderStep, Smoothing, smoothed_steps
from viz.escape import latex_text
from viz.pages.gradients.norm_panels import tex_number

MAX_FACTORS = 8
"""Factors of a product that is written out; of a longer one, the first and the last."""


def factor_lines(counts: CorpusCounts, smoothing: Smoothing, factor: Factor) -> str:
    """Return the lines of the computation of a factor, the shortest context first, aligned at the equals sign."""
    steps = smoothed_steps(counts, smoothing, np.array([[*factor.context, factor.id]]))
    lines, lower = [], 1.0 / counts.corpus.choices
    if smoothing.method in ("interpolation", "witten_bell", "kneser_ney"):
        lines.append(rf"P_0 &= \tfrac1V = \tfrac{{1}}{{{counts.corpus.choices}}} = {number(lower)}")
    for step in steps:
        symbol = term_text(factor, step.order)
        if smoothing.method in SCORES_ONLY:
            symbol = "S" + symbol.removeprefix("P")
        value = float(step.probability[0])
        lines.append(f"{symbol} &= {_term(smoothing, step, lower, counts.corpus.choices)} = {number(value)}")
        lower = value
    return r"\begin{aligned}" + r"\\[4pt]".join(lines) + r"\end{aligned}"


def _term(smoothing: Smoothing, step: OrderStep, lower: float, choices: int) -> str:
    """Return the right side of one order with its numbers."""
    count, total, kinds = int(step.count[0]), int(step.total[0]), int(step.kinds[0])
    shorter, fraction = number(lower), rf"\frac{{{count}}}{{{total}}}"
    match smoothing.method:
        case "none":
            return fraction if total else r"\frac{0}{0} \rightarrow 0"
        case "add_k":
            k = number(smoothing.k)
            return rf"\frac{{{count} + {k}}}{{{total} + {k} \cdot {choices}}}"
        case "backoff" if count > 0 or step.order == 1:
            return fraction
        case "backoff":
            return rf"{number(smoothing.factor)} \cdot {shorter}"
    if total == 0:
        return shorter
    match smoothing.method:
        case "interpolation":
            return rf"{number(smoothing.weight)} \cdot {fraction} + {number(1 - smoothing.weight)} \cdot {shorter}"
        case "witten_bell":
            return rf"\frac{{{count} + {kinds} \cdot {shorter}}}{{{total} + {kinds}}}"
    d = number(smoothing.discount)
    kept = rf"\frac{{\max({count} - {d},\, 0)}}{{{total}}}"
    return rf"{kept} + \frac{{{d} \cdot {kinds}}}{{{total}}} \cdot {shorter}"


def term_text(factor: Factor, order: int) -> str:
    """Return the factor as P(word | context) with the context of one order, with every start symbol of it."""
    before = factor.given.split(" ") if order > 1 else []
    missing = order - 1 - len(before)
    context = " ".join([SYMBOLS[START]] * missing + before[max(0, -missing) :])
    return rf"P_{{{order}}}({latex_text(factor.word)}{given_text(context)})"


def given_text(context: str) -> str:
    """Return the part of P(word | context) after the word."""
    return rf" \mid {latex_text(context)}" if context else ""


def product_line(factors: list[Factor], probability: str, *, fractions: bool) -> str:
    """Return the product of the factors: as symbols in the first line, and with their numbers in the second."""
    shown: list[Factor | None] = list(factors)
    if len(factors) > MAX_FACTORS:
        shown = [*factors[: MAX_FACTORS - 2], None, factors[-1]]

    def written(factor: Factor) -> str:
        if fractions and factor.context_count:
            return rf"\tfrac{{{factor.count}}}{{{factor.context_count}}}"
        return number(factor.probability)

    symbols = [r"\cdots" if each is None else rf"P({latex_text(each.word)}{given_text(each.given)})" for each in shown]
    numbers = [r"\cdots" if each is None else written(each) for each in shown]
    lines = [r" \; ".join(part) for part in _rows(symbols)]
    times = r" \cdot "
    return (
        r"\begin{aligned}"
        + r"\\".join([rf"P &= {lines[0]}", *[rf"&\phantom{{=}}\; {line}" for line in lines[1:]]])
        + r"\\[4pt]"
        + rf"&= {times.join(numbers)} = {probability}"
        + r"\end{aligned}"
    )


def _rows(symbols: list[str]) -> list[list[str]]:
    """Return the symbols of a product in rows of four."""
    return [symbols[start : start + 4] for start in range(0, len(symbols), 4)]


def number(value: float) -> str:
    """Return a number that is not negative, in TeX."""
    return tex_number(value) if value > 0 else "0"
