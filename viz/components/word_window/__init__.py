"""A sentence with a window around one of its words, which can slide, and the training examples at that place."""

from collections.abc import Callable, Sequence
from typing import Any

from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _

WORD_WINDOW = Component("word_window")


def word_window(words: Sequence[str], middle: int, window: int, *, key: str, on_move: Callable[[], None]) -> None:
    """Mount the sentence.

    Args:
        words: of the sentence.
        middle: place of the word in the middle, from 0.
        window: words on each side.
        key: of the component in the page.
        on_move: called when the window has stopped at another word; {"middle"} is then in the component's state as
            "middle".
    """
    mount(WORD_WINDOW, word_window_data(words, middle, window), key=key, on={"middle": on_move})


def word_window_data(words: Sequence[str], middle: int, window: int) -> dict[str, Any]:
    """Return the data of the drawing; arguments as of `word_window`."""
    return {
        "view_id": "word_window",
        "sentence": list(words),
        "middle": middle,
        "window": window,
        "words": {
            "play": _("Slide the window"),
            "stop": _("Stop"),
            "next": _("Next word"),
            "label": _("The sentence with the window around the middle word"),
            "cbow": _("CBOW: one example. The mean of the vectors around predicts the middle word."),
            "skip_gram": _("skip-gram: an example for each pair. The middle word predicts each word around it."),
        },
    }
