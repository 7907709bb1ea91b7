"""Answers from a short training run, its dropout masks, early stopping, and from the sizes of layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from models.core.messages import Problem
from models.core.seeded_random import seeded_random
from models.networks.critical_path import recurrent_critical_path, transformer_critical_path
from models.training.check_options import check_options, count_parameters
from models.training.early_stopping import EarlyStopping
from models.training.sequence_models import build_sequence_model
from models.training.step_masks import StepMask, step_masks
from models.training.training_loop import (
    clip_gradients,
    differentiate_step,
    make_optimizer,
    one_thread,
    total_steps,
    validate,
    validation_interval,
)
from models.training.training_options import OWN_DATA, TrainingOptions
from models.training.training_tasks import task_data
from viz.lessons.answer_functions.place_run import PlaceRun, cached_answer, number_argument, one_of
from viz.view_options import parse_options

MAX_EXAMPLES, MAX_VALUES = 1000, 4_000_000
"""Sequences of a training run, and states that it computes (steps, batch, time steps, units, layers), at most."""

MAX_LOSSES, MAX_LENGTH = 1000, 100_000
"""Losses given to early stopping, and positions of a sequence, at most."""

PLACES = {"input": "input", "time": "hidden"}
"""Where a mask acts: on a layer's input, or on h_{t-1} in the recurrent product."""


@dataclass(frozen=True)
class Losses:
    """The losses of a run: of each training step, and of each validation."""

    training: tuple[float, ...]
    validation: tuple[float, ...]


def lesson_options(look: str, changes: Mapping[str, Any]) -> TrainingOptions:
    """Return the settings in the options of a link, some of them changed.

    Raises:
        Problem: there are none, they are not valid, or the run is too long for a lesson.
    """
    text = parse_options(look).get("training")
    if text is None:
        raise Problem("The answer needs settings of a training run. Copy “look” from the link of the Train page.")
    options = TrainingOptions.from_dict(TrainingOptions.from_json(text).to_dict() | dict(changes))
    if options.task not in OWN_DATA and not 1 <= options.examples <= MAX_EXAMPLES:
        raise Problem("A training run of a lesson has at most {most} sequences. Set “examples”.", most=MAX_EXAMPLES)
    check_options(options)
    return options


def _too_long() -> Problem:
    return Problem("This training run takes too long for a lesson. Use fewer steps, units, or shorter sequences.")


@cached_answer(8)
def _losses(options: TrainingOptions) -> Losses:
    data = task_data(options)
    count, length = total_steps(options, data), data.training.inputs.shape[1]
    if count * options.batch * length * options.units * options.layers > MAX_VALUES:
        raise _too_long()
    module = build_sequence_model(options, data)
    optimizer, interval = make_optimizer(module, options), validation_interval(options, data)
    training: list[float] = []
    validation: list[float] = []
    with one_thread(), seeded_random(), torch.enable_grad():
        for step in range(count + 1):
            if step % interval == 0 or step == count:
                validation.append(validate(module, data.validation)[0])
            if step == count:
                break
            loss, _outputs, _batch = differentiate_step(module, optimizer, options, data, step)
            clip_gradients(module, options)
            optimizer.step()
            training.append(float(loss.detach()))
    return Losses(tuple(training), tuple(validation))


def _training_losses(at: PlaceRun, of: str = "validation", **changes: Any) -> list[float]:
    """Return the losses of the run with the settings in “look”: of each validation, or of each training step.

    ``changes``: other values of settings, as in ``training_losses(units=8)``.
    """
    found = _losses(lesson_options(at.place.look, changes))
    return list(found.validation if one_of(of, ("validation", "training"), "of") == "validation" else found.training)


def _trained_parameters(at: PlaceRun, **changes: Any) -> int:
    """Return the number of parameters of the network with the settings in “look”, some of them changed."""
    options = lesson_options(at.place.look, changes)
    data = task_data(options)
    return count_parameters(options, data.inputs, data.outputs)


@cached_answer(8)
def _masks(options: TrainingOptions) -> list[StepMask]:
    data = task_data(options)
    if options.batch * data.training.inputs.shape[1] * options.units * options.layers > MAX_VALUES:
        raise _too_long()
    return step_masks(options, data, 0)


def _mask(at: PlaceRun, place: str, changes: Mapping[str, Any]) -> np.ndarray:
    """Return a dropout mask of the first sequence of the first training step, (T, units), of the lowest layer with one."""
    name = PLACES[one_of(place, tuple(PLACES), "place")]
    found = [each for each in _masks(lesson_options(at.place.look, changes)) if each.place == name]
    if not found:
        raise Problem("These settings have no dropout there. Set a dropout, or name another place.")
    steps = len(found[0].values)
    return found[0].values.reshape(steps, -1)


def _dropped_share(at: PlaceRun, place: str, **changes: Any) -> float:
    """Return the share of the values that dropout sets to 0."""
    return float((_mask(at, place, changes) == 0).mean())


def _dropout_factor(at: PlaceRun, place: str, **changes: Any) -> float:
    """Return the factor of the values that dropout keeps."""
    return float(_mask(at, place, changes).max())


def _has_one_mask(at: PlaceRun, place: str, **changes: Any) -> bool:
    """Return whether all time steps have the same mask."""
    values = _mask(at, place, changes)
    return bool((values == values[:1]).all())


def _kept_at_all_steps(at: PlaceRun, place: str, **changes: Any) -> float:
    """Return the share of the units that dropout keeps at every time step."""
    return float((_mask(at, place, changes) > 0).all(axis=0).mean())


def _early_stop(_at: PlaceRun, losses: list[Any], patience: int, min_delta: float = 0.0) -> int:
    """Return the index of the validation after which early stopping ends the training; that of the last one without."""
    if not isinstance(losses, list | tuple) or not 1 <= len(losses) <= MAX_LOSSES:
        raise Problem("“losses” is not a list of numbers. Write it in brackets, as in [2.5, 2.1].")
    stopping = EarlyStopping(
        int(number_argument(patience, "patience", 1, MAX_LOSSES)), number_argument(min_delta, "min_delta", 0, 1e6)
    )
    for index, loss in enumerate(losses):
        if stopping.update(number_argument(loss, "losses", -1e9, 1e9)):
            return index
    return len(losses) - 1


def _unit_count(at: PlaceRun) -> int:
    """Return H, the number of units of the layer."""
    return int(at.layer.shape[2])


def _sequential_steps(_at: PlaceRun, network: str, source: int, layers: int = 2) -> int:
    """Return the sequential operations until a source of some tokens is encoded, as on the Attention page.

    Args:
        network: "recurrent" or "transformer".
        source: number of tokens.
        layers: of the Transformer's encoder.
    """
    count = int(number_argument(source, "source", 1, MAX_LENGTH))
    if one_of(network, ("recurrent", "transformer"), "network") == "recurrent":
        path = recurrent_critical_path(count, 1)
    else:
        path = transformer_critical_path(count, 1, int(number_argument(layers, "layers", 1, 100)))
    return max(max(steps) for part, _first, steps in path.lines if part in ("forward", "backward", "encoder"))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "training_losses": _training_losses,
    "trained_parameters": _trained_parameters,
    "dropped_share": _dropped_share,
    "dropout_factor": _dropout_factor,
    "has_one_mask": _has_one_mask,
    "kept_at_all_steps": _kept_at_all_steps,
    "early_stop": _early_stop,
    "unit_count": _unit_count,
    "sequential_steps": _sequential_steps,
}
