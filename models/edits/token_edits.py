"""Edits of what a network reads: tokens replaced, inserted and deleted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.core.messages import Problem
from models.core.tokenize_text import display
from models.edits.edit import Token
from models.edits.edit_syntax import short
from models.networks.network import LIMIT, Network


@dataclass(frozen=True, eq=False)
class Sequence:
    """What a network reads.

    Attributes:
        given: ids (1, T) int64, or values (1, T, D) float32.
        tokens: what is read at each of the T steps.
        unknown: the symbols that the network lacks, each once, as they are drawn.
        origin: for each of the T steps, which step it was before any edit; None for an inserted one.
    """

    given: Tensor
    tokens: tuple[str, ...]
    unknown: tuple[str, ...]
    origin: tuple[int | None, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The tokens as they are drawn."""
        return tuple(map(display, self.tokens))


def sequence(network: Network, text: str, edits: Iterable[Token] = ()) -> Sequence:
    """The sequence that ``text`` says, after ``edits``, one after the other: each counts the steps that those before left.

    Raises:
        Problem: the text cannot be read, or an edit does not fit it; one sentence says why.
    """
    given, tokens = network.encode(text), network.tokens(text)
    unknown, origin = network.unknown(text), list[int | None](range(len(tokens)))
    for edit in edits:
        count, at = len(tokens), edit.step
        if at > count or (at == count and edit.how != "insert"):
            raise Problem("There is no step {step}; the sequence has {count} steps.", step=at + 1, count=count)
        end = at if edit.how == "insert" else at + 1
        symbols = [] if edit.how == "delete" else _one(network, edit.token)
        middle = [_encoded(network, edit.token, symbols[0])] if symbols else []
        given = torch.cat([given[:, :at], *middle, given[:, end:]], 1)
        tokens[at:end] = symbols
        was: list[int | None] = [None] if edit.how == "insert" else origin[at:end]
        origin[at:end] = was if symbols else []
        unknown += [symbol for symbol in network.unknown(edit.token) if symbol not in unknown]
        if not tokens:
            raise Problem("The only token cannot be deleted; a sequence has at least one.")
        if len(tokens) > LIMIT:
            raise Problem(
                "The text has {count} steps; at most {limit} can be read at once.",
                count=f"{len(tokens):,}", limit=f"{LIMIT:,}",
            )  # fmt: skip
    return Sequence(given, tuple(tokens), tuple(map(display, unknown)), tuple(origin))


def _one(network: Network, token: str) -> list[str]:
    """``token`` as the network reads it, if it is one token."""
    symbols = network.tokens(token)
    if len(symbols) != 1:
        raise Problem("“{token}” is {count} tokens; an edit takes one.", token=short(token), count=len(symbols))
    return symbols


def _encoded(network: Network, token: str, symbol: str) -> Tensor:
    """One step: (1, 1) the id, or (1, 1, D) values."""
    if network.vocabulary is not None and symbol in network.vocabulary:
        return torch.tensor([[network.vocabulary.index(symbol)]])  # also the unknown symbol, which alone is no text
    return network.encode(token)
