"""The controls of the Language page: the corpus, the sentence, the length of the n-grams, and the smoothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from models.core.messages import Problem
from models.language.corpus import MAX_BYTES, MAX_ORDER, SYMBOLS, Corpus, corpus_text, shipped_text
from models.language.sentence_probability import Factor, sentence_factors, typed_words
from models.language.smoothing import METHODS, Method, Smoothing
from viz.escape import escape_markdown
from viz.i18n import _, language, ngettext
from viz.pages.language.corpus_store import CountedCorpus, counted_corpus
from viz.pages.page_elements import caption, show_problem
from viz.pages.synced_widget import synced_widget
from viz.pages.upload_box import upload_box
from viz.pages.view_widgets import COUNT, NUMBER, TEXT, view_choice, view_widget
from viz.session import Session
from viz.uploads import remove_uploads
from viz.view_options import format_options

OWN_TEXT, UPLOAD = "language_own_text", "language_upload"
"""In the session state: the reader's own corpus; the number of files that were uploaded."""

PLACES = {"factor": 1, "middle": 0}
"""The options that are a place in the sentence, and how many more places than words there are."""

MAX_LINK = 3000
"""Characters of an own corpus in a link at most; a longer one is left out of it."""

MAX_SHOWN = 20_000
"""Characters of an own corpus up to which it is in the text box."""

LARGE = 500_000
"""Characters of a corpus from which the counting shows its progress."""

SENTENCES = {"en": "He is a good man", "ko": "그는 정말 좋은 사람이에요"}
"""The sentence at first, by shipped corpus."""

CONSTANTS: dict[Method, tuple[str, float, float, float]] = {
    "add_k": ("k", 0.01, 2.0, 0.01),
    "interpolation": ("weight", 0.05, 0.95, 0.05),
    "backoff": ("factor", 0.05, 1.0, 0.05),
    "kneser_ney": ("discount", 0.05, 0.95, 0.05),
}
"""The constant of each method that has one: its attribute of ``Smoothing``, lowest and highest value, and step."""


@dataclass(frozen=True, eq=False)
class LanguageView:
    """The choices made with the controls.

    Attributes:
        counted: the corpus.
        words: of the sentence.
        order: n.
        smoothing: the method and its constants.
        factors: of the sentence, under the n-gram model.
        selected: place of the factor whose arithmetic is shown.
    """

    counted: CountedCorpus
    words: list[str]
    order: int
    smoothing: Smoothing
    factors: list[Factor]
    selected: int

    @property
    def corpus(self) -> Corpus:
        """The corpus."""
        return self.counted.counts.corpus

    @property
    def factor(self) -> Factor:
        """The selected factor."""
        return self.factors[self.selected]


def method_titles() -> dict[Method, str]:
    """Return the names of the methods."""
    return {
        "none": _("none (relative frequencies)"),
        "add_k": _("add-k (Laplace, Lidstone)"),
        "interpolation": _("interpolation (Jelinek–Mercer)"),
        "backoff": _("stupid back-off"),
        "witten_bell": _("Witten–Bell"),
        "kneser_ney": _("Kneser–Ney"),
    }


def symbol_names(corpus: Corpus, ids: tuple[int, ...]) -> str:
    """Return ids as text; of several start symbols, one."""
    names = [corpus.words[each] for each in ids]
    first = next((place for place, name in enumerate(names) if name != SYMBOLS[0]), len(names))
    return " ".join(names[max(0, first - 1) :])


def language_controls(session: Session) -> LanguageView:
    """Show the controls and return what they select."""
    chosen = _corpus_choice(session)
    counted = _counted(chosen, own_text(session) or "")
    if chosen != "own":
        first = SENTENCES[chosen]
    else:
        first = counted.counts.corpus.sentences[0][:200]
    left, middle, right = st.columns([5, 2, 4], gap="medium", vertical_alignment="bottom")
    with left:
        text = synced_widget(
            st.text_input,
            _("Sentence"),
            key="language_sentence",
            value=view_choice("sentence", TEXT, first),
            changed=lambda text: session.set_view_options(
                sentence=None if text in (None, first) else text, **_lost_places(session, text or first)
            ),
        )
    with middle:
        order = view_widget(
            st.selectbox,
            _("Longest n-gram"),
            list(range(1, MAX_ORDER + 1)),
            name="ngram",
            key="language_ngram",
            form=COUNT,
            default=3,
            is_valid=range(1, MAX_ORDER + 1).__contains__,
            initial_argument="index",
            format_func=lambda n: f"n = {n}",
        )
    with right:
        smoothing = _smoothing_choice(session)
    words = _words(text, first)
    factors = sentence_factors(counted.counts, smoothing, words, order)
    return LanguageView(counted, words, order, smoothing, factors, _factor_choice(factors))


