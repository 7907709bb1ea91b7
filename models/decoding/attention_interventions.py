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
class ForceAttention:
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
class MaskSource:
    """The attention may not read one source position; attributes as of ``ForceAttention``."""

    source: int
    step: int | None = None
    layer: int | None = None
    head: int | None = None


@dataclass(frozen=True)
class AttentionTemperature:
    """The scores are divided by ``value`` before the softmax: below 1 the attention gets sharper, above 1 flatter."""

    value: float


@dataclass(frozen=True)
class ForceToken:
    """The network is taken to have written ``symbol`` at ``step`` (from 0), whatever it held most probable."""

    step: int
    symbol: str


@dataclass(frozen=True, eq=False)
class BorrowScores:
    """The scores come from another network, which reads the same text and the same symbols with its own states."""

    network: Network


Intervention = ForceAttention | MaskSource | AttentionTemperature | ForceToken | BorrowScores


def check_interventions(network: Network, sources: int, interventions: Iterable[Intervention]) -> None:
    """See that ``interventions`` fit ``network`` and a text of ``sources`` positions.

    Raises:
        Problem: one does not; one sentence says why.
    """
    module: Any = network.module
    recurrent = isinstance(module, Translator)
    for change in interventions:
        if isinstance(change, ForceToken):
            _check_symbol(network, change)
            continue
        if recurrent and module.attention is None:
            raise Problem(
                (
                    "{name} has no attention to change: its context vector is the same at every time step. Choose a "
                    "network with attention."
                ),
                name=network.name,
            )
        if isinstance(change, AttentionTemperature):
            if not (math.isfinite(change.value) and change.value > 0):
                raise Problem(
                    "The temperature must be a finite number greater than 0, not {value}.", value=change.value
                )
        elif isinstance(change, BorrowScores):
            other = change.network.module
            fits = recurrent and isinstance(other, Translator) and other.attention is not None
            if not fits or change.network.vocabulary != network.vocabulary:
                raise Problem(
                    (
                        "{name} cannot use the attention scores of {other}. Choose two recurrent networks with attention and "
                        "the same vocabulary."
                    ),
                    name=network.name,
                    other=change.network.name,
                )
        else:
            _check_place(module, sources, change)


def _check_symbol(network: Network, change: ForceToken) -> None:
    symbols = network.card.target_vocabulary or ()
    if change.symbol not in symbols[1:]:
        raise Problem(
            "{name} cannot output “{symbol}”. Choose one of its output symbols: {symbols}.",
            name=network.name,
            symbol=change.symbol,
            symbols=" ".join(symbols[1:]),
        )
    if not 0 <= change.step < network.card.architecture["longest"]:
        raise Problem(
            "Time step {step} does not exist. The answer ends at time step {count} at the latest.",
            step=change.step + 1,
            count=network.card.architecture["longest"],
        )


def _check_place(module: Any, sources: int, change: ForceAttention | MaskSource) -> None:
    if not 0 <= change.source < sources:
        raise Problem(
            "Input token {position} does not exist. Choose one from 1 to {count}.",
            position=change.source + 1,
            count=sources,
        )
    if isinstance(module, Translator):
        layers, heads = 1, 1
    else:
        layers, heads = len(module.decoder.layers), module.decoder.layers[0].multihead_attn.num_heads
    if not 0 <= (change.layer or 0) < layers:
        raise Problem(
            "Decoder layer {index} does not exist. Choose one from 0 to {last}.", index=change.layer, last=layers - 1
        )
    if not 0 <= (change.head or 0) < heads:
        raise Problem("Head {index} does not exist. Choose one from 0 to {last}.", index=change.head, last=heads - 1)


def masked_positions(interventions: Iterable[Intervention], blocked: Tensor, first: int, layer: int = 0) -> Tensor:
    """Where the attention may not go: ``blocked`` with ``interventions``.

    Args:
        interventions: what is changed.
        blocked: (heads, Tt, Ts) bool, True where it may not go anyway.
        first: which step of the answer the first of the Tt targets is.
        layer: of which decoder layer.
    """
    blocked = blocked.clone()
    places = [
        each for each in interventions if isinstance(each, ForceAttention | MaskSource) and each.layer in (None, layer)
    ]
    for change in sorted(
        places, key=lambda each: isinstance(each, ForceAttention)
    ):  # a position to attend to is never hidden
        steps = (
            slice(None) if change.step is None else slice(max(0, change.step - first), max(0, change.step - first + 1))
        )
        heads = slice(None) if change.head is None else slice(change.head, change.head + 1)
        if isinstance(change, ForceAttention):
            blocked[heads, steps] = True
        blocked[heads, steps, change.source] = isinstance(change, MaskSource)
    return blocked


def attention_temperature(interventions: Iterable[Intervention]) -> float:
    """What the scores are divided by; the last one given counts."""
    return next((each.value for each in reversed(tuple(interventions)) if isinstance(each, AttentionTemperature)), 1.0)


def score_network(interventions: Iterable[Intervention]) -> Network | None:
    """Whose scores are used; None for the network's own."""
    return next((each.network for each in reversed(tuple(interventions)) if isinstance(each, BorrowScores)), None)


def forced_token(interventions: Iterable[Intervention], step: int) -> str | None:
    """What is taken to be written at ``step``; None for what the network writes."""
    return next(
        (each.symbol for each in reversed(tuple(interventions)) if isinstance(each, ForceToken) and each.step == step),
        None,
    )
