"""Every word a reader meets is in the catalogue, and every catalogue says it whole."""

import ast
import re
import string
from pathlib import Path
from threading import Thread

import pytest
from babel.messages.pofile import read_po

from viz import i18n
from viz.i18n import LANGUAGES, N_, _, ngettext, use_language

KOREAN = "".join(map(chr, range(0xAC00, 0xD7A4)))
ROOT = Path(__file__).parents[2]
OTHERS = [lang for lang in LANGUAGES if lang != i18n.DEFAULT]
UPDATE = "run `python -m viz.i18n update` and translate what is new"


def strings(catalogue):
    """msgid (singular, plural, or one alone) -> message."""
    return {message.id: message for message in catalogue if message.id}


def forms(value):
    return list(value) if isinstance(value, (tuple, list)) else [value]


def placeholders(text):
    """The placeholders of a string for str.format, as {n} or {share:.1%}, without Korean particles."""
    return sorted(
        {
            f"{name}:{spec.rstrip(KOREAN)}"
            for _before, name, spec, _ in string.Formatter().parse(text)
            if name is not None
        }
    )


@pytest.fixture(scope="module")
def code():
    return strings(i18n.extract())


def test_the_template_is_what_the_code_says(code):
    with i18n.TEMPLATE.open("rb") as file:
        held = strings(read_po(file))
    assert held.keys() == code.keys(), UPDATE


@pytest.mark.parametrize("lang", OTHERS)
def test_a_catalogue_has_the_strings_of_the_code_and_no_others(code, lang):
    held = strings(i18n.read_catalogue(lang))
    assert sorted(map(str, code.keys() - held.keys())) == [], UPDATE
    assert sorted(map(str, held.keys() - code.keys())) == [], UPDATE


@pytest.mark.parametrize("lang", OTHERS)
def test_every_string_is_translated_surely_and_with_the_same_placeholders(lang):
    held = strings(i18n.read_catalogue(lang))
    assert [key for key, message in held.items() if not all(forms(message.string)) or not message.string] == []
    assert [key for key, message in held.items() if message.fuzzy] == []
    different = []
    for key, message in held.items():
        wanted = placeholders(forms(key)[-1])
        different += [(key, form) for form in forms(message.string) if placeholders(form) != wanted]
    assert different == []


def test_a_language_is_spoken_in_its_own_thread_alone():
    heard = {}

    def speak(lang):
        with use_language(lang):
            heard[lang] = _("Language")

    threads = [Thread(target=speak, args=(lang,)) for lang in LANGUAGES]
    with use_language("ko"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert _("Language") == heard["ko"] != heard["en"]
    assert _("Language") == heard["en"] == "Language"


def test_without_a_translation_a_string_is_itself():
    with use_language("ko"):
        assert _("no such string") == "no such string"
        assert ngettext("{n} such string", "{n} such strings", 2) == "{n} such strings"
    assert N_("Step") == "Step"
    with pytest.raises(ValueError, match="Unknown language 'xx'"), use_language("xx"):
        pass


@pytest.mark.parametrize(
    ("locale", "lang"),
    [("ko-KR", "ko"), ("ko", "ko"), ("ko_KR", "ko"), ("en-GB", "en"), ("fr-FR", "en"), (None, "en"), ("", "en")],
)
def test_the_language_for_a_browser(locale, lang):
    assert i18n.match_locale(locale) == lang


# -- literals that never pass through the catalogue ----------------------------------------------------------

SHOWN_FIRST = re.findall(
    r"\w+",
    """
    title header subheader markdown write caption text latex info warning error success toast button link_button
    download_button form_submit_button checkbox toggle radio selectbox multiselect slider select_slider text_input
    text_area number_input file_uploader segmented_control pills tabs expander popover status spinner progress metric
    dialog html page_link chat_input color_picker feedback badge
    """,
)
"""Calls of streamlit, on `st` or on a container, whose first argument a reader sees."""

SHOWN_ANYWHERE = {
    *("label", "help", "placeholder", "caption", "captions", "text", "body"),  # streamlit
    *("title", "title_text", "hovertext", "annotation_text", "hovertemplate", "xaxis_title", "yaxis_title"),  # plotly
}
"""Named arguments of any call which a reader sees."""


def words_of(node, tex=False):
    """Return the words of a literal that a user sees: no markup, icons, placeholders or names in code."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    elif isinstance(node, ast.JoinedStr):
        text = " ".join(part.value for part in node.values if isinstance(part, ast.Constant))
    elif isinstance(node, (ast.List, ast.Tuple)):
        return " ".join(filter(None, (words_of(part, tex) for part in node.elts)))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return words_of(node.left, tex) + words_of(node.right, tex)
    elif isinstance(node, ast.IfExp):
        return words_of(node.body, tex) + words_of(node.orelse, tex)
    else:
        return ""
    if tex:  # of a formula, the words in it
        text = " ".join(re.findall(r"\\text\{([^}]*)\}", text))
    text = re.sub(r"<(style|script)\b.*?</\1>", "", text, flags=re.S)
    text = re.sub(r"<[^>]*>?|:material/\w+:|%\{[^}]*\}|`[^`]*`|\$[^$]*\$|&\w+;", "", text)
    return " ".join(re.findall(r"[^\W\d_]{2,}", text))


def untranslated(tree):
    """(line, words) of every literal which is handed to something that shows it."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        shown = [keyword.value for keyword in node.keywords if keyword.arg in SHOWN_ANYWHERE]
        tex = isinstance(node.func, ast.Attribute) and node.func.attr == "latex"
        if isinstance(node.func, ast.Attribute) and node.func.attr in SHOWN_FIRST:
            shown += node.args[:1]
        yield from ((value.lineno, words) for value in shown if (words := words_of(value, tex)))


@pytest.mark.parametrize(
    "path", [*sorted(ROOT.glob("viz/**/*.py")), ROOT / "app.py"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_literal_is_shown_untranslated(path):
    found = list(untranslated(ast.parse(path.read_text(encoding="utf-8"))))
    assert found == [], f"{path.name}: (line, words) to be handed to _()"


def test_the_check_sees_what_it_should():
    shown = ('st.button("Play")', 'left.caption(f"{n} units")', 'st.metric(a, help="What")', 'px.line(title="Gates")')
    for line in (*shown, 'st.tabs(["One"])', r'st.latex(r"x \text{ of unit}")', 'st.text("Yes" if a else "No")'):
        assert len(list(untranslated(ast.parse(line)))) == 1, line
    quiet = ('st.button(_("Play"))', 'st.html("<b>{}</b>")', 'st.text(f"{n} / {m}")', 'x.index("forget_gate")')
    quiet += (r'st.latex(r"\frac{a}{b}")',)
    for line in (*quiet, 'st.write(":material/info:")', 'st.html("<style>a { top: 0 }</style>")'):
        assert list(untranslated(ast.parse(line))) == [], line