def _corpus_choice(session: Session) -> str:
    """Show the choice of the corpus, and the text of an own one; return "en", "ko" or "own"."""
    titles = {
        "en": _("English, 100 sentences"),
        "ko": _("Korean, 100 sentences"),
        "own": _("Own text"),
    }
    default = language() if language() in titles else "en"
    chosen = view_choice("corpus", TEXT, default, titles.__contains__)
    if chosen == "own" and own_text(session) is None:
        chosen = default
        session.add_notice(
            _(
                "The corpus of this link is somebody’s own text, which the link does not contain. The page shows “{corpus}” "
                "instead: choose “{own}” and paste the text."
            ).format(corpus=titles[chosen], own=titles["own"])
        )
        others = {name: value for name, value in session.view_options.items() if name != "corpus"}
        session.fill_defaults(look=format_options(others))

    def changed(name: str) -> None:
        text = own_text(session)
        session.set_view_options(
            corpus=None if name == default else name, owntext=None, sentence=None, factor=None, word=None, middle=None
        )
        if name == "own":
            _keep_own_text(session, shipped_text(chosen) if text is None else text)
        elif text is not None:
            st.session_state[OWN_TEXT] = text  # a link to another corpus does not contain it

    synced_widget(
        st.segmented_control,
        _("Corpus"),
        list(titles),
        key="language_corpus",
        value=chosen,
        changed=changed,
        initial_argument="default",
        format_func=titles.__getitem__,
        required=True,
    )
    if chosen == "own":
        _own_corpus(session)
    return chosen


def own_text(session: Session) -> str | None:
    """Return the own corpus of the link, else that of the session state, or None."""
    found: str | None = session.view_options.get("owntext", st.session_state.get(OWN_TEXT))
    return found


def _keep_own_text(session: Session, text: str) -> None:
    """Make a text the own corpus: in the session state, and in the link unless it is too long for it."""
    st.session_state[OWN_TEXT] = text
    in_link = len(format_options({"owntext": text})) <= MAX_LINK
    places = (
        {} if "sentence" in session.view_options else dict.fromkeys(PLACES)
    )  # the sentence is the first of the text
    session.set_view_options(owntext=text if in_link else None, **places)


