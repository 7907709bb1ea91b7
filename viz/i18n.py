"""The translations of the app's strings.

The catalogues are gettext: English in the code through `_`, other languages in
`viz/locale/LANG/LC_MESSAGES/unrolled.po`. The .po files are compiled in memory when this module is
imported, so that compiled catalogues are never out of date. `python -m viz.i18n update` brings the files
up to the code: new strings are added without a translation, strings that are gone are removed.

    from viz.i18n import _, ngettext
    _("Step {step} of {steps}").format(step=3, steps=40)
    ngettext("{n} unit", "{n} units", n).format(n=n)
"""

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from models.core.messages import Sentence, TitledName
from viz.josa import MARKED, format_message

LANGUAGES = {"en": "English", "ko": "한국어"}
"""The languages by their code, as in an address; each named in itself."""

DEFAULT = "en"

ROOT = Path(__file__).parent.parent
LOCALE = Path(__file__).parent / "locale"
TEMPLATE = LOCALE / "unrolled.pot"

SENTENCE_CLASSES = (
    "Problem",
    "ArchiveError",
    "CaptureError",
    "CheckpointError",
    "Finding",
    "LimitError",
    "LinkProblem",
    "Sentence",
)
"""The errors and findings of `models` whose sentences are shown; each is created with the sentence as a literal."""

COMMENT_TAG = "For translators:"
"""The first words of a comment that goes into the catalogues, in the lines directly above a message."""

_override: ContextVar[str | None] = ContextVar("language", default=None)
_sources: list[Callable[[], str | None]] = []


def language() -> str:
    """Return the current language: of the innermost `use_language`, else of the reader's session, else English."""
    chosen = _override.get()
    if chosen is None and _sources:
        chosen = _sources[-1]()
    return chosen if chosen in LANGUAGES else DEFAULT


@contextmanager
def use_language(lang: str) -> Iterator[None]:
    """Use the language `lang` inside the block, in this thread (or task) only."""
    if lang not in LANGUAGES:
        raise ValueError(f"Unknown language {lang!r}: choose one of {', '.join(LANGUAGES)}.")
    token = _override.set(lang)
    try:
        yield
    finally:
        _override.reset(token)


def set_language_source(source: Callable[[], str | None]) -> None:
    """Set the function that returns the language outside every `use_language`, or None for the default language.

    The app's session is such a source. It is called at each string, because fragments and callbacks run in threads of
    their own, which do not see what the last full run of the page has set.
    """
    _sources[:] = [source]


class _Message(str):
    """A translated message whose placeholders name Korean particles, which its `format` chooses by the values."""

    __slots__ = ()

    def format(self, *_none: object, **values: object) -> str:
        """Return the message with its placeholders filled and the particles chosen."""
        return format_message(str(self), values)


def _(message: str) -> str:
    """Return `message` in the current language; itself where there is no translation."""
    return _with_particles(_catalogue().gettext(message))


def ngettext(singular: str, plural: str, n: int) -> str:
    """Return `singular` or `plural`, as the number `n` requires, in the current language."""
    return _with_particles(_catalogue().ngettext(singular, plural, n))


def _with_particles(text: str) -> str:
    return _Message(text) if MARKED.search(text) else text


def N_(message: str) -> str:
    """Mark a string for the catalogues and return it as it is; `_` translates it where it is shown."""
    return message


def translate(said: Exception | Sentence) -> str:
    """Return a `Sentence` and its values that are sentences in the current language; of any other error, its own text."""
    if not isinstance(said, Sentence):
        return str(said)
    values = {name: _translated_value(value) for name, value in said.values.items()}
    return _(said.sentence).format(**values)


def _translated_value(value: Any) -> Any:
    if isinstance(value, Sentence):
        return translate(value)
    return value.title(language()) if isinstance(value, TitledName) else value


def match_locale(locale: str | None) -> str:
    """Return the language for a browser's locale: Korean for 'ko-KR' and 'ko', English for unsupported languages."""
    code = (locale or "").replace("_", "-").split("-")[0].lower()
    return code if code in LANGUAGES else DEFAULT


