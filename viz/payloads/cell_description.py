"""A cell for the browser, made from its equations: what it draws and computes of a cell comes from here alone.

The lines of `models.core.cells` are evaluated with symbolic values instead of tensors. Each records what is done to it as a
tree, which the browser evaluates (`viz/components/shared/cell_math.js`). A tree is a number, the name of a value, or
``[operator, tree, ...]``, where an operator is "+", "-", "*", "/", "sigmoid", "project", a function of JavaScript's `Math`,
or "activation", which is followed by the activation's name.

The values are the gates and states at a step, ``hidden_prev`` and ``cell_prev``, and of each gate its input part,
``forget_gate.x`` (``W_if x_t + b_if``), its recurrent part, ``forget_gate.h``, and if it has a peephole, ``forget_gate.c``.
An intermediate state's factors are ``intermediate.x`` and ``intermediate.h``. Of a normalized cell state there are
``cell.mean`` and ``cell.deviation`` over the units, ``cell.gain`` and ``cell.shift``.

    >>> cell_description(cell_of("LSTM"))["equations"]["cell"]
    ['+', ['*', 'forget_gate', 'cell_prev'], ['*', 'input_gate', 'candidate']]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, get_args

import torch

from models.core.activations import Activation
from models.core.cells import Cell, Kind, cell_of, clipped
from models.core.custom_cell import CellFormulas
from viz.formulas import quantity_letter

Tree = float | str | list[Any]

FUNCTIONS = ("abs", "cos", "exp", "expm1", "log", "log1p", "sigmoid", "sign", "sin", "sqrt", "tanh")
"""Functions of one number that tensors and the browser have under the same name."""


@dataclass(frozen=True)
class SymbolicValue:
    """A value that records what is done to it; the equations take it instead of a tensor."""

    tree: Tree

    def __add__(self, other: SymbolicValue | float) -> SymbolicValue:
        return SymbolicValue(["+", self.tree, _tree(other)])

    def __radd__(self, other: float) -> SymbolicValue:
        return SymbolicValue(["+", other, self.tree])

    def __sub__(self, other: SymbolicValue | float) -> SymbolicValue:
        return SymbolicValue(["-", self.tree, _tree(other)])

    def __rsub__(self, other: float) -> SymbolicValue:
        return SymbolicValue(["-", other, self.tree])

    def __mul__(self, other: SymbolicValue | float) -> SymbolicValue:
        return SymbolicValue(["*", self.tree, _tree(other)])

    def __rmul__(self, other: float) -> SymbolicValue:
        return SymbolicValue(["*", other, self.tree])

    def __truediv__(self, other: SymbolicValue | float) -> SymbolicValue:
        return SymbolicValue(["/", self.tree, _tree(other)])

    def __rtruediv__(self, other: float) -> SymbolicValue:
        return SymbolicValue(["/", other, self.tree])

    def __neg__(self) -> SymbolicValue:
        return 0 - self

    def __getattr__(self, name: str) -> Any:
        if name not in FUNCTIONS:
            raise AttributeError(f"The browser has no function {name!r} of a number; it has {', '.join(FUNCTIONS)}.")
        return lambda: SymbolicValue([name, self.tree])

    def through(self, activation: Activation) -> SymbolicValue:
        """Return the activation of the value, by its name."""
        return SymbolicValue(["activation", activation.name, self.tree])

    def relu(self) -> SymbolicValue:
        """Return the value, at least 0."""
        return self.clamp(min=0)

    def clamp(self, min: float | None = None, max: float | None = None) -> SymbolicValue:
        """Return the value within these bounds."""
        bounded = self if min is None else SymbolicValue(["max", min, self.tree])
        return bounded if max is None else SymbolicValue(["min", max, bounded.tree])

    def clip(self, low: float, high: float) -> SymbolicValue:
        """Return the value within these bounds."""
        return self.clamp(low, high)


def _tree(value: SymbolicValue | float) -> Tree:
    return value.tree if isinstance(value, SymbolicValue) else value


class SlotNamespace:
    """The ``s`` of `models.core.cells` whose values are symbolic.

    Attributes:
        recurrent: the tree of the vector that the recurrent weights of a gate were applied to, by gate.
        peepholes: the name of the state that a gate's peephole was applied to, by gate.
        before_norm: the tree of the sum that a layer norm makes a cell state of; None without one.
    """

    def __init__(self) -> None:
        self.recurrent: dict[str, Tree] = {}
        self.peepholes: dict[str, Tree] = {}
        self.before_norm: Tree | None = None

    def x(self, gate: str) -> SymbolicValue:
        """Return the input part of the gate's sum."""
        return SymbolicValue(f"{gate}.x")

    def h(self, gate: str, of: SymbolicValue | None = None) -> SymbolicValue:
        """Return the recurrent part of the gate's sum."""
        self.recurrent[gate] = "hidden_prev" if of is None else of.tree
        return SymbolicValue(f"{gate}.h")

    def a(self, gate: str) -> SymbolicValue:
        """Return the gate's sum."""
        return self.x(gate) + self.h(gate)

    def peephole(self, gate: str, c: SymbolicValue) -> SymbolicValue:
        """Return the part of the gate's sum that depends on the cell state."""
        self.peepholes[gate] = c.tree
        return SymbolicValue(f"{gate}.c")

    def norm(self, v: SymbolicValue) -> SymbolicValue:
        """Return the layer norm of a cell state, whose mean and deviation are values of the step."""
        self.before_norm = v.tree
        mean, deviation, gain, shift = (
            SymbolicValue(f"cell.{each}") for each in ("mean", "deviation", "gain", "shift")
        )
        return (v - mean) / deviation * gain + shift

    def project(self, v: SymbolicValue) -> SymbolicValue:
        """Return the projection of a vector, which has no value of one unit."""
        return SymbolicValue(["project", v.tree])

    def __getattr__(self, name: str) -> SymbolicValue:
        return SymbolicValue(name)


