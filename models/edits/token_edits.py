"""Edits of a network's input: tokens replaced, inserted and deleted."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from models.core.messages import Problem
from models.core.parse_numbers import shorten
from models.core.tokenize_text import display
from models.edits.edit import TokenEdit
from models.networks.input_limit import INPUT_LIMIT, TooManyStepsError
from models.networks.input_sequence import InputSequence
from models.networks.network import Network


def edited_sequence(network: Network, text: str, edits: Iterable[TokenEdit] = ()) -> InputSequence:
    """Return ``text`` as an input sequence after ``edits``, in order: each edit's step counts after those before it.

    Raises:
        Problem: the text cannot be encoded, or an edit does not fit it; one sentence says why.
    """
    read = network.tokenize(text)
    given, tokens, labels, unknown = read.given, list(read.tokens), list(read.labels), list(read.unknown)
    origin = list[int | None](range(len(tokens)))
    for edit in edits:
        count, at = len(tokens), edit.step
        if at > count or (at == count and edit.how != "insert"):
            raise Problem(
                "Time step {step} does not exist. The sequence ends at time step {count}.", step=at + 1, count=count
            )
        end = at if edit.how == "insert" else at + 1
        symbols = [] if edit.how == "delete" else _single_token(network, edit.token)
        middle = [_encode_token(network, edit.token, symbols[0])] if symbols else []
        given = torch.cat([given[:, :at], *middle, given[:, end:]], 1)
        tokens[at:end] = symbols
        labels[at:end] = network.labels(edit.token) if symbols else []
        was: list[int | None] = [None] if edit.how == "insert" else origin[at:end]
        origin[at:end] = was if symbols else []
        unknown += [symbol for symbol in network.unknown(edit.token) if symbol not in unknown]
        if not tokens:
            raise Problem("The only token cannot be deleted. A sequence needs at least one token.")
        if len(tokens) > INPUT_LIMIT.get():
            raise TooManyStepsError(len(tokens), INPUT_LIMIT.get())
    return InputSequence(given, tuple(tokens), tuple(labels), tuple(map(display, unknown)), tuple(origin))


def _single_token(network: Network, token: str) -> list[str]:
    """Return ``token`` as the network's tokenizer splits it, if it is one token."""
    symbols = network.tokens(token)
    if len(symbols) != 1:
        raise Problem(
            "“{token}” consists of {count} tokens. Use exactly one token per edit.",
            token=shorten(token),
            count=len(symbols),
        )
    return symbols


def _encode_token(network: Network, token: str, symbol: str) -> Tensor:
    """Return the input of one step: (1, 1) the id, or (1, 1, D) values."""
    if network.vocabulary is not None and symbol in network.vocabulary:
        return torch.tensor(
            [[network.vocabulary.index(symbol)]]
        )  # the unknown symbol too, which encode would not accept
    return network.encode(token)
