"""Example sequences for an opened network, of which only the weights are known."""

from __future__ import annotations

import numpy as np

from models.checkpoints.building.encoder_decoder import END_SYMBOLS
from models.networks.network import Example, Network
from models.networks.sequence_files import format_numbers

EXAMPLE_STEPS, MAX_NUMBERS = 24, 400
"""Steps of an example, and the maximum number of values in a numeric example."""
DECIMALS = 3
"""Decimals of the values of numeric examples."""


def make_examples(network: Network) -> tuple[Example, ...]:
    """Return inputs of ``network``: symbols drawn at random and in the vocabulary's order, or a wave, noise and an impulse.

    The result is the same at every call.
    """
    only = None if network.layout is None else network.layout.steps
    if network.vocabulary is None:
        return _numeric_examples(network.card.columns, only)
    plain = [symbol for symbol in network.vocabulary if symbol.strip() and not _is_special(symbol)] or [
        *network.vocabulary
    ]
    known = [symbol for symbol in plain[: 4 * EXAMPLE_STEPS] if network.tokens(symbol) == [symbol]]
    if not known:
        return ()
    between = "" if network.kind == "characters" else " "
    drawn = np.random.default_rng(0).choice(len(known), only or EXAMPLE_STEPS)
    ends = (
        [symbol for symbol in END_SYMBOLS if symbol in network.vocabulary]
        if network.card.predicts == "sequence"
        else []
    )
    listed = known[:EXAMPLE_STEPS] if only is None else [known[index % len(known)] for index in range(only)]
    texts = [between.join([*symbols, *ends[:1]]) for symbols in ([known[index] for index in drawn], listed)]
    return tuple(Example(text) for text in dict.fromkeys(texts))


def _is_special(symbol: str) -> bool:
    return len(symbol) > 1 and symbol[0] in "<[#" and symbol[-1] in ">]"


def _numeric_examples(columns: int, only: int | None) -> tuple[Example, ...]:
    steps = only or max(4, min(EXAMPLE_STEPS, MAX_NUMBERS // columns))
    drawn = np.random.default_rng(0).normal(size=(steps, columns))
    impulse = np.zeros((steps, columns))
    impulse[min(1, steps - 1), 0] = 1
    wave = np.sin(np.arange(steps)[:, None] * 2 * np.pi / 12 + np.arange(columns))
    return tuple(Example(format_numbers(values.round(DECIMALS))) for values in (wave, drawn, impulse))
