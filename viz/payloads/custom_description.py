"""A cell of the user's own for the browser: what its diagram draws, and the scales and colours of its quantities."""

from __future__ import annotations

from typing import Any

from models.core.cells import Cell
from models.core.custom_cell import CellFormulas
from models.core.formula import quantities_in
from viz.colours import cell_colours
from viz.custom_formulas import quantity_symbol
from viz.payloads.cell_description import scale_options


def custom_description(cell: CellFormulas) -> dict[str, Any]:
    """Return what the browser needs of a cell of the user's own, as plain values.

    Returns:
        "letters": the symbol of each gate and state.
        "sources": of each gate and state, in the order of computation, the quantities in its formula, with ``input`` and the
            previous states; None where the formula is not recorded.
    """
    return {
        "letters": {name: quantity_symbol(name) for name in cell.quantities},
        "sources": {
            name: None if formula is None else list(quantities_in(formula)) for name, formula in cell.formulas.items()
        },
    }


def quantity_options(cell: Cell | CellFormulas) -> dict[str, Any]:
    """Return how a layer's quantities are shown at first: ``scale_options``; for a cell of the user's own also their colours.

    "bounded" are those with values from -1 to 1, as after a tanh.
    """
    if isinstance(cell, Cell):
        return scale_options(cell)
    gates = cell.zero_one_gates
    return {
        "zero_one_gates": gates,
        "bounded": [name for name in cell.quantities if cell.ranges[name] == (-1.0, 1.0)],
        "default_quantity": "forget_gate" if "forget_gate" in gates else cell.quantities[0],
        "colours": cell_colours(cell.quantities),
    }