def cell_description(cell: Cell) -> dict[str, Any]:
    """Return what the browser needs of a cell, as plain values.

    Returns:
        "letters": the letter of each gate and state in formulas.
        "activations": by gate (or "cell", for an LSTM's cell state on its way to the output) the name of its activation.
        "functions": of each activation its "symbol", its "tree" in the value "a", and its "limits", None for no bound.
        "gates": of each gate its "result", the quantity that is the activation of its sum; the tree of the vector that its
            "recurrent" weights are applied to; the tree of the "factor" of its recurrent part, 1 for none; the state that
            its "peephole" multiplies, None without; and the bound that its sum is "clip"-ped to, None without. A gate without
            a sum of its own is not among them.
        "equations": the tree of each gate and state.
        "norm": whether layer norms follow the "products" of the gates, and the sum that becomes the "cell" state.
        "carry": the gated "state", the "gate" that multiplies it, and the trees of the two terms of its sum, "kept" and
            "added"; None where the cell has none. A normalized cell state is not that sum.
        "peepholes": the gates whose peepholes are among the weights, in their order.
        "rows": the gates in the order of the weights' rows.
    """
    s = SlotNamespace()
    equations = {name: equation(s).tree for name, equation in cell.equations.items()}
    carry = None
    if cell.carry is not None:
        _sum, kept, added = equations[cell.carry.state]
        carry = {"state": cell.carry.state, "gate": cell.carry.gate, "kept": kept, "added": added}
    elif isinstance(s.before_norm, list):
        _sum, kept, added = s.before_norm
        carry = {"state": "cell", "gate": "forget_gate", "kept": kept, "added": added}
    return {
        "letters": {name: quantity_letter(cell, name) for name in cell.quantities},
        "activations": {name: activation.name for name, activation in cell.activations.items()},
        "functions": {activation.name: _function(activation) for activation in cell.activations.values()},
        "gates": {
            gate: {
                "result": _result(cell, gate, equations),
                "recurrent": s.recurrent[gate],
                "factor": next(_factors(equations[gate], f"{gate}.h"), 1),
                "peephole": s.peepholes.get(gate),
                "clip": cell.clip,
            }
            for gate in cell.summed_gates
        },
        "equations": equations,
        "norm": {"products": cell.norm is not None, "cell": cell.cell_norm},
        "carry": carry,
        "peepholes": cell.peepholes,
        "rows": cell.gates,
    }


def gate_names(cell: Cell | CellFormulas) -> tuple[str, ...]:
    """Return the quantities that are not states of the next step: the gates, and before them an intermediate state."""
    return tuple(name for name in cell.quantities if name not in cell.states)


def scale_options(cell: Cell) -> dict[str, Any]:
    """Return how a layer's quantities are shown at first: which have which colour scale, and which one is chosen.

    Returns:
        "zero_one_gates": the gates with values between 0 and 1.
        "bounded": the quantities that are shown on -1..1 as long as their values are in it: all others that are bounded with
            the activations of PyTorch.
        "default_quantity": the one that is chosen until the reader chooses another.
    """
    usual = cell_of(cell.kind) if cell.kind in get_args(Kind) else cell
    bounded = [name for name in cell.quantities if usual.ranges.get(name) and name not in usual.zero_one_gates]
    default = "forget_gate" if "forget_gate" in cell.gates else cell.gates[0]
    return {"zero_one_gates": cell.zero_one_gates, "bounded": bounded, "default_quantity": default}


def _function(activation: Activation) -> dict[str, Any]:
    """Return an activation's symbol, tree and limits; the limits of an unbounded one are its values at ∓∞."""
    limits = activation.range or tuple(float(activation.function(torch.tensor(end))) for end in (-inf, inf))
    return {
        "symbol": activation.symbol,
        "tree": activation.function(SymbolicValue("a")).tree,
        "limits": [limit if isfinite(limit) else None for limit in limits],
    }


def _result(cell: Cell, gate: str, equations: dict[str, Tree]) -> str:
    """Return the quantity that is the activation of the gate's sum: the gate, or where it is the sum itself a state."""
    through = ["activation", cell.activations[gate].name]
    activated = clipped(SymbolicValue(gate), cell.clip).tree
    return next((name for name, tree in equations.items() if tree == [*through, activated]), gate)


def _factors(tree: Tree, name: str) -> Iterator[Tree]:
    """Yield what a value is multiplied by in a tree."""
    if isinstance(tree, list):
        if tree[0] == "*" and tree[2] == name:
            yield tree[1]
        for branch in tree[1:]:
            yield from _factors(branch, name)
