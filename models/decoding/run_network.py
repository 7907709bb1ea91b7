"""Any network run on a text: one that generates a sequence by its greedy decoding, every other by one forward pass."""

from __future__ import annotations

from dataclasses import replace

import torch

from models.capturing.capture import capture
from models.core.tokenize_text import display
from models.decoding.decode import Decoding, decode
from models.networks.forward_run import ForwardRun, SymbolPrediction, prediction_of
from models.networks.input_sequence import input_sequence
from models.networks.network import Network


def run_network(network: Network, text: str) -> ForwardRun:
    """Run ``network`` on ``text`` and return what its layers computed and what it predicted.

    Raises:
        ValueError: the text cannot be encoded; one sentence says why.
    """
    if network.card.predicts == "sequence":
        return decoded_run(decode(network, text))
    what = input_sequence(network, text)
    with torch.inference_mode(), capture(network.module) as trace:
        scores, outputs = network.run_with_outputs(what.given)
    return ForwardRun(
        replace(trace, tokens=what.labels),
        what.labels,
        prediction_of(network, what.given[0], scores[0]),
        what.unknown,
        network.input_names,
        outputs={name: value.numpy() for name, value in outputs.items()},
    )


def decoded_run(decoding: Decoding) -> ForwardRun:
    """Return a greedy decoding as a run: its prediction is that of the decoder's steps."""
    names = tuple(map(display, decoding.vocabulary))
    prediction = SymbolPrediction(decoding.probability, decoding.symbols, names)
    return ForwardRun(
        decoding.trace,
        decoding.source,
        prediction,
        decoding.unknown,
        decoder_input=tuple(map(display, decoding.decoder_input)),
    )
