"""The first step, sequence and unit at which NaN or infinity appears, and the sentence about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.core.layer_run import LayerRun
from models.core.messages import Sentence
from models.core.trace import LayerTrace

QUANTITY_NAMES = {
    "hidden": Sentence("hidden state"),
    "cell": Sentence("cell state"),
    "hidden_grad": Sentence("gradient with respect to the hidden state"),
    "cell_grad": Sentence("gradient with respect to the cell state"),
}
"""The names of the quantities in ``describe_nonfinite``; any other has the name that its cell gives it."""


@dataclass(frozen=True)
class NonFinite:
    """The place of a NaN or an infinity.

    Attributes:
        position: the step's position in the sequence.
        sequence: the index in the batch.
        unit: the unit's index.
        value: ``"nan"`` or ``"inf"``.
    """

    position: int
    sequence: int
    unit: int
    value: Literal["nan", "inf"]


def first_nonfinite(layer: LayerTrace, quantity: str) -> NonFinite | None:
    """Return where NaN or infinity first appears in a gate, a state, ``"hidden_grad"`` or ``"cell_grad"``, or None.

    First in the order of computation: the order of the layer's steps for gates and states, the reverse for gradients.

    Raises:
        GradientError: ``quantity`` is a gradient and no backward pass has run.
    """
    backward = quantity in ("hidden_grad", "cell_grad")
    values = getattr(layer, quantity) if backward else layer[quantity]
    return first_nonfinite_value(values, last_first=backward != layer.reverse)


def first_nonfinite_value(values: np.ndarray, last_first: bool = False) -> NonFinite | None:
    """Return where NaN or infinity first appears in ``values`` (B, T, units), or None; ``last_first`` searches backwards."""
    bad = ~np.isfinite(values)
    steps = np.flatnonzero(bad.any(axis=(0, 2)))
    if not len(steps):
        return None
    position = int(steps[-1] if last_first else steps[0])
    sequence, unit = (int(index) for index in np.argwhere(bad[:, position])[0])
    value = values[sequence, position, unit]
    return NonFinite(position, sequence, unit, "nan" if np.isnan(value) else "inf")


def first_nonfinite_state(
    layer: LayerRun, sequence: int = 0, states: Sequence[str] | None = None
) -> tuple[str, NonFinite] | None:
    """Return the state of one sequence in which NaN or infinity appears first, and where; None if all are finite.

    First in the order of the layer's steps; at the same step, the state that is computed first.

    Args:
        layer: the layer's run.
        sequence: the index in the batch.
        states: the states to examine; all of the cell's if None. An LSTM's ``"cell"`` needs the gates of all steps.
    """
    found: list[tuple[int, str, NonFinite]] = []
    steps = slice(0, int(layer.lengths[sequence]))
    for state in layer.cell_equations.states if states is None else states:
        values = getattr(layer, state)[sequence : sequence + 1, steps]
        place = first_nonfinite_value(values, last_first=layer.reverse)
        if place is not None:
            order = -place.position if layer.reverse else place.position
            found.append((order, state, NonFinite(place.position, sequence, place.unit, place.value)))
    return min(found, key=lambda each: each[0])[1:] if found else None


def describe_nonfinite(quantity: str, place: NonFinite) -> Sentence:
    """Return the sentence about where a state or gradient (a key of ``QUANTITY_NAMES``) first is NaN or infinite."""
    values = {"quantity": QUANTITY_NAMES.get(quantity, quantity), "step": place.position + 1, "unit": place.unit}
    if quantity.endswith("_grad"):
        return (
            Sentence(
                "During backpropagation the {quantity} first becomes infinite at time step {step} (unit {unit}).",
                **values,
            )
            if place.value == "inf"
            else Sentence(
                "During backpropagation the {quantity} first becomes NaN (not a number) at time step {step} (unit {unit}).",
                **values,
            )
        )
    return (
        Sentence("The {quantity} first becomes infinite at time step {step} (unit {unit}).", **values)
        if place.value == "inf"
        else Sentence("The {quantity} first becomes NaN (not a number) at time step {step} (unit {unit}).", **values)
    )
