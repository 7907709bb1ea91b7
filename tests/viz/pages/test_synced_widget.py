"""Widgets that show a value of the view: the view decides, and a report that comes late changes nothing."""

import pytest

from viz.pages import synced_widget as module
from viz.pages.synced_widget import ignore_if_replaced, synced_widget


class Page:
    """A stand-in for Streamlit: the widgets of a page, and the values that a browser reports."""

    def __init__(self):
        self.state, self.heard, self.begun, self.told = {}, {}, {}, []

    def show(self, value, *options):
        def widget(_label, *_options, key, on_change, value):
            self.begun.setdefault(key, value)
            self.state.setdefault(key, value)
            self.heard[key] = on_change
            self.last = key
            return self.state[key]

        return synced_widget(
            widget, "Number of time steps", *options, key="steps", value=value, changed=self.told.append
        )

    def report(self, key, value):
        self.state[key] = value
        self.heard[key]()


@pytest.fixture
def page(monkeypatch):
    page = Page()
    monkeypatch.setattr(module.st, "session_state", page.state)
    return page


def test_a_menu_in_another_language_is_another_widget(page):
    """A browser reports an option by its text, which the old widget's options do not have any more."""
    made = []

    def menu(_label, options, *, key, on_change, index, format_func):
        made.append((key, [format_func(each) for each in options]))
        page.state.setdefault(key, options[index])
        return page.state[key]

    for words in ({"a": "wave", "b": "counter"}, {"a": "wave", "b": "counter"}, {"a": "파동", "b": "개수 세기"}):
        chosen = synced_widget(
            menu,
            "Network",
            ("a", "b"),
            key="net",
            value="b",
            changed=page.told.append,
            initial_argument="index",
            format_func=words.__getitem__,
        )
        assert chosen == "b"
    keys = [key for key, _texts in made]
    assert keys[0] == keys[1] != keys[2] and page.told == []


def test_a_choice_is_told_and_kept(page):
    assert page.show(1) == 1
    own = page.last
    page.report(own, 5)
    assert page.told == [5]
    assert page.show(5) == 5 and page.last == own


def test_a_change_from_elsewhere_makes_another_widget(page):
    page.show(1)
    own = page.last
    assert page.show(2) == 2 and page.last != own and page.begun[page.last] == 2


def test_what_is_reported_of_a_widget_that_is_gone_is_not_heard(page):
    page.show(1)
    own = page.last
    page.show(2)
    page.report(own, 1)
    assert page.told == [] and page.show(2) == 2


def test_what_is_reported_unchanged_is_not_heard(page):
    page.show(1)
    page.report(page.last, 1)
    assert page.told == []


def test_other_options_make_another_widget_with_the_value_that_stands(page):
    page.show(1, 0, 9)
    page.report(page.last, 7)
    own = page.last
    assert page.show(7, 0, 20) == 7 and page.last != own


def test_of_what_was_replaced_nothing_is_heard(page):
    told = []
    first = ignore_if_replaced("box", "box_1", lambda: told.append(1))
    first()
    second = ignore_if_replaced("box", "box_2", lambda: told.append(2))
    first()
    second()
    assert told == [1, 2]
