"""The timer of pictures: it requests one only after the last is drawn, and after a pause of at least half as long."""

import pytest

from tests.support.plain_page import plain_page
from viz.components.redraw_timer import REDRAW_TIMER

pytestmark = pytest.mark.browser

MOUNT = """() => {
  window.due = [];
  const figure = (name) => {
    const made = unrolled.element("div", { className: "unrolled unrolled-updated-figure" });
    made.dataset.name = name;
    document.body.append(made);
    return made;
  };
  window.figures = [figure("loss"), figure("norms")];
  figures[1].toggleAttribute("data-in-sight", true);
  const report = (event, value) => due.push([event, value.turn, value.in_sight.join()]);
  window.timer = unrolled.components.redraw_timer.mount(figures[0], { turn: "1", pause: 300 }, report);
}"""


@pytest.fixture
def page(browser):
    """A page of a timer whose first picture is drawn and whose clock the test moves on."""
    with plain_page(browser, [(REDRAW_TIMER, {"turn": "0", "pause": 300})]) as opened:
        opened.evaluate("mounted[0].destroy()")
        opened.clock.install(time=0)
        opened.clock.pause_at(1000)
        opened.evaluate(MOUNT)
        yield opened


def requested(page, milliseconds):
    """Return what was requested once the clock has moved on."""
    page.clock.run_for(milliseconds)
    return page.evaluate("due")


def test_the_next_picture_is_requested_after_a_pause_of_half_the_time_that_the_last_one_took(page):
    assert requested(page, 250) == []
    assert requested(page, 150) == [["due", "1", "norms"]]
    assert len(requested(page, 2000)) == 1  # the server is at work
    page.evaluate("() => { figures[1].dataset.later = ''; timer.update({ turn: '2', pause: 300 }); }")
    assert len(requested(page, 1000)) == 1  # the browser draws
    page.evaluate("() => { delete figures[1].dataset.later; }")
    assert len(requested(page, 1400)) == 1
    assert requested(page, 400)[1:] == [["due", "2", "norms"]]


def test_the_pause_has_an_end_and_what_was_drawn_unasked_begins_no_longer_one(page):
    requested(page, 400)
    page.clock.run_for(15_000)
    page.evaluate("timer.update({ turn: '2', pause: 300 })")
    assert len(requested(page, 4900)) == 1
    page.evaluate("timer.update({ turn: '3', pause: 300 })")  # a run that the reader caused
    assert requested(page, 500)[1:] == [["due", "3", "norms"]]


def test_a_page_out_of_sight_requests_none_and_one_as_soon_as_it_is_seen(page):
    page.evaluate(
        "() => { Object.defineProperty(document, 'hidden', { get: () => window.isHidden }); isHidden = true; }"
    )
    assert requested(page, 60_000) == []
    page.evaluate("() => { isHidden = false; document.dispatchEvent(new Event('visibilitychange')); }")
    assert requested(page, 0) == [["due", "1", "norms"]]


def test_a_picture_that_never_came_is_requested_again_and_an_answer_of_the_same_run_changes_nothing(page):
    requested(page, 400)
    page.evaluate("timer.update({ turn: '1', pause: 300 })")
    assert len(requested(page, 19_000)) == 1
    assert [turn for _event, turn, _names in requested(page, 2000)] == ["1", "1"]
    page.evaluate("timer.destroy()")
    assert len(requested(page, 60_000)) == 2
