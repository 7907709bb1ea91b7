"""The first place of a NaN or an infinity in a training step: a weight, a state, the loss, or a gradient."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import isfinite, isnan
from operator import itemgetter

import torch
from torch import Tensor

from models.core.layer_gradients import GradientError
from models.core.messages import Sentence
from models.core.trace import LayerTrace
from models.gradients.nonfinite import QUANTITY_NAMES, NonFinite, first_nonfinite_value

KINDS = ("weight", "state", "loss", "state_gradient", "weight_gradient")


@dataclass(frozen=True)
class NonFinitePlace:
    """The first place of a NaN or an infinity in a training step, in the order of computation.

    Attributes:
        kind: ``"weight"``, ``"state"``, ``"loss"``, ``"state_gradient"`` or ``"weight_gradient"``.
        value: ``"nan"`` or ``"inf"``.
        name: of the parameter or of the layer; "" for the loss.
        quantity: of the layer: ``"hidden"``, ``"cell_grad"``; "" otherwise.
        position: the time step, from 0. sequence: the index in the batch. unit: of the layer. -1 where they do not apply.
    """

    kind: str
    value: str
    name: str = ""
    quantity: str = ""
    position: int = -1
    sequence: int = -1
    unit: int = -1

    @property
    def sentence(self) -> Sentence:
        """The sentence about the place."""
        values = {
            "value": "NaN" if self.value == "nan" else "∞",
            "name": self.name,
            "quantity": QUANTITY_NAMES.get(self.quantity, self.quantity),
            "step": self.position + 1,
            "unit": self.unit,
        }
        if self.kind == "weight":
            return Sentence("The parameter {name} contains {value} before the forward pass.", **values)
        if self.kind in ("state", "state_gradient"):
            return Sentence("The {quantity} of {name} is {value} at time step {step} (unit {unit}).", **values)
        if self.kind == "weight_gradient":
            return Sentence("The gradient of the parameter {name} contains {value}.", **values)
        return Sentence("The loss is {value}.", **values)

    def __str__(self) -> str:
        return str(self.sentence)

    def to_json(self) -> str:
        """Return it as JSON; the inverse of ``parse_place``."""
        return json.dumps(asdict(self), ensure_ascii=False)


def parse_place(text: str) -> NonFinitePlace:
    """Return the place that ``to_json`` wrote.

    Raises:
        ValueError: the text is something else.
    """
    values = json.loads(text)
    place = NonFinitePlace(**{key: values[key] for key in NonFinitePlace.__dataclass_fields__})
    texts = (place.value, place.name, place.quantity)
    numbers = (place.position, place.sequence, place.unit)
    if place.kind not in KINDS or not all(type(each) is str for each in texts):
        raise ValueError("not a place")
    if not all(type(each) is int for each in numbers):
        raise ValueError("not a place")
    return place


def value_name(number: float) -> str:
    """Return ``"nan"`` or ``"inf"``."""
    return "nan" if isnan(number) else "inf"


@torch.no_grad()
def first_bad_tensor(tensors: Mapping[str, Tensor | None], kind: str) -> NonFinitePlace | None:
    """Return the first of several tensors that has NaN or an infinity; None if all are finite."""
    for name, values in tensors.items():
        if values is None or not values.dtype.is_floating_point:
            continue
        values = values.detach()
        values = values if values.layout == torch.strided else values.coalesce().values()
        if not values.isfinite().all():
            return NonFinitePlace(kind, "nan" if values.isnan().any() else "inf", name)
    return None


def nonfinite_place(
    weights: Mapping[str, Tensor], layers: Mapping[str, LayerTrace], loss: float | None
) -> NonFinitePlace | None:
    """Return the first place in a training step, in the order of computation; None if everything is finite.

    Args:
        weights: the parameters with their gradients, as they are between the backward pass and the optimizer's step.
        layers: the recorded runs of layers, in the order in which they ran; possibly none.
        loss: if it is known.
    """
    found = first_bad_tensor(weights, "weight")
    if found is not None:
        return found
    for name, layer in layers.items():
        places = [(quantity, _place(layer, quantity)) for quantity in layer.quantities]
        known = [(_order(layer, place), quantity, place) for quantity, place in places if place is not None]
        if known:
            _, quantity, place = min(known, key=itemgetter(0))
            return NonFinitePlace("state", place.value, name, quantity, place.position, place.sequence, place.unit)
    if loss is not None and not isfinite(loss):
        return NonFinitePlace("loss", value_name(loss))
    for name, layer in reversed(list(layers.items())):
        with suppress(GradientError):
            gathered = layer.recording.gathered_gradients
            if gathered is None:
                continue
            gradients = layer.gradients_of(gathered)
            states = {"hidden_grad": gradients.hidden}
            if "cell" in layer.cell_equations.states:
                states["cell_grad"] = gradients.cell
            for quantity, values in states.items():
                bad = first_nonfinite_value(values, last_first=not layer.reverse)
                if bad is not None:
                    return NonFinitePlace(
                        "state_gradient", bad.value, name, quantity, bad.position, bad.sequence, bad.unit
                    )
    return first_bad_tensor({name: values.grad for name, values in weights.items()}, "weight_gradient")


def _place(layer: LayerTrace, quantity: str) -> NonFinite | None:
    return first_nonfinite_value(layer[quantity], last_first=layer.reverse)


def _order(layer: LayerTrace, place: NonFinite) -> int:
    """Return a number that ascends in the order of the layer's steps."""
    return -place.position if layer.reverse else place.position
