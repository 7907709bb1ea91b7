"""The panels of word vectors: the window that slides over a sentence, neighbours, the plane, and unseen words."""

from __future__ import annotations

import streamlit as st

from models.language.word_vectors import (
    LONGEST,
    SHORTEST,
    VECTOR_KINDS,
    VectorKind,
    WordVectors,
    check_vectors,
    subwords,
    window_pairs,
)
from viz.components.reports import index
from viz.components.streamlit_host import reported
from viz.components.word_window import word_window
from viz.escape import escape_markdown
from viz.figures.word_plane import word_plane
from viz.i18n import _
from viz.pages.language.language_controls import LanguageView
from viz.pages.language.neural_models_panel import starting, training_note
from viz.pages.page_elements import caption, chart, dense_table, page_theme
from viz.pages.panels import panel
from viz.pages.screen_reader_table import HiddenNumber, hidden_numbers
from viz.pages.view_widgets import COUNT, TEXT, view_buttons, view_choice, view_widget
from viz.session import get_session

MAX_WINDOW, DEFAULT_WINDOW = 5, 2
MAX_POINTS, MAX_NEIGHBOURS, MAX_PREDICTED = 120, 8, 6
"""Words in the plane, neighbours of a word, and predicted words, at most."""

MAX_SUBWORDS = 40

FIRST_WORDS = ("cat", "고양이는")
"""The word at first, if the corpus has it; else its most frequent one."""

MIDDLE = "language_middle"
"""Key of the component with the window."""


def kind_titles() -> dict[VectorKind, str]:
    """Return the names of the methods."""
    return {"cbow": "CBOW", "skip_gram": "skip-gram", "fasttext": "FastText"}


def _window() -> int:
    """Return the number of words on each side that the view names."""
    return view_choice("window", COUNT, DEFAULT_WINDOW, range(1, MAX_WINDOW + 1).__contains__)


