"""A first reader's journey: from the root into the first lesson, through its questions and views, and back another day."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from models import load_network
from tests.support.browser import opened_page, rerun, serve, settle, until
from tests.support.lesson_progress import language_in_browser, shown_answers
from tests.support.plain_page import plain_page
from tests.support.step_page import address_has, at_step, query, step_of
from viz.components.sketch import SKETCH, sketch_data
from viz.lessons.answers import ANSWER_FIELD
from viz.lessons.find_lessons import shipped_lessons
from viz.lessons.lesson import ChoiceForm, LessonText, MarkdownBlock, Question, SketchForm
from viz.pages.lessons.lesson_sections import display_formulas

DONE = re.compile("Lesson done")


def show_answers(page: Page) -> None:
    """Show the answer of every question of the section."""
    button = page.get_by_role("button", name="Show the answer")
    while button.count():
        rerun(page, button.first.click)


def check_saved_lesson(page: Page, text: LessonText) -> None:
    """Save the lesson, at its last section; check that the file has all sections, those that were not opened too."""
    save = page.locator(".unrolled-save-lesson button")
    address, entries = page.url, page.evaluate("history.length")
    save.click()
    expect(save).to_have_text(re.compile("Copying section"))
    save.click()
    expect(save).to_have_text("Save as HTML")  # stopped
    with page.expect_download() as download:
        save.click()
    settle(page)
    expect(page.get_by_role("heading", name=text.sections[-1].title)).to_be_visible()
    assert (page.url, page.evaluate("history.length")) == (address, entries)
    with page.context.new_page() as file:
        file.set_content(Path(download.value.path()).read_text(encoding="utf-8"))
        for section in text.sections:
            expect(file.get_by_role("heading", name=section.title, exact=True)).to_be_visible()
            for panel in () if section.view is None else section.view.panels:
                drawn = file.locator(f".st-key-panel_{panel}").locator("svg, img, table, .bar")
                assert drawn.count() > 0, panel
            for question in section.questions:
                if isinstance(question.form, ChoiceForm) and question in text.sections[1].questions:
                    expect(file.get_by_text(f"☐ {question.form.choices[0].text}")).to_be_visible()
        expect(file.get_by_text("The computed answer")).to_have_count(
            sum(len(text.sections[k].questions) for k in (0, -1))  # of the sections that were answered
        )
        assert file.locator("h1").count() == 1
        assert file.locator("script, input, select, textarea, [data-testid=stButton]").count() == 0


@pytest.mark.slow
def test_a_first_visit_leads_through_a_lesson_and_its_progress_stays(app, browser):
    lesson = shipped_lessons()[0]
    text = lesson.in_language("en")
    view = text.sections[0].view
    with opened_page(browser, app) as page:
        rerun(page, page.get_by_role("button", name="Start with lesson 1").click)
        page.wait_for_url("**/lessons?**")
        address_has(page, lesson=lesson.name, section=1)
        panel = page.locator(f".st-key-panel_{view.panels[0]}")
        expect(panel).to_have_count(0)  # before the prediction
        show_answers(page)
        expect(panel).to_be_visible()
        expect(page.locator('[class*="st-key-panel_"]')).to_have_count(len(view.panels))
        expect(page.get_by_role("combobox", name="Network")).to_have_count(0)  # the controls are hidden

        last = len(load_network(view.net).encode(view.text)[0]) - 1
        at_step(page, last)
        page.locator(".unrolled-player").get_by_role("button", name=re.compile("previous", re.I)).first.click()
        at_step(page, last - 1)
        address_has(page, step=last - 1)

        rerun(page, page.get_by_role("link", name="Open this view on the Step page").click)
        address_has(page, net=view.net, step=last - 1)
        at_step(page, last - 1)
        rerun(page, page.get_by_role("link", name="Lesson 1, section 1: back to the lesson").click)
        page.wait_for_url("**/lessons?**")
        address_has(page, lesson=lesson.name, section=1)
        expect(panel).to_be_visible()

        count = len(text.sections)
        rerun(page, page.locator(".st-key-lesson_head").get_by_role("radio", name=str(count)).click)
        address_has(page, section=count)
        until(page, lambda: page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 0)
        show_answers(page)
        expect(page.get_by_text(DONE)).to_be_visible()
        check_saved_lesson(page, text)
        address_has(page, section=count)
        page.reload()
        settle(page)
        expect(page.get_by_text(DONE)).to_be_visible()
        rerun(page, page.get_by_role("button", name="All lessons").first.click)
        expect(page.get_by_role("button", name=f"{text.title} ✓")).to_be_visible()
        assert "lesson" not in query(page)
        page.go_back()
        address_has(page, lesson=lesson.name, section=count)
    with opened_page(browser, app) as page:
        assert step_of(page) >= 0
        expect(page.locator(".st-key-first_visit")).to_be_hidden()


@pytest.mark.slow
@pytest.mark.parametrize("lesson", shipped_lessons(), ids=lambda lesson: lesson.name)
def test_every_section_opens_with_its_view_and_its_computed_answers(app, browser, lesson):
    """One language for each lesson; `test_lesson_views` opens it in the other one without a browser."""
    text = lesson.in_language(language_in_browser(lesson))
    address = f"{app}/lessons?lang={text.language}&lesson={lesson.name}&section="
    with opened_page(browser, f"{app}/lessons?lang={text.language}") as page:
        page.evaluate("text => localStorage.setItem('unrolled-lessons', text)", shown_answers(lesson).to_json())
        page.goto(address + "1")
        for number, section in enumerate(text.sections, 1):
            if number > 1:
                rerun(page, page.locator(".st-key-section_after button").click)
            settle(page)
            expect(page.get_by_role("heading", name=section.title, exact=True)).to_be_visible()
            computed = page.get_by_text(re.compile(r"^(The computed answer:|계산한 답:)"))
            expect(computed).to_have_count(sum(not isinstance(each.form, SketchForm) for each in section.questions))
            panels = () if section.view is None or section.view.lens == "train" else section.view.panels
            for name in panels:
                panel = page.locator(f".st-key-panel_{name}")
                expect(panel).to_be_visible()
                expect(panel.locator(".unrolled-pending")).to_have_count(0)
            expect(page.locator('[data-testid="stException"], .katex-error')).to_have_count(0)
        page.evaluate("localStorage.removeItem('unrolled-lessons')")


def markdown_of(text: LessonText) -> Iterator[str]:
    """Yield every text of a lesson that may contain formulas, as the page shows it, with 1 for each computed answer."""
    for block in (block for section in text.sections for block in section.blocks):
        if isinstance(block, MarkdownBlock):
            yield display_formulas(block.markdown)
        elif isinstance(block, Question):
            yield from (block.ask, ANSWER_FIELD.sub("1", block.explain))
            yield from (choice.text for choice in getattr(block.form, "choices", ()))
    yield text.textbooks


def test_every_formula_of_every_lesson_is_drawn_in_both_languages(browser, tmp_path):
    texts = [
        each
        for lesson in shipped_lessons()
        for text in lesson.texts.values()
        for each in markdown_of(text)
        if "$" in each
    ]
    script = tmp_path / "formulas.py"
    script.write_text(f"import streamlit as st\nfor each in {texts!r}:\n    st.markdown(each)\n", encoding="utf-8")
    with serve(script=script) as url, opened_page(browser, url) as page:
        blocks = page.get_by_test_id("stMarkdown")
        expect(blocks).to_have_count(len(texts))
        assert blocks.filter(has=page.locator(".katex")).count() == len(texts)
        assert page.locator(".katex-error").all_inner_texts() == []


@pytest.mark.parametrize("by", ["pointer", "keyboard"])
def test_a_curve_is_drawn_by_pointer_and_keyboard(browser, by):
    with plain_page(browser, [(SKETCH, sketch_data(list("abcde"), (-1.0, 1.0)))]) as page:
        drawing = page.get_by_role("slider")
        if by == "pointer":
            box = drawing.bounding_box()
            page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 4)
            page.mouse.down()
            page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + box["height"] - 4, steps=4)
            page.mouse.up()
        else:
            drawing.focus()
            for key in ("ArrowUp", "PageUp", "End", "ArrowDown", "PageDown", "PageDown"):
                page.keyboard.press(key)
        page.get_by_role("button", name="Compare").click()
        values = until(page, lambda: page.evaluate("reports.at(-1)?.[2].values") or False)
        assert len(values) == 5 and values[0] > 0 > values[-1]
        assert values == sorted(values, reverse=True)  # on a line between the steps that were drawn
        assert all(abs(value) <= 1 for value in values)
