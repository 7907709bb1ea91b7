"""The folder of a lesson's views: files that open from disk, with an index of all sections."""

import re
from pathlib import Path

import pytest

from tests.support.browser import until
from viz.lessons.find_lessons import shipped_lessons
from viz.lessons.lesson import LensView
from viz.show.lesson_folder import lesson_view
from viz.show.save_lesson_folder import main


@pytest.mark.slow
def test_the_index_leads_to_each_view(tmp_path, browser, capsys):
    lesson = shipped_lessons()[3]
    text = lesson.in_language("ko")
    assert main(["4", str(tmp_path / "views"), "--lang", "ko", "--app", "http://localhost:8501"]) == 0
    index = Path(capsys.readouterr().out.strip())
    written = sorted(path.name for path in index.parent.iterdir())
    views = [
        f"section-{number}.html"
        for number, section in enumerate(text.sections, 1)
        if section.view and section.view.lens == "step" and "output_step" not in section.view.panels
    ]
    assert views and written == sorted(["index.html", *views])
    with browser.new_context() as context:
        asked = []
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(index.as_uri())
        assert page.get_by_role("heading").inner_text() == text.title
        assert page.locator("li").count() == len(text.sections)
        page.get_by_role("link").first.click()
        number = int(re.search(r"section-(\d+)", page.url)[1])
        view = text.sections[number - 1].view
        page.locator(f'.unrolled-player [data-step="{view.step}"][data-quantity="hidden"]').first.wait_for(
            state="attached"
        )
        link = page.locator(".unrolled-document-link")
        until(page, lambda: f"step={view.step}" in (link.get_attribute("href") or ""))
        assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]


def test_a_view_that_needs_a_server_is_named(tmp_path, capsys):
    assert lesson_view(LensView("train"), "a") is None
    assert lesson_view(LensView("step", ("download_of_another",), net="counter"), "a") is None
    assert lesson_view(LensView("attention", net="dates-dot", attend="hide[3]"), "a") is None
    shown = lesson_view(
        LensView("step", ("cell",), net="counter", text="aabb", step=2, edits="rnn.l0.forget_gate[0]=0"), "a"
    )
    assert shown is not None and "forget_gate" in shown.content().sentence
    (tmp_path / "file").write_text("")
    for folder, reason in (
        ("file", "is not a folder"),
        ("file/below", "cannot be written"),
        ("a" * 300, "cannot be written"),
    ):
        assert main(["4", str(tmp_path / folder)]) == 1
        found = capsys.readouterr().err
        assert reason in found and "Errno" not in found and found.endswith(".\n")
    assert main(["seventeen", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "There is no lesson “seventeen”. Name one by its number, or the folder of one.\n"
