"""Autoregressive generation: each symbol that a language model outputs is its next input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.core.messages import Problem
from models.core.tokenize_text import display
from models.networks.network import Network


@dataclass(frozen=True)
class GeneratedText:
    """A prompt and its generated continuation.

    Attributes:
        prompt: its S symbols, in display form.
        symbols: the N generated symbols, in display form.
        probability: N, the probability of each generated symbol.
        text: prompt and continuation.
    """

    prompt: tuple[str, ...]
    symbols: tuple[str, ...]
    probability: tuple[float, ...]
    text: str


def check_scores(logits: Tensor, name: str, step: int) -> None:
    """Check that the scores (..., V) of the symbols at a step of the output define probabilities.

    Raises:
        Problem: they contain NaN or plus infinity, whose softmax is NaN; minus infinity excludes a symbol.
    """
    if logits.isnan().any() or logits.isposinf().any():
        raise Problem(
            (
                "The scores of {name} become NaN or infinite at output step {step}, so no token can be chosen. Use smaller "
                "weights."
            ),
            name=name,
            step=step + 1,
        )


def generate(network: Network, text: str, count: int, temperature: float = 0.0, seed: int = 0) -> GeneratedText:
    """Generate the continuation of ``text`` by a network that predicts the next symbol.

    Args:
        network: one whose module has ``resume``, as ``models.architectures.language_model.LanguageModel``.
        text: the prompt, one symbol or more.
        count: N, the number of symbols to generate.
        temperature: 0 for the most probable symbol each time; else symbols are drawn from softmax(logits / temperature).
        seed: of the draw.

    Raises:
        Problem: the text cannot be encoded, or this network does not predict a next symbol.
    """
    if network.vocabulary is None or not hasattr(network.module, "resume"):
        raise Problem(
            "{name} does not predict a next token, so it cannot continue the text. Choose a network that predicts one.",
            name=network.titled_name,
        )
    resume: Any = network.module.resume
    generator = torch.Generator().manual_seed(seed)
    given, state = network.encode(text), None
    generated: list[str] = []
    probabilities: list[float] = []
    with torch.inference_mode():
        while len(generated) < count:
            logits, state = resume(given, state)
            check_scores(logits[0, -1], network.name, len(generated))
            probability = logits[0, -1].softmax(-1)
            if temperature > 0:
                chosen = torch.multinomial((logits[0, -1] / temperature).softmax(-1), 1, generator=generator)
            else:
                chosen = probability.argmax()[None]
            generated.append(network.vocabulary[int(chosen)])
            probabilities.append(float(probability[chosen]))
            given = chosen[None]
    return GeneratedText(
        tuple(network.labels(text)), tuple(map(display, generated)), tuple(probabilities), text + "".join(generated)
    )
