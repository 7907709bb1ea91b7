"""The equations of the recurrent cells, each written once.

Every quantity of a cell is one line: a function of a namespace ``s``, in which

- ``s.x(gate)`` is ``W_i? x_t + b_i?``, what the gate's input weights make of the input,
- ``s.h(gate)`` is ``W_h? h_{t-1} + b_h?``, what its recurrent weights make of the previous hidden state,
  and ``s.h(gate, v)`` the same with ``v`` in the place of ``h_{t-1}``,
- ``s.a(gate)`` is ``s.x(gate) + s.h(gate)``, the gate's preactivation,
- ``s.forget_gate``, ``s.cell``, ... are the quantities already computed at this step,
- ``s.cell_prev`` and ``s.hidden_prev`` are the states one step earlier,
- ``s.project(v)`` is ``W_hr v``.

The lines do not know what they are given. With tensors they compute (``models.evaluate``), for one step or for
all steps at once; with symbols they are drawn as formulas (``viz.formulas``).

Sources: Elman 1990 (RNN); Hochreiter and Schmidhuber 1997 with the forget gate of Gers, Schmidhuber and Cummins
2000 (LSTM); Sak, Senior and Beaufays 2014 (projection); Cho et al. 2014 (GRU). Names and weight-row order are
those of ``torch.nn.RNN``, ``torch.nn.LSTM`` and ``torch.nn.GRU``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

Kind = Literal["RNN", "LSTM", "GRU"]
Equation = Callable[[Any], Any]


def sigmoid(v: Any) -> Any:
    """1 / (1 + exp(-v)), from 0 (closed) to 1 (open)."""
    return v.sigmoid()


def tanh(v: Any) -> Any:
    """The hyperbolic tangent, from -1 to 1."""
    return v.tanh()


def relu(v: Any) -> Any:
    """max(v, 0)."""
    return v.relu()


@dataclass(frozen=True)
class Carry:
    """A state that a gate carries on from step to step: ``state_t = keep_t * state_{t-1} + write_t``.

    It is what an LSTM's cell and a GRU's hidden state have in common. Where the gates of all steps are known, a whole
    sequence is one elementwise scan; and the product of ``keep`` over the steps is how much of an old state is left.
    """

    state: str
    keep: str
    """The name of the gate that carries the state on."""
    write: Equation
    """What is added to it."""

    def __call__(self, s: Any) -> Any:
        return getattr(s, self.keep) * getattr(s, self.state + "_prev") + self.write(s)


@dataclass(frozen=True)
class Cell:
    """One kind of cell: the names of its parts and their equations."""

    kind: Kind
    gates: tuple[str, ...]
    """The blocks of the weight rows, in PyTorch's order."""
    states: tuple[str, ...]
    """What is handed on to the next step."""
    equations: dict[str, Equation]
    """An equation for every gate and state, in the order of computation."""
    ranges: dict[str, tuple[float, float] | None]
    """The values that each quantity can take: (lowest, highest), or None where there is no bound.

    A GRU's hidden state stays within its bounds if it started there."""
    carry: Carry | None = None

    @cached_property
    def quantities(self) -> tuple[str, ...]:
        """All gates and states, in the order of computation."""
        return tuple(self.equations)


OPEN, SIGNED = (0.0, 1.0), (-1.0, 1.0)


@cache
def rnn(nonlinearity: Literal["tanh", "relu"] = "tanh") -> Cell:
    """The simple recurrent network of Elman (1990): one layer of units that read themselves."""
    activation = {"tanh": tanh, "relu": relu}[nonlinearity]
    return Cell(
        kind="RNN",
        gates=("preactivation",),
        states=("hidden",),
        equations={
            "preactivation": lambda s: s.a("preactivation"),
            "hidden": lambda s: activation(s.preactivation),
        },
        ranges={"preactivation": None, "hidden": SIGNED if nonlinearity == "tanh" else None},
    )


@cache
def lstm(projected: bool = False) -> Cell:
    """Long short-term memory with a forget gate; ``projected`` hands on ``W_hr (o * tanh(c))``, P values for H units."""
    carry = Carry("cell", keep="forget_gate", write=lambda s: s.input_gate * s.candidate)
    return Cell(
        kind="LSTM",
        gates=("input_gate", "forget_gate", "candidate", "output_gate"),
        states=("cell", "hidden"),
        equations={
            "input_gate": lambda s: sigmoid(s.a("input_gate")),
            "forget_gate": lambda s: sigmoid(s.a("forget_gate")),
            "candidate": lambda s: tanh(s.a("candidate")),
            "output_gate": lambda s: sigmoid(s.a("output_gate")),
            "cell": carry,
            "hidden": (
                (lambda s: s.project(s.output_gate * tanh(s.cell)))
                if projected
                else (lambda s: s.output_gate * tanh(s.cell))
            ),
        },
        ranges={
            "input_gate": OPEN,
            "forget_gate": OPEN,
            "candidate": SIGNED,
            "output_gate": OPEN,
            "cell": None,
            "hidden": None if projected else SIGNED,
        },
        carry=carry,
    )


@cache
def gru(reset_after: bool = True) -> Cell:
    """The gated recurrent unit.

    ``reset_after`` resets what the recurrent weights made of the state, as PyTorch and cuDNN do; without it the state
    itself is reset before the product, as in Cho et al. 2014 and in older Keras.
    """
    carry = Carry("hidden", keep="update_gate", write=lambda s: (1 - s.update_gate) * s.candidate)
    return Cell(
        kind="GRU",
        gates=("reset_gate", "update_gate", "candidate"),
        states=("hidden",),
        equations={
            "reset_gate": lambda s: sigmoid(s.a("reset_gate")),
            "update_gate": lambda s: sigmoid(s.a("update_gate")),
            "candidate": (
                (lambda s: tanh(s.x("candidate") + s.reset_gate * s.h("candidate")))
                if reset_after
                else (lambda s: tanh(s.x("candidate") + s.h("candidate", s.reset_gate * s.hidden_prev)))
            ),
            "hidden": carry,
        },
        ranges={"reset_gate": OPEN, "update_gate": OPEN, "candidate": SIGNED, "hidden": SIGNED},
        carry=carry,
    )
