"""Functions of numbers and lists."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from models.core.messages import Problem


def _numbers(values: Any) -> list[float]:
    if not isinstance(values, list | tuple) or not values:
        raise Problem("This function takes a list of numbers, as series(…) gives. Use one.")
    return [_number(each) for each in values]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Problem("“{value}” is not a number. Use a function that gives one.", value=str(value)[:40])
    return value


def _spread(values: tuple[Any, ...]) -> list[float]:
    """Return numbers given one by one or as one list."""
    return _numbers(values[0] if len(values) == 1 and isinstance(values[0], list | tuple) else values)


def _max(*values: Any) -> float:
    """Return the largest number."""
    return max(_spread(values))


def _min(*values: Any) -> float:
    """Return the smallest number."""
    return min(_spread(values))


def _sum(values: Any) -> float:
    """Return the sum of a list."""
    return sum(_numbers(values))


def _mean(values: Any) -> float:
    """Return the mean of a list."""
    return math.fsum(_numbers(values)) / len(values)


def _argmax(values: Any) -> int:
    """Return the place of the largest number of a list, from 0; of equal ones the first."""
    found = _numbers(values)
    return found.index(max(found))


def _argmin(values: Any) -> int:
    """Return the place of the smallest number of a list, from 0; of equal ones the first."""
    found = _numbers(values)
    return found.index(min(found))


def _which(*pairs: Any, **named: Any) -> str:
    """Return the name with the largest number: ``which(rnn=1, lstm=2)``, or ``which("is", 1, "goes", 2)``.

    Raises:
        Problem: two have it, so that the answer is not one.
    """
    if len(pairs) % 2 or not (pairs or named):
        raise Problem("which(…) takes a name and a number for each choice. Write which(rnn=1, lstm=2).")
    found = {str(name): _number(value) for name, value in zip(pairs[::2], pairs[1::2], strict=True)}
    found |= {name: _number(value) for name, value in named.items()}
    best = max(found.values())
    names = [name for name, value in found.items() if not value < best]
    if len(names) != 1 or math.isnan(best):
        raise Problem(
            "Several choices have the largest number: {names}. Ask so that one has it.", names=", ".join(names)
        )
    return names[0]


def _first_below(values: Any, threshold: Any) -> int:
    """Return the place of the first number of a list below a threshold, from 0."""
    limit = _number(threshold)
    for place, value in enumerate(_numbers(values)):
        if value < limit:
            return place
    raise Problem("No number of the list is below {limit}. Use a higher threshold.", limit=f"{limit:g}")


def _reverse(values: Any) -> list[float]:
    """Return a list from its end to its beginning."""
    return _numbers(values)[::-1]


def _length(values: Any) -> int:
    """Return the number of entries of a list, or of characters of a text."""
    if not isinstance(values, str | list | tuple):
        raise Problem("len(…) takes a list or a text. Use one.")
    return len(values)


def _round(value: Any, digits: int = 0) -> float:
    """Return a number rounded to some digits after the point."""
    if isinstance(digits, bool) or not isinstance(digits, int) or not 0 <= digits <= 15:
        raise Problem("Numbers are rounded to 0 to 15 digits. Choose one of these.")
    return round(float(_number(value)), digits) if digits else float(round(_number(value)))


def _sigmoid(value: Any) -> float:
    """Return 1 / (1 + e^(-x))."""
    return 0.5 * (1.0 + math.tanh(_number(value) / 2))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": lambda value: abs(_number(value)),
    "max": _max,
    "min": _min,
    "sum": _sum,
    "mean": _mean,
    "round": _round,
    "exp": lambda value: math.exp(_number(value)),
    "log": lambda value: math.log(_number(value)),
    "log2": lambda value: math.log2(_number(value)),
    "sqrt": lambda value: math.sqrt(_number(value)),
    "tanh": lambda value: math.tanh(_number(value)),
    "sigmoid": _sigmoid,
    "len": _length,
    "argmax": _argmax,
    "argmin": _argmin,
    "which": _which,
    "first_below": _first_below,
    "reverse": _reverse,
}
"""By name; they need no network."""
