"""What travels of a run that is too large to travel whole, so that a view stays within 2 MB however large the run is.

Four things: the tokens of a page of steps; over that page the exact numbers of some units (that which is looked at and its
neighbours); the exact numbers of all units near the current step, where a lens shows them; and a picture of everything in
blocks (``viz.payloads.heatmap_image``). When the reader leaves the page, those units or what is near, the browser asks for others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.core.trace import LayerTrace

WHOLE = 1_250_000
"""Bytes of a sequence's numbers and tokens up to which it travels whole."""

COLUMNS, NEAR, TOKENS = 300_000, 500_000, 250_000
"""Of a larger one: bytes of single units over the page, of all units near the step, and of the page's tokens."""

PAGE = 12_000
"""Steps of a page at most."""

LETTERS = 16
"""Letters of a token that travel of a larger run."""


@dataclass(frozen=True)
class Span:
    """Steps that travel together, from the first to the one after the last.

    Attributes:
        steps: those that travel.
        stay: those at which no others are wanted: away from the edges, so that stepping on finds its numbers there.
    """

    steps: tuple[int, int]
    stay: tuple[int, int]

    @property
    def slice(self) -> slice:
        """The steps that travel, to index an array by."""
        return slice(*self.steps)


@dataclass(frozen=True)
class Excerpt:
    """Which tokens and which units of a run travel; the units as the first and the one after the last."""

    page: Span
    units: tuple[int, int]

    @property
    def columns(self) -> range:
        """The units whose numbers travel over the page."""
        return range(*self.units)


def around(step: int, steps: int, room: int) -> Span:
    """At most ``room`` of ``steps`` steps (at least 3), ``step`` in their middle third; the same ones for all steps there.

    >>> around(40, 100, 30)
    Span(steps=(30, 60), stay=(40, 50))
    >>> around(3, 100, 30), around(3, 20, 30)
    (Span(steps=(0, 30), stay=(0, 20)), Span(steps=(0, 20), stay=(0, 20)))
    """
    third = max(1, room // 3)
    if steps <= 3 * third:
        return Span((0, steps), (0, steps))
    last = -(-steps // third) - 2
    middle = min(max(step // third, 1), last)
    begin, end = (middle - 1) * third, min((middle + 2) * third, steps)
    return Span((begin, end), (0 if middle == 1 else begin + third, steps if middle == last else end - third))


def fits(numbers: int, labels: Sequence[str]) -> bool:
    """Whether a run travels whole: ``numbers`` bytes of numbers, and its tokens."""
    return len(labels) <= PAGE and numbers + sum(len(label.encode()) + 3 for label in labels) <= WHOLE


def excerpt_of(layer: LayerTrace, row: int, labels: Sequence[str], step: int, unit: int) -> Excerpt:
    """The page around ``step`` and the units beside ``unit``, the same ones for each of them."""
    longest = max(len(cut(label).encode()) for label in labels) + 3  # its quotes and a comma
    page = around(step, len(labels), min(PAGE, TOKENS // longest))
    room = max(1, COLUMNS // (4 * (page.steps[1] - page.steps[0]) * len(layer.quantities)))
    first = unit // room * room
    return Excerpt(page, (first, min(first + room, layer.weights.hidden_size)))


def size(layer: LayerTrace, row: int = 0) -> int:
    """Bytes of every gate and state of one sequence in float32."""
    return 4 * int(layer.lengths[row]) * sum(width(layer, name) for name in layer.quantities)


def width(layer: LayerTrace, quantity: str) -> int:
    """How many values a gate or state has at a step; a projected hidden state has fewer than the layer has units."""
    return layer.weights.output_size if quantity == "hidden" else layer.weights.hidden_size


def cut(label: str) -> str:
    """A token as it travels of a large run."""
    return label if len(label) <= LETTERS else label[: LETTERS - 1] + "…"


def described(layer: LayerTrace, row: int, excerpt: Excerpt, serial: int, *, near: bool) -> dict[str, object]:
    """What the browser has to know of an excerpt.

    Args:
        layer: what ran.
        row: which sequence of the batch.
        excerpt: what travels of it.
        serial: a number that other runs do not have.
        near: whether the numbers of all units near the step travel as well.
    """
    cell = layer.weights.cell
    signed = [quantity for quantity in layer.quantities if quantity not in cell.valves]
    length = int(layer.lengths[row])
    return {
        "run": serial,
        "steps": length,
        "units": layer.weights.hidden_size,
        "page": excerpt.page.steps,
        "stay": excerpt.page.stay,
        "columns": excerpt.units,
        "near": near,
        "loudest": {
            quantity: [largest(layer[quantity][row, :length, k]) for k in excerpt.columns if k < width(layer, quantity)]
            for quantity in signed
        },
    }


def columns_of(layer: LayerTrace, row: int, excerpt: Excerpt) -> dict[str, np.ndarray]:
    """The numbers of the excerpt's units over its page, "column:QUANTITY" (steps, units) each."""
    return {
        f"column:{name}": layer[name][row, excerpt.page.slice, excerpt.units[0] : excerpt.units[1]]
        for name in layer.quantities
    }


def largest(values: np.ndarray) -> float:
    """The largest magnitude among the finite numbers of ``values``; 0 where there are none."""
    low, high = values.min(initial=0), values.max(initial=0)
    if np.isfinite([low, high]).all():
        return float(max(-low, high))
    finite = values[np.isfinite(values)]
    return float(np.abs(finite).max(initial=0))
