"""What a browser may report: the form of each event's value. A value of another form is ignored.

    reported(PLAYER, "view", VIEW)      # {"revision": 3, "step": 12, "unit": 0, "quantity": "hidden"}, or None

A browser's messages can be written by anybody, so that no value of one is used before it has this form. Whether a step or
a unit exists is checked by the page, as for a link.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from viz.address import MAX_NAME, MAX_NUMBER

Check = Callable[[Any], Any]
"""Returns a value as a field has it. Raises ValueError: the value cannot be the field's."""


def index(value: Any) -> int:
    """Return a whole number from 0 to `MAX_NUMBER`."""
    number = serial(value)
    if number > MAX_NUMBER:
        raise ValueError
    return number


def serial(value: Any) -> int:
    """Return a whole number from 0 that a browser counts or times with."""
    number = finite(value)
    if not (number.is_integer() and 0 <= number <= 2**53):
        raise ValueError
    return int(number)


def finite(value: Any) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e300 or not math.isfinite(value):
        raise ValueError
    return float(value)


def flag(value: Any) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool):
        raise ValueError
    return value


def word(value: Any) -> str:
    """Return a name, which may be empty."""
    if not isinstance(value, str) or len(value) > MAX_NAME:
        raise ValueError
    return value


def words(value: Any) -> tuple[str, ...]:
    """Return a list of at most a hundred names."""
    if not isinstance(value, (list, tuple)) or len(value) > 100:
        raise ValueError
    return tuple(map(word, value))


def optional(check: Check) -> Check:
    """Return the check that takes None as well."""
    return lambda value: None if value is None else check(value)


def row_of(*checks: Check) -> Check:
    """Return the check of a list with as many values."""

    def check(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)) or len(value) != len(checks):
            raise ValueError
        return tuple(each(part) for each, part in zip(checks, value, strict=True))

    return check


VIEW: Mapping[str, Check] = {"revision": index, "step": index, "unit": optional(index), "quantity": optional(word)}
"""The view of a player."""


def read_report(value: Any, form: Mapping[str, Check]) -> dict[str, Any] | None:
    """Return the fields of ``form`` in ``value``; None if one is missing or wrong."""
    if not isinstance(value, Mapping):
        return None
    try:
        return {name: check(value[name]) for name, check in form.items()}
    except (KeyError, ValueError):
        return None
