"""The equations of the recurrent cells, each written once.

Every quantity of a cell is one line: a function of a namespace ``s``, in which

- ``s.x(gate)`` is ``W_i? x_t + b_i?``, the product of the gate's input weights with the input,
- ``s.h(gate)`` is ``W_h? h_{t-1} + b_h?``, the product of its recurrent weights with the previous hidden state,
  and ``s.h(gate, v)`` the same with ``v`` instead of ``h_{t-1}``,
- ``s.a(gate)`` is ``s.x(gate) + s.h(gate)``, the gate's preactivation,
- ``s.forget_gate``, ``s.cell``, ... are the quantities already computed at this step,
- ``s.cell_prev`` and ``s.hidden_prev`` are the states one step earlier,
- ``s.project(v)`` is ``W_hr v``,
- ``s.peephole(gate, c)`` is ``w_c? c``, elementwise: the part of the gate's preactivation that depends on the cell state,
- ``s.norm(v)`` is the layer norm of a cell state: ``gain_c (v - mean) / deviation + shift_c``, over its units,
- ``s.x("intermediate")`` is ``W_mx x_t`` and ``s.h("intermediate")`` is ``W_mh h_{t-1}``, of a multiplicative LSTM.

With layer norm, ``s.x(gate)`` and ``s.h(gate)`` are the gate's part of the norm of all gates' products together.

The equations are independent of the type of their operands. With arrays or tensors they compute
(``models.core.gate_evaluation``, ``models.core.stepwise``), for all steps at once or for one; with symbols they are drawn as
formulas (``viz.formulas``). The activations are tanh and the sigmoid, as in PyTorch, or others of
``models.core.activations``, as in Keras and ONNX.

Sources: Elman 1990 (RNN); Hochreiter and Schmidhuber 1997 with the forget gate of Gers, Schmidhuber and Cummins
2000 (LSTM); Gers, Schraudolph and Schmidhuber 2002 (peepholes); Sak, Senior and Beaufays 2014 (projection); Cho et al. 2014
(GRU); https://onnx.ai/onnx/operators (clip, coupled gates); Greff et al. 2017 (coupled input and forget gate); Ba, Kiros and
Hinton 2016 (layer norm; as in the benchmark custom_lstms of PyTorch, the cell state itself is normalized); Krause, Lu, Murray
and Renals 2016, arXiv:1609.07959 (multiplicative LSTM; as in Radford, Jozefowicz and Sutskever 2017, the gates depend on the
intermediate state alone). Names and weight-row order are those of ``torch.nn.RNN``, ``torch.nn.LSTM`` and ``torch.nn.GRU``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

from models.core.activations import ZERO_TO_ONE, Activation, activation_of

Kind = Literal["RNN", "LSTM", "GRU"]
GATE_COUNTS: dict[str, int] = {"RNN": 1, "LSTM": 4, "GRU": 3}
"""Blocks of rows in a cell's weights."""
Equation = Callable[[Any], Any]

KERNEL_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
"""PyTorch's names of a cell's weights, in the order of its kernels' arguments."""

NORM_NAMES = ("gain_ih", "shift_ih", "gain_hh", "shift_hh", "gain_c", "shift_c")
"""The factors and terms of the layer norms: of the input's products, of the recurrent products, and of the cell state."""

MULTIPLICATIVE_NAMES = ("weight_mx", "weight_mh")
"""The matrices of a multiplicative LSTM's intermediate state: of the input (H, D) and of the hidden state (H, H)."""

WEIGHT_NAMES = (*KERNEL_NAMES, "weight_ch", *NORM_NAMES, *MULTIPLICATIVE_NAMES)
"""The names of all of a cell's weights: the peepholes and all after them are not PyTorch's."""

PEEPHOLES = {"input_gate": "cell_prev", "forget_gate": "cell_prev", "output_gate": "cell"}
"""The cell state that each gate's peephole multiplies, in the order of the blocks of ``weight_ch``."""


