"""The text that ``python-lm`` is trained on: the standard library's source, which every Python installation has."""

import hashlib
import sysconfig
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from models.core.tokenize_text import UNKNOWN, normalize_whitespace

Split = Literal["train", "validation", "held-out"]

VOCABULARY = (UNKNOWN, "\n", *map(chr, range(32, 127)))
"""The unknown symbol, newline and printable ASCII. Tabs are expanded to four spaces before the text is encoded."""

EXCLUDED_FOLDERS = frozenset(
    {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "encodings", "pydoc_data", "__pycache__"}
)
"""Folders that are not part of the library, or contain tables and text rather than code."""


def split_of(path: str) -> Split:
    """Return the split of the file at ``path`` (inside the library, with forward slashes): 90 % train, 5 % and 5 %.

    A hash of the path decides so that the split is the same on every machine and in every order.
    """
    bucket = hashlib.sha256(path.encode()).digest()[0] % 20
    return "held-out" if bucket == 0 else "validation" if bucket == 1 else "train"


@cache
def source_files(split: Split) -> dict[str, str]:
    """Return the library's files of one split: text, tidied, by path inside the library, sorted by path."""
    root = Path(sysconfig.get_path("stdlib"))
    found = {}
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        # _sysconfigdata_*.py is written when Python is built: settings of one machine, not source
        if EXCLUDED_FOLDERS & set(inside.parts) or inside.name.startswith("_sysconfigdata"):
            continue
        if split_of(inside.as_posix()) == split:
            text = normalize_whitespace(path.read_text(encoding="utf-8", errors="replace"))
            if len(text) > 1:
                found[inside.as_posix()] = text
    if not found:
        raise FileNotFoundError(
            f"No source of the standard library was found under {root}; python-lm is trained on it."
        )
    return found


def encode_python_source(text: str) -> np.ndarray:
    """Return the ids (T,) uint8 of the characters of ``text``; those outside the vocabulary become the unknown symbol."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    table = np.zeros(128, dtype=np.uint8)
    for index, symbol in enumerate(VOCABULARY[1:], start=1):
        table[ord(symbol)] = index
    return np.where(codes < 128, table[np.minimum(codes, 127)], 0).astype(np.uint8)


DEFAULT_TEXT = '''def greet(name, times=2):
    """Say hello more than once."""
    words = ["hello", name]
    for i in range(times):
        print(" ".join(words))
    return len(words)
'''
"""The text of the default view."""
