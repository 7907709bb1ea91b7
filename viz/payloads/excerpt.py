"""Excerpts of runs that are too large to be sent as a whole, so that a view takes at most 2 MB however large the run is.

An excerpt has four parts: the tokens of a page of steps; over that page the exact values of some units (the selected one and
its neighbours); the exact values of all units near the current step, if a page shows them; and an image of everything in
blocks (``viz.payloads.heatmap_image``). When the reader leaves the page, those units or steps, the browser requests others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.core.saved_cell import SavedCell
from models.core.trace import LayerTrace
from viz.escape import utf8_bytes

MAX_WHOLE = 1_750_000
"""Bytes of a sequence's numbers and tokens up to which it is sent as a whole."""

MAX_COLUMNS, MAX_NEARBY, MAX_TOKENS = 300_000, 500_000, 250_000
"""Bytes of a larger sequence: of single units over the page, of all units near the step, and of the page's tokens."""

PLAYER_WHOLE, PLAYER_COLUMNS, PLAYER_NEARBY = 400_000, 100_000, 250_000
"""The same bytes of what is sent anew with each edit, where the player alone shows it."""

MAX_PAGE = 12_000
"""Steps of a page."""

MAX_TOKEN_LENGTH = 16
"""Letters of a token in an excerpt."""


@dataclass(frozen=True)
class Span:
    """Steps that are sent together, each as the first one and the one after the last.

    Attributes:
        steps: the steps that are sent.
        stay: the steps at which no others are requested: away from the edges, so that the numbers arrive before a reader
            who steps on needs them.
    """

    steps: tuple[int, int]
    stay: tuple[int, int]

    @property
    def slice(self) -> slice:
        """The steps as an index of an array."""
        return slice(*self.steps)


@dataclass(frozen=True)
class Excerpt:
    """The steps and units of a run that are sent; the units as the first and the one after the last."""

    page: Span
    units: tuple[int, int]

    @property
    def columns(self) -> range:
        """The units whose values over the page are sent."""
        return range(*self.units)


def steps_around(step: int, steps: int, room: int) -> Span:
    """Return at most ``room`` (at least 3) of ``steps`` steps, with ``step`` in their middle third.

    All steps of that third get the same span.

    >>> steps_around(40, 100, 30)
    Span(steps=(30, 60), stay=(40, 50))
    >>> steps_around(3, 100, 30), steps_around(3, 20, 30)
    (Span(steps=(0, 30), stay=(0, 20)), Span(steps=(0, 20), stay=(0, 20)))
    """
    third = max(1, room // 3)
    if steps <= 3 * third:
        return Span((0, steps), (0, steps))
    last = -(-steps // third) - 2
    middle = min(max(step // third, 1), last)
    begin, end = (middle - 1) * third, min((middle + 2) * third, steps)
    return Span((begin, end), (0 if middle == 1 else begin + third, steps if middle == last else end - third))


def fits_whole(numbers: int, labels: Sequence[str], room: int = MAX_WHOLE) -> bool:
    """Return whether a run is sent as a whole: ``numbers`` bytes of numbers, and its tokens, in ``room`` bytes."""
    return len(labels) <= MAX_PAGE and numbers + sum(len(utf8_bytes(label)) + 3 for label in labels) <= room


def make_excerpt(
    layer: LayerTrace, row: int, labels: Sequence[str], step: int, unit: int, room: int = MAX_COLUMNS
) -> Excerpt:
    """Return the page around ``step`` and the units around ``unit``, in ``room`` bytes; the same excerpt for all of these."""
    longest = max(len(utf8_bytes(shorten_token(label))) for label in labels) + 3  # its quotes and a comma
    page = steps_around(step, len(labels), min(MAX_PAGE, MAX_TOKENS // longest))
    room = max(1, room // (4 * (page.steps[1] - page.steps[0]) * len(layer.quantities)))
    first = unit // room * room
    return Excerpt(page, (first, min(first + room, unit_count(layer))))


def states_bytes(layer: LayerTrace | SavedCell, row: int = 0) -> int:
    """Return the bytes of all gates and states of one sequence in float32."""
    return 4 * int(layer.lengths[row]) * sum(quantity_width(layer, name) for name in layer.quantities)


def quantity_width(layer: LayerTrace | SavedCell, quantity: str) -> int:
    """Return the number of values of a gate or state at a step; a projected hidden state has fewer than H."""
    if isinstance(layer, SavedCell):
        return layer[quantity].shape[2]
    return layer.weights.output_size if quantity == "hidden" else layer.weights.hidden_size


def unit_count(layer: LayerTrace | SavedCell) -> int:
    """Return the number of units; of a cell of the user's own that of its widest quantity."""
    if isinstance(layer, SavedCell):
        return max(layer[quantity].shape[2] for quantity in layer.quantities)
    return layer.weights.hidden_size


def shorten_token(label: str) -> str:
    """Shorten a token for an excerpt."""
    return label if len(label) <= MAX_TOKEN_LENGTH else label[: MAX_TOKEN_LENGTH - 1] + "…"


def describe_excerpt(layer: LayerTrace, row: int, excerpt: Excerpt, serial: int, *, near: bool) -> dict[str, object]:
    """Return the description of an excerpt for the browser.

    Args:
        layer: the forward run.
        row: which sequence of the batch.
        excerpt: the part that is sent.
        serial: a number that differs between runs.
        near: whether the values of all units near the step are sent as well.
    """
    cell = layer.cell_equations
    signed = [quantity for quantity in layer.quantities if quantity not in cell.zero_one_gates]
    length = int(layer.lengths[row])
    return {
        "run": serial,
        "steps": length,
        "units": unit_count(layer),
        "page": excerpt.page.steps,
        "stay": excerpt.page.stay,
        "columns": excerpt.units,
        "near": near,
        "loudest": {
            quantity: [
                max_magnitude(layer[quantity][row, :length, k])
                for k in excerpt.columns
                if k < quantity_width(layer, quantity)
            ]
            for quantity in signed
        },
    }


def excerpt_columns(layer: LayerTrace, row: int, excerpt: Excerpt) -> dict[str, np.ndarray]:
    """Return the values of the excerpt's units over its page, "column:QUANTITY" (steps, units) each."""
    return {
        f"column:{name}": layer[name][row, excerpt.page.slice, excerpt.units[0] : excerpt.units[1]]
        for name in layer.quantities
    }


def max_magnitude(values: np.ndarray) -> float:
    """Return the largest magnitude among the finite numbers of ``values``; 0 if there are none."""
    low, high = values.min(initial=0), values.max(initial=0)
    if np.isfinite([low, high]).all():
        return float(max(-low, high))
    finite = values[np.isfinite(values)]
    return float(np.abs(finite).max(initial=0))
