"""A button that saves a lesson as one HTML file, with the pictures as they are on the page."""

from collections.abc import Callable, Mapping

from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _

SAVE_LESSON = Component("save_lesson")


def save_lesson(
    lesson: str,
    section: int,
    *,
    count: int,
    copying: bool,
    title: str,
    language: str,
    file: str,
    selectors: Mapping[str, str],
    key: str,
    on_section: Callable[[], None],
) -> None:
    """Mount the button.

    Args:
        lesson: name of the lesson.
        section: number of the section that the page shows, from 1.
        count: number of the lesson's sections.
        copying: whether the section is shown to be copied.
        title: of the lesson.
        language: in which it is written.
        file: name of the file, without its suffix.
        selectors: CSS selectors of the page: "selector" of the section, "left_out" of what is not saved, "once" of
            what only the first section has in the file, "settled" of what is
            there once the page is whole, "unfinished" of what is still to be drawn.
        key: of the component in the page.
        on_section: called when the browser has to copy another section, whose number it reports, 0 at the end.
    """
    data = {
        "lesson": f"{language}/{lesson}",
        "section": section,
        "count": count,
        "copying": copying,
        "title": title,
        "language": language,
        "file": file,
        **selectors,
        "words": {
            "save": _("Save as HTML"),
            "hint": _("One file with the text, the questions, your answers and the pictures of all sections"),
            "copying": _("Copying section {section} of {count} …"),
            "stop": _("Stop; no file is saved"),
            "failed": _("A section was not drawn in three minutes, so no file was saved. Try again"),
        },
    }
    mount(SAVE_LESSON, data, key=key, on={"section": on_section}, width="content")
