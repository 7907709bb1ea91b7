"""A widget that shows a value of the view, and changes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import streamlit as st

T = TypeVar("T")


@dataclass
class _Shown:
    """A widget that stands on the page.

    key: its own, another one each time that another widget takes its place.
    options: what it was made with.
    begin: the value that it began with.
    value: the value that it was last seen to have.
    """

    key: str
    options: tuple
    begin: Any
    value: Any


def synced_widget(
    widget: Callable[..., Any],
    label: str,
    *options: Any,
    key: str,
    value: T,
    changed: Callable[[T], None],
    begins: Literal["value", "default", "index"] = "value",
    **settings: Any,
) -> T:
    """A widget at ``value``; gives what it shows.

    Where the value was changed otherwise than by this widget, another one takes its place: a browser that has not yet heard
    of a change made to its widget would report the old value, and take the change back.

    Args:
        widget: such as ``st.slider``.
        label: its label.
        options: its further arguments.
        key: where it stands; a widget's own key is this one with a number.
        value: what it is to show.
        changed: told what a reader chose.
        begins: which of the widget's settings says what it begins with.
        settings: its further settings.
    """
    place = f"{key}:shown"
    before: _Shown | None = st.session_state.get(place)
    here = before
    if here is None or here.value != value or here.options != options or here.key not in st.session_state:
        turn = 1 if before is None else int(before.key.rpartition(":")[2]) + 1
        here = st.session_state[place] = _Shown(f"{key}:{turn}", options, value, value)
    settings[begins] = here.begin
    if begins == "index":
        settings[begins] = None if here.begin is None else list(options[0]).index(here.begin)

    def heard() -> None:
        now = st.session_state[here.key]
        if now != here.value:
            here.value = now
            changed(now)

    found: T = widget(label, *options, key=here.key, on_change=ignore_if_replaced(key, here.key, heard), **settings)
    return found


def ignore_if_replaced(place: str, key: str, heard: Callable[[], None]) -> Callable[[], None]:
    """What the widget ``key`` calls when it was changed: ``heard``, as long as no other has taken its ``place``.

    A browser that has not yet heard that a widget is gone reports it once more, and Streamlit takes that for a change.
    """
    st.session_state[f"{place}:standing"] = key

    def hear() -> None:
        if st.session_state.get(f"{place}:standing") == key:
            heard()

    return hear
