"""The equations of the recurrent cells, each written once.

Every quantity of a cell is one line: a function of a namespace ``s``, in which

- ``s.x(gate)`` is ``W_i? x_t + b_i?``, what the gate's input weights make of the input,
- ``s.h(gate)`` is ``W_h? h_{t-1} + b_h?``, what its recurrent weights make of the previous hidden state,
  and ``s.h(gate, v)`` the same with ``v`` in the place of ``h_{t-1}``,
- ``s.a(gate)`` is ``s.x(gate) + s.h(gate)``, the gate's preactivation,
- ``s.forget_gate``, ``s.cell``, ... are the quantities already computed at this step,
- ``s.cell_prev`` and ``s.hidden_prev`` are the states one step earlier,
- ``s.project(v)`` is ``W_hr v``.

The lines do not know what they are given. With tensors they compute (``models.core.gate_evaluation``), for one step or for
all steps at once; with symbols they are drawn as formulas (``viz.formulas``). What the sums go through is tanh and the
sigmoid, as in PyTorch, or another of ``models.core.activations``, as Keras and ONNX have it.

Sources: Elman 1990 (RNN); Hochreiter and Schmidhuber 1997 with the forget gate of Gers, Schmidhuber and Cummins
2000 (LSTM); Sak, Senior and Beaufays 2014 (projection); Cho et al. 2014 (GRU). Names and weight-row order are
those of ``torch.nn.RNN``, ``torch.nn.LSTM`` and ``torch.nn.GRU``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

from models.core.activations import OPEN, Activation, activation_of

Kind = Literal["RNN", "LSTM", "GRU"]
Equation = Callable[[Any], Any]

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
"""What PyTorch calls the weights of a cell, in the order in which its kernels take them."""


Span = tuple[float, float] | None
"""The values that a quantity can take, (lowest, highest), or None where there is no bound."""


@dataclass(frozen=True)
class Gate:
    """What the weights make of the input and of the hidden state before, through an activation."""

    name: str
    activation: Activation

    def __call__(self, s: Any) -> Any:
        return self.activation(s.a(self.name))


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
    activations: dict[str, Activation]
    """What each gate's sum goes through; and under ``"cell"`` what an LSTM's cell is read through."""
    ranges: dict[str, Span]
    """The values that each quantity can take. A GRU's hidden state stays within its bounds if it started there."""
    carry: Carry | None = None

    @cached_property
    def quantities(self) -> tuple[str, ...]:
        """All gates and states, in the order of computation."""
        return tuple(self.equations)

    @cached_property
    def opened(self) -> tuple[tuple[slice, Activation], ...]:
        """The gates that are an activation of their own sum: neighbours of one activation together, by their blocks."""
        found: list[tuple[slice, Activation]] = []
        for index, name in enumerate(self.gates):
            gate = self.equations[name]
            if isinstance(gate, Gate):
                before, activation = found[-1] if found else (slice(0, 0), None)
                if before.stop == index and activation is gate.activation:
                    found[-1] = slice(before.start, index + 1), gate.activation
                else:
                    found.append((slice(index, index + 1), gate.activation))
        return tuple(found)

    @property
    def valves(self) -> tuple[str, ...]:
        """The gates that lie between 0, closed, and 1, open, as they do after a sigmoid."""
        return tuple(gate for gate in self.gates if gate.endswith("_gate") and self.ranges[gate] == OPEN)


@cache
def rnn(nonlinearity: str = "tanh") -> Cell:
    """The simple recurrent network of Elman (1990): one layer of units that read themselves."""
    through = activation_of(nonlinearity)
    return Cell(
        kind="RNN",
        gates=("preactivation",),
        states=("hidden",),
        equations={
            "preactivation": lambda s: s.a("preactivation"),
            "hidden": lambda s: through(s.preactivation),
        },
        activations={"preactivation": through},
        ranges={"preactivation": None, "hidden": through.range},
    )


@cache
def lstm(projected: bool = False, activation: str = "tanh", recurrent_activation: str = "sigmoid") -> Cell:
    """Long short-term memory with a forget gate; ``projected`` hands on ``W_hr (o * tanh(c))``, P values for H units.

    The candidate and what is read of the cell go through the one activation, the gates through the recurrent one.
    """
    through, gate = activation_of(activation), activation_of(recurrent_activation)
    carry = Carry("cell", keep="forget_gate", write=lambda s: s.input_gate * s.candidate)
    return Cell(
        kind="LSTM",
        gates=("input_gate", "forget_gate", "candidate", "output_gate"),
        states=("cell", "hidden"),
        equations={
            "input_gate": Gate("input_gate", gate),
            "forget_gate": Gate("forget_gate", gate),
            "candidate": Gate("candidate", through),
            "output_gate": Gate("output_gate", gate),
            "cell": carry,
            "hidden": (
                (lambda s: s.project(s.output_gate * through(s.cell)))
                if projected
                else (lambda s: s.output_gate * through(s.cell))
            ),
        },
        activations={
            "input_gate": gate,
            "forget_gate": gate,
            "candidate": through,
            "output_gate": gate,
            "cell": through,
        },
        ranges={
            "input_gate": gate.range,
            "forget_gate": gate.range,
            "candidate": through.range,
            "output_gate": gate.range,
            "cell": None,
            "hidden": None if projected else _times(gate.range, through.range),
        },
        carry=carry,
    )


@cache
def gru(reset_after: bool = True, activation: str = "tanh", recurrent_activation: str = "sigmoid") -> Cell:
    """The gated recurrent unit.

    ``reset_after`` resets what the recurrent weights made of the state, as PyTorch and cuDNN do; without it the state
    itself is reset before the product, as in Cho et al. 2014 and in older Keras.
    """
    through, gate = activation_of(activation), activation_of(recurrent_activation)
    carry = Carry("hidden", keep="update_gate", write=lambda s: (1 - s.update_gate) * s.candidate)
    return Cell(
        kind="GRU",
        gates=("reset_gate", "update_gate", "candidate"),
        states=("hidden",),
        equations={
            "reset_gate": Gate("reset_gate", gate),
            "update_gate": Gate("update_gate", gate),
            "candidate": (
                (lambda s: through(s.x("candidate") + s.reset_gate * s.h("candidate")))
                if reset_after
                else (lambda s: through(s.x("candidate") + s.h("candidate", s.reset_gate * s.hidden_prev)))
            ),
            "hidden": carry,
        },
        activations={"reset_gate": gate, "update_gate": gate, "candidate": through},
        ranges={
            "reset_gate": gate.range,
            "update_gate": gate.range,
            "candidate": through.range,
            "hidden": through.range if gate.range == OPEN else None,
        },
        carry=carry,
    )


def cell_of(kind: Kind, projected: bool = False, **options: Any) -> Cell:
    """The cell of this kind; ``options`` are those of ``rnn``, ``lstm`` or ``gru``.

    Raises:
        ValueError: there is no such kind or activation.
    """
    match kind:
        case "RNN":
            return rnn(**options)
        case "LSTM":
            return lstm(projected, **options)
        case "GRU":
            return gru(**options)
    raise ValueError(f"There is no cell of kind {kind!r}; there are RNN, LSTM and GRU.")


def _times(one: Span, other: Span) -> Span:
    """What a product can be."""
    if one is None or other is None:
        return None
    corners = [a * b for a in one for b in other]
    return min(corners), max(corners)
