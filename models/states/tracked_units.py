"""The ranked list "which unit tracks what" of a network, a text and a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from models.capturing.capture import capture
from models.core.seeded_random import seeded_random
from models.core.stepwise_modules import recurrent_module
from models.core.tokenize_text import DISPLAY_SYMBOLS
from models.core.trace import LayerTrace
from models.networks.forward_run import ForwardRun
from models.networks.network import Network
from models.states.text_properties import informative_properties, text_properties
from models.states.unit_tracking import Pair, Ranking, Sample, rank_units

UNTRAINED_COUNT = 3
"""The number of untrained layers that serve as controls."""

RecallBatches = Callable[[int, Literal["en", "ko"]], Tensor]
"""(seed, language) -> ids (B, T + 1) of texts whose last token is their first one again."""

RunText = Callable[[Network, str], ForwardRun]
"""Runs a network on a text."""

Texts = Sequence[tuple[LayerTrace, dict[str, np.ndarray]]]
"""A layer's run on each text, and the text's properties, (T) each."""


def default_quantity(layer: LayerTrace) -> str:
    """Return the state that carries memory: an LSTM's cell, else the hidden state."""
    return layer.quantities[-2] if layer.kind == "LSTM" else "hidden"


def tracked_units(
    network: Network,
    text: str,
    layer: str,
    quantity: str | None = None,
    untrained: int = UNTRAINED_COUNT,
    recall_batches: RecallBatches | None = None,
    run: RunText | None = None,
) -> Ranking:
    """Return which units of ``layer`` track a property of ``text``.

    They are chosen on ``text`` and checked on the other examples on the network's card. For a recall network the word to
    remember is a property too, at the end of texts like those of its training in the language of ``text``, half of them
    held out.

    Args:
        network: a bundled one, or any with a card.
        text: as it would be typed.
        layer: its name, as in ``trace.layers``.
        quantity: the gate or state to correlate; None for an LSTM's cell or the hidden state.
        untrained: the number of untrained layers of its shape to compare with; each costs one more run of the layer.
        recall_batches: of a recall network, ``models.zoo.catalogue.recall_batches(network)``; None for any other.
        run: ``models.decoding.run_network``, of an encoder-decoder: the steps of its decoder are those of the output.

    Raises:
        Problem: the text cannot be encoded.
        ValueError: the layer has other steps than the text, and ``run`` is None.
    """
    tokens = network.tokens(text)
    others = [example.text for example in network.card.examples if network.tokens(example.text) != tokens]
    chosen = [_run_and_label(network, text, layer, run)]
    held_out = [_run_and_label(network, other, layer, run) for other in others]
    ranking = _ranking(chosen, held_out, quantity, untrained)
    if recall_batches is not None:
        language: Literal["en", "ko"] = "ko" if any("가" <= symbol <= "힣" for symbol in text) else "en"
        batches = [recall_batches(seed, language) for seed in (1, 2)]
        ranking += _first_word_ranking(network, layer, quantity, untrained, batches)
    return ranking


def tracked_in_halves(
    run: ForwardRun, layer: str, quantity: str | None = None, untrained: int = UNTRAINED_COUNT
) -> Ranking:
    """Return which units of ``layer`` track a property of one recorded sequence, its second half held out."""
    ran = run.trace.layers[layer]
    steps = int(ran.lengths[run.row])
    properties = text_properties([_token_of(label) for label in run.labels_of(layer)])
    middle = (steps + 1) // 2
    names = list(informative_properties({name: values[:middle] for name, values in properties.items()}))
    quantity = quantity or default_quantity(ran)
    pairs = []
    for each in (ran[quantity], *_untrained(ran, quantity, untrained if names else 0)):
        states = each[run.row, :steps]
        parts = (slice(0, middle), slice(middle, steps))
        first, second = (Sample(states[part], {name: properties[name][part] for name in names}) for part in parts)
        pairs.append((first, second))
    return rank_units(pairs[0], pairs[1:])


