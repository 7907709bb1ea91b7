"""Expressions: what the equations of `models.core.cells` become when they are given symbols."""

from __future__ import annotations

from dataclasses import dataclass

from models.core.activations import Activation

QUANTITIES = (
    "input_gate", "forget_gate", "candidate", "output_gate", "reset_gate", "update_gate", "preactivation", "intermediate",
    "cell", "hidden",
)  # fmt: skip
"""The names of all gates and states."""


@dataclass(frozen=True)
class Expression:
    """An expression that supports what the equations do to tensors: arithmetic and activations."""

    def __add__(self, other: Expression | float) -> Operation:
        return Operation("+", self, expression_of(other))

    def __radd__(self, other: float) -> Operation:
        return Operation("+", Constant(other), self)

    def __mul__(self, other: Expression) -> Operation:
        return Operation("*", self, other)

    def __rmul__(self, other: float) -> Operation:
        return Operation("*", Constant(other), self)

    def __truediv__(self, other: Expression | float) -> Operation:
        return Operation("/", self, expression_of(other))

    def __rsub__(self, other: float) -> Operation:
        return Operation("-", Constant(other), self)

    def through(self, activation: Activation) -> Expression:
        return self if activation.name == "linear" else Call(activation.symbol, (self,))

    def relu(self) -> Call:
        return self.clamp(min=0)

    def abs(self) -> Call:
        return Call("|", (self,))

    def expm1(self) -> Operation:
        return Operation("-", Call("exp", (self,)), Constant(1))

    def clamp(self, min: float | None = None, max: float | None = None) -> Call:
        bounded = self if min is None else Call("max", (Constant(min), self))
        return Call("min", (Constant(max), bounded)) if max is not None else bounded  # type: ignore[return-value]

    def clip(self, low: float, high: float) -> Call:
        return Call("clip", (self, Constant(low), Constant(high)))


@dataclass(frozen=True)
class Constant(Expression):
    value: float


@dataclass(frozen=True)
class Quantity(Expression):
    """A gate or state, or with `_prev` the state of the previous step."""

    name: str


@dataclass(frozen=True)
class InputPart(Expression):
    """W_i? x_t + b_i?"""

    gate: str


@dataclass(frozen=True)
class RecurrentPart(Expression):
    """W_h? v + b_h?, where v is h_{t-1} unless given."""

    gate: str
    vector: Expression


@dataclass(frozen=True)
class Peephole(Expression):
    """w_c? v, elementwise"""

    gate: str
    vector: Expression


@dataclass(frozen=True)
class LayerNorm(Expression):
    """The layer norm of a cell state"""

    vector: Expression


@dataclass(frozen=True)
class Projection(Expression):
    """W_hr v"""

    vector: Expression


@dataclass(frozen=True)
class Call(Expression):
    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Operation(Expression):
    sign: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Variable(Expression):
    """A free variable."""

    name: str


def expression_of(value: Expression | float) -> Expression:
    """Return a number as a constant, an expression as it is."""
    return value if isinstance(value, Expression) else Constant(value)


class EquationSymbols:
    """The argument `s` of the equations of models.core.cells, with symbols."""

    def x(self, gate: str) -> InputPart:
        return InputPart(gate)

    def h(self, gate: str, vector: Expression | None = None) -> RecurrentPart:
        return RecurrentPart(gate, vector or Quantity("hidden_prev"))

    def a(self, gate: str) -> Operation:
        return self.x(gate) + self.h(gate)

    def peephole(self, gate: str, vector: Expression) -> Peephole:
        return Peephole(gate, vector)

    def norm(self, vector: Expression) -> LayerNorm:
        return LayerNorm(vector)

    def project(self, vector: Expression) -> Projection:
        return Projection(vector)

    def __getattr__(self, name: str) -> Quantity:
        if name.removesuffix("_prev") not in QUANTITIES:
            raise AttributeError(f"There is no quantity {name!r}.")
        return Quantity(name)
