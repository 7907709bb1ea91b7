"""The local derivatives of the recurrent cells: the factors of one backward step, unit by unit.

They are the derivatives of the equations in ``models.core.cells``, as functions of the gates' and states' values, like the
slopes in ``models.core.activations``. Every backward scan (``models.core.layer_gradients``, ``models.gradients.adjoints``)
and every Jacobian (``models.gradients.jacobian``) is a product of these and of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch.nn.functional import linear

from models.core.cells import PEEPHOLES
from models.core.layer_norm import LayerNorms, NormDerivative
from models.core.layer_run import LayerRun
from models.core.messages import Problem


@dataclass(frozen=True, eq=False)
class GateDerivative:
    """The derivative of a state by a gate's preactivation, all else fixed, (B, T, H) each.

    Attributes:
        target: the state: the ``"cell"`` of an LSTM, the ``"hidden"`` state (before a projection), or, in a GRU that resets
            before the product, the ``"reset"`` state r h_{t-1}.
        x: the derivative by the input weights' part of the preactivation.
        h: the derivative by the recurrent weights' part of it; different only where a gate multiplies that part (GRU).
    """

    target: Literal["cell", "hidden", "reset"]
    x: np.ndarray
    h: np.ndarray


@dataclass(frozen=True, eq=False)
class IntermediateDerivative:
    """The derivatives of an intermediate state by its two factors, (B, T, H) each.

    Attributes:
        x: by ``W_mx x_t``: the other factor, ``W_mh h_{t-1}``.
        h: by ``W_mh h_{t-1}``: ``W_mx x_t``.
    """

    x: np.ndarray
    h: np.ndarray


@dataclass(frozen=True, eq=False)
class LocalDerivatives:
    """The local derivatives of all steps of a layer, by position, (B, T, H) each.

    Attributes:
        gates: by gate, in weight-row order.
        carry: of the carried state by its previous value: c_t by c_{t-1} (LSTM), h_t by h_{t-1} (GRU); None in an RNN.
        kept: the part of ``carry`` through the gate's product alone: an LSTM's peepholes have further paths.
        cell_to_hidden: of the hidden state (before a projection) by the cell, in an LSTM; None in the others.
        reset: of the reset state by h_{t-1}, in a GRU that resets before the product; None in the others.
        norms: the layer norms between these factors: of the products, which the gates' derivatives come after, and of the
            cell, whose derivatives are then those of the sum before its norm; None without.
        intermediate: of a multiplicative LSTM's intermediate state, which the gates' derivatives by h are then followed by;
            None without.
    """

    gates: dict[str, GateDerivative]
    carry: np.ndarray | None = None
    kept: np.ndarray | None = None
    cell_to_hidden: np.ndarray | None = None
    reset: np.ndarray | None = None
    norms: LayerNorms | None = None
    intermediate: IntermediateDerivative | None = None


def local_derivatives(layer: LayerRun) -> LocalDerivatives:
    """Return the local derivatives of ``layer``'s steps at the recorded values; those of a clamped value are 0.

    Raises:
        Problem: the hidden state of a projected layer is clamped, which factors unit by unit cannot express.
    """
    derivatives = {"RNN": _rnn, "LSTM": _lstm, "GRU": _gru}[layer.kind](layer)
    if layer.recording.clamped:
        derivatives = _mask_clamped(layer, derivatives)
    cell = layer.cell_equations
    derivatives = replace(derivatives, kept=None if cell.cell_norm else derivatives.carry)
    if cell.norm is not None:
        derivatives = replace(derivatives, norms=layer_norms(layer))
    if cell.multiplicative:
        clamped = layer.recording.clamped.get("intermediate")
        free = True if clamped is None else ~clamped.numpy()
        of_input, of_hidden = layer.intermediate_factors()
        derivatives = replace(derivatives, intermediate=IntermediateDerivative(x=of_hidden * free, h=of_input * free))
    return _with_peepholes(layer, derivatives) if cell.peepholes else derivatives


def layer_norms(layer: LayerRun) -> LayerNorms:
    """Return the norms of an LSTM's products and cell state at the recorded values."""
    run, tensors, cell = layer.recording, layer.weights.tensors, layer.cell_equations
    recurrent = linear(run.hidden_prev, tensors["weight_hh"], tensors.get("bias_hh"))
    of_cell = None
    if cell.cell_norm:
        kept = layer.forget_gate * layer.cell_prev + layer.input_gate * layer.candidate
        of_cell = NormDerivative.at(cell, tensors, "c", torch.tensor(kept))
        if "cell" in run.clamped:
            of_cell = replace(of_cell, free=(~run.clamped["cell"]).to(of_cell.gain).expand_as(of_cell.centred))
    products = linear(run.input, tensors["weight_ih"], tensors.get("bias_ih"))
    return LayerNorms(
        NormDerivative.at(cell, tensors, "ih", products), NormDerivative.at(cell, tensors, "hh", recurrent), of_cell
    )


def _with_peepholes(layer: LayerRun, derivatives: LocalDerivatives) -> LocalDerivatives:
    """Return ``derivatives`` with the paths from a cell state through the gates that depend on it."""
    assert derivatives.carry is not None and derivatives.cell_to_hidden is not None
    through = {
        gate: derivatives.gates[gate].x * layer.weights.rows("weight_ch", gate)
        for gate in layer.cell_equations.peepholes
    }
    before = [values for gate, values in through.items() if PEEPHOLES[gate] == "cell_prev"]
    return replace(
        derivatives,
        carry=sum(before, derivatives.carry),
        cell_to_hidden=derivatives.cell_to_hidden + through["output_gate"],
    )


