"""The Markdown of a lesson's question as HTML that is safe in every page of a room, and as plain text.

A room takes questions from any teacher's page. The server writes their HTML: without raw HTML, links and images, with
formulas as MathML, and each text escaped.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from html import unescape
from typing import Any
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from viz.escape import escape_html, latex_text_content

MATH_ELEMENTS = frozenset((
    "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mfrac",
    "msqrt", "mroot", "mtable", "mtr", "mtd", "mstyle", "mphantom", "mpadded",
))  # fmt: skip
MATH_ATTRIBUTES = frozenset((
    "accent", "columnalign", "depth", "display", "displaystyle", "fence", "height", "linethickness", "mathvariant",
    "stretchy", "width",
))  # fmt: skip
"""Elements and attributes of MathML that are kept; a formula with another element is shown as it is written.

Without the element its text could be another formula: that of ``mphantom`` is not visible.
"""

_TEXT = re.compile(r"\\text\s*\{((?:[^\\{}$%~]|\\.)*)\}|\\.", re.DOTALL)


def with_markup(question: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checked question whose texts are Markdown with their HTML, by language, beside each of them."""
    if not question.get("markdown"):
        return dict(question)
    marked = {**question, "ask_html": _all_html(question["ask"]), "explain_html": _all_html(question["explain"])}
    if "choices" in question:
        marked["choices"] = [{**each, "html": _all_html(each["text"])} for each in question["choices"]]
    return marked


def question_html(markdown: str) -> str:
    """Return one paragraph of Markdown as HTML without links, images and the author's own HTML."""
    return str(_parser().renderInline(markdown))


def question_plain(markdown: str) -> str:
    """Return Markdown without its marks; formulas as they are written."""
    tokens = _parser().parseInline(markdown)[0].children or ()
    return "".join("\n" if each.type == "softbreak" else each.content for each in tokens)


def _all_html(texts: Mapping[str, str]) -> dict[str, str]:
    return {lang: question_html(text) for lang, text in texts.items()}


@cache
def _parser() -> MarkdownIt:
    parser = markdown_parser(formula_html, allow_space=False)
    return parser.disable(["html_inline", "image", "autolink", "entity"])


def markdown_parser(formula: Callable[[str], str], *, allow_space: bool) -> MarkdownIt:
    """Return a parser of Markdown that writes no HTML of the author and no links.

    Args:
        formula: returns the HTML of a formula.
        allow_space: whether a formula may begin or end with a space.
    """
    parser = MarkdownIt("commonmark", {"html": False})
    dollarmath_plugin(parser, allow_space=allow_space, allow_labels=False)
    for name in ("math_inline", "math_block", "math_inline_double"):
        parser.add_render_rule(name, lambda _self, tokens, at, *_rest: formula(tokens[at].content))
    for name in ("link_open", "link_close"):
        parser.add_render_rule(name, lambda *_rest: "")
    return parser


def formula_html(latex: str) -> str:
    """Return a formula as MathML; as it is written if the library cannot read it."""
    # The library reads no escapes in \text: it gets a number between two characters that the formula lacks.
    mark = next(character for character in map(chr, range(0xE000, 0xF900)) if character not in latex)
    texts: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        texts.append(latex_text_content(found[1]).replace(" ", "\u00a0"))
        return rf"\text{{{mark}{len(texts) - 1}{mark}}}"

    try:
        html = _mathml(convert_to_element(_TEXT.sub(numbered, latex)))
    except Exception:  # the library has a dozen of its own, and lets Python's pass
        return f"<code>{escape_html(latex)}</code>"
    return re.sub(rf"{mark}(\d+){mark}", lambda found: escape_html(texts[int(found[1])]), html)


def _mathml(element: Element) -> str:
    if element.tag not in MATH_ELEMENTS:
        raise ValueError(f"an element of MathML that is not kept: {element.tag}")
    # the library's texts have entities of their own
    content = escape_html(unescape(element.text or "")) + "".join(map(_mathml, element))
    attributes = "".join(
        f' {name}="{escape_html(value)}"' for name, value in element.attrib.items() if name in MATH_ATTRIBUTES
    )
    return f"<{element.tag}{attributes}>{content}</{element.tag}>"
