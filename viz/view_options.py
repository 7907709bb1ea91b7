"""What a reader chose of the pictures on the pages, as one piece of an address: ``order:similarity;steps:120-180``.

Names and values are the pages' own; here it is only known how they are written down.
"""

import re
from collections.abc import Mapping

OF_STEPS = ("steps", "span", "other")
"""Choices that are of one sequence: parts of it, and what it is compared with."""

_PIECE = re.compile(r"([a-z]+):((?:[^;\\]|\\.)*)(?:;|\Z)", re.DOTALL)


def read_look(text: str) -> dict[str, str]:
    """The choices in ``text``, by name.

    >>> read_look("order:mean;span:3-9")
    {'order': 'mean', 'span': '3-9'}

    Raises:
        ValueError: it holds something else.
    """
    choices, at = {}, 0
    while at < len(text):
        found = _PIECE.match(text, at)
        if found is None:
            raise ValueError(f"{text[at:]!r} is no choice.")
        choices[found[1]] = re.sub(r"\\(.)", r"\1", found[2], flags=re.DOTALL)
        at = found.end()
    return choices


def write_look(choices: Mapping[str, str]) -> str:
    r"""``choices`` as ``read_look`` reads them; in a value ``;`` and ``\`` have a ``\`` before them.

    >>> write_look({"order": "mean", "other": "a;b"})
    'order:mean;other:a\\;b'
    """
    return ";".join(f"{name}:" + re.sub(r"([;\\])", r"\\\1", value) for name, value in sorted(choices.items()))


def in_another_text(text: str) -> str:
    """What is left of the choices in ``text`` when the sequence is another one."""
    return write_look({name: value for name, value in read_look(text).items() if name not in OF_STEPS})
