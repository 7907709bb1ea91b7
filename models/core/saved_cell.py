"""Runs of cells of the user's own as a file stores them: the values of every quantity, and the equations as formulas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from models.core.cells import ValueRange
from models.core.custom_cell import CellFormulas, CustomTrace, is_quantity_name
from models.core.formula import check_formula
from models.core.layer_gradients import GradientError, no_gradient
from models.core.weights import read_only


@dataclass(frozen=True, eq=False)
class SavedCell(Mapping[str, np.ndarray]):
    """A loaded run of a cell of the user's own: ``layer["forget_gate"]`` or ``layer.forget_gate`` is (B, T, units).

    Attributes:
        name: of the layer.
        cell_equations: the equations as formulas.
        arrays: (B, T, units) each, by name: every quantity, ``input``, ``<state>_prev``, and ``<quantity>_grad`` if gradients
            were saved.
    """

    name: str
    cell_equations: CellFormulas
    arrays: Mapping[str, np.ndarray]

    reverse = False

    @property
    def kind(self) -> str:
        """The name of the module's class."""
        return self.cell_equations.kind

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of its gates and states, in the order of computation."""
        return self.cell_equations.quantities

    @property
    def shape(self) -> tuple[int, ...]:
        """(B, T, H) of the first state."""
        return self.arrays[self.cell_equations.states[0]].shape

    @property
    def input(self) -> np.ndarray:
        """The cell's input x_t, (B, T, D)."""
        return self.arrays["input"]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Length of each sequence of the batch, (B)."""
        return read_only(np.full(self.shape[0], self.shape[1]))

    @property
    def has_gradients(self) -> bool:
        """Whether gradients were saved."""
        return f"{self.quantities[0]}_grad" in self.arrays

    def __getitem__(self, quantity: str) -> np.ndarray:
        """Return a gate or state, (B, T, units). Raises KeyError: the cell has no such quantity."""
        if quantity not in self.quantities:
            raise KeyError(f"{self.kind} has no {quantity}; it has {', '.join(self.quantities)}")
        return self.arrays[quantity]

    def __getattr__(self, name: str) -> np.ndarray:
        """Return a gate or state, one step earlier as ``<state>_prev``, or its gradient as ``<quantity>_grad``."""
        if name in self.arrays:
            return self.arrays[name]
        if name.removesuffix("_grad") in self.quantities:
            raise no_gradient(self.name)
        raise AttributeError(f"{self.kind} has no {name}; it has {', '.join(self.quantities)}")

    def __reduce__(self) -> tuple:
        return type(self), (self.name, self.cell_equations, self.arrays)

    def __iter__(self) -> Iterator[str]:
        return iter(self.quantities)

    def __len__(self) -> int:
        return len(self.quantities)


def cell_to_arrays(layer: CustomTrace | SavedCell) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what a file stores of a cell's run: the entry of its header and its arrays.

    Raises:
        ValueError: a quantity is not (B, T, units), or the equations do not compute the module's states.
    """
    cell = layer.cell_equations
    arrays = {name: layer[name] for name in layer.quantities} | {"input": layer.input}
    arrays |= {f"{state}_prev": getattr(layer, f"{state}_prev") for state in cell.states}
    for name, values in arrays.items():
        if values.ndim != 3:
            raise ValueError(
                f"{name} of {layer.name} has the shape {values.shape}, which a file cannot store; "
                "each equation has to return (N, units)."
            )
    with suppress(GradientError):  # without gradients, or with some that are not the network's
        arrays |= {f"{name}_grad": getattr(layer, f"{name}_grad") for name in layer.quantities}
    formulas = {name: [formula, cell.ranges[name]] for name, formula in cell.formulas.items()}
    return {"name": layer.name, "kind": layer.kind, "states": cell.states, "formulas": formulas}, arrays


def cell_from_arrays(entry: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> SavedCell:
    """Return the run of a cell from its entry in a header and its arrays; the inverse of ``cell_to_arrays``.

    Raises:
        KeyError: an array is missing.
        ValueError: something is not what ``cell_to_arrays`` returns.
    """
    name, kind, states = str(entry["name"]), str(entry["kind"]), tuple(entry["states"])
    formulas, ranges = {}, {}
    for quantity, (formula, bounds) in entry["formulas"].items():
        if not is_quantity_name(quantity):
            raise ValueError(f"{name} has a quantity with an invalid name")
        try:
            check_formula(formula)
        except TypeError as error:
            raise ValueError(f"the formula of {name}/{quantity} is invalid") from error
        formulas[quantity], ranges[quantity] = formula, _checked_range(bounds)
    if not states or not set(states) <= set(formulas):
        raise ValueError(f"a state of {name} has no equation")
    wanted = [*formulas, "input", *(f"{state}_prev" for state in states)]
    gradients = [f"{quantity}_grad" for quantity in formulas]
    wanted += gradients if f"{name}/{gradients[0]}" in arrays else []
    found = {key: arrays[f"{name}/{key}"] for key in wanted}
    for key, values in found.items():
        if values.ndim != 3 or values.shape[:2] != found["input"].shape[:2] or 0 in values.shape:
            raise ValueError(f"{name}/{key} has the shape {values.shape}")
        if values.dtype not in (np.float32, np.float64):
            raise ValueError(f"{name}/{key} is {values.dtype}, not float")
        base = key.removesuffix("_grad").removesuffix("_prev")
        if key != "input" and values.shape != found[base].shape:
            raise ValueError(f"{name}/{key} has the shape {values.shape}, unlike {base}")
    cell = CellFormulas(kind, states, formulas, ranges)
    return SavedCell(name, cell, {key: read_only(values) for key, values in found.items()})


def _checked_range(bounds: Any) -> ValueRange:
    if bounds is None:
        return None
    try:
        low, high = map(float, bounds)
    except OverflowError:
        raise ValueError("a bound is too large for a float") from None
    return low, high
