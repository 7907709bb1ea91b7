"""Widgets whose choice is part of the view: a copied link opens the same picture."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import streamlit as st

from viz.pages.synced_widget import synced_widget
from viz.session import get_session

T = TypeVar("T")


@dataclass(frozen=True)
class OptionFormat(Generic[T]):
    """How a choice is written in an address, and read (ValueError: it is none)."""

    read: Callable[[str], T]
    write: Callable[[T], str]


def _span(text: str) -> tuple[int, int]:
    first, last = map(int, text.split("-"))
    if not 0 <= first <= last:
        raise ValueError(text)
    return first + 1, last + 1


TEXT = OptionFormat(str, str)
NUMBER = OptionFormat(float, "{:g}".format)
COUNT = OptionFormat(int, str)
COUNTS = OptionFormat(
    lambda text: [int(each) for each in text.split(",") if each], lambda counts: ",".join(map(str, counts))
)
SPAN = OptionFormat(_span, lambda span: f"{span[0] - 1}-{span[1] - 1}")
"""First and last step, or place: from 1 in the widget, as on the pages; from 0 in the address, as all numbers there."""


def view_choice(name: str, form: OptionFormat[T], default: T, fits: Callable[[T], bool] = lambda value: True) -> T:
    """What the view has chosen as ``name``, if it can be; else ``otherwise``."""
    asked = get_session().view_options.get(name)
    if asked is not None:
        try:
            value = form.read(asked)
        except ValueError:
            return default
        if fits(value):
            return value
    return default


def view_widget(
    widget: Callable[..., Any],
    label: str,
    *options: Any,
    name: str,
    key: str,
    form: OptionFormat[T],
    default: T,
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

    def changed(value: T) -> None:
        get_session().set_view_options(**{name: None if value is None or value == default else form.write(value)})

    value = view_choice(name, form, default, fits)
    return synced_widget(widget, label, *options, key=key, value=value, changed=changed, begins=begins, **settings)


def view_buttons(label: str, words: dict[str, str], *, name: str, key: str, default: str) -> str:
    """Buttons side by side, of which one is always chosen, as ``bound``; ``words`` are what each choice is called."""
    return view_widget(
        st.segmented_control,
        label,
        list(words),
        name=name,
        key=key,
        form=TEXT,
        default=default,
        fits=words.__contains__,
        begins="default",
        format_func=words.__getitem__,
        required=True,
    )
