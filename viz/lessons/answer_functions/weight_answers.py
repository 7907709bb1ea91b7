"""Answers from the weights of a network, its card, and the sizes of layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from models.core.cells import GATE_COUNTS
from models.core.messages import Problem
from models.edits.weight_edits import parameters_of
from models.gradients.jacobian import RecurrentSpectrum, recurrent_spectrum
from models.layer_calls.layer_parameters import recurrent_parameters
from viz.lessons.answer_functions.place_run import PlaceRun, index_of, number_argument, one_of, text_argument


def _spectrum(at: PlaceRun, gate: str) -> RecurrentSpectrum:
    found = recurrent_spectrum(at.layer.weights)
    default = "preactivation" if at.layer.kind == "RNN" else "candidate"
    return found[one_of(gate or default, tuple(found), "gate")]


def _spectral_radius(at: PlaceRun, gate: str = "") -> float:
    """Return the largest magnitude of an eigenvalue of W_hh; of a gated cell that of one gate, else of its candidate."""
    return _spectrum(at, gate).radius


def _largest_singular_value(at: PlaceRun, gate: str = "") -> float:
    """Return the largest singular value of W_hh, likewise."""
    return _spectrum(at, gate).norm


def _matrix(at: PlaceRun, name: str) -> np.ndarray:
    arrays = parameters_of(at.edited_network.module).arrays
    wanted = text_argument(name, "matrix")
    if wanted not in arrays:
        raise Problem(
            "The network has no weights “{name}”. Use one of these: {names}.", name=wanted[:60], names=", ".join(arrays)
        )
    return arrays[wanted].numpy()


def _row(at: PlaceRun, name: str, values: np.ndarray, row: int | str) -> int:
    """Return the row of a matrix: a number, or a gate and a unit as in the Edit lens (``"forget_gate.3"``)."""
    if not isinstance(row, str):
        return index_of(row, len(values), "row")
    layer = at.run.trace.layers.get(name.rpartition(".")[0])
    gate, _point, unit = row.partition(".")
    gates = () if layer is None else layer.weights.cell.gates
    place = tuple(gates).index(one_of(gate, tuple(gates), "row"))
    size = len(values) // max(1, len(gates))
    return place * size + index_of(int(unit) if unit.isascii() and unit.isdigit() else unit, size, "row")


def _weight(at: PlaceRun, matrix: str, row: int | str, column: int) -> float:
    """Return a weight, by the names of the Edit lens: ``weight("rnn.l0.weight_hh", "forget_gate.3", 5)``."""
    values = _matrix(at, matrix)
    if values.ndim != 2:
        raise Problem("“{name}” is not a matrix. Use bias(…) for it.", name=matrix)
    return float(values[_row(at, matrix, values, row), index_of(column, values.shape[1], "column")])


def _bias(at: PlaceRun, name: str, row: int | str) -> float:
    """Return a bias: ``bias("rnn.l0.bias_ih", 0)``."""
    values = _matrix(at, name)
    if values.ndim != 1:
        raise Problem("“{name}” is a matrix. Use weight(…) for it.", name=name)
    return float(values[_row(at, name, values, row)])


def _parameter_count(at: PlaceRun) -> int:
    """Return the number of trained parameters of the network."""
    return sum(each.numel() for each in at.network.module.parameters())


def _layer_parameters(_at: PlaceRun, cell: str, inputs: int, units: int, framework: str = "torch") -> int:
    """Return the parameters of a recurrent layer, in torch with two biases for each sum, in Keras with one."""
    size, width = int(number_argument(inputs, "inputs", 1, 1e6)), int(number_argument(units, "units", 1, 1e6))
    library = "keras" if one_of(framework, ("torch", "keras"), "framework") == "keras" else "pytorch"
    return recurrent_parameters(one_of(cell, tuple(GATE_COUNTS), "cell"), size, width, library).total


def _card(at: PlaceRun, metric: str, *cases: str) -> float:
    """Return a number of the network's card: ``card("accuracy_by_distance", "31-40")``."""
    found: Any = at.network.card.metrics
    for name in (metric, *cases):
        if not isinstance(found, dict):
            break
        found = found[one_of(str(name), tuple(map(str, found)), "metric")]
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise Problem("“{name}” is not a number of the card. Name one of its cases too.", name=str(metric)[:40])
    return found


def _embedding_cosine(at: PlaceRun, token: str, other: str) -> float:
    """Return the cosine between the rows of the input embedding of two tokens."""
    one, two = (_embedding(at, each) for each in (token, other))
    return float(one @ two / (np.linalg.norm(one) * np.linalg.norm(two)))


def _embedding(at: PlaceRun, token: str) -> np.ndarray:
    network = at.network
    table = getattr(network.module, "embedding", None)
    if table is None or network.vocabulary is None or not hasattr(table, "weight"):
        raise Problem("This network has no embedding. Use a network that has one.")
    wanted = text_argument(token, "token")
    if wanted not in network.ids:
        raise Problem("The vocabulary has no token “{token}”. Use one of its tokens.", token=wanted[:40])
    return table.weight.detach().double().numpy()[network.ids[wanted]]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "spectral_radius": _spectral_radius,
    "largest_singular_value": _largest_singular_value,
    "weight": _weight,
    "bias": _bias,
    "parameter_count": _parameter_count,
    "layer_parameters": _layer_parameters,
    "card": _card,
    "embedding_cosine": _embedding_cosine,
}
