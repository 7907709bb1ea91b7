"""Options of the charts as one parameter of an address: ``order:similarity;steps:120-180``.

Names and values are defined by the pages; this module has only the syntax.
"""

import re
from collections.abc import Mapping

STEP_OPTIONS = ("kept", "steps", "span", "other")
"""Options that belong to one sequence: parts of it, and the sequence that it is compared with."""

NETWORK_FREE_OPTIONS = (
    "activation", "beam", "call", "cells", "clip", "constant", "corpus", "factor", "folded", "indexed", "knobs", "middle",
    "ngram", "numwords", "owntext", "runs", "seeds", "sentence", "sequence", "smoothing", "sweep", "tablen", "tensor",
    "training", "vectors", "window", "word",
)  # fmt: skip
"""Options that do not depend on the network of the view."""

OPTIONS = (
    "activation", "against", "beam", "blocks", "call", "cells", "clip", "color", "compare", "constant", "contexts",
    "corpus", "factor", "find", "folded", "form", "gate", "given", "indexed", "ink", "kept", "knobs", "loss", "matrix",
    "metric", "middle", "ngram", "numwords", "on", "onset", "order", "other", "owntext", "padding", "probed", "runs", "seeds",
    "sentence", "sequence", "smoothing", "span", "stack", "state", "steps", "sweep", "tablen", "tensor",
    "threshold", "thresholdexploding", "thresholdhere", "training", "units", "vectors", "weights", "window", "word",
)  # fmt: skip
"""The options of all pages."""

_PIECE = re.compile(r"([a-z]+):((?:[^;\\]|\\.)*)(?:;|\Z)", re.DOTALL)


def parse_options(text: str) -> dict[str, str]:
    """Return the options in ``text``, by name.

    >>> parse_options("order:mean;span:3-9")
    {'order': 'mean', 'span': '3-9'}

    Raises:
        ValueError: invalid syntax.
    """
    options, at = {}, 0
    while at < len(text):
        found = _PIECE.match(text, at)
        if found is None:
            raise ValueError(f"{text[at:]!r} is not an option.")
        options[found[1]] = re.sub(r"\\(.)", r"\1", found[2], flags=re.DOTALL)
        at = found.end()
    return options


def format_options(options: Mapping[str, str]) -> str:
    r"""Return the text that ``parse_options`` parses to ``options``; in a value ``;`` and ``\`` are escaped by ``\``.

    >>> format_options({"order": "mean", "other": "a;b"})
    'order:mean;other:a\\;b'
    """
    return ";".join(f"{name}:" + re.sub(r"([;\\])", r"\\\1", value) for name, value in sorted(options.items()))


def split_unknown_options(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the text without the options that no page has, and their names.

    >>> split_unknown_options("order:mean;colour:red")
    ('order:mean', ('colour',))
    """
    options = parse_options(text)
    unknown = tuple(name for name in options if name not in OPTIONS)
    return format_options({name: value for name, value in options.items() if name in OPTIONS}), unknown


def options_for_new_text(text: str) -> str:
    """Return the options in ``text`` that remain valid for another sequence."""
    return format_options({name: value for name, value in parse_options(text).items() if name not in STEP_OPTIONS})


def options_for_new_network(text: str) -> str:
    """Return the options in ``text`` that remain valid for another network."""
    return format_options({name: value for name, value in parse_options(text).items() if name in NETWORK_FREE_OPTIONS})
