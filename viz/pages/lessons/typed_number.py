"""A number as a reader types it: ``0.25``, ``1/4``, ``25 %``, ``1e-3``, ``2 × 10^-3``."""

import re
from math import isfinite

from models.core.messages import Problem
from models.core.parse_numbers import shorten

MAX_TYPED = 60
"""Characters of a typed number at most."""

_DECIMAL = r"[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)"
_NUMBER = rf"{_DECIMAL}(?:e[-+]?\d{{1,4}}|[*×·]10\^\(?[-+]?\d{{1,4}}\)?)?|[-+]?10\^\(?[-+]?\d{{1,4}}\)?"
_TYPED = re.compile(rf"(?P<upper>{_NUMBER})(?:/(?P<lower>{_NUMBER}))?(?P<percent>%)?", re.IGNORECASE | re.ASCII)


def typed_number(text: str) -> float:
    """Return the number that a reader typed; a comma is a decimal point.

    >>> typed_number("1/4"), typed_number("25 %"), typed_number("−2 × 10^−3"), typed_number("0,5")
    (0.25, 0.25, -0.002, 0.5)

    Raises:
        Problem: the text is not a number.
    """
    if not text.strip():
        raise Problem("Write a number such as 0.25, 1/4, 25 % or 1e-3.")
    found = _TYPED.fullmatch(re.sub(r"\s", "", text[: MAX_TYPED + 1]).replace("−", "-"))
    try:
        if found is None or len(text) > MAX_TYPED:
            raise ValueError
        value = _value(found["upper"]) / (_value(found["lower"]) if found["lower"] else 1.0)
        value = value / 100 if found["percent"] else value
        if not isfinite(value):
            raise ValueError
    except (ValueError, ArithmeticError):
        raise Problem(
            "“{text}” is not a number. Write a number such as 0.25, 1/4, 25 % or 1e-3.", text=shorten(text)
        ) from None
    return value


def _value(text: str) -> float:
    text = re.sub(r"[*×·]10\^", "e", text.lower().replace(",", ".")).replace("(", "").replace(")", "")
    return float(re.sub(r"10\^", "1e", text))
