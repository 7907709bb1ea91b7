"""The run that an answer is computed from: the network and the sequence of a question, run once and cached.

Only bundled networks: a lesson from outside must not open files.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from threading import RLock
from typing import Any, TypeVar

from models.core.messages import Problem
from models.core.trace import LayerTrace
from models.decoding.decode import Decoding, decode, decode_sequence
from models.decoding.intervention_syntax import read_interventions
from models.decoding.run_network import decoded_run, run_network
from models.edits.edit import Edits, Entry
from models.edits.edit_syntax import read_edits
from models.edits.edited_network import EditedNetwork
from models.gradients.losses import DifferentiatedRun, Loss, differentiate
from models.networks.forward_run import ForwardRun
from models.networks.network import Network
from models.zoo.catalogue import load_network
from viz.lessons.lesson import QuestionPlace

MAX_RUNS = 24
"""Cached runs, and cached backward passes, of all lessons."""

T = TypeVar("T", bound=Callable[..., Any])

NETWORK_LOCK = RLock()
"""The lock of every function that runs a network: it records its run, so two threads must not run the same one."""


def cached_answer(size: int, lock: Any | None = None) -> Callable[[T], T]:
    """Return a decorator that caches a function's last ``size`` results and runs it in one thread at a time.

    Args:
        size: number of results.
        lock: shared with other functions; None for a lock of its own.
    """

    def decorate(function: T) -> T:
        cached, own_lock = lru_cache(maxsize=size)(function), lock or RLock()

        def locked(*arguments: Any) -> Any:
            with own_lock:
                return cached(*arguments)

        return locked  # type: ignore[return-value]

    return decorate


@cached_answer(16, NETWORK_LOCK)
def lesson_network(name: str) -> Network:
    """Return a bundled network. Raises Problem: there is none of that name."""
    return load_network(name)


@cached_answer(MAX_RUNS, NETWORK_LOCK)
def _run(name: str, text: str, edits: str) -> ForwardRun:
    network, active = lesson_network(name), _active_edits(edits)
    return EditedNetwork(network, active).read(text) if active.entries else run_network(network, text)


@cached_answer(MAX_RUNS, NETWORK_LOCK)
def _decoding(name: str, text: str, edits: str, attend: str) -> Decoding:
    network, active = lesson_network(name), _active_edits(edits)
    interventions = read_interventions(attend, lesson_network)
    if not active.entries:
        return decode(network, text, interventions)
    edited = EditedNetwork(network, active)
    return decode_sequence(edited.network, edited.sequence(text), interventions)


@cached_answer(MAX_RUNS, NETWORK_LOCK)
def _differentiated(name: str, text: str, edits: str, loss: Loss, layer: str | None) -> DifferentiatedRun:
    network, active = lesson_network(name), _active_edits(edits)
    if active.entries:
        return EditedNetwork(network, active).differentiate(text, loss, layer)
    return differentiate(network, text, loss)


def _active_edits(text: str) -> Edits:
    return Edits(tuple(map(Entry, read_edits(text).on)))


@dataclass(frozen=True)
class PlaceRun:
    """The run of a question's network on its sequence.

    Attributes:
        place: the network, the sequence, the edits and the layer.
    """

    place: QuestionPlace

    @property
    def name(self) -> str:
        """The name of the network. Raises Problem: the question has none."""
        if not self.place.net:
            raise Problem("The answer needs a network. Add “net: …” to the question or a view to its section.")
        return self.place.net

    @property
    def network(self) -> Network:
        """The network without the edits. Raises Problem: there is none of that name."""
        return lesson_network(self.name)

    @property
    def edited_network(self) -> Network:
        """The network with the edited weights."""
        active = _active_edits(self.place.edits)
        return EditedNetwork(self.network, active).network if active.entries else self.network

    @property
    def text(self) -> str:
        """The sequence: the question's, or that with which the network is shown first."""
        return self.network.card.default.text if self.place.text is None else self.place.text

    @property
    def run(self) -> ForwardRun:
        """The run. Raises Problem: the text cannot be encoded, or an edit does not fit."""
        if self.place.attend:
            return decoded_run(self.decoding)
        return _run(self.name, self.text, self.place.edits)

    @property
    def decoding(self) -> Decoding:
        """The generated sequence. Raises Problem: the network generates none, or the attention edits do not fit."""
        return _decoding(self.name, self.text, self.place.edits, self.place.attend)

    def differentiated(self, loss: Loss) -> DifferentiatedRun:
        """Return the backward pass of a loss. Raises Problem: the network or the text has no such loss."""
        return _differentiated(self.name, self.text, self.place.edits, loss, None)

    @cached_property
    def layer_name(self) -> str:
        """The name of the layer: the question's, or the one that is shown first. Raises Problem: there is none."""
        layers = self.run.trace.layers
        default = self.network.card.default.layer
        wanted = self.place.layer or (default if default in layers else next(iter(layers), ""))
        if wanted not in layers:
            raise Problem(
                "The network has no recurrent layer “{layer}”. Use one of these: {names}.",
                layer=wanted[:60],
                names=", ".join(layers) or "–",
            )
        return wanted

    @property
    def layer(self) -> LayerTrace:
        """The trace of the layer."""
        return self.run.trace.layers[self.layer_name]

    @property
    def steps(self) -> int:
        """T, the number of time steps of the layer; of a network without recurrent layers, of its sequence."""
        run = self.run
        return int(self.layer.lengths[run.row]) if run.trace.layers else len(run.prediction_labels)


def index_of(value: Any, count: int, what: str) -> int:
    """Return an index from 0; a negative one counts from the end.

    Args:
        value: as it was written.
        count: how many there are.
        what: the name of the argument, for the message.

    Raises:
        Problem: it is not a whole number, or there are not that many.
    """
    try:
        place = int(operator.index(value))
    except TypeError:
        place = count
    if isinstance(value, bool) or not -count <= place < count:
        raise Problem(
            "“{name}” cannot be {value}. Use a whole number from 0 to {last}.",
            name=what,
            value=str(value)[:40],
            last=count - 1,
        )
    return place % count


def text_argument(value: Any, what: str) -> str:
    """Return an argument that is a text. Raises Problem: it is not."""
    if not isinstance(value, str):
        raise Problem("“{name}” cannot be {value}. Write it in quotation marks.", name=what, value=str(value)[:40])
    return value


def number_argument(value: Any, what: str, low: float, high: float) -> float:
    """Return an argument that is a number in a range. Raises Problem: it is not."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise Problem(
            "“{name}” cannot be {value}. Use a number from {low} to {high}.",
            name=what,
            value=str(value)[:40],
            low=f"{low:g}",
            high=f"{high:g}",
        )
    return value


def one_of(value: Any, choices: tuple[str, ...], what: str) -> str:
    """Return an argument that is one of some names. Raises Problem: it is not."""
    if value not in choices:
        raise Problem(
            "“{name}” cannot be “{value}”. Use one of these: {names}.",
            name=what,
            value=str(value)[:40],
            names=", ".join(choices),
        )
    return str(value)
