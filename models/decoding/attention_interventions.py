"""What can be changed while a network writes: where its attention goes, and what it reads of itself."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from models.architectures.translator import Translator
from models.core.messages import Problem
from models.networks.network import Network


@dataclass(frozen=True)
class Attend:
    """All attention goes to one source position.

    Attributes:
        source: the position in the text, from 0.
        step: at which step of the answer, from 0; at every step if None.
        layer: of a Transformer, which decoder layer, from 0; all if None.
        head: of a Transformer, which head, from 0; all if None.
    """

    source: int
    step: int | None = None
    layer: int | None = None
    head: int | None = None


@dataclass(frozen=True)
class Hide:
    """The attention may not read one source position; attributes as of ``Attend``."""

    source: int
    step: int | None = None
    layer: int | None = None
    head: int | None = None


@dataclass(frozen=True)
class Temperature:
    """The scores are divided by ``value`` before the softmax: below 1 the attention gets sharper, above 1 flatter."""

    value: float


@dataclass(frozen=True)
class Write:
    """The network is taken to have written ``symbol`` at ``step`` (from 0), whatever it held most probable."""

    step: int
    symbol: str


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores come from another network, which reads the same text and the same symbols with its own states."""

    network: Network


Change = Attend | Hide | Temperature | Write | Scores


def check(network: Network, sources: int, changes: Iterable[Change]) -> None:
    """See that ``changes`` fit ``network`` and a text of ``sources`` positions.

    Raises:
        Problem: one does not; one sentence says why.
    """
    module: Any = network.module
    recurrent = isinstance(module, Translator)
    for change in changes:
        if isinstance(change, Write):
            _check_symbol(network, change)
            continue
        if recurrent and module.attention is None:
            raise Problem(
                "{name} has no attention to change: its context is the same at every step.", name=network.name
            )
        if isinstance(change, Temperature):
            if not (math.isfinite(change.value) and change.value > 0):
                raise Problem("A temperature is a number above 0, not {value}.", value=change.value)
        elif isinstance(change, Scores):
            other = change.network.module
            fits = recurrent and isinstance(other, Translator) and other.attention is not None
            if not fits or change.network.vocabulary != network.vocabulary:
                raise Problem(
                    "{name} cannot take its scores from {other}; both need attention between recurrent layers.",
                    name=network.name,
                    other=change.network.name,
                )
        else:
            _check_place(module, sources, change)


def _check_symbol(network: Network, change: Write) -> None:
    symbols = network.card.target_vocabulary or ()
    if change.symbol not in symbols[1:]:
        raise Problem(
            "{name} cannot write “{symbol}”; its symbols are {symbols}.",
            name=network.name,
            symbol=change.symbol,
            symbols=" ".join(symbols[1:]),
        )
    if not 0 <= change.step < network.card.architecture["longest"]:
        raise Problem(
            "There is no step {step}; an answer has at most {count} steps.",
            step=change.step + 1,
            count=network.card.architecture["longest"],
        )


def _check_place(module: Any, sources: int, change: Attend | Hide) -> None:
    if not 0 <= change.source < sources:
        raise Problem(
            "There is no position {position}; the text has {count} symbols.", position=change.source + 1, count=sources
        )
    if isinstance(module, Translator):
        layers, heads = 1, 1
    else:
        layers, heads = len(module.decoder.layers), module.decoder.layers[0].multihead_attn.num_heads
    if not 0 <= (change.layer or 0) < layers:
        raise Problem("There is no layer {index}; the decoder's are 0 to {last}.", index=change.layer, last=layers - 1)
    if not 0 <= (change.head or 0) < heads:
        raise Problem("There is no head {index}; a layer's are 0 to {last}.", index=change.head, last=heads - 1)


def barred(changes: Iterable[Change], blocked: Tensor, first: int, layer: int = 0) -> Tensor:
    """Where the attention may not go: ``blocked`` with ``changes``.

    Args:
        changes: what is changed.
        blocked: (heads, Tt, Ts) bool, True where it may not go anyway.
        first: which step of the answer the first of the Tt targets is.
        layer: of which decoder layer.
    """
    blocked = blocked.clone()
    places = [each for each in changes if isinstance(each, Attend | Hide) and each.layer in (None, layer)]
    for change in sorted(places, key=lambda each: isinstance(each, Attend)):  # a position to attend to is never hidden
        steps = (
            slice(None) if change.step is None else slice(max(0, change.step - first), max(0, change.step - first + 1))
        )
        heads = slice(None) if change.head is None else slice(change.head, change.head + 1)
        if isinstance(change, Attend):
            blocked[heads, steps] = True
        blocked[heads, steps, change.source] = isinstance(change, Hide)
    return blocked


def temperature(changes: Iterable[Change]) -> float:
    """What the scores are divided by; the last one given counts."""
    return next((each.value for each in reversed(tuple(changes)) if isinstance(each, Temperature)), 1.0)


def scores_of(changes: Iterable[Change]) -> Network | None:
    """Whose scores are used; None for the network's own."""
    return next((each.network for each in reversed(tuple(changes)) if isinstance(each, Scores)), None)


def written_at(changes: Iterable[Change], step: int) -> str | None:
    """What is taken to be written at ``step``; None for what the network writes."""
    return next(
        (each.symbol for each in reversed(tuple(changes)) if isinstance(each, Write) and each.step == step), None
    )
