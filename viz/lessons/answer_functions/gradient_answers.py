"""Answers from gradients: of the network's own losses, and of untrained layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from models.core.cells import GATE_COUNTS, Kind
from models.core.messages import Problem
from models.gradients.clipping import clip_coefficient
from models.gradients.initialized import InitConfig, initialized_gradients
from models.gradients.losses import Loss, differentiate
from models.zoo.catalogue import initial_network
from viz.lessons.answer_functions.place_run import (
    NETWORK_LOCK,
    PlaceRun,
    cached_answer,
    index_of,
    lesson_network,
    number_argument,
    one_of,
)

MAX_LENGTH = 200
"""Steps of an untrained layer's sequence at most, as on the page."""


def _loss(at: PlaceRun, step: int) -> Loss:
    """Return the loss of the prediction after a step; after the last one the final answer, as on the Gradients page."""
    last = at.steps - 1
    place = index_of(step, at.steps, "loss")
    predicts = at.network.card.predicts
    if predicts == "class" or (place == last and predicts == "next" and at.network.vocabulary is not None):
        if place != last:
            raise Problem("The class is predicted after the last step. Use loss=last.")
        return Loss("answer")
    return Loss("next", place)


def _gradients(at: PlaceRun, step: int, state: str) -> np.ndarray:
    """Return the L2 norms of the loss's derivatives by a layer's state at every step, (T) float64."""
    layer = at.differentiated(_loss(at, step)).trace.layers[at.layer_name]
    name = one_of(state, ("hidden", "cell") if layer.kind == "LSTM" else ("hidden",), "state")
    values = layer.cell_grad if name == "cell" else layer.hidden_grad
    return np.linalg.norm(values[0].astype(np.float64), axis=-1)


def _gradient_norm(at: PlaceRun, step: int, loss: int = -1, state: str = "hidden") -> float:
    """Return the norm of the derivative of the loss after step ``loss`` by the state at ``step``."""
    found = _gradients(at, loss, state)
    return float(found[index_of(step, len(found), "step")])


def _gradient_norms(at: PlaceRun, loss: int = -1, state: str = "hidden") -> list[float]:
    """Return these norms at all steps."""
    return _gradients(at, loss, state).tolist()


def _weight_gradient_norm(at: PlaceRun, loss: int = -1) -> float:
    """Return the norm of the gradient of the loss after step ``loss`` by all weights together."""
    module = at.differentiated(_loss(at, loss)).module
    squares = [float(each.grad.double().square().sum()) for each in module.parameters() if each.grad is not None]
    return float(np.sqrt(sum(squares)))


def _clip_factor(at: PlaceRun, threshold: float, loss: int = -1) -> float:
    """Return the factor by which clipping at a threshold multiplies the gradient of a loss by all weights."""
    return clip_coefficient(
        _weight_gradient_norm(at, loss), float(number_argument(threshold, "threshold", 1e-30, 1e30))
    )


@cached_answer(16)
def _untrained(cell: Kind, config: InitConfig) -> np.ndarray:
    return np.linalg.norm(initialized_gradients(cell, config).hidden[0].astype(np.float64), axis=-1)


def _initial_gradient(
    _at: PlaceRun,
    cell: str,
    radius: float,
    length: int,
    step: int = 0,
    bias: float = 1.0,
    activation: str = "tanh",
) -> float:
    """Return the gradient norm at a step of an untrained layer, as in “untrained, adjustable”; at the last step it is 1."""
    count = int(number_argument(length, "length", 1, MAX_LENGTH))
    config = InitConfig(
        radius=float(number_argument(radius, "radius", 0.1, 3.0)),
        memory_bias=float(number_argument(bias, "bias", -2.0, 5.0)),
        activation="relu" if one_of(activation, ("tanh", "relu"), "activation") == "relu" else "tanh",
        steps=count,
    )
    kind: Kind = one_of(cell, tuple(GATE_COUNTS), "cell")  # type: ignore[assignment]
    return float(_untrained(kind, config)[index_of(step, count, "step")])


def _initial_recall_gradient(at: PlaceRun, step: int = 0) -> float:
    """Return the gradient norm at a step of a recall network before its training, as in “same networks before training”."""
    if at.network.card.answer_step is None:
        raise Problem(
            "Only the recall networks are known before their training. Use recall-rnn, recall-lstm or recall-gru."
        )
    norms = _before_training(at.name, at.text, at.layer_name)
    return float(norms[index_of(step, len(norms), "step")])


@cached_answer(16, NETWORK_LOCK)
def _before_training(name: str, text: str, layer: str) -> np.ndarray:
    trace = differentiate(initial_network(lesson_network(name)), text, Loss("answer")).trace
    return np.linalg.norm(trace.layers[layer].hidden_grad[0].astype(np.float64), axis=-1)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "gradient_norm": _gradient_norm,
    "gradient_norms": _gradient_norms,
    "weight_gradient_norm": _weight_gradient_norm,
    "clip_factor": _clip_factor,
    "initial_gradient": _initial_gradient,
    "initial_recall_gradient": _initial_recall_gradient,
}
