"""Changes of a network that writes, as a text that fits into an address, and back: ``attend[7]@3;hide[2];temperature=0.5``.

``attend[7]@3``: at step 3 all attention goes to source position 7; ``hide[7]``: position 7 is never read; with ``/0.2`` after
it, by head 2 of layer 0 alone. ``temperature=0.5``, ``scores=dates-dot`` (another network's), ``write@3=9`` (taken to have
written "9" at step 3). Positions, steps, layers and heads count from 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from models.core.messages import Problem
from models.decoding.attention_interventions import Attend, Change, Hide, Scores, Temperature, Write
from models.edits.edit_syntax import number, short
from models.networks.network import Network

PLACE = re.compile(
    r"(?P<how>attend|hide)\[(?P<source>\d{1,9})\](@(?P<step>\d{1,9}))?(/(?P<layer>\d{1,9})\.(?P<head>\d{1,9}))?",
    re.ASCII,
)
WRITE = re.compile(r"write@(?P<step>\d{1,9})=(?P<symbol>.)", re.DOTALL)
VALUE = re.compile(r"(?P<name>temperature|scores)=(?P<value>.+)")
MOST = 200
"""Changes that one text may hold."""


def write_changes(changes: Sequence[Change]) -> str:
    """The changes as one text; ``""`` for none."""
    return ";".join(map(write_change, changes))


def write_change(change: Change) -> str:
    """One change as a text."""
    match change:
        case Attend(source, step, layer, head) | Hide(source, step, layer, head):
            how = "attend" if isinstance(change, Attend) else "hide"
            at = "" if step is None else f"@{step}"
            return f"{how}[{source}]{at}" + ("" if layer is None or head is None else f"/{layer}.{head}")
        case Temperature(value):
            return f"temperature={repr(float(value)).removesuffix('.0')}"
        case Write(step, symbol):
            return f"write@{step}={symbol}"
        case Scores(network):
            return f"scores={network.name}"


def read_changes(text: str, known: Callable[[str], Network]) -> tuple[Change, ...]:
    """The changes that ``write_changes`` wrote.

    Args:
        text: the text.
        known: gives a network by its name, or raises Problem.

    Raises:
        Problem: a piece is no change; one sentence names it.
    """
    pieces = text.split(";") if text else []
    if len(pieces) > MOST:
        raise Problem("There are {count} changes; at most {most} can be made at once.", count=len(pieces), most=MOST)
    return tuple(_read(piece, known) for piece in pieces)


def _read(text: str, known: Callable[[str], Network]) -> Change:
    if found := PLACE.fullmatch(text):
        source, step, layer, head = (
            None if found[name] is None else int(found[name]) for name in ("source", "step", "layer", "head")
        )
        kind = Attend if found["how"] == "attend" else Hide
        return kind(source or 0, step, layer, head)
    if found := WRITE.fullmatch(text):
        return Write(int(found["step"]), found["symbol"])
    if found := VALUE.fullmatch(text):
        return Temperature(number(found["value"])) if found["name"] == "temperature" else Scores(known(found["value"]))
    raise Problem(
        "“{text}” is not a change of the attention; write changes as in attend[7]@3.", text=short(text) or "…"
    )