# -- catalogues ------------------------------------------------------------------------------------------


def catalogue_path(lang: str) -> Path:
    """Return the path of the translations into `lang`."""
    return LOCALE / lang / "LC_MESSAGES" / "unrolled.po"


def read_catalogue(lang: str) -> Catalog:
    """Return the translations into `lang` in its .po file."""
    with catalogue_path(lang).open("rb") as file:
        return read_po(file, locale=lang)


def extract() -> Catalog:
    """Return every string that the code passes to `_`, `ngettext` or `N_`."""
    found = Catalog(project="Unrolled", fuzzy=False)
    rows = [
        (path.relative_to(ROOT).as_posix(), message, comments)
        for folder in ("models", "viz")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for message, comments in _messages(path.read_text(encoding="utf-8"))
    ]
    # Files without line numbers: an edit elsewhere in a file then changes no catalogue.
    for name, message, comments in sorted(rows, key=lambda row: (row[0], str(row[1]))):
        found.add(message, locations=[(name, 0)], auto_comments=comments)
    return found


def _messages(source: str) -> Iterator[tuple[str | tuple[str, str], list[str]]]:
    """Yield the messages of a Python file with the comments for translators above them.

    The syntax tree, unlike a tokenizer, sees a literal in parentheses and a call inside an f-string.
    """
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = "super" if _calls_super(node) else getattr(node.func, "id", None)
        count = 2 if name == "ngettext" else 1 if name in {"_", "N_", "super", *SENTENCE_CLASSES} else 0
        texts = [
            each.value for each in node.args[:count] if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
        if not count or len(texts) != count or not texts[0]:
            continue
        above = list(takewhile(lambda line: line.strip().startswith("#"), reversed(lines[: node.lineno - 1])))
        comments = [line.strip().lstrip("# ") for line in reversed(above)]
        start = next((place for place, line in enumerate(comments) if line.startswith(COMMENT_TAG)), len(comments))
        yield (texts[0] if count == 1 else (texts[0], texts[1])), comments[start:]


def _calls_super(node: ast.Call) -> bool:
    """Return whether a call is `super().__init__(...)`, by which a subclass of a sentence states its own."""
    of = node.func
    return isinstance(of, ast.Attribute) and of.attr == "__init__" and ast.unparse(of.value) == "super()"


def update() -> None:
    """Update the template and every catalogue to the code."""
    found = extract()
    _write(found, TEMPLATE)
    for lang in LANGUAGES:
        if lang != DEFAULT:
            catalogue = read_catalogue(lang)
            catalogue.update(found, no_fuzzy_matching=True, update_creation_date=False)
            catalogue.project = found.project
            _write(catalogue, catalogue_path(lang))


def _write(catalogue: Catalog, path: Path) -> None:
    catalogue.header_comment = f"# Unrolled, {catalogue.locale or 'the strings to translate'}: see viz/i18n.py."
    out = BytesIO()
    write_po(out, catalogue, width=110, include_lineno=False, ignore_obsolete=True)
    # The header without dates, so that two branches that each add a string do not conflict in it.
    facts = (b"Language: ", b"Plural-Forms", b"MIME", b"Content")
    head, blank, rest = out.getvalue().partition(b"\n\n")
    lines = [line for line in head.split(b"\n") if not line.startswith(b'"') or line[1:].startswith(facts)]
    path.write_bytes((b"\n".join(lines) + blank + rest).strip() + b"\n")


def _compile(lang: str) -> NullTranslations:
    if lang == DEFAULT:
        return NullTranslations()
    out = BytesIO()
    write_mo(out, read_catalogue(lang))
    out.seek(0)
    return GNUTranslations(out)


def _catalogue() -> NullTranslations:
    return _translations[language()]


_translations = {lang: _compile(lang) for lang in LANGUAGES}


if __name__ == "__main__":
    if sys.argv[1:] != ["update"]:
        sys.exit("usage: python -m viz.i18n update")
    update()
