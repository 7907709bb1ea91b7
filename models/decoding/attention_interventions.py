"""Interventions in decoding: in the attention, and in the tokens that the decoder generates."""

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
    """All attention weight on one source position.

    Attributes:
        source: the position in the text, from 0.
        step: the step of the answer, from 0; every step if None.
        layer: the decoder layer of a Transformer, from 0; all if None.
        head: the head of a Transformer, from 0; all if None.
    """

    source: int
    step: int | None = None
    layer: int | None = None
    head: int | None = None


@dataclass(frozen=True)
class MaskSource:
    """One source position masked for the attention; attributes as of ``ForceAttention``."""

    source: int
    step: int | None = None
    layer: int | None = None
    head: int | None = None


@dataclass(frozen=True)
class AttentionTemperature:
    """Scores divided by ``value`` before the softmax: below 1 the attention gets sharper, above 1 flatter."""

    value: float


@dataclass(frozen=True)
class ForceToken:
    """``symbol`` as the output at ``step`` (from 0), whatever the network's most probable one is."""

    step: int
    symbol: str


@dataclass(frozen=True, eq=False)
class BorrowScores:
    """Attention scores from another network, which runs on the same text and the same symbols with its own states."""

    network: Network


Intervention = ForceAttention | MaskSource | AttentionTemperature | ForceToken | BorrowScores


def check_interventions(network: Network, sources: int, interventions: Iterable[Intervention]) -> None:
    """Check that ``interventions`` fit ``network`` and a text of ``sources`` positions.

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
                name=network.titled_name,
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
                    name=network.titled_name,
                    other=change.network.titled_name,
                )
        else:
            _check_place(network, sources, change)


def _check_symbol(network: Network, change: ForceToken) -> None:
    symbols = network.card.target_vocabulary or ()
    if change.symbol not in symbols[1:]:
        raise Problem(
            "{name} cannot output “{symbol}”. Choose one of its output tokens: {symbols}.",
            name=network.titled_name,
            symbol=change.symbol,
            symbols=" ".join(symbols[1:]),
        )
    _check_step(network, change.step)


def _check_step(network: Network, step: int) -> None:
    if not 0 <= step < network.card.architecture["longest"]:
        raise Problem(
            "Time step {step} does not exist. The answer ends at time step {count} at the latest.",
            step=step + 1,
            count=network.card.architecture["longest"],
        )


def _check_place(network: Network, sources: int, change: ForceAttention | MaskSource) -> None:
    module: Any = network.module
    if change.step is not None:
        _check_step(network, change.step)
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
    """Return the attention mask ``blocked`` changed by ``interventions``.

    Args:
        interventions: the interventions.
        blocked: (heads, Tt, Ts) bool, True at positions that are masked without them.
        first: the step of the answer of the first of the Tt targets.
        layer: the decoder layer.
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
    """Return the divisor of the scores; of several temperatures the last one counts."""
    return next((each.value for each in reversed(tuple(interventions)) if isinstance(each, AttentionTemperature)), 1.0)


def score_network(interventions: Iterable[Intervention]) -> Network | None:
    """Return the network whose scores are used; None for the network's own."""
    return next((each.network for each in reversed(tuple(interventions)) if isinstance(each, BorrowScores)), None)


def forced_token(interventions: Iterable[Intervention], step: int) -> str | None:
    """Return the symbol forced at ``step``; None if the network's own output is used."""
    return next(
        (each.symbol for each in reversed(tuple(interventions)) if isinstance(each, ForceToken) and each.step == step),
        None,
    )
