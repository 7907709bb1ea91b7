"""Answers from one call of a layer, and from what the units of a layer track."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.core.messages import Problem
from models.decoding.run_network import run_network
from models.layer_calls.call_options import call_of_link
from models.layer_calls.call_run import CallRun, run_call
from models.layer_calls.returned_tensors import ReturnedTensor, keras_tensors, pytorch_tensors
from models.states.text_properties import PROPERTIES
from models.states.tracked_units import tracked_units
from models.states.unit_tracking import Ranking
from models.zoo.catalogue import recall_batches
from viz.lessons.answer_functions.place_run import (
    NETWORK_LOCK,
    PlaceRun,
    cached_answer,
    index_of,
    lesson_network,
    one_of,
)
from viz.view_options import parse_options

FRAMEWORKS = {"keras": keras_tensors, "torch": pytorch_tensors}


@cached_answer(8)
def _call_run(link: str) -> CallRun:
    call = call_of_link(link)
    if call.source == "text" and not call.data:
        raise Problem("The call has no text. Write it as “data” of the call.")
    return run_call(call)


def lesson_call(look: str) -> CallRun:
    """Return the run of the call in the options of a link. Raises Problem: it is not a call, or cannot be run."""
    try:
        link = parse_options(look).get("call", "{}")
    except ValueError:
        raise Problem("“look” cannot be “{value}”. Use the form order:mean;steps:0-99.", value=look[:60]) from None
    try:
        return _call_run(link)
    except Problem:
        raise
    except ValueError:
        raise Problem(
            "The call “{value}” is not valid. Copy “look” from the link of the Layer page.", value=link[:60]
        ) from None


def _tensor(at: PlaceRun, name: str, framework: str) -> ReturnedTensor:
    tensors = FRAMEWORKS[one_of(framework, tuple(FRAMEWORKS), "framework")](lesson_call(at.place.look))
    if not tensors:
        raise Problem('PyTorch has no such layer. Use framework="keras".')
    wanted = one_of(name, tuple(each.name for each in tensors), "tensor")
    return next(each for each in tensors if each.name == wanted)


def _layer_output(at: PlaceRun, tensor: str, *index: int, framework: str = "keras") -> float:
    """Return a number of a tensor that the call returns: ``layer_output("state_h", 0, 2)``."""
    values = _tensor(at, tensor, framework).values
    if len(index) != values.ndim:
        raise Problem("“{name}” has {count} axes. Give as many numbers after it.", name=tensor, count=values.ndim)
    places = (index_of(value, size, "index") for value, size in zip(index, values.shape, strict=True))
    return float(values[tuple(places)])


def _layer_shape(at: PlaceRun, tensor: str, framework: str = "keras") -> list[int]:
    """Return the shape of a tensor that the call returns."""
    return list(_tensor(at, tensor, framework).values.shape)


@cached_answer(8, NETWORK_LOCK)
def _ranking(name: str, text: str, layer: str) -> Ranking:
    network = lesson_network(name)
    return tracked_units(network, text, layer, recall_batches=recall_batches(network), run=run_network)


def _correlation(at: PlaceRun, unit: int, name: str, part: str = "text") -> float:
    """Return the correlation of a unit with a property of the text, as in “Units that track a property of the text”.

    ``part``: on the ``"text"``, on the ``"held_out"`` text, or the best that ``"untrained"`` layers reach on both.
    """
    where = one_of(part, ("text", "held_out", "untrained"), "part")
    wanted = one_of(name, (*PROPERTIES, "first_word"), "property")
    place = index_of(unit, at.layer.shape[2], "unit")
    for each in _ranking(at.name, at.text, at.layer_name).matches:
        if each.name == wanted and each.unit == place:
            return float({"text": each.correlation, "held_out": each.held_out, "untrained": each.untrained}[where])
    raise Problem(
        "Unit {unit} is none of the three with the largest correlation with “{name}”. Use one that the States page lists.",
        unit=place,
        name=wanted,
    )


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "layer_output": _layer_output,
    "layer_shape": _layer_shape,
    "correlation": _correlation,
}