ValueRange = tuple[float, float] | None
"""The range of a quantity, (lowest, highest), or None if it is unbounded."""


def clipped(v: Any, clip: float | None) -> Any:
    """Return a preactivation within ``-clip`` and ``clip``; None for no bound."""
    return v if clip is None else v.clip(-clip, clip)


@dataclass(frozen=True)
class Gate:
    """A gate: an activation of its preactivation ``s.a``.

    Attributes:
        name: of the gate, and of its rows in the weights.
        activation: applied to the preactivation.
    """

    name: str
    activation: Activation

    def __call__(self, s: Any) -> Any:
        return self.activation(s.a(self.name))


@dataclass(frozen=True)
class SumGate:
    """A gate whose preactivation is clipped, or another sum than ``s.a``.

    Attributes:
        name, activation: as of ``Gate``.
        preactivation: the equation of the sum.
        clip: the bound of the preactivation's magnitude, None for none.
    """

    name: str
    activation: Activation
    preactivation: Equation
    clip: float | None = None

    def __call__(self, s: Any) -> Any:
        return self.activation(clipped(self.preactivation(s), self.clip))


def gate_equation(name: str, activation: Activation, clip: float | None) -> Gate | SumGate:
    """Return the equation of a gate whose preactivation is ``s.a``, clipped if ``clip`` is not None."""
    return Gate(name, activation) if clip is None else SumGate(name, activation, lambda s: s.a(name), clip)


@dataclass(frozen=True)
class Carry:
    """The equation of a gated state: ``state_t = gate_t * state_{t-1} + added_t``.

    It is common to an LSTM's cell and a GRU's hidden state. Given the gates of all steps, a whole sequence is one elementwise
    scan; and the product of ``gate`` over the steps is the share of an old state that remains.

    Attributes:
        state: name of the state.
        gate: name of the gate that multiplies the previous state.
        added: equation of the term added to it.
    """

    state: str
    gate: str
    added: Equation

    def __call__(self, s: Any) -> Any:
        return getattr(s, self.gate) * getattr(s, self.state + "_prev") + self.added(s)


@dataclass(frozen=True)
class Cell:
    """One kind of cell: its quantities and their equations.

    Attributes:
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        gates: the blocks of the weight rows, in PyTorch's order.
        states: the states that are the next step's input.
        equations: an equation for every gate and state, in the order of computation.
        activations: each gate's; and under ``"cell"`` that of an LSTM's cell before the output gate multiplies it.
        ranges: of each quantity. A GRU's hidden state stays within its range if it started there.
        carry: the gated state, an LSTM's cell or a GRU's hidden state; None in an RNN.
        clip: the bound of the magnitude of the gates' preactivations, None for none.
        peepholes: the gates with a peephole, in the order of their weights; () without peepholes.
        norm: the epsilon of the layer norms of the products, None without them.
        cell_norm: whether the cell state is normalized too; then no gate alone carries it on, and ``carry`` is None.
        coupled: whether an LSTM's forget gate is 1 - i: its rows of the weights are not used.
        multiplicative: whether an LSTM's recurrent weights multiply its intermediate state instead of the hidden state.
    """

    kind: Kind
    gates: tuple[str, ...]
    states: tuple[str, ...]
    equations: dict[str, Equation]
    activations: dict[str, Activation]
    ranges: dict[str, ValueRange]
    carry: Carry | None = None
    clip: float | None = None
    peepholes: tuple[str, ...] = ()
    norm: float | None = None
    cell_norm: bool = False
    coupled: bool = False
    multiplicative: bool = False

    @property
    def summed_gates(self) -> tuple[str, ...]:
        """The gates that are an activation of a sum of their own."""
        return tuple(gate for gate in self.gates if not (self.coupled and gate == "forget_gate"))

    @property
    def further_weights(self) -> tuple[str, ...]:
        """The names of its weights that torch's kernels do not have."""
        norms = () if self.norm is None else NORM_NAMES if self.cell_norm else NORM_NAMES[:4]
        return (
            (("weight_ch",) if self.peepholes else ()) + norms + (MULTIPLICATIVE_NAMES if self.multiplicative else ())
        )

    @property
    def hidden_weight(self) -> str:
        """The name of the matrix that multiplies the previous hidden state."""
        return "weight_mh" if self.multiplicative else "weight_hh"

    def row_gates(self, weight: str) -> tuple[str, ...]:
        """Return the gates of the blocks of rows of a weight called ``weight``; () of the projection, which has none."""
        if weight in MULTIPLICATIVE_NAMES:
            return ("intermediate",)
        return {"weight_hr": (), "weight_ch": self.peepholes, "gain_c": ("cell",), "shift_c": ("cell",)}.get(
            weight, self.gates
        )

    @cached_property
    def quantities(self) -> tuple[str, ...]:
        """All gates and states, in the order of computation."""
        return tuple(self.equations)

    @cached_property
    def activated_gates(self) -> tuple[tuple[slice, Activation], ...]:
        """The gates that are an activation of ``s.a``: neighbours with the same activation as one slice."""
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
    def zero_one_gates(self) -> tuple[str, ...]:
        """The gates with values from 0 (closed) to 1 (open), as after a sigmoid."""
        return tuple(gate for gate in self.gates if gate.endswith("_gate") and self.ranges[gate] == ZERO_TO_ONE)


