"""Checks of what `show` is given: each argument that is invalid, or that has no effect, is one sentence."""

from __future__ import annotations

from operator import index
from typing import Any

from models.core.messages import Problem
from models.core.parse_numbers import shorten


def check_texts(**given: Any) -> None:
    """Check that every argument is a text or None. Raises Problem: one is something else."""
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            raise Problem("“{name}” must be a text, not of the type {kind}.", name=name, kind=type(value).__name__)


def checked_index(name: str, value: Any, low: int, end: int) -> int:
    """Return ``value`` as a whole number from ``low`` to ``end - 1``. Raises Problem: it is none, as 1.5 or "1"."""
    try:
        number = None if isinstance(value, bool) else index(value)
    except TypeError:
        number = None
    if number is None or not low <= number < end:
        raise Problem(
            "“{name}” cannot be {value}. Use a whole number from {low} to {last}.",
            name=name,
            value=shorten(repr(value)),
            low=low,
            last=end - 1,
        )
    return number


def check_no_row(row: Any) -> None:
    """Check that no sequence of a batch is chosen where there is only one. Raises Problem: one is."""
    if isinstance(row, bool) or not isinstance(row, int) or row != 0:
        raise Problem("“row” chooses a sequence of a trace or of a gradient map. Leave it out here.")


def check_no_quantity(lens: str, quantity: Any) -> None:
    """Check that no gate or state is chosen where the lens has none to choose. Raises Problem: one is."""
    if quantity is not None:
        raise Problem("The lens “{lens}” has no gate or state to choose. Leave out “quantity”.", lens=lens)


def check_no_unit(unit: Any) -> None:
    """Check that no unit is chosen for a gradient map of losses that are not those of a unit. Raises Problem: one is."""
    if unit is not None:
        raise Problem("The losses of this gradient map are not the values of a unit. Leave out “unit”.")


def check_no_training_unit(unit: Any) -> None:
    """Check that no unit is chosen of a run of training, whose numbers are of all units. Raises Problem: one is."""
    if unit is not None:
        raise Problem("The numbers of a run of training are of all units of a layer. Leave out “unit”.")
