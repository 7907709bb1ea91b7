"""The Markdown of a lesson: its sections and fenced blocks, without raw HTML and images.

Streamlit shows no raw HTML anyway; here it is an error, so that an author sees it before a class does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

from models.core.messages import Problem

BLOCKS = ("view", "predict", "check")
"""The fenced blocks that are not code."""

CODE = ("", "python", "text")
"""Languages of a fenced block that is shown as code."""

_FORMULA = re.compile(
    r"""
    (?P<code>(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`))      # left as it is: code, and \\ with what follows it
    | (?P<escape>\\.)
    | (?P<formula>\$\$(?:(?!```|\$\$).)+\$\$ | \$(?!\s)(?:[^$\n\\]|\\.)+\$)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class MarkdownPart:
    """A part of the text: a heading of a section, a fenced block, or the Markdown between them.

    Attributes:
        kind: "section", one of `BLOCKS`, or "markdown".
        text: the title, the content of the block, or the Markdown.
        line: its first line, from 1; of a block the first line of its content.
    """

    kind: str
    text: str
    line: int


class MarkdownProblem(Problem):
    """A problem at a line of the Markdown.

    Attributes:
        line: from 1.
    """

    def __init__(self, problem: Problem, line: int) -> None:
        """Store the sentence of ``problem`` with its line."""
        super().__init__(problem.sentence, **problem.values)
        self.line = line


def split_markdown(text: str, first_line: int = 1) -> list[MarkdownPart]:
    """Return the parts of a lesson's text in their order.

    Args:
        text: the Markdown after the front matter.
        first_line: its first line in the file.

    Raises:
        MarkdownProblem: it has raw HTML, an image, a link to another scheme than https, an unknown block or an open formula.
    """
    rows = text.split("\n")
    parts: list[MarkdownPart] = []
    done = 0

    def add_markdown(until: int) -> None:
        body = "\n".join(rows[done:until])
        if body.strip():
            skipped = len(body) - len(body.lstrip())
            parts.append(MarkdownPart("markdown", body.strip(), first_line + done + body[:skipped].count("\n")))

    for token in _tokens(text, first_line):
        line = first_line + (token.map or [0, 0])[0]
        if token.type == "heading_open" and token.tag == "h1":
            raise MarkdownProblem(Problem("A line begins with one #. Begin the title of a section with ##."), line)
        is_section = token.type == "heading_open" and token.tag == "h2" and token.level == 0
        is_block = token.type == "fence" and token.info.strip() in BLOCKS
        if token.type == "fence" and not is_block and token.info.strip() not in CODE:
            raise MarkdownProblem(
                Problem(
                    "There is no block “{name}”. Use one of these: {names}.",
                    name=token.info.strip()[:40],
                    names=", ".join((*BLOCKS, *filter(None, CODE))),
                ),
                line,
            )
        if not (is_section or is_block) or token.map is None:
            continue
        if token.level:
            raise MarkdownProblem(
                Problem("This block is inside a list or a quotation. Begin it at the start of the line."), line
            )
        add_markdown(token.map[0])
        start, done = token.map
        if is_section:
            parts.append(MarkdownPart("section", rows[start].lstrip("# ").rstrip("# "), line))
            continue
        if rows[done - 1].strip().strip(token.markup[0]) or done - start < 2:
            raise MarkdownProblem(Problem("This block has no end. Write ``` on a line of its own after it."), line)
        parts.append(MarkdownPart(token.info.strip(), "\n".join(rows[start + 1 : done - 1]), line + 1))
    add_markdown(len(rows))
    return parts


def check_markdown(text: str, line: int) -> None:
    """Check a short Markdown text, as of a question.

    Raises:
        MarkdownProblem: as `split_markdown`; also if the text has a section or a block.
    """
    if any(part.kind != "markdown" for part in split_markdown(text, line)):
        raise MarkdownProblem(Problem("This text has a section or a block of its own. Use plain Markdown."), line)


def _tokens(text: str, first_line: int) -> Iterator[Token]:
    """Yield the tokens of the text at the top, after a check of those inside them."""
    parser = MarkdownIt("commonmark")
    masked = _FORMULA.sub(_mask, text)
    for token in parser.parse(masked):
        line = first_line + (token.map or [0, 0])[0]
        for each in (token, *(token.children or ())):
            _check_token(each, line)
        if token.type == "inline" and "$" in re.sub(r"`[^`]*`|\\.", "", token.content):
            raise MarkdownProblem(
                Problem("A formula begins with $ and does not end. Write the second $, or \\$ for the sign itself."),
                line,
            )
        yield token


def _mask(found: re.Match[str]) -> str:
    """Return a formula as quoted letters in as many lines: of its signs, Markdown sees those at its ends as punctuation."""
    return found[0] if found["formula"] is None else "'" + re.sub(r"[^\n]", "x", found[0][1:-1]) + "'"


def _check_token(token: Token, line: int) -> None:
    if token.type in ("html_block", "html_inline"):
        raise MarkdownProblem(
            Problem(
                "HTML is not shown: “{html}”. Write Markdown, and < inside `code` or $formulas$.", html=_short(token)
            ),
            line,
        )
    if token.type == "text" and "**" in token.content:
        raise MarkdownProblem(
            Problem(
                "These asterisks are shown as they are: “{text}”. End bold text at a letter, or put a space after it.",
                text=_short(token),
            ),
            line,
        )
    if token.type == "image":
        raise MarkdownProblem(
            Problem("A lesson has no images. Show a view of a lens instead, in a ```view block."), line
        )
    address = str(token.attrGet("href") or "") if token.type == "link_open" else "https://"
    if not address.startswith(("https://", "http://")) and not re.match(r"[/?#](?![/\\])", address):
        raise MarkdownProblem(
            Problem("The link “{address}” is not allowed. Begin it with https://.", address=address[:60]), line
        )


def _short(token: Token) -> str:
    content = token.content.strip().splitlines()[0] if token.content.strip() else ""
    return content if len(content) <= 40 else content[:39] + "…"
