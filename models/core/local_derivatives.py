"""The local derivatives of the recurrent cells: what one step passes back, unit by unit.

They stand beside the equations of ``models.core.cells`` and are written in the values that the gates and states had, as the
slopes of ``models.core.activations`` are. Every scan backwards (``models.core.layer_gradients``, ``models.gradients.adjoints``)
and every Jacobian (``models.gradients.jacobian``) is made of these and of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from models.core.layer_run import LayerRun
from models.core.messages import Problem


@dataclass(frozen=True, eq=False)
class GateDerivative:
    """How a state follows a gate's preactivation, all else held fixed, (B, T, H) each.

    Attributes:
        of: which value follows: the ``"cell"`` of an LSTM, the ``"hidden"`` state (before a projection), or, in a GRU that
            resets before the product, the ``"reset"`` state r h_{t-1}.
        x: the derivative by what the input weights add to the preactivation.
        h: the derivative by what the recurrent weights add to it; another only where a gate stands between (GRU).
    """

    of: Literal["cell", "hidden", "reset"]
    x: np.ndarray
    h: np.ndarray


@dataclass(frozen=True, eq=False)
class LocalDerivatives:
    """The local derivatives of all steps of a layer, by position, (B, T, H) each.

    Attributes:
        gates: by gate, in weight-row order.
        keep: the carried state's by itself one step earlier: c_t by c_{t-1} (LSTM), h_t by h_{t-1} (GRU); None in an RNN.
        read: the hidden state's (before a projection) by the cell, in an LSTM.
        reset: the reset state's by h_{t-1}, in a GRU that resets before the product.
    """

    gates: dict[str, GateDerivative]
    keep: np.ndarray | None = None
    read: np.ndarray | None = None
    reset: np.ndarray | None = None


def local_derivatives(layer: LayerRun) -> LocalDerivatives:
    """The local derivatives of ``layer``'s steps at the values they had; nothing goes back through a value that was held.

    Raises:
        Problem: the hidden state of a projected layer was held, of which no unit's slope alone can tell.
    """
    slopes = {"RNN": _rnn, "LSTM": _lstm, "GRU": _gru}[layer.kind](layer)
    return _mask_clamped(layer, slopes) if layer.recording.held else slopes


def has_local_derivatives(layer: LayerRun) -> bool:
    """Whether the steps of ``layer`` have slopes: not where a hidden state is held after its projection."""
    return layer.weights.weight_hr is None or "hidden" not in layer.recording.held


def _mask_clamped(layer: LayerRun, slopes: LocalDerivatives) -> LocalDerivatives:
    """``slopes`` with 0 wherever the value that would follow was put in its place by hand."""
    free = {name: ~mask.numpy() for name, mask in layer.recording.held.items()}
    if not has_local_derivatives(layer):
        raise Problem(
            (
                "The hidden state of {layer} is fixed after its projection, so the derivatives per time step cannot "
                "be computed. Undo that edit."
            ),
            layer=layer.name,
        )

    def passing(values: np.ndarray, *names: str) -> np.ndarray:
        for name in names:
            if name in free:
                values = values * free[name]
        return values

    gates = {}
    for gate, slope in derivatives.gates.items():
        # a GRU's reset gate acts through the candidate
        names = (gate, slope.target) + (("candidate",) if gate == "reset_gate" and slope.target == "hidden" else ())
        gates[gate] = replace(slope, x=passing(slope.x, *names), h=passing(slope.h, *names))
    keep, read = derivatives.carry, derivatives.cell_to_hidden
    return replace(
        slopes,
        gates=gates,
        keep=None if keep is None else passing(keep, "hidden" if read is None else "cell"),
        read=None if read is None else passing(read, "hidden"),
    )


def activation_slopes(layer: LayerRun) -> dict[str, np.ndarray]:
    """The slope of each activation where each step really stood on it, (B, T, H) by gate.

    A sigmoid's is at most 1/4 and a tanh's at most 1; an LSTM's ``"cell"`` is the tanh through which the cell is read.
    """
    given = {"preactivation": "hidden"}  # an RNN's is told by what it gave
    slopes = {
        gate: layer.cell_equations.activations[gate].slope(layer[given.get(gate, gate)])
        for gate in layer.cell_equations.gates
    }
    if layer.kind == "LSTM":
        slopes["cell"] = layer.cell_equations.activations["cell"].slope(activated_cell(layer))
    return slopes


def activated_cell(layer: LayerRun) -> np.ndarray:
    """An LSTM's cell as its output gate lets it out: tanh(c), or another activation of it, (B, T, H)."""
    return layer.cell_equations.activations["cell"].values(layer.cell)


def _rnn(s: LayerRun) -> LocalDerivatives:
    """H = tanh(a), relu(a), ..."""
    slope = activation_slopes(s)["preactivation"]
    return LocalDerivatives({"preactivation": GateDerivative("hidden", slope, slope)})


def _lstm(s: LayerRun) -> LocalDerivatives:
    """C = f c_prev + i g and h = o tanh(c)."""
    i, f, g, o = s.input_gate, s.forget_gate, s.candidate, s.output_gate
    read, through = activated_cell(s), s.cell_equations.activations
    by_gate = {
        "input_gate": ("cell", g * through["input_gate"].slope(i)),
        "forget_gate": ("cell", s.cell_prev * through["forget_gate"].slope(f)),
        "candidate": ("cell", i * through["candidate"].slope(g)),
        "output_gate": ("hidden", read * through["output_gate"].slope(o)),
    }
    gates = {gate: GateDerivative(of, slope, slope) for gate, (of, slope) in by_gate.items()}  # type: ignore[arg-type]
    return LocalDerivatives(gates, keep=f, read=o * through["cell"].slope(read))


def _gru(s: LayerRun) -> LocalDerivatives:
    """H = (1 - z) n + z h_prev, where n reads r times what the recurrent weights make of h_prev, or r h_prev itself."""
    r, z, n = s.reset_gate, s.update_gate, s.candidate
    through = s.cell_equations.activations
    by_candidate = (1 - z) * through["candidate"].slope(n)
    by_update = (s.hidden_prev - n) * through["update_gate"].slope(z)
    update = GateDerivative("hidden", by_update, by_update)
    if s.weights.reset_after:
        by_reset = by_candidate * s.recurrent_product("candidate") * through["reset_gate"].slope(r)
        reset, candidate = (
            GateDerivative("hidden", by_reset, by_reset),
            GateDerivative("hidden", by_candidate, by_candidate * r),
        )
    else:
        by_reset = s.hidden_prev * through["reset_gate"].slope(r)
        reset, candidate = (
            GateDerivative("reset", by_reset, by_reset),
            GateDerivative("hidden", by_candidate, by_candidate),
        )
    gates = {"reset_gate": reset, "update_gate": update, "candidate": candidate}
    return LocalDerivatives(gates, keep=z, reset=None if s.weights.reset_after else r)