def word_windows_panel(view: LanguageView) -> None:
    """Declare the panel of the window over the typed sentence."""

    @panel(
        "word_windows",
        _("The sliding window: CBOW and skip-gram"),
        _("Let the window slide, or choose a word: which words predict it, and which does it predict?"),
    )
    def draw() -> None:
        words = view.words
        middle = view_choice("middle", COUNT, len(words) // 2, range(len(words)).__contains__)
        with st.columns(2)[0]:
            window = view_widget(
                st.slider,
                _("Words on each side"),
                1,
                MAX_WINDOW,
                name="window",
                key="language_window",
                form=COUNT,
                default=DEFAULT_WINDOW,
                is_valid=range(1, MAX_WINDOW + 1).__contains__,
            )
        word_window(words, middle, window, key=MIDDLE, on_move=lambda: _moved(words))
        _prediction(view, window_pairs(words, middle, window), window)
        caption(
            _(
                "CBOW predicts a word from the words on both sides, so it uses words that come later. Its probabilities are "
                "not factors of the chain rule, which may use only words before: multiplied, they are not the probability "
                "of a sentence. Word2Vec is not a language model: it is trained for its vectors."
            )
        )


def _moved(words: list[str]) -> None:
    """Put the place where the window stopped into the view."""
    found = reported(MIDDLE, "middle", {"middle": index})
    if found is not None and found["middle"] < len(words):
        place = found["middle"]
        get_session().set_view_options(middle=None if place == len(words) // 2 else str(place))


def _prediction(view: LanguageView, around: list[str], window: int) -> None:
    """Show the prediction of the middle word by trained vectors."""
    vectors = view.counted.vectors("cbow", window)
    if vectors is None:
        caption(_("Train the word vectors below with this window to see which middle word CBOW predicts."))
        return
    predicted = vectors.predict_middle(around, MAX_PREDICTED)
    st.markdown(f"**{_('What CBOW predicts in the middle')}**")
    if not predicted:
        caption(_("No word around it is in the vocabulary, so there is no prediction."))
        return
    dense_table([{_("Word"): word, _("Share"): f"{share:.1%}"} for word, share in predicted])
    caption(
        _(
            "The softmax of the mean vector times each output vector. Training with negative samples does not make it a "
            "calibrated probability."
        )
    )


def word_vectors_panel(view: LanguageView) -> None:
    """Declare the panel of neighbours, of the plane, and of unseen words."""

    @panel(
        "word_vectors",
        _("Word vectors: neighbours and unseen words"),
        _("Which words are near each other, though they never occur side by side? Type a word that the corpus lacks."),
    )
    def draw() -> None:
        check_vectors(view.corpus)
        counted, window = view.counted, _window()
        found = {kind: vectors for kind in VECTOR_KINDS if (vectors := counted.vectors(kind, window)) is not None}
        keys = [(kind, window) for kind in VECTOR_KINDS]
        if len(found) < len(VECTOR_KINDS):
            if counted.calls.is_running(*keys):
                training_note(counted, keys)
            elif st.button(
                _("Train CBOW, skip-gram and FastText"),
                icon=":material/play_arrow:",
                type="primary",
                key="language_train_vectors",
            ):
                with starting(counted, keys):
                    for kind in VECTOR_KINDS:
                        counted.train_vectors(kind, window)
                st.rerun()
        if len(found) == len(VECTOR_KINDS):
            _neighbours(view, found)


def _neighbours(view: LanguageView, found: dict[VectorKind, WordVectors]) -> None:
    """Show a word's neighbours under each method, and the plane of one of them."""
    first = next((word for word in FIRST_WORDS if word in view.corpus.ids), found["cbow"].words[0])
    left, right = st.columns([3, 3], gap="medium", vertical_alignment="bottom")
    with left:
        word = view_widget(
            st.text_input, _("Word"), name="word", key="language_word", form=TEXT, default=first, max_chars=60
        ).strip()
    with right:
        kind: VectorKind = view_buttons(  # type: ignore[assignment]
            _("Plane of"),
            {str(name): title for name, title in kind_titles().items()},
            name="vectors",
            key="language_vectors",
            default="fasttext",
        )
    _neighbour_table(found, word)
    if word not in view.corpus.ids and word:
        st.info(
            _(
                "“{word}” is not in the corpus. Word2Vec (CBOW, skip-gram) has no vector for it. FastText has one: the mean "
                "of the vectors of its character n-grams, {shortest} to {longest} characters long: {parts}"
            ).format(
                word=escape_markdown(word),
                shortest=SHORTEST,
                longest=LONGEST,
                parts=escape_markdown(", ".join(subwords(word)[:MAX_SUBWORDS])),
            ),
            icon=":material/extension:",
        )
    vectors = found[kind]
    _mean, _directions, places = vectors.plane()
    vector = vectors.vector(word) if word else None
    chart(
        word_plane(
            vectors.words[:MAX_POINTS],
            places[:MAX_POINTS],
            marked=[name for name, _cosine in vectors.neighbours(word, MAX_NEIGHBOURS)],
            chosen=None if vector is None else (word, vectors.on_plane(vector)),
            theme=page_theme(),
        ),
        "language_plane",
        names=("word-vectors", kind),
    )
    caption(
        _(
            "Vectors of length 1 in the plane of their two principal components; the neighbours are by the cosine in all {n} "
            "dimensions, so they may lie apart in the plane. {epochs} passes over the corpus, window {window}. In a small "
            "corpus, words are alike that fill the same gaps; meaning needs far more text."
        ).format(n=vectors.vectors.shape[1], epochs=vectors.epochs, window=vectors.window)
    )


def _neighbour_table(found: dict[VectorKind, WordVectors], word: str) -> None:
    """Show the nearest neighbours of a word under each method, side by side."""
    near = {kind: vectors.neighbours(word, MAX_NEIGHBOURS) for kind, vectors in found.items()}
    rows = []
    for place in range(max(map(len, near.values()), default=0)):
        rows.append(
            {
                kind_titles()[kind]: f"{listed[place][0]} ({listed[place][1]:.2f})" if place < len(listed) else "–"
                for kind, listed in near.items()
            }
        )
    if not rows:
        caption(_("Type a word to see its neighbours."))
        return
    dense_table(rows)
    hidden_numbers(
        [
            HiddenNumber("cosine", f"{kind} {name}", cosine, place)
            for kind, listed in near.items()
            for place, (name, cosine) in enumerate(listed)
        ],
        _("Word vectors: neighbours and unseen words"),
        "language_neighbours",
    )
