"""Syntactic features of Python code at every character, to compare with the units of ``python-lm``."""

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


def features(text: str) -> dict[str, np.ndarray]:
    """Return each of ``FEATURES`` after every character of ``text`` (T,) float64.

    ``inside_string`` is 1 from an opening quote up to the last character before the closing one (after which it is 0),
    ``inside_docstring`` the same for triple quotes, ``inside_quotes`` for either, ``inside_comment`` from a hash to the last
    character of the line; ``bracket_depth`` counts brackets open outside of these; ``line_position`` is how many characters
    of the line were read, ``indentation`` how many spaces it began with.
    """
    rows = np.zeros((len(text), len(FEATURES)))
    quote, comment, depth, column, indent = "", False, 0, 0, 0
    skip = 0
    for at, character in enumerate(text):
        if character == "\n":
            comment, column, indent = False, 0, 0
            # a string in single quotes ends with its line at the latest
            quote = quote if len(quote) == 3 else ""
        else:
            indent += character == " " and column == indent
            column += 1
        if skip:
            skip -= 1
        elif quote:
            if character == "\\":
                skip = 1
            elif text.startswith(quote, at):
                skip, quote = len(quote) - 1, ""
        elif not comment:
            if character in "\"'":
                quote = character * 3 if text.startswith(character * 3, at) else character
                skip = len(quote) - 1
            elif character == "#":
                comment = True
            elif character in "([{":
                depth += 1
            elif character in ")]}":
                depth = max(0, depth - 1)
        rows[at] = len(quote) == 1, len(quote) == 3, bool(quote), comment, depth, column, indent
    return dict(zip(FEATURES, rows.T, strict=True))
