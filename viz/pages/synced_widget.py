"""A widget that is kept in sync with a value of the view."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import streamlit as st

T = TypeVar("T")

MAX_NUMBER = 2.0**53 - 1
"""The largest number of a control: the largest whole number that JavaScript has exactly; Streamlit raises at more."""


@dataclass
class _WidgetState:
    """The state of a widget on the page.

    Attributes:
        key: of the widget; changes each time the widget is replaced.
        options: arguments that it was created with, and the texts of its options.
        initial: the value that it was created with.
        value: the last value that it had.
    """

    key: str
    options: tuple
    initial: Any
    value: Any


def synced_widget(
    widget: Callable[..., Any],
    label: str,
    *options: Any,
    key: str,
    value: T,
    changed: Callable[[T], None],
    initial_argument: Literal["value", "default", "index"] = "value",
    **settings: Any,
) -> T:
    """Show a widget with ``value``, and return its value.

    When something else has changed the value, a new widget replaces this one: a browser that has not yet received a change
    made to its widget would report the old value and undo the change.

    Args:
        widget: such as ``st.slider``.
        label: its label.
        options: its other positional arguments.
        key: of its place on the page; the key of the widget is this one with a number.
        value: the value to show.
        changed: called with the value that the reader chose.
        initial_argument: name of the widget's argument for its initial value.
        settings: its other keyword arguments.
    """
    # A browser names an option of a menu by its text: after a change of language that of the old widget is unknown.
    form = settings.get("format_func")
    identity = (*options, tuple(map(form, options[0]))) if form is not None and options else options
    place = f"{key}:widget"
    before: _WidgetState | None = st.session_state.get(place)
    state = before
    if state is None or state.value != value or state.options != identity or state.key not in st.session_state:
        turn = 1 if before is None else int(before.key.rpartition(":")[2]) + 1
        state = st.session_state[place] = _WidgetState(f"{key}:{turn}", identity, value, value)
    settings[initial_argument] = state.initial
    if initial_argument == "index":
        settings[initial_argument] = None if state.initial is None else list(options[0]).index(state.initial)

    def report() -> None:
        now = st.session_state.get(state.key, state.value)  # the widget may be gone by now
        if now != state.value:
            state.value = now
            changed(now)

    found: T = widget(label, *options, key=state.key, on_change=ignore_if_replaced(key, state.key, report), **settings)
    return found


def ignore_if_replaced(place: str, key: str, callback: Callable[[], None]) -> Callable[[], None]:
    """Return the callback of the widget ``key``: ``callback``, or nothing once another widget is in its ``place``.

    A browser that has not yet received the removal of a widget reports it once more, and Streamlit treats that as a change.
    """
    st.session_state[f"{place}:current"] = key

    def call() -> None:
        if st.session_state.get(f"{place}:current") == key:
            callback()

    return call
