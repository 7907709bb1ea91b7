"""Widgets whose choice is part of the view: a copied link opens the same picture."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import streamlit as st

from viz.session import session

T = TypeVar("T")


@dataclass(frozen=True)
class Form(Generic[T]):
    """How a choice is written in an address, and read (ValueError: it is none)."""

    read: Callable[[str], T]
    write: Callable[[T], str]


def _span(text: str) -> tuple[int, int]:
    first, last = map(int, text.split("-"))
    if not 0 <= first <= last:
        raise ValueError(text)
    return first + 1, last + 1


TEXT = Form(str, str)
NUMBER = Form(float, "{:g}".format)
COUNT = Form(int, str)
COUNTS = Form(lambda text: [int(each) for each in text.split(",") if each], lambda counts: ",".join(map(str, counts)))
SPAN = Form(_span, lambda span: f"{span[0] - 1}-{span[1] - 1}")
"""First and last step, or place: from 1 in the widget, as on the pages; from 0 in the address, as all numbers there."""


def chosen(name: str, form: Form[T], otherwise: T, fits: Callable[[T], bool] = lambda value: True) -> T:
    """What the view has chosen as ``name``, if it can be; else ``otherwise``."""
    asked = session().look.get(name)
    if asked is not None:
        try:
            value = form.read(asked)
        except ValueError:
            return otherwise
        if fits(value):
            return value
    return otherwise


def bound(
    widget: Callable[..., Any],
    label: str,
    *options: Any,
    name: str,
    key: str,
    form: Form[T],
    otherwise: T,
    fits: Callable[[T], bool] = lambda value: True,
    begins: Literal["value", "default", "index"] = "value",
    **settings: Any,
) -> T:
    """A widget that shows a choice of the view, and changes it.

    Args:
        widget: such as ``st.slider``.
        label: its label.
        options: its further arguments.
        name: of the choice in the address.
        key: of the widget; another key begins anew with what the view has.
        form: how the choice is written.
        otherwise: what is shown where nothing (or nothing that can be) is chosen; it is not written into the address.
        fits: whether a choice can be made here.
        begins: which of the widget's settings says what it begins with.
        settings: its further settings.
    """
    told, turn, start = f"{key}:told", f"{key}:turn", f"{key}:start"
    asked = session().look.get(name)
    now = (asked, otherwise if asked is None else None)
    # Where the view was changed otherwise than by this widget, another one takes its place: a browser that has not yet heard
    # of a change made to its widget would report the old value, and take the change back.
    if st.session_state.get(told) != now or f"{key}:{st.session_state[turn]}" not in st.session_state:
        st.session_state[told], st.session_state[start] = now, chosen(name, form, otherwise, fits)
        st.session_state[turn] = st.session_state.get(turn, 0) + 1
    own = f"{key}:{st.session_state[turn]}"
    begin = st.session_state[start]
    settings[begins] = list(options[0]).index(begin) if begins == "index" else begin

    def changed() -> None:
        value = st.session_state[own]
        text = None if value is None or value == otherwise else form.write(value)
        st.session_state[told] = (text, otherwise if text is None else None)
        session().choose(**{name: text})

    value: T = widget(label, *options, key=own, on_change=changed, **settings)
    return value
