"""Simple properties of a text at every step, to compare with what the units of a network do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.states.python_features import features

NEGATIONS = frozenset({
    "not", "never", "nobody", "nothing", "no", "neither", "hardly", "barely", "without", "cannot", "can't",
    "couldn't", "don't", "doesn't", "didn't", "isn't", "aren't", "wasn't", "weren't", "won't", "wouldn't",
    "hasn't", "haven't", "안", "못", "않", "않았어요", "않았지만", "아니", "아닌", "아무도", "없었어요",
})  # fmt: skip
"""English words and Korean words and stems of negation."""

SENTENCE_ENDS = frozenset(".!?")

PROPERTIES = (
    "position",
    "line_position",
    "line_length",
    "indentation",
    "inside_quotes",
    "inside_comment",
    "inside_brackets",
    "bracket_depth",
    "after_negation",
)
"""The names, in the order of the lists on the page."""


def text_properties(tokens: Sequence[str]) -> dict[str, np.ndarray]:
    """Return each of ``PROPERTIES`` after every token, (T) float64.

    Args:
        tokens: the T symbols of a text: characters, or words with their punctuation apart.

    Returns:
        ``position``: steps so far; ``line_position``: symbols of the line so far; ``line_length``: the same without the
        line's leading spaces; ``indentation``: those spaces; ``inside_quotes``, ``inside_comment``, ``inside_brackets``: 1
        inside, else 0, by Python's syntax; ``bracket_depth``: the number of open brackets; ``after_negation``: 1 from a
        word like "not" to the end of its sentence.
    """
    symbols = {token: token if len(token) == 1 else "x" for token in set(tokens)}  # a letter for a word
    syntax = features("".join(map(symbols.__getitem__, tokens)))
    line, indentation = syntax["line_position"], syntax["indentation"]
    return {
        "position": np.arange(1, len(tokens) + 1, dtype=np.float64),
        "line_position": line,
        "line_length": line - indentation,
        "indentation": indentation,
        "inside_quotes": syntax["inside_quotes"],
        "inside_comment": syntax["inside_comment"],
        "inside_brackets": np.minimum(syntax["bracket_depth"], 1),
        "bracket_depth": syntax["bracket_depth"],
        "after_negation": after_negation(tokens),
    }


def after_negation(tokens: Sequence[str]) -> np.ndarray:
    """Return (T), 1 from a word of negation to the end of its sentence, else 0."""
    events = {token: _negation_event(token) for token in set(tokens)}
    found = np.fromiter(map(events.__getitem__, tokens), dtype=np.float64, count=len(tokens))
    last = np.maximum.accumulate(np.where(np.isnan(found), -1, np.arange(len(found))))
    return np.where(last < 0, 0, found[last])


def _negation_event(token: str) -> float:
    """Return 1 for a word of negation, 0 for the end of a sentence, else NaN."""
    return 0.0 if token in SENTENCE_ENDS else 1.0 if token.lower() in NEGATIONS else np.nan


def informative_properties(properties: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the properties that vary, without those that are perfectly correlated with one before them.

    In a text of one line, for example, the position in the line is the position in the text.
    """
    kept: dict[str, np.ndarray] = {}
    for name, values in properties.items():
        if len(values) < 2 or values.std() == 0:
            continue
        if all(abs(np.corrcoef(values, other)[0, 1]) < 1 - 1e-9 for other in kept.values()):
            kept[name] = values
    return kept
