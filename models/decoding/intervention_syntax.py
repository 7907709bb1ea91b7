"""The text syntax of interventions in decoding, short enough for a URL: ``attend[7]@3;hide[2];temperature=0.5``.

``attend[7]@3``: at step 3 all attention goes to source position 7; ``hide[7]``: position 7 is masked at every step; with
``/0.2`` after it, in head 2 of layer 0 alone. ``temperature=0.5``, ``scores=dates-dot`` (those of another network),
``write@3=9`` (the output "9" is forced at step 3). Positions, steps, layers and heads count from 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from models.core.messages import Problem
from models.core.parse_numbers import parse_number, shorten
from models.decoding.attention_interventions import (
    AttentionTemperature,
    BorrowScores,
    ForceAttention,
    ForceToken,
    Intervention,
    MaskSource,
)
from models.networks.network import Network

PLACE = re.compile(
    r"(?P<how>attend|hide)\[(?P<source>\d{1,9})\](@(?P<step>\d{1,9}))?(/(?P<layer>\d{1,9})\.(?P<head>\d{1,9}))?",
    re.ASCII,
)
WRITE = re.compile(r"write@(?P<step>\d{1,9})=(?P<symbol>.)", re.DOTALL)
VALUE = re.compile(r"(?P<name>temperature|scores)=(?P<value>.+)")
MAX_INTERVENTIONS = 200
"""The largest number of interventions in one text."""


def write_interventions(interventions: Sequence[Intervention]) -> str:
    """Return the interventions as one text; ``""`` for none."""
    return ";".join(map(write_intervention, interventions))


def write_intervention(change: Intervention) -> str:
    """Return one intervention as a text."""
    match change:
        case ForceAttention(source, step, layer, head) | MaskSource(source, step, layer, head):
            how = "attend" if isinstance(change, ForceAttention) else "hide"
            at = "" if step is None else f"@{step}"
            return f"{how}[{source}]{at}" + ("" if layer is None or head is None else f"/{layer}.{head}")
        case AttentionTemperature(value):
            return f"temperature={repr(float(value)).removesuffix('.0')}"
        case ForceToken(step, symbol):
            return f"write@{step}={symbol}"
        case BorrowScores(network):
            return f"scores={network.name}"


def read_interventions(text: str, known: Callable[[str], Network]) -> tuple[Intervention, ...]:
    """Parse a text of interventions, the inverse of ``write_interventions``.

    Args:
        text: the text.
        known: returns a network by its name, or raises Problem.

    Raises:
        Problem: a piece is not an intervention; one sentence names it.
    """
    pieces = text.split(";") if text else []
    if len(pieces) > MAX_INTERVENTIONS:
        raise Problem(
            "There are {count} changes, but at most {most} can be made at once. Remove some of them.",
            count=len(pieces),
            most=MAX_INTERVENTIONS,
        )
    return tuple(_read(piece, known) for piece in pieces)


def _read(text: str, known: Callable[[str], Network]) -> Intervention:
    if found := PLACE.fullmatch(text):
        source, step, layer, head = (
            None if found[name] is None else int(found[name]) for name in ("source", "step", "layer", "head")
        )
        kind = ForceAttention if found["how"] == "attend" else MaskSource
        return kind(source or 0, step, layer, head)
    if found := WRITE.fullmatch(text):
        return ForceToken(int(found["step"]), found["symbol"])
    if found := VALUE.fullmatch(text):
        return (
            AttentionTemperature(parse_number(found["value"]))
            if found["name"] == "temperature"
            else BorrowScores(known(found["value"]))
        )
    raise Problem("“{text}” is not a valid attention change. Use the form attend[7]@3.", text=shorten(text) or "…")
