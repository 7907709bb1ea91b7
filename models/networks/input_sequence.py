"""A text as the input sequence of a network."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from models.core.tokenize_text import display
from models.networks.network import Network


@dataclass(frozen=True, eq=False)
class InputSequence:
    """The input of a network.

    Attributes:
        given: ids (1, T) int64, or values (1, T, D) float32.
        tokens: the input token of each of the T steps.
        labels: the tokens in display form; a symbol that the network's vocabulary lacks as itself, in brackets.
        unknown: the symbols that the network's vocabulary lacks, each once, in display form.
        origin: for each of the T steps, the step that it was before any edit; None for an inserted one.
    """

    given: Tensor
    tokens: tuple[str, ...]
    labels: tuple[str, ...]
    unknown: tuple[str, ...]
    origin: tuple[int | None, ...]


def input_sequence(network: Network, text: str) -> InputSequence:
    """Return ``text`` as the input of ``network``.

    Raises:
        Problem: the text cannot be encoded; one sentence says why.
    """
    text_tokens = network.tokenize(text)
    steps = tuple(range(len(text_tokens.tokens)))
    unknown = tuple(map(display, text_tokens.unknown))
    return InputSequence(text_tokens.given, text_tokens.tokens, text_tokens.labels, unknown, steps)