def _own_corpus(session: Session) -> None:
    """Show the box and the upload of an own corpus."""
    text = own_text(session) or ""
    box, upload = st.columns([3, 2], vertical_alignment="top")

    with box:
        if len(text) <= MAX_SHOWN:
            synced_widget(
                st.text_area,
                _("Sentences, one per line"),
                key="language_own",
                value=text,
                changed=lambda text: _keep_own_text(session, text or ""),
                height=160,
            )
        else:
            caption(_("The uploaded text has {n:,} characters.").format(n=len(text)))
    with upload:
        turn = st.session_state.setdefault(UPLOAD, 0)
        file = upload_box(
            _("Upload a text (UTF-8, at most {most} MB)").format(most=MAX_BYTES // 1_000_000),
            key=f"{UPLOAD}_{turn}",
            max_upload_size=MAX_BYTES // 1_000_000,
        )
        if file is not None:
            content = file.getvalue()
            remove_uploads([file])
            try:
                uploaded = corpus_text(content)
            except Problem as problem:
                show_problem(problem)
            else:
                st.session_state[UPLOAD] = turn + 1
                _keep_own_text(session, uploaded)
                st.rerun()
        if "owntext" not in session.view_options:
            caption(_("A link to this page does not contain this text, since it is too long."))


GOOD = "language_good_text"
"""In the session state: the last own corpus that could be counted."""


def _counted(chosen: str, text: str) -> CountedCorpus:
    """Return the counts of the chosen corpus, "own" for ``text``; if that cannot be counted, of the last good one."""
    if chosen != "own":
        return counted_corpus(shipped_text(chosen))
    place = st.empty()

    def progress(share: float) -> None:
        place.progress(min(share, 1.0), _("Counting the words of the corpus …"))

    try:
        found = counted_corpus(text, progress if len(text) >= LARGE else None)
    except Problem as problem:
        show_problem(problem)
        found = counted_corpus(st.session_state.get(GOOD) or shipped_text("en"))
        caption(_("The counts below are those of the last corpus that could be counted."))
    else:
        st.session_state[GOOD] = text
    place.empty()
    return found


def _smoothing_choice(session: Session) -> Smoothing:
    """Show the choice of the smoothing, and of its constant."""
    titles = method_titles()
    method = view_choice("smoothing", TEXT, "none", titles.__contains__)
    has_constant = method in CONSTANTS
    which, *constant = st.columns([3, 2] if has_constant else 1, gap="small", vertical_alignment="bottom")
    with which:
        synced_widget(
            st.selectbox,
            _("Smoothing"),
            list(METHODS),
            key="language_smoothing",
            value=method,
            changed=lambda name: session.set_view_options(smoothing=None if name == "none" else name, constant=None),
            initial_argument="index",
            format_func=titles.__getitem__,
        )
    chosen = Smoothing(method)  # type: ignore[arg-type]
    if not has_constant:
        return chosen
    name, low, high, step = CONSTANTS[method]  # type: ignore[index]
    letters = {"k": "k", "weight": "λ", "factor": "b", "discount": "d"}
    with constant[0]:
        value = view_widget(
            st.number_input,
            letters[name],
            low,
            high,
            name="constant",
            key=f"language_constant_{method}",
            form=NUMBER,
            default=getattr(chosen, name),
            is_valid=lambda number: low <= number <= high,
            step=step,
        )
    return replace(chosen, **{name: value})


def _words(text: str, first: str) -> list[str]:
    """Return the words of the typed sentence; if it cannot be scored, those of the sentence at first."""
    try:
        return typed_words(text)
    except Problem as problem:
        show_problem(problem)
        return typed_words(first)


def _lost_places(session: Session, text: str) -> dict[str, None]:
    """Return the chosen places that a sentence does not have, as options to remove."""
    try:
        count = len(typed_words(text))
    except Problem:
        count = 0  # the sentence at first is shown
    chosen = session.view_options
    return {name: None for name, more in PLACES.items() if chosen.get(name, "0") not in map(str, range(count + more))}


def _factor_choice(factors: list[Factor]) -> int:
    """Show the factors as buttons and return the place of the selected one."""
    unseen = [place for place, factor in enumerate(factors) if factor.count == 0]
    default = unseen[0] if unseen else min(1, len(factors) - 1)
    labels = place_labels([factor.word for factor in factors])
    return view_widget(
        st.segmented_control,
        _("Factor"),
        list(range(len(factors))),
        name="factor",
        key="language_factor",
        form=COUNT,
        default=default,
        is_valid=range(len(factors)).__contains__,
        initial_argument="default",
        format_func=labels.__getitem__,
        required=True,
    )


def place_labels(words: Sequence[str]) -> list[str]:
    """Return a label for each place of a sentence; repeated words are numbered, since a browser names an option by its text.

    >>> place_labels(["the", "cat", "and", "the", "dog"])
    ['the', 'cat', 'and', 'the (2)', 'dog']
    """
    seen: Counter[str] = Counter()
    labels: list[str] = []
    for word in words:
        seen[word] += 1
        label = word if seen[word] == 1 else f"{word} ({seen[word]})"
        labels.append(escape_markdown(label))
    return labels


def corpus_summary(corpus: Corpus) -> str:
    """Return the size of a corpus in words."""
    count = len(corpus.sentences)
    return ngettext(
        "{n:,} sentence, {words:,} words, {kinds:,} of them different.",
        "{n:,} sentences, {words:,} words, {kinds:,} of them different.",
        count,
    ).format(n=count, words=corpus.word_count, kinds=len(corpus.words) - len(SYMBOLS))
