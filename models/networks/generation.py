"""A language model writes on: each symbol that it puts out is the next one that it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from models.core.messages import Problem
from models.core.tokenize_text import display
from models.networks.network import Network


@dataclass(frozen=True)
class Writing:
    """What was written.

    Attributes:
        start: the S symbols that were given, as they are drawn.
        symbols: the N symbols that were written after them, as they are drawn.
        probability: N, of each of these when it was chosen.
        text: all of it.
    """

    start: tuple[str, ...]
    symbols: tuple[str, ...]
    probability: tuple[float, ...]
    text: str


def write_on(network: Network, text: str, count: int, temperature: float = 0.0, seed: int = 0) -> Writing:
    """Let a network that predicts the next symbol go on from ``text``.

    Args:
        network: one whose module has ``resume``, as ``models.architectures.language_model.LanguageModel``.
        text: what it begins with, one symbol or more.
        count: N, how many symbols it writes.
        temperature: 0 for the most probable symbol each time; else drawn from softmax(logits / temperature).
        seed: of the draw.

    Raises:
        Problem: the text cannot be read, or this network does not predict a next symbol.
    """
    if network.vocabulary is None or not hasattr(network.module, "resume"):
        raise Problem(
            "{name} does not predict a next token, so it cannot continue the text. Choose a network that predicts one.",
            name=network.name,
        )
    resume: Any = network.module.resume
    generator = torch.Generator().manual_seed(seed)
    given, state = network.encode(text), None
    written: list[str] = []
    chances: list[float] = []
    with torch.inference_mode():
        while len(written) < count:
            logits, state = resume(given, state)
            chance = logits[0, -1].softmax(-1)
            if temperature > 0:
                chosen = torch.multinomial((logits[0, -1] / temperature).softmax(-1), 1, generator=generator)
            else:
                chosen = chance.argmax()[None]
            written.append(network.vocabulary[int(chosen)])
            chances.append(float(chance[chosen]))
            given = chosen[None]
    return Writing(tuple(network.labels(text)), tuple(map(display, written)), tuple(chances), text + "".join(written))
