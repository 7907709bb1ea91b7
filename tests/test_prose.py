"""Docstrings and comments are plain technical English: no personified code, no word-for-word translations.

`.github/CONTRIBUTING.md` explains the rules with pairs of before and after. To list what is wrong in some files only:
`python -m tests.test_prose models/core viz/i18n.py`.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("models", "viz", "tests")

IDIOMS = [
    # people's verbs
    r"\b(told|tells?|telling)\b",
    r"\b(hears?|heard)\b",
    r"\b(speaks?|spoken|spoke) (of|for)\b",
    r"\b(say|says|said|saying) of\b",
    r"\b(knows?|knew)\b",
    r"\b(pays?|paid)\b",
    r"\b(teach|teaches|taught)\b",
    r"\b(wants|wanted to)\b",
    r"\b(is|are|was|were|be|been|being) asked\b",
    r"\basks? (down|across)\b",
    r"\b(look|looks|looked|looking) at\b",
    r"\bhand(s|ed|ing)? (\w+ )?(on|over|back|down)\b",
    r"\bthe hand\b",
    r"\blea(ves?|ving) .{0,40}\bto (those|them|who|whoever|the)\b",
    # verbs of place and motion for data
    r"\b(stand|stands|stood|standing)\b(?!-in)",
    r"\b(lie|lies|lay|lying)\b",
    r"\btravel(s|l?ed|l?ing)?\b",
    r"\bheld\b",
    r"\bshut\b",
    r"\bink\b",
    # word for word
    r"\bin the place of\b",
    r"\bso that one\b",
    r"\botherwise than\b",
    r"\bby (itself|themselves)\b",
    r"\bwhat there (is|are|was|were)\b",
    r"(?<!there )\b(is|are|was|were) no (?!longer\b|more\b|less\b|later\b|larger\b|smaller\b|greater\b)",
    r"\b(that|which) (is|are) none\b",
    r"(^|[;,] |\. )gives\b",
    r"\btook and no longer\b",
]
"""Regular expressions, matched without case in each docstring and comment; whitespace counts as one space."""

TECHNICAL = [
    r"\bheld[- ]out\b",  # data that training does not use
    r"\bholds? out\b",
    r"\blies? (inside|outside|on|within) the unit circle\b",
    r"\bby hand\b",
    r"\bteacher forcing\b",
]
"""Uses that are the field's own terms: taken out before the idioms are searched."""

INTERROGATIVES = {"How", "Whether", "What", "Where", "Who", "Whom", "Whose", "When", "Which", "Why", "That"}
VERBS = {
    "accept", "add", "align", "allocate", "allow", "append", "apply", "ask", "assemble", "assign", "attach", "bind",
    "build", "carry", "choose", "clamp", "clear", "close", "collect", "combine", "compare", "complete", "compute",
    "convert", "create", "decide", "decode", "define", "delete", "derive", "describe", "detect", "differentiate",
    "divide", "draw", "embed", "encode", "evaluate", "fail", "fetch", "find", "follow", "gather", "generate", "get",
    "give", "go", "hide", "hold", "insert", "inspect", "install", "interpolate", "join", "keep", "leave", "let", "load",
    "make", "merge", "multiply", "normalize", "observe", "pack", "parse", "predict", "prepare", "print", "produce",
    "provide", "put", "raise", "read", "rebuild", "receive", "reduce", "refuse", "register", "release", "remember",
    "remove", "rename", "render", "repeat", "replace", "represent", "require", "resolve", "restore", "return",
    "save", "say", "see", "select", "send", "serialize", "show", "split", "stop", "subtract", "take", "tell",
    "tokenize", "translate", "transpose", "turn", "unpack", "validate", "wait", "walk", "warn", "wrap", "write", "yield",
}  # fmt: skip
"""Verbs that are not nouns: a class's docstring does not start with them."""


def third_person(verb: str) -> str:
    """Return "tries" of "try"."""
    if re.search("[^aeiou]y$", verb):
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith(("s", "sh", "ch", "x", "z", "o")) else "s")


THIRD_PERSON = {third_person(verb).capitalize() for verb in VERBS} | {"Is", "Are", "Has", "Does", "Can", "Was"}


class Prose(NamedTuple):
    """A docstring or a comment, and where it is."""

    path: Path
    line: int
    owner: str  # "module", "class", "function", "property", "attribute" or "comment"
    text: str

    def report(self, what: str) -> str:
        """Return one line for a list of offenders."""
        return f"{self.path.relative_to(ROOT)}:{self.line}: {what}"


def files(*folders: str) -> list[Path]:
    """Return the source files under these paths, or all of the app's."""
    found = []
    for folder in folders or (*FOLDERS, "app.py"):
        path = ROOT / folder
        found += (
            [path] if path.is_file() else [each for each in path.rglob("*") if each.suffix in {".py", ".js", ".css"}]
        )
    return sorted(found)


