"""The terms of `viz/terms.py` on a page: the first use of each explains itself, and a table lists them all."""

import re
from collections.abc import Iterable, MutableMapping
from functools import cache
from html import escape

from viz.i18n import LANGUAGES, N_, _, language
from viz.terms import NOTATION, TERMS, Term

PROTECTED = re.compile(
    r"`[^`]*`|\$[^$]*\$|!?\[[^\]]*\]\([^)]*\)|:[a-z]+\[[^\]]*\]|:material/\w+:|“[^”]*”|\\.|\*\*[^*]*\*\*", re.S
)
"""Parts of a Markdown text in which no term is marked: code, formulas, links, directives, quotes and emphasis."""

PAGES = {
    "step": N_("Step"),
    "states": N_("States"),
    "gradients": N_("Gradients"),
    "attention": N_("Attention"),
    "train": N_("Train"),
    "layer": N_("Layer"),
    "language": N_("Language"),
    "checkpoint": N_("Checkpoint"),
}
"""The titles of the pages that explain terms, by their name in the address."""

STYLE = """
<style>
  [data-testid="stCaptionContainer"]:has(.unrolled-term) {
    position: relative; overflow: visible; opacity: 1; color: color-mix(in srgb, currentColor 60%, transparent);
  }
  .unrolled-term { font-style: inherit; cursor: help; border-bottom: 1px dotted currentColor; }
  .unrolled-term:hover::after, .unrolled-term:focus::after {
    content: attr(data-gloss); position: absolute; left: 0; top: 100%; z-index: 1000; width: max-content;
    max-width: min(34rem, 100%); padding: 0.5rem 0.75rem; border-radius: 0.375rem; white-space: pre-line;
    font-size: 0.875rem; line-height: 1.4; font-weight: 400; text-align: start;
    background: light-dark(#14181f, #f0f3f7); color: light-dark(#ffffff, #10141a);
  }
  .unrolled-term:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
</style>
"""
"""Style of a marked term: underlined with dots; its gloss is below the caption while it is pointed at or focused."""


def mark_terms(text: str, seen: MutableMapping[str, str]) -> str:
    """Return a Markdown text in which the page's first use of each term is an HTML element with its gloss.

    Args:
        text: Markdown without HTML; what is code, a formula, a link or a quotation in it stays as it is, and tags are
            escaped, since the result is shown as HTML.
        seen: the text in which each term was marked first, by its English name, for this page; is added to. The same text
            is marked the same way again when only a part of the page is run.
    """
    lang = language()
    pattern, by_form = _matcher(lang)
    done: set[str] = set()

    def mark(found: re.Match[str]) -> str:
        term = by_form[found[0].lower()]
        name = term.name["en"]
        if name in done or seen.setdefault(name, text) != text:
            return found[0]
        done.add(name)
        tip = escape(gloss(term, lang)).replace("\n", "&#10;")
        attributes = (
            f'class="unrolled-term" tabindex="0" data-term="{escape(name)}" data-gloss="{tip}" aria-description="{tip}"'
        )
        return f"<dfn {attributes}>{found[0]}</dfn>"

    marked: list[str] = []
    end = 0
    for protected in PROTECTED.finditer(text):
        marked += [pattern.sub(mark, escape_tags(text[end : protected.start()])), protected[0]]
        end = protected.end()
    marked.append(pattern.sub(mark, escape_tags(text[end:])))
    return "".join(marked) if done else text


def escape_tags(text: str) -> str:
    """Return ``text`` with every ``<`` as an entity, so that nothing in it becomes HTML."""
    return text.replace("<", "&lt;")


def gloss(term: Term, lang: str) -> str:
    """Return the text of a term's tip: the gloss, its other names, and the page that explains it."""
    also = term.also[lang]
    return term.gloss[lang] + ("\n= " + ", ".join(also) if also else "") + f"\n→ {_(PAGES[term.page])}"


@cache
def glossary_markdown(lang: str) -> str:
    """Return the glossary as a Markdown table: term, its name in the other language, other names, meaning, page."""
    other = "en" if lang != "en" else "ko"
    head = (_("Term"), LANGUAGES[other], _("Other names"), _("Meaning"), _("Page"))
    rows = (
        (f"**{term.name[lang]}**", term.name[other], ", ".join(term.also[lang]), term.gloss[lang], _(PAGES[term.page]))
        for term in TERMS
    )
    return _table(head, (tuple(map(_plain, row)) for row in rows))


@cache
def notation_markdown(lang: str) -> str:
    """Return the symbols of textbooks beside PyTorch's, and what they mean, as a Markdown table with formulas."""
    rows = ((f"${row.textbook}$", f"${row.pytorch}$", _plain(row.meaning[lang])) for row in NOTATION)
    return _table((_("Textbooks"), "PyTorch", _("Meaning")), rows)


def _plain(cell: str) -> str:
    """Return the text of a cell so that Markdown shows its underscores, bars and tags as they are."""
    return re.sub(r"([_|<~])", r"\\\1", cell)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


@cache
def _matcher(lang: str) -> tuple[re.Pattern[str], dict[str, Term]]:
    """Return a pattern for every term of a language, longest first, and the term by its matched form in lower case."""
    forms: dict[str, Term] = {}
    for term in TERMS:
        name = term.name[lang].lower()
        forms[name] = term
        if lang == "en":
            forms[name + "s"] = term
    alternatives = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    if lang == "en":
        return re.compile(rf"(?<![\w-])(?:{alternatives})(?![\w-])", re.IGNORECASE), forms
    return re.compile(rf"(?<![가-힣\w])(?:{alternatives})"), forms
