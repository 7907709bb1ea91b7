"""What a reader has done in the lessons, stored in the browser; and the scroll to the top of a section that was opened."""

from collections.abc import Callable
from typing import Any

from viz.components import Component
from viz.components.streamlit_host import mount

LESSON_PROGRESS = Component("lesson_progress", draws=False)


def lesson_progress(stored: str | None, place: str, *, key: str, on_stored: Callable[[], None]) -> None:
    """Mount the storage, which draws nothing.

    Args:
        stored: the text to store in the browser; None to store nothing yet.
        place: name of what the page shows; the browser scrolls to the top when it changes.
        key: of the component in the page.
        on_stored: called when the browser has another text than ``stored``: {"text"} is then in the component's state as
            "stored".
    """
    mount(LESSON_PROGRESS, lesson_progress_data(stored, place), key=key, on={"stored": on_stored})


def lesson_progress_data(stored: str | None, place: str) -> dict[str, Any]:
    """Return the data of the storage; arguments as of `lesson_progress`."""
    return {"stored": stored, "place": place}