@cache
def rnn(nonlinearity: str = "tanh", clip: float | None = None) -> Cell:
    """Return the simple (vanilla) recurrent cell of Elman (1990); ``clip`` bounds its preactivation."""
    through = activation_of(nonlinearity)
    return Cell(
        kind="RNN",
        gates=("preactivation",),
        states=("hidden",),
        equations={
            "preactivation": lambda s: s.a("preactivation"),
            "hidden": lambda s: through(clipped(s.preactivation, clip)),
        },
        activations={"preactivation": through},
        ranges={"preactivation": None, "hidden": through.range},
        clip=clip,
    )


@cache
def lstm(
    projected: bool = False,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    clip: float | None = None,
    peepholes: bool = False,
    norm: float | None = None,
    cell_norm: bool = False,
    coupled: bool = False,
    multiplicative: bool = False,
) -> Cell:
    """Return the LSTM cell with a forget gate.

    Args:
        projected: whether the hidden state is ``W_hr (o * tanh(c))``, P values for H units.
        activation: of the candidate, and of the cell before the output gate multiplies it.
        recurrent_activation: of the three gates.
        clip: the bound of the four preactivations, peepholes included.
        peepholes: whether the input and the forget gate depend on ``c_{t-1}``, and the output gate on ``c_t``.
        norm: the epsilon of the layer norms of the products of the input and of the hidden state; None without.
        cell_norm: whether ``c_t`` is the layer norm of ``f c_{t-1} + i g``.
        coupled: whether the forget gate is ``1 - i`` instead of an activation of its own sum.
        multiplicative: whether the gates' recurrent weights multiply ``m_t = W_mx x_t * W_mh h_{t-1}``, not ``h_{t-1}``.

    Raises:
        ValueError: the cell state is to be normalized, but not the products; or a multiplicative LSTM is to have peepholes,
            layer norm or a projection.
    """
    if cell_norm and norm is None:
        raise ValueError("A layer norm of the cell state needs those of the products.")
    if multiplicative and (peepholes or norm is not None or projected):
        raise ValueError("A multiplicative LSTM has no peepholes, layer norm or projection.")
    through, gate = activation_of(activation), activation_of(recurrent_activation)
    activations = {"input_gate": gate, "forget_gate": gate, "candidate": through, "output_gate": gate, "cell": through}

    def gate_of(name: str) -> Equation:
        if coupled and name == "forget_gate":
            return lambda s: 1 - s.input_gate
        if multiplicative:
            return SumGate(name, activations[name], lambda s: s.x(name) + s.h(name, s.intermediate), clip)
        if name == "candidate" or not peepholes:
            return gate_equation(name, activations[name], clip)
        state = PEEPHOLES[name]
        return SumGate(name, gate, lambda s: s.a(name) + s.peephole(name, getattr(s, state)), clip)

    order = ("input_gate", "forget_gate", "candidate", "output_gate")
    own = {name: gate_of(name) for name in order}
    before = order[:3] if peepholes else order
    carry = Carry("cell", gate="forget_gate", added=lambda s: s.input_gate * s.candidate)
    return Cell(
        kind="LSTM",
        gates=order,
        states=("cell", "hidden"),
        equations={
            **({"intermediate": lambda s: s.x("intermediate") * s.h("intermediate")} if multiplicative else {}),
            **{name: own[name] for name in before},
            "cell": (lambda s: s.norm(carry(s))) if cell_norm else carry,
            **{name: own[name] for name in order[len(before) :]},
            "hidden": (
                (lambda s: s.project(s.output_gate * through(s.cell)))
                if projected
                else (lambda s: s.output_gate * through(s.cell))
            ),
        },
        activations=activations,
        ranges={
            "input_gate": gate.range,
            "forget_gate": _one_minus(gate.range) if coupled else gate.range,
            "candidate": through.range,
            "output_gate": gate.range,
            "cell": None,
            "hidden": None if projected else _product_range(gate.range, through.range),
            **({"intermediate": None} if multiplicative else {}),
        },
        carry=None if cell_norm else carry,
        clip=clip,
        peepholes=tuple(PEEPHOLES) if peepholes else (),
        norm=norm,
        cell_norm=cell_norm,
        coupled=coupled,
        multiplicative=multiplicative,
    )


