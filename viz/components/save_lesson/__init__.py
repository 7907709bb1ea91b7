"""A button that saves the sections of a lesson as one HTML file, with the pictures as they are on the page."""

from collections.abc import Mapping
from typing import Any

from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _

SAVE_LESSON = Component("save_lesson")


def save_lesson(
    lesson: str, section: int, *, title: str, language: str, file: str, selectors: Mapping[str, str], key: str
) -> None:
    """Mount the button.

    Args:
        lesson: name of the lesson; its sections are saved together.
        section: number of the section that the page shows.
        title: of the lesson.
        language: in which it is written.
        file: name of the file, without its suffix.
        selectors: CSS selectors of the page: "selector" of the section, "left_out" of what is not saved, "leaving" of the
            buttons that open another section.
        key: of the component in the page.
    """
    data = save_lesson_data(lesson, section, title=title, language=language, file=file, selectors=selectors)
    mount(SAVE_LESSON, data, key=key, width="content")


def save_lesson_data(
    lesson: str, section: int, *, title: str, language: str, file: str, selectors: Mapping[str, str]
) -> dict[str, Any]:
    """Return the data of the button; arguments as of `save_lesson`."""
    return {
        "lesson": f"{language}/{lesson}",
        "section": section,
        "title": title,
        "language": language,
        "file": file,
        **selectors,
        "words": {
            "save": _("Save as HTML"),
            "hint": _("One file with the text and the pictures of the sections of this lesson that you have opened"),
        },
    }