def python_prose(path: Path, source: str) -> Iterator[Prose]:
    """Return every docstring, attributes' included, and every comment of a Python file."""
    for node in ast.walk(ast.parse(source)):
        owner = {
            ast.Module: "module", ast.ClassDef: "class", ast.FunctionDef: "function", ast.AsyncFunctionDef: "function"
        }.get(type(node))  # fmt: skip
        if owner == "function" and any("property" in ast.unparse(each) for each in node.decorator_list):
            owner = "property"
        for place, statement in enumerate(node.body if owner else ()):
            value = getattr(statement, "value", None)
            if isinstance(statement, ast.Expr) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield Prose(path, statement.lineno, "attribute" if place else owner, value.value)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Prose(path, token.start[0], "comment", token.string.lstrip("# "))


def prose(path: Path) -> Iterator[Prose]:
    """Return every docstring and comment of a Python, JavaScript or CSS file."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from python_prose(path, source)
    else:
        for found in re.finditer(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", source, flags=re.S):
            yield Prose(path, source.count("\n", 0, found.start()) + 1, "comment", found[0].strip("/* \n"))


def idioms(part: Prose) -> list[str]:
    """Return the idioms in a docstring or comment, each with the words around it."""
    text = " ".join(re.sub(r"(?m)^ *(//|\*) ?", "", part.text).split())
    for allowed in TECHNICAL:
        text = re.sub(allowed, lambda match: "_" * len(match[0]), text, flags=re.I)
    return [
        f"“{match[0].strip()}” in: … {text[max(0, match.start() - 50) : match.end() + 40]} …"
        for idiom in IDIOMS
        for match in re.finditer(idiom, text, flags=re.I)
    ]


def first_word(text: str) -> str:
    """Return the word that a docstring starts with, "" where it starts with code or a sign."""
    return (re.match(r"[A-Za-z]+(?=[\s,.:;']|$)", text.strip()) or [""])[0]


def wrong_start(part: Prose) -> str | None:
    """Return why a docstring's first line starts the wrong way, None where it is right."""
    word = first_word(part.text)
    line = part.text.strip().split("\n")[0]
    if part.owner == "function" and word in INTERROGATIVES:
        return f"start with a verb, as in “Return whether …”: {line}"
    if part.owner == "property" and word in INTERROGATIVES - {"Whether"}:
        return f"name the quantity, or start with “Whether”: {line}"
    if part.owner in {"function", "property"} and word in THIRD_PERSON:
        return f"use the imperative: {line}"
    if part.owner == "class" and (word.lower() in VERBS or word in INTERROGATIVES | THIRD_PERSON):
        return f"start with a noun phrase: {line}"
    return None


def offenders(paths: list[Path]) -> tuple[list[str], list[str]]:
    """Return the idioms and the wrong first lines of these files, a line each."""
    found: tuple[list[str], list[str]] = ([], [])
    for path in paths:
        for part in prose(path):
            found[0].extend(part.report(each) for each in idioms(part))
            if wrong := wrong_start(part):
                found[1].append(part.report(wrong))
    return found


@pytest.fixture(scope="module")
def found() -> tuple[list[str], list[str]]:
    return offenders(files())


def test_no_idiom_remains_in_docstrings_and_comments(found):
    assert not found[0], f"{len(found[0])} idioms:\n" + "\n".join(found[0])


def test_docstrings_start_with_an_imperative_or_a_noun_phrase(found):
    assert not found[1], f"{len(found[1])} first lines:\n" + "\n".join(found[1])


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("What the hand did last.", 1),
        ("Measured on held-out data, on dates held out.", 0),
        ("A gate is held at a value, and the page is told.", 2),
        ("There is no gradient; the loss is no longer finite.", 0),
        ("A tensor that is no\nmatrix.", 1),
        ("Eigenvalues lie inside the unit circle.", 0),
        ("Return the mean of B sequences; gives NaN where there are none.", 1),
    ],
)
def test_idioms_are_found(text, count):
    assert len(idioms(Prose(ROOT / "app.py", 1, "comment", text))) == count


@pytest.mark.parametrize(
    ("owner", "text", "right"),
    [
        ("function", "Whether it is reversed.", False),
        ("function", "Return whether it is reversed.", True),
        ("function", "Gives the mean.", False),
        ("function", "(B, T, H), the hidden states.", True),
        ("function", "Names of the layers, in order.", True),
        ("property", "Whether it is reversed.", True),
        ("property", "What each gate's sum goes through.", False),
        ("class", "What a run says.", False),
        ("class", "Draw a heatmap.", False),
        ("class", "Step of a backward pass.", True),
    ],
)
def test_first_lines_are_judged(owner, text, right):
    assert (wrong_start(Prose(ROOT / "app.py", 1, owner, text)) is None) == right


if __name__ == "__main__":
    print(*(line for lines in offenders(files(*sys.argv[1:])) for line in lines), sep="\n")