def has_local_derivatives(layer: LayerRun) -> bool:
    """Return whether the steps of ``layer`` have local derivatives: not if a hidden state is clamped after its projection."""
    return layer.weights.weight_hr is None or "hidden" not in layer.recording.clamped


def _mask_clamped(layer: LayerRun, derivatives: LocalDerivatives) -> LocalDerivatives:
    """Return ``derivatives`` with 0 for every value that an edit has clamped."""
    free = {name: ~mask.numpy() for name, mask in layer.recording.clamped.items()}
    if layer.cell_equations.cell_norm:
        free.pop("cell", None)  # the norm is not used there
    if not has_local_derivatives(layer):
        raise Problem(
            (
                "The hidden state of {layer} is fixed after its projection, so the derivatives per time step cannot "
                "be computed. Undo that edit."
            ),
            layer=layer.name,
        )

    def masked(values: np.ndarray, *names: str) -> np.ndarray:
        for name in names:
            if name in free:
                values = values * free[name]
        return values

    gates = {}
    for gate, slope in derivatives.gates.items():
        # a GRU's reset gate acts through the candidate
        names = (gate, slope.target) + (("candidate",) if gate == "reset_gate" and slope.target == "hidden" else ())
        gates[gate] = replace(slope, x=masked(slope.x, *names), h=masked(slope.h, *names))
    carry, cell_to_hidden = derivatives.carry, derivatives.cell_to_hidden
    return replace(
        derivatives,
        gates=gates,
        carry=None if carry is None else masked(carry, "hidden" if cell_to_hidden is None else "cell"),
        cell_to_hidden=None if cell_to_hidden is None else masked(cell_to_hidden, "hidden"),
    )


def activation_slopes(layer: LayerRun) -> dict[str, np.ndarray]:
    """Return the slope of each activation at each step's value, (B, T, H) by gate.

    A sigmoid's is at most 1/4 and a tanh's at most 1; ``"cell"`` is that of an LSTM's tanh(c). Where a preactivation is
    clipped, it is 0.
    """
    outputs = {"preactivation": "hidden"}  # an RNN's slope is a function of the activation's output
    slopes = {gate: _slope(layer, gate, layer[outputs.get(gate, gate)]) for gate in layer.cell_equations.summed_gates}
    if layer.kind == "LSTM":
        slopes["cell"] = layer.cell_equations.activations["cell"].slope(activated_cell(layer))
    return slopes


def _slope(layer: LayerRun, gate: str, output: np.ndarray) -> np.ndarray:
    """Return the slope of a gate's activation of its clipped preactivation, from the activation's output."""
    cell = layer.cell_equations
    slope = cell.activations[gate].slope(output)
    if cell.clip is None:
        return slope
    return slope * (np.abs(layer.gate_preactivation(gate)) <= cell.clip)


def activated_cell(layer: LayerRun) -> np.ndarray:
    """Return an LSTM's cell after its activation, before the output gate: tanh(c) or another, (B, T, H)."""
    return layer.cell_equations.activations["cell"].values(layer.cell)


def _rnn(s: LayerRun) -> LocalDerivatives:
    """H = tanh(a), relu(a), ..."""
    slope = activation_slopes(s)["preactivation"]
    return LocalDerivatives({"preactivation": GateDerivative("hidden", slope, slope)})


def _lstm(s: LayerRun) -> LocalDerivatives:
    """C = f c_prev + i g and h = o tanh(c)."""
    i, f, g, o = s.input_gate, s.forget_gate, s.candidate, s.output_gate
    cell, through = activated_cell(s), s.cell_equations.activations
    coupled = s.cell_equations.coupled
    by_input = g
    if coupled:  # f = 1 - i, unless an edit has clamped f
        clamped = s.recording.clamped.get("forget_gate")
        by_input = g - s.cell_prev * (1 if clamped is None else ~clamped.numpy())
    by_gate = {
        "input_gate": ("cell", by_input * _slope(s, "input_gate", i)),
        "forget_gate": ("cell", np.zeros_like(f) if coupled else s.cell_prev * _slope(s, "forget_gate", f)),
        "candidate": ("cell", i * _slope(s, "candidate", g)),
        "output_gate": ("hidden", cell * _slope(s, "output_gate", o)),
    }
    gates = {gate: GateDerivative(of, slope, slope) for gate, (of, slope) in by_gate.items()}  # type: ignore[arg-type]
    return LocalDerivatives(gates, carry=f, cell_to_hidden=o * through["cell"].slope(cell))


def _gru(s: LayerRun) -> LocalDerivatives:
    """H = (1 - z) n + z h_prev; r multiplies the recurrent product W_hn h_prev in n, or h_prev before the product."""
    r, z, n = s.reset_gate, s.update_gate, s.candidate
    by_candidate = (1 - z) * _slope(s, "candidate", n)
    by_update = (s.hidden_prev - n) * _slope(s, "update_gate", z)
    update = GateDerivative("hidden", by_update, by_update)
    if s.weights.reset_after:
        by_reset = by_candidate * s.recurrent_product("candidate") * _slope(s, "reset_gate", r)
        reset, candidate = (
            GateDerivative("hidden", by_reset, by_reset),
            GateDerivative("hidden", by_candidate, by_candidate * r),
        )
    else:
        by_reset = s.hidden_prev * _slope(s, "reset_gate", r)
        reset, candidate = (
            GateDerivative("reset", by_reset, by_reset),
            GateDerivative("hidden", by_candidate, by_candidate),
        )
    gates = {"reset_gate": reset, "update_gate": update, "candidate": candidate}
    return LocalDerivatives(gates, carry=z, reset=None if s.weights.reset_after else r)
