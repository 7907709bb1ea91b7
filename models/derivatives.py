"""The local derivatives of the recurrent cells: what one step passes back, unit by unit.

They stand beside the equations of ``models.cells`` and are written in the values that the gates and states had, as one
does on paper: the sigmoid's slope where it gave y is ``y (1 - y)``, the tanh's is ``1 - y^2``. Every scan backwards
(``models.gradients``, ``models.adjoints``) and every Jacobian (``models.jacobian``) is made of these and of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from models.trace import LayerTrace


@dataclass(frozen=True, eq=False)
class Slope:
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
class Slopes:
    """The local derivatives of all steps of a layer, by position, (B, T, H) each.

    Attributes:
        gates: by gate, in weight-row order.
        keep: the carried state's by itself one step earlier: c_t by c_{t-1} (LSTM), h_t by h_{t-1} (GRU); None in an RNN.
        read: the hidden state's (before a projection) by the cell, in an LSTM.
        reset: the reset state's by h_{t-1}, in a GRU that resets before the product.
    """

    gates: dict[str, Slope]
    keep: np.ndarray | None = None
    read: np.ndarray | None = None
    reset: np.ndarray | None = None


def slopes_of(layer: LayerTrace) -> Slopes:
    """The local derivatives of ``layer``'s steps at the values they had."""
    return {"RNN": _rnn, "LSTM": _lstm, "GRU": _gru}[layer.kind](layer)


def activation_slopes(layer: LayerTrace) -> dict[str, np.ndarray]:
    """The slope of each sigmoid and tanh where each step really stood on it, (B, T, H) by gate.

    A sigmoid's is at most 1/4 and a tanh's at most 1; an LSTM's ``"cell"`` is the tanh through which the cell is read.
    """
    match layer.kind:
        case "RNN":
            return {"preactivation": _through_activation(layer)}
        case "LSTM":
            return {
                "input_gate": through_sigmoid(layer.input_gate),
                "forget_gate": through_sigmoid(layer.forget_gate),
                "candidate": through_tanh(layer.candidate),
                "output_gate": through_sigmoid(layer.output_gate),
                "cell": through_tanh(np.tanh(layer.cell)),
            }
    return {
        "reset_gate": through_sigmoid(layer.reset_gate),
        "update_gate": through_sigmoid(layer.update_gate),
        "candidate": through_tanh(layer.candidate),
    }


def through_sigmoid(y: np.ndarray) -> np.ndarray:
    """The slope of the sigmoid where it gave ``y``: at most 1/4."""
    return y * (1 - y)


def through_tanh(y: np.ndarray) -> np.ndarray:
    """The slope of the tanh where it gave ``y``: at most 1."""
    return 1 - y * y


def _rnn(s: LayerTrace) -> Slopes:
    """H = tanh(a) or relu(a)."""
    slope = _through_activation(s)
    return Slopes({"preactivation": Slope("hidden", slope, slope)})


def _through_activation(s: LayerTrace) -> np.ndarray:
    if s.weights.nonlinearity == "relu":
        return (s.hidden > 0).astype(s.hidden.dtype)
    return through_tanh(s.hidden)


def _lstm(s: LayerTrace) -> Slopes:
    """C = f c_prev + i g and h = o tanh(c)."""
    i, f, g, o, read = s.input_gate, s.forget_gate, s.candidate, s.output_gate, np.tanh(s.cell)
    by_gate = {
        "input_gate": ("cell", g * through_sigmoid(i)),
        "forget_gate": ("cell", s.cell_prev * through_sigmoid(f)),
        "candidate": ("cell", i * through_tanh(g)),
        "output_gate": ("hidden", read * through_sigmoid(o)),
    }
    gates = {gate: Slope(of, slope, slope) for gate, (of, slope) in by_gate.items()}  # type: ignore[arg-type]
    return Slopes(gates, keep=f, read=o * through_tanh(read))


def _gru(s: LayerTrace) -> Slopes:
    """H = (1 - z) n + z h_prev, where n reads r times what the recurrent weights make of h_prev, or r h_prev itself."""
    r, z, n = s.reset_gate, s.update_gate, s.candidate
    by_candidate = (1 - z) * through_tanh(n)
    by_update = (s.hidden_prev - n) * through_sigmoid(z)
    update = Slope("hidden", by_update, by_update)
    if s.weights.reset_after:
        by_reset = by_candidate * s.recurrent_product("candidate") * through_sigmoid(r)
        reset, candidate = Slope("hidden", by_reset, by_reset), Slope("hidden", by_candidate, by_candidate * r)
    else:
        by_reset = s.hidden_prev * through_sigmoid(r)
        reset, candidate = Slope("reset", by_reset, by_reset), Slope("hidden", by_candidate, by_candidate)
    gates = {"reset_gate": reset, "update_gate": update, "candidate": candidate}
    return Slopes(gates, keep=z, reset=None if s.weights.reset_after else r)