@cache
def gru(
    reset_after: bool = True,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    clip: float | None = None,
) -> Cell:
    """Return the GRU cell.

    Args:
        reset_after: whether the reset gate multiplies the candidate's recurrent product, as in PyTorch and cuDNN; otherwise
            it multiplies the state before the product, as in Cho et al. 2014 and in older Keras.
        activation: of the candidate.
        recurrent_activation: of the two gates.
        clip: the bound of the three preactivations.
    """
    through, gate = activation_of(activation), activation_of(recurrent_activation)
    carry = Carry("hidden", gate="update_gate", added=lambda s: (1 - s.update_gate) * s.candidate)
    return Cell(
        kind="GRU",
        gates=("reset_gate", "update_gate", "candidate"),
        states=("hidden",),
        equations={
            "reset_gate": gate_equation("reset_gate", gate, clip),
            "update_gate": gate_equation("update_gate", gate, clip),
            "candidate": SumGate(
                "candidate",
                through,
                (lambda s: s.x("candidate") + s.reset_gate * s.h("candidate"))
                if reset_after
                else (lambda s: s.x("candidate") + s.h("candidate", s.reset_gate * s.hidden_prev)),
                clip,
            ),
            "hidden": carry,
        },
        activations={"reset_gate": gate, "update_gate": gate, "candidate": through},
        ranges={
            "reset_gate": gate.range,
            "update_gate": gate.range,
            "candidate": through.range,
            "hidden": through.range if gate.range == ZERO_TO_ONE else None,
        },
        carry=carry,
        clip=clip,
    )


def cell_of(kind: Kind, projected: bool = False, **options: Any) -> Cell:
    """Return the cell of this kind; ``options`` are those of ``rnn``, ``lstm`` or ``gru``.

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


def _one_minus(values: ValueRange) -> ValueRange:
    """Return the range of 1 - v for v in a range."""
    return None if values is None else (1 - values[1], 1 - values[0])


def _product_range(one: ValueRange, other: ValueRange) -> ValueRange:
    """Return the range of a product."""
    if one is None or other is None:
        return None
    corners = [a * b for a in one for b in other]
    return min(corners), max(corners)