def _run_and_label(
    network: Network, text: str, layer: str, run: RunText | None
) -> tuple[LayerTrace, dict[str, np.ndarray]]:
    """Return a layer's run on a text, and the properties of the tokens at its steps: a decoder's are those of the output."""
    tokens = network.tokens(text)
    if run is not None:
        ran = run(network, text)
        if ran.decodes(layer):
            tokens = [_token_of(label) for label in ran.labels_of(layer)]
        return ran.trace.layers[layer], text_properties(tokens)
    with torch.inference_mode(), capture(network.module) as trace:
        network.run(network.encode(text))
    if network.card.predicts == "sequence" or trace.layers[layer].shape[1] != len(tokens):
        raise ValueError("The layer's steps are not those of the text. Run it with models.decoding.run_network.")
    return trace.layers[layer], text_properties(tokens)


def _ranking(chosen: Texts, held_out: Texts, quantity: str | None, untrained: int) -> Ranking:
    quantity = quantity or default_quantity(chosen[0][0])
    names = informative_properties(_joined([properties for _, properties in chosen]))
    if not names:
        return Ranking(())
    controls = [list(_untrained(layer, quantity, untrained)) for layer, _ in (*chosen, *held_out)]
    pairs: list[Pair] = []
    for each in range(1 + untrained):
        samples = []
        for texts, own in ((chosen, controls[: len(chosen)]), (held_out, controls[len(chosen) :])):
            ran = [
                (layer[quantity] if each == 0 else other[each - 1])[0]
                for (layer, _), other in zip(texts, own, strict=True)
            ]
            properties = _joined([of_text for _, of_text in texts])
            states = np.concatenate(ran) if ran else np.zeros((0, chosen[0][0][quantity].shape[2]))
            samples.append(Sample(states, {name: properties[name] for name in names if name in properties}))
        pairs.append((samples[0], samples[1]))
    return rank_units(pairs[0], pairs[1:])


def _first_word_ranking(
    network: Network, layer: str, quantity: str | None, untrained: int, batches: Iterable[Tensor]
) -> Ranking:
    """Return which units encode the first word after the last step of its text."""
    pairs: list[list[Sample]] = [[] for _ in range(1 + untrained)]
    for ids in batches:
        with torch.inference_mode(), capture(network.module) as trace:
            network.module(ids[:, :-1])
        ran = trace.layers[layer]
        words = np.array(network.vocabulary)[ids[:, 0].numpy()]
        name = quantity or default_quantity(ran)
        for pair, each in zip(pairs, (ran[name], *_untrained(ran, name, untrained)), strict=True):
            pair.append(Sample(each[:, -1], {"first_word": words}))
    first, *others = [(pair[0], pair[1]) for pair in pairs]
    return rank_units(first, others)


def _untrained(layer: LayerTrace, quantity: str, count: int) -> Iterator[np.ndarray]:
    """Yield a gate or state, (B, T, H), of untrained layers of the shape of ``layer`` on its input."""
    for seed in range(count):
        yield _untrained_run(layer, seed)[quantity]  # one after the other: only one run is in memory at a time


def _untrained_run(layer: LayerTrace, seed: int) -> LayerTrace:
    weights, given = layer.weights, layer.recording.input
    shape: dict = {"proj_size": weights.output_size} if weights.weight_hr is not None else {}
    with seeded_random(seed), torch.inference_mode():
        module = recurrent_module(
            weights.kind,
            weights.input_size,
            weights.hidden_size,
            weights.options,
            batch_first=True,
            dtype=given.dtype,
            bidirectional=layer.reverse,
            **shape,
        )
        with capture(module) as trace:
            module(given)
    return trace.layers["l0_reverse" if layer.reverse else "l0"]


def _joined(parts: Iterable[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the properties of several texts, concatenated."""
    parts = list(parts)
    return {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else ())}


def _token_of(label: str) -> str:
    """Return the token of a label from ``models.core.tokenize_text.display``."""
    return {drawn: token for token, drawn in DISPLAY_SYMBOLS.items()}.get(label, label)
