"""Greedy decoding of a network's answer to a text, with interventions, and a record of everything that it computes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.architectures.translator import END, START
from models.capturing.capture import capture
from models.core.attention import AttentionTrace, AttentionTraces
from models.core.messages import Problem
from models.core.trace import Trace
from models.decoding.attention_interventions import Intervention, check_interventions, forced_token
from models.decoding.decoders import Decoder, RecurrentDecoder, make_decoder, module_at_temperature
from models.networks.generation import check_scores
from models.networks.input_sequence import InputSequence, input_sequence
from models.networks.network import Network


@dataclass(frozen=True, eq=False)
class Decoding:
    """A text and the answer that a network generated for it.

    Attributes:
        source: the Ts input symbols, in display form.
        unknown: those of the text that are not in the vocabulary and were replaced by the unknown symbol.
        symbols: (Tt) int64, ids of the output, one each step, forced ones included.
        probability: (Tt, V') float32, of each symbol at each step.
        vocabulary: the V' symbols of the answer.
        trace: the layers, ``"encoder.l0"``, ``"encoder.l0_reverse"``, ``"decoder.l0"`` of a recurrent network, and in
            ``trace.attention`` each attention; scores are those after all interventions.
        interventions: the interventions of the run.
    """

    source: tuple[str, ...]
    unknown: tuple[str, ...]
    symbols: np.ndarray
    probability: np.ndarray
    vocabulary: tuple[str, ...]
    trace: Trace
    interventions: tuple[Intervention, ...] = ()

    @property
    def target(self) -> tuple[str, ...]:
        """The output of each of the Tt steps; the last one is ``"⊣"`` if the answer has ended."""
        return tuple(self.vocabulary[symbol] for symbol in self.symbols)

    @property
    def decoder_input(self) -> tuple[str, ...]:
        """The decoder's input at each of the Tt steps: ``"⊢"``, then its output of the step before."""
        return (self.vocabulary[START], *self.target[:-1])

    @property
    def finished(self) -> bool:
        """Return whether the answer has ended; otherwise it was cut off at the maximum number of steps."""
        return int(self.symbols[-1]) == END

    @property
    def answer(self) -> str:
        """The answer, without the end symbol."""
        return "".join(self.target[:-1] if self.finished else self.target)

    @cached_property
    def token_probability(self) -> np.ndarray:
        """(Tt) float32, the probability of each step's output."""
        return self.probability[np.arange(len(self.symbols)), self.symbols]

    @property
    def log_probability(self) -> float:
        """The natural logarithm of the probability of the whole answer; -inf if a forced symbol has probability 0."""
        with np.errstate(divide="ignore"):
            return float(np.log(self.token_probability.astype(np.float64)).sum())

    @property
    def attention(self) -> Mapping[str, AttentionTrace]:
        """The attention over the text: ``"attention"``, or each decoder layer's ``multihead_attn``; empty without any."""
        between = ("attention", "multihead_attn")
        return {name: each for name, each in self.trace.attention.items() if name.split(".")[-1] in between}


def decode(network: Network, text: str, interventions: Iterable[Intervention] = ()) -> Decoding:
    """Decode the answer of ``network`` to ``text``, at each step its most probable symbol.

    Without interventions the answer is that of ``network.module(network.encode(text))``. An answer has at most as many steps
    as the network's card allows (``longest``), so this always ends.

    Args:
        network: one that predicts a ``"sequence"``.
        text: as it would be typed.
        interventions: see ``models.decoding.attention_interventions``; of several that contradict each other the last one
            counts.

    Raises:
        Problem: the network generates no sequence, or the text cannot be encoded, or an intervention does not fit; one
            sentence says why.
    """
    return decode_sequence(network, input_sequence(network, text), interventions)


def decode_sequence(network: Network, read: InputSequence, interventions: Iterable[Intervention] = ()) -> Decoding:
    """Decode the answer to an input sequence, which may have been edited; otherwise like ``decode``.

    Raises:
        Problem: the network generates no sequence, or an intervention does not fit.
    """
    _check_generates(network)
    ids, interventions = read.given, tuple(interventions)
    check_interventions(network, ids.shape[1], interventions)
    module = module_at_temperature(network, interventions)
    with torch.inference_mode():
        symbols = greedy_decode(network, make_decoder(module, ids, interventions), interventions)
        logits, trace = record_decoding(module, ids, symbols, interventions)
    return Decoding(
        source=read.labels,
        unknown=read.unknown,
        symbols=symbols.numpy(),
        probability=logits[0].softmax(-1).numpy(),
        vocabulary=network.card.target_vocabulary or (),
        trace=replace(trace, tokens=read.labels),
        interventions=interventions,
    )


def encode_source(network: Network, text: str) -> Tensor:
    """Return the ids (1, Ts) of ``text``.

    Raises:
        Problem: the network generates no sequence, or the text cannot be encoded.
    """
    _check_generates(network)
    return network.encode(text)


def _check_generates(network: Network) -> None:
    if network.card.predicts != "sequence":
        raise Problem("{name} does not output a sequence. Choose one of the dates networks.", name=network.titled_name)


def greedy_decode(network: Network, decoder: Decoder, interventions: tuple[Intervention, ...]) -> Tensor:
    """Return (Tt), the ids of the output, generated step by step."""
    vocabulary = network.card.target_vocabulary or ()
    found: list[int] = []
    state, symbol = decoder.initial_state(), torch.tensor([[START]])
    while len(found) < decoder.module.longest and not (found and found[-1] == END):
        logits, state = decoder.step(symbol, state, len(found))
        check_scores(logits[0, -1], network.name, len(found))
        forced = forced_token(interventions, len(found))
        found.append(int(logits[0, -1].argmax()) if forced is None else vocabulary.index(forced))
        symbol = torch.tensor([[found[-1]]])
    return torch.tensor(found)


def record_decoding(
    module: Any, ids: Tensor, symbols: Tensor, interventions: tuple[Intervention, ...]
) -> tuple[Tensor, Trace]:
    """Return the logits (1, Tt, V') and the trace of ``module`` with the source ``ids`` and the output ``symbols`` (Tt)."""
    inputs = torch.cat([torch.tensor([START]), symbols[:-1]])[None]
    with capture(module) as trace:
        decoder = make_decoder(module, ids, interventions)
        logits, _ = decoder.step(inputs, decoder.initial_state(), 0)
    trace = Trace(trace.layers, trace.tokens, trace.attention)
    if isinstance(decoder, RecurrentDecoder) and decoder.parts is not None:
        trace = Trace(
            trace.layers, trace.tokens, AttentionTraces({"attention": AttentionTrace("attention", (decoder.parts,))})
        )
    return logits, trace
