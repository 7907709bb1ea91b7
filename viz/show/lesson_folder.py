"""The views of a lesson as files that need no server, with an index: a folder for any static host."""

from __future__ import annotations

from pathlib import Path

from models.zoo.catalogue import load_network
from viz.address import MAX_TEXT, View
from viz.escape import escape_html
from viz.i18n import _, use_language
from viz.lessons.answer_functions.place_run import PlaceRun
from viz.lessons.lesson import LensView, Lesson, LessonText, QuestionPlace
from viz.show.attention_view import attention_view
from viz.show.offline_file import offline_html
from viz.show.run_source import RunSource
from viz.show.show_lens import LENS_NAMES, RUN_VIEWS
from viz.show.shown_view import ShownView

INDEX = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ max-width: 44rem; margin: 2rem auto; padding: 0 1rem; font: 1.0625rem/1.6 system-ui, sans-serif; }}
  li {{ margin-block: 0.75rem; }}
  a {{ display: inline-block; min-height: 24px; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{question}</p>
<ol>
{sections}
</ol>
</main>
</body>
</html>
"""


def save_lesson_views(lesson: Lesson, folder: str | Path, *, app: str | None = None, lang: str = "en") -> Path:
    """Write a file for each section's view that needs no server, and ``index.html`` with all sections; return its path.

    Args:
        lesson: the lesson.
        folder: is created if it does not exist; files of the same names are replaced.
        app: the address of a running app, to which the files have links.
        lang: of the index, and the language that the files show first.

    Raises:
        Problem: a view cannot be computed, or ``app`` is not an address.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    text = lesson.in_language(lang)
    entries = []
    with use_language(lang):
        for number, section in enumerate(text.sections, 1):
            shown = None if section.view is None else lesson_view(section.view, f"{lesson.name}-{number}")
            title = escape_html(section.title)
            if shown is None:
                note = "" if section.view is None else f"<br>{escape_html(_('This view needs the app.'))}"
                entries.append(f"<li>{title}{note}</li>")
                continue
            file = f"section-{number}.html"
            (target / file).write_text(offline_html(shown, app=app, lang=lang), encoding="utf-8")
            entries.append(f'<li><a href="{file}">{title}</a><br>{escape_html(shown.content().sentence)}</li>')
    index = target / "index.html"
    index.write_text(_index(text, entries), encoding="utf-8")
    return index


def _index(text: LessonText, entries: list[str]) -> str:
    return INDEX.format(
        lang=text.language,
        title=escape_html(text.title),
        question=escape_html(text.question),
        sections="\n".join(entries),
    )


def lesson_view(view: LensView, view_id: str) -> ShownView | None:
    """Return a view of a lesson without a server; None where its lens, one of its panels or its edits need one.

    Raises:
        Problem: the network, text, layer, step or unit does not exist.
    """
    shown = _shown_view(view, view_id)
    if shown is None or not set(view.panels) <= {panel.name for panel in shown.content().panels}:
        return None
    return shown


def _shown_view(view: LensView, view_id: str) -> ShownView | None:
    if view.net is None or view.attend or view.lens not in LENS_NAMES:
        return None
    chosen = {"layer": view.layer, "step": view.step, "unit": view.unit, "quantity": view.quantity}
    network = load_network(view.net)
    text = network.card.default.text if view.text is None else view.text
    if view.lens == "attention":
        return None if view.edits else attention_view(network, text, view_id, chosen, bundled=True)
    if view.edits and view.lens == "gradients":
        return None
    run = PlaceRun(QuestionPlace(view.net, view.text, view.edits)).run
    address = View(net=view.net, text=text, edits=view.edits) if len(text) <= MAX_TEXT else None
    return RUN_VIEWS[view.lens](RunSource(run, network, text, address, view.edits), view_id, chosen)
