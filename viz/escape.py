"""Text from outside, as text: in Markdown, HTML, figures, formulas, tables, file names and keys.

From outside come the names in a file (layers, tensors, symbols of a vocabulary, metadata), the file's own name, the
parameters of a link, and what a reader types. Every place that shows such a text writes it by a function of this module, so
that it is shown as it is and never becomes an element, a link, an image, a path or the key of a widget.
"""

import hashlib
import re
import unicodedata
from html import escape
from pathlib import PurePath

from models.core.tokenize_text import DISPLAY_SYMBOLS

JOINER = "\u2060"
"""Word joiner, which has no width: between two characters it keeps them from being parsed as one sign."""

REPLACEMENT = "\ufffd"
DIRECTION_MARKS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
MAX_FILE_NAME = 80

_MARKUP = re.compile(
    r"""
    (?P<sign>[\\`*_\[\]<>$~#&|])           # emphasis, code, links, tags, formulas, tables, entities
    | (?P<colon>:)(?=\S)                   # Streamlit's directives
    | ^(?P<item>[-+=])                     # a list, or the line under a heading
    | ^(?P<number>\d{1,9})(?P<point>[.)])  # a numbered list
    """,
    re.VERBOSE,
)

# Streamlit's Markdown finds these after the escapes are gone, so that a backslash has no effect on them.
_AFTER_ESCAPES = re.compile(
    r"""
    https?:(?=//) | www(?=\.)              # bare addresses
    | [\w.+-]@(?=\w)                       # addresses of mail
    | :(?=[\w+/-]+:)                       # ``:heart:``, ``:material/home:``
    | (?<!\S)[-<>=~](?=[-<>=~]+(?!\S))     # arrows and dashes
    """,
    re.VERBOSE | re.IGNORECASE,
)

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?", re.ASCII | re.IGNORECASE)

_LATEX = {
    "\\": r"\textbackslash ",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum ",
    "~": r"\textasciitilde ",
    "<": r"\textless ",
    ">": r"\textgreater ",
    "`": r"\textquoteleft ",
}
_LATEX_CHARACTERS = {written.strip(): character for character, written in _LATEX.items()} | {r"\ ": " "}
_LATEX_COMMAND = re.compile(r"(?P<command>\\[a-zA-Z]+) ?|(?P<sign>\\.)", re.DOTALL)


def printable(text: str) -> str:
    """Return ``text`` in one line: line breaks and tabs as signs, other characters that have no shape as ``\ufffd``.

    These are control characters, halves of a surrogate pair, and marks that turn the direction of writing.
    """
    return "".join(map(_printable, text)) if not text.isprintable() else text


def _printable(character: str) -> str:
    if character in "\n\t":
        return DISPLAY_SYMBOLS[character]
    shapeless = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in DIRECTION_MARKS
    return REPLACEMENT if shapeless else character


def escape_markdown(text: str) -> str:
    r"""Return Markdown that shows ``text`` as it is, in one line.

    >>> escape_markdown("a_b [c](d)")
    'a\\_b \\[c\\](d)'
    """
    joined = _AFTER_ESCAPES.sub(lambda found: found[0] + JOINER, printable(text))
    return _MARKUP.sub(_backslash, joined)


def _backslash(found: re.Match[str]) -> str:
    if found["number"]:
        return f"{found['number']}\\{found['point']}"
    return "\\" + found[0]


def code_span(text: str) -> str:
    """Return Markdown that shows ``text`` as code, in one line.

    >>> code_span("a`b")
    '`` a`b ``'
    """
    line = printable(text) or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    padding = " " if line[0] in "` " or line[-1] in "` " or len(fence) > 1 else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def escape_html(text: str) -> str:
    """Return HTML that shows ``text`` as it is, as content or inside an attribute in quotation marks."""
    return escape(_whole_characters(text.replace("\0", REPLACEMENT)))


def utf8_bytes(text: str) -> bytes:
    """Return ``text`` in UTF-8, a half of a surrogate pair, which UTF-8 lacks, as ``\ufffd``."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _whole_characters(text).encode()


def _whole_characters(text: str) -> str:
    """Return ``text`` with ``\ufffd`` for each half of a surrogate pair."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def escape_plotly(text: str) -> str:
    """Return what a figure shows as ``text``: Plotly draws some tags, entities and ``%{...}`` of its own in every text."""
    return escape(printable(text), quote=False).replace("%{", f"%{JOINER}{{").replace("$", "&#36;")


def latex_text(text: str) -> str:
    r"""Return LaTeX that shows ``text`` upright.

    >>> latex_text("W_{hh}")
    '\\text{W\\_\\{hh\\}}'
    """
    return rf"\text{{{''.join(_LATEX.get(character, character) for character in printable(text))}}}"


def latex_text_content(content: str) -> str:
    r"""Return the text that ``\text{content}`` shows; commands that `latex_text` does not write are left as they are.

    >>> latex_text_content(r"W\_\{hh\}")
    'W_{hh}'
    """
    return _LATEX_COMMAND.sub(lambda found: _LATEX_CHARACTERS.get(found["command"] or found["sign"], found[0]), content)


def csv_cell(text: str) -> str:
    """Return ``text`` for a cell of a table: a spreadsheet would compute one that begins as a formula does.

    >>> csv_cell("=1+1"), csv_cell("-0.5")
    ("'=1+1", '-0.5')
    """
    begins_formula = text.lstrip(" ")[:1] in ("=", "+", "-", "@", "\t", "\r")
    return "'" + text if begins_formula and not _NUMBER.fullmatch(text) else text


def file_name(text: str) -> str:
    """Return a name for a download: of letters, digits, ``.``, ``-`` and ``_``, with no folder, and never empty.

    >>> file_name("../a b.onnx")
    'a_b.onnx'
    """
    last = PurePath(text.replace("\\", "/")).name
    return re.sub(r"[^\w.-]+", "_", last)[:MAX_FILE_NAME].strip("._ ") or "file"


def widget_key(*parts: object) -> str:
    """Return a key for a widget or component: equal parts have equal keys, and no part is readable in it.

    Streamlit writes keys into the page's style classes, and keys with ``__`` inside are its own.
    """
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
