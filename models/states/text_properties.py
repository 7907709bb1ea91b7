"""Simple properties of a text at every step, to compare with what the units of a network do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.states.python_features import features

NEGATIONS = frozenset({"not", "never", "nobody", "아무도", "않았어요", "않았지만", "없었어요"})
"""English and Korean words of negation."""

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
"""The names, in the order in which they are told."""


def text_properties(tokens: Sequence[str]) -> dict[str, np.ndarray]:
    """Each of ``PROPERTIES`` after every token that is read, (T) float64.

    Args:
        tokens: the T symbols of a text: characters, or words with their punctuation apart.

    Returns:
        ``position``: steps read so far; ``line_position``: symbols of the line read so far; ``line_length``: the same without
        the spaces that it began with; ``indentation``: those spaces; ``inside_quotes``, ``inside_comment``,
        ``inside_brackets``: 1 inside, else 0, as Python reads them; ``bracket_depth``: how many brackets are open;
        ``after_negation``: 1 from a word like "not" to the end of its sentence.
    """
    read = features("".join(map(_symbol, tokens)))
    line, indentation = read["line_position"], read["indentation"]
    return {
        "position": np.arange(1, len(tokens) + 1, dtype=np.float64),
        "line_position": line,
        "line_length": line - indentation,
        "indentation": indentation,
        "inside_quotes": np.maximum(read["inside_string"], read["inside_docstring"]),
        "inside_comment": read["inside_comment"],
        "inside_brackets": np.minimum(read["bracket_depth"], 1),
        "bracket_depth": read["bracket_depth"],
        "after_negation": after_negation(tokens),
    }


def after_negation(tokens: Sequence[str]) -> np.ndarray:
    """(T) 1 from a word of negation to the end of its sentence, else 0."""
    inside, result = False, []
    for token in tokens:
        inside = (inside or token.lower() in NEGATIONS) and token != "."
        result.append(inside)
    return np.array(result, dtype=np.float64)


def informative_properties(properties: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those that change at all, without any that rises and falls exactly as one before it.

    In a text of one line, for example, the position in the line is the position in the text.
    """
    kept: dict[str, np.ndarray] = {}
    for name, values in properties.items():
        if len(values) < 2 or values.std() == 0:
            continue
        if all(abs(np.corrcoef(values, other)[0, 1]) < 1 - 1e-9 for other in kept.values()):
            kept[name] = values
    return kept


def _symbol(token: str) -> str:
    """One character that stands for a token: itself, or a letter for a word."""
    return token if len(token) == 1 else "x"
