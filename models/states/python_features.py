"""Syntactic features of Python code at every character, to compare with the units of ``python-lm``."""

import re

import numpy as np

FEATURES = (
    "inside_string",
    "inside_docstring",
    "inside_quotes",
    "inside_comment",
    "bracket_depth",
    "line_position",
    "indentation",
)

_SYNTAX = re.compile(r"""["'#()\[\]{}\\\n]""")
"""The characters that change what the next ones are."""


def features(text: str) -> dict[str, np.ndarray]:
    """Return each of ``FEATURES`` after every character of ``text`` (T,) float64.

    ``inside_string`` is 1 from an opening quote up to the last character before the closing one (after which it is 0),
    ``inside_docstring`` the same for triple quotes, ``inside_quotes`` for either, ``inside_comment`` from a hash to the last
    character of the line; ``bracket_depth`` counts brackets open outside of these; ``line_position`` is how many characters
    of the line were read, ``indentation`` how many spaces it began with.
    """
    changes, quote, comment, depth = [0], "", False, 0
    states = [(0, 0, 0, 0, 0)]
    unread = 0  # the characters before this one belong to an escape or to a quote of three
    for found in _SYNTAX.finditer(text):
        at, character = found.start(), found.group()
        if character == "\n":
            comment = False
            # a string in single quotes ends with its line at the latest
            quote = quote if len(quote) == 3 else ""
        if at < unread:
            pass
        elif quote:
            if character == "\\":
                unread = at + 2
            elif text.startswith(quote, at):
                unread, quote = at + len(quote), ""
        elif not comment:
            if character in "\"'":
                quote = character * 3 if text.startswith(character * 3, at) else character
                unread = at + len(quote)
            elif character == "#":
                comment = True
            elif character in "([{":
                depth += 1
            elif character in ")]}":
                depth = max(0, depth - 1)
        state = (len(quote) == 1, len(quote) == 3, bool(quote), comment, depth)
        if state != states[-1]:
            changes.append(at)
            states.append(state)
    lengths = np.diff([*changes, len(text)])
    rows = np.repeat(np.array(states, dtype=np.float64), lengths, axis=0)
    return dict(zip(FEATURES, (*rows.T, *_line_positions(text)), strict=True))


def _line_positions(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (T,) each: the characters of the line so far, and the spaces that it began with."""
    lines = text.split("\n")
    lengths = np.array([len(line) for line in lines])
    spaces = np.array([len(line) - len(line.lstrip(" ")) for line in lines])
    starts = np.cumsum(lengths + 1) - lengths - 1
    counts = lengths + 1  # with the line end, except of the last line
    counts[-1] -= 1
    position = np.arange(len(text)) + 1 - np.repeat(starts, counts)
    indentation = np.minimum(position, np.repeat(spaces, counts))
    is_end = starts[1:] - 1
    position[is_end] = indentation[is_end] = 0
    return position.astype(np.float64), indentation.astype(np.float64)
