"""Widgets whose value is part of the view, so that a copied link opens the same charts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Generic, Literal, TypeVar

import streamlit as st

from models.core.messages import LinkProblem
from models.core.parse_numbers import shorten
from viz.components.sliders import Slider, last_change
from viz.i18n import _, translate
from viz.pages.synced_widget import synced_widget
from viz.session import get_session
from viz.view_options import format_options

T = TypeVar("T")


@dataclass(frozen=True)
class OptionFormat(Generic[T]):
    """The text form of an option in an address; ``parse`` raises ValueError for an invalid text."""

    parse: Callable[[str], T]
    format: Callable[[T], str]


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
"""First and last step, or position: from 1 in the widget, as on the pages; from 0 in the address, as all numbers there."""


def view_choice(name: str, form: OptionFormat[T], default: T, is_valid: Callable[[T], bool] = lambda value: True) -> T:
    """Return the option ``name`` of the view, or ``default`` if it is not set or not valid.

    A notice names what is not valid in a link; a `LinkProblem` of ``form.parse`` is the notice.
    """
    session = get_session()
    text = session.view_options.get(name)
    if text is None:
        return default
    notice = _("In the link, “{name}” of “look” cannot be “{value}” here. Choose another value on the page.").format(
        name=name, value=shorten(text)
    )
    try:
        value = form.parse(text)
        if is_valid(value):
            return value
    except LinkProblem as problem:
        notice = translate(problem)
    except ValueError:
        pass
    if session.link_options.get(name) == text:
        session.add_notice(notice)
        others = {other: value for other, value in session.view_options.items() if other != name}
        session.fill_defaults(look=format_options(others))
    return default


def view_widget(
    widget: Callable[..., Any],
    label: str,
    *options: Any,
    name: str,
    key: str,
    form: OptionFormat[T],
    default: T,
    is_valid: Callable[[T], bool] = lambda value: True,
    initial_argument: Literal["value", "default", "index"] = "value",
    **settings: Any,
) -> T:
    """Show a widget of one option of the view, and return the option's value.

    Args:
        widget: such as ``st.slider``.
        label: its label.
        options: its other positional arguments.
        name: of the option in the address.
        key: of the widget; another key is another widget, which starts with the value of the view.
        form: text form of the option.
        default: the value if the option is not set or not valid; it is left out of the address.
        is_valid: whether a value is valid here.
        initial_argument: name of the widget's argument for its initial value.
        settings: its other keyword arguments.
    """

    def changed(value: T) -> None:
        get_session().set_view_options(**{name: None if value is None or value == default else form.format(value)})

    value = view_choice(name, form, default, is_valid)
    return synced_widget(
        widget, label, *options, key=key, value=value, changed=changed, initial_argument=initial_argument, **settings
    )


def view_buttons(label: str, words: dict[str, str], *, name: str, key: str, default: str) -> str:
    """Show buttons, of which one is always selected, as ``view_widget``; ``words`` are the titles of the values."""
    return view_widget(
        st.segmented_control,
        label,
        list(words),
        name=name,
        key=key,
        form=TEXT,
        default=default,
        is_valid=words.__contains__,
        initial_argument="default",
        format_func=words.__getitem__,
        required=True,
    )


def sliders_of_view(name: str, *scales: Slider) -> tuple[Slider, ...]:
    """Return sliders that start at the values that the view's option ``name`` has for them, if it has any."""
    values = view_choice(name, _NUMBERS, [], lambda numbers: len(numbers) == len(scales))
    if not values:
        return scales
    return tuple(
        replace(scale, start=min(max(value, scale.low), scale.high))
        for scale, value in zip(scales, values, strict=True)
    )


def keep_slider_values(name: str, scales: Sequence[Slider], key: str) -> None:
    """Write the values of the sliders ``key`` to the view's option ``name`` once a drag has ended."""
    change = last_change(key, *(scale.name for scale in scales))
    if change is not None and change.released:
        get_session().set_view_options(**{name: _NUMBERS.format([change.values[scale.name] for scale in scales])})


def _finite_numbers(text: str) -> list[float]:
    numbers = [float(each) for each in text.split(",")]
    if not all(map(isfinite, numbers)):
        raise ValueError(text)
    return numbers


_NUMBERS = OptionFormat(_finite_numbers, lambda numbers: ",".join(f"{number:g}" for number in numbers))
