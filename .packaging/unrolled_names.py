"""The names of the modules once they are installed: ``models`` is ``unrolled``, and ``viz`` is ``unrolled.viz``.

Other projects have folders named ``models`` and ``viz`` of their own, so the installed package has a name that they have not.
"""

import re
from collections.abc import Iterator
from io import StringIO
from tokenize import COMMENT, DEDENT, INDENT, NAME, NEWLINE, NL, OP, STRING, TokenInfo, generate_tokens

INSTALLED = {"models": "unrolled", "viz": "unrolled.viz"}
"""By top-level folder of the repository: the name of the installed package."""

_IN_TEXT = (
    (re.compile(r"(?<![\w./])(models|viz)(?=\.[a-z_])"), lambda found: INSTALLED[found[1]]),
    (re.compile(r"\bfrom models import\b"), lambda _found: "from unrolled import"),
    (re.compile(r"(?:\.venv/bin/)?streamlit run app\.py(?: --(?= ))?"), lambda _found: "unrolled"),
)
"""What refers to modules or to the app in texts that people read, and what replaces it."""


def rename_text(text: str) -> str:
    """Return a comment, a docstring or a lesson with the installed names of modules and of the command.

    >>> rename_text("from models import capture  # see models.capturing; streamlit run app.py -- run.npz")
    'from unrolled import capture  # see unrolled.capturing; unrolled run.npz'
    """
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def rename_imports(source: str) -> str:
    """Return Python source that imports the installed names; each line keeps its number.

    Comments and docstrings are renamed as well, other strings are not: the code makes names of modules from ``__name__``.

    >>> rename_imports("from models.core.trace import Trace")
    'from unrolled.core.trace import Trace'

    Raises:
        ValueError: a statement such as ``import models.core``, which would bind another name than in the repository.
    """
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    for token, replacement in sorted(_replacements(source), key=lambda each: each[0].start, reverse=True):
        (row, column), (end_row, end_column) = token.start, token.end
        start, end = starts[row - 1] + column, starts[end_row - 1] + end_column
        source = source[:start] + replacement + source[end:]
    return source


def _replacements(source: str) -> Iterator[tuple[TokenInfo, str]]:
    """Yield the tokens that are to be replaced, each with its replacement."""
    statement: list[TokenInfo] = []
    for token in generate_tokens(StringIO(source).readline):
        if token.type == COMMENT:
            yield token, rename_text(token.string)
        elif token.type == NEWLINE or (token.type, token.string) == (OP, ";"):
            yield from _renamed(statement)
            statement = []
        elif token.type not in (NL, INDENT, DEDENT):
            statement.append(token)


def _renamed(statement: list[TokenInfo]) -> Iterator[tuple[TokenInfo, str]]:
    first, texts = statement[0], [token.string for token in statement]
    if first.type == STRING and len(statement) == 1:
        yield first, rename_text(first.string)
    elif texts[0] == "from" and texts[1] in INSTALLED:
        yield statement[1], INSTALLED[texts[1]]
    elif texts[0] == "import":
        for place, token in enumerate(statement):
            if token.type == NAME and token.string in INSTALLED and texts[place - 1] in ("import", ","):
                raise ValueError(f"line {token.start[0]}: write “from {token.string} import …”, which can be renamed.")
