"""A bundled network: the module, what it reads, and the card that says what it is and how well it does."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.core.messages import Problem
from models.core.parse_numbers import parse_number
from models.core.tokenize_text import UNKNOWN, display, split_characters, split_words

Kind = Literal["characters", "words", "numbers"]
LIMIT = 2000
"""Steps that ``Network.encode`` accepts unless told otherwise."""


@dataclass(frozen=True)
class Example:
    """A sequence to start from.

    Attributes:
        text: as it would be typed.
        language: ``"en"`` or ``"ko"`` where it is in a natural language, else ``None``.
    """

    text: str
    language: str | None = None


@dataclass(frozen=True)
class Start:
    """The view of a network that is worth seeing first.

    Attributes:
        text, layer, unit, step, quantity: what is shown; ``unit`` and ``step`` count from 0.
        why: what there is to see, and how it was measured, by language (``"en"``, ``"ko"``).
    """

    text: str
    layer: str
    unit: int
    step: int
    quantity: str
    why: dict[str, str]


@dataclass(frozen=True)
class Card:
    """What a network is, how it came to be and how well it does.

    Attributes:
        name: as in ``load_network(name)``.
        title, task: a short name and one or two sentences, by language (``"en"``, ``"ko"``).
        kind: what a step of a sequence is.
        scored: where the prediction counts: after ``"all"`` symbols or only after the ``"last"``.
        predicts: the ``"next"`` symbol or value after every step, the ``"class"`` of the whole sequence, another
            ``"sequence"``, ``"values"`` after every step that are not the next input, or ``"nothing"``.
        classes: C answers in the order of their scores, by language; ``None`` where none are predicted.
        architecture: class name and arguments of the module.
        vocabulary: the symbols in the order of their ids; ``None`` for a network of numbers.
        target_vocabulary: the V' symbols that a predicted sequence is made of, in the order of their ids, the one that
            begins it first and the one that ends it second; ``None`` where none is predicted.
        unknown: the symbol that stands for all others; ``None`` if the network has none.
        padding: the symbol that fills short sequences up; ``None`` if the network has none.
        particles: Korean particles, which are tokens of their own after a known word.
        columns: D, numbers per step of a network of numbers, else 0.
        parameters: numbers in the module that were trained.
        data: source, licence and split of what it was trained on.
        training: seed, steps, seconds, torch version and settings.
        metrics: measured on data held out, beside what simpler predictors reach there.
        examples: sequences to pick.
        default: what to show first.
        answer_step: the step whose token is the right answer after the last step (the recall networks); ``None`` where
            the right answer is unknown.
    """

    name: str
    title: dict[str, str]
    task: dict[str, str]
    kind: Kind
    scored: Literal["all", "last"]
    predicts: Literal["next", "class", "sequence", "values", "nothing"]
    classes: dict[str, tuple[str, ...]] | None
    architecture: dict[str, Any]
    vocabulary: tuple[str, ...] | None
    unknown: str | None
    padding: str | None
    particles: tuple[str, ...]
    columns: int
    parameters: int
    data: dict[str, Any]
    training: dict[str, Any]
    metrics: dict[str, Any]
    examples: tuple[Example, ...]
    default: Start
    target_vocabulary: tuple[str, ...] | None = None
    answer_step: int | None = None

    @classmethod
    def read(cls, path: Path) -> "Card":
        """The card in the JSON file at ``path``."""
        fields = json.loads(path.read_text(encoding="utf-8"))
        for name in ("vocabulary", "target_vocabulary"):
            if fields.get(name) is not None:
                fields[name] = tuple(fields[name])
        if fields["classes"] is not None:
            fields["classes"] = {language: tuple(names) for language, names in fields["classes"].items()}
        fields["particles"] = tuple(fields["particles"])
        fields["examples"] = tuple(Example(**each) for each in fields["examples"])
        fields["default"] = Start(**fields["default"])
        return cls(**fields)


@dataclass(frozen=True, eq=False)
class TokenizedText:
    """A text as the input of a network.

    Attributes:
        given: ids (1, T) int64, or values (1, T, D) float32.
        tokens: T, of the vocabulary, or numbers.
        unknown: the symbols of the text that the vocabulary lacks, each once, in the order of their first appearance.
    """

    given: Tensor
    tokens: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class Network:
    """A trained network and how to speak to it.

    Symbols: ``module(ids (B, T) int64)`` gives logits (B, T, V) of the next symbol.
    Numbers: ``module(x (B, T, D) float32)`` gives the prediction (B, T, D) of the next value.
    Classes: ``module(ids (B, T) int64, lengths (B) or None)`` gives logits (B, C) of the whole sequence.
    Sequences: ``module(ids (B, Ts) int64)`` gives logits (B, Tt, V') of the symbols that it writes, each step reading the
    most probable one before; ``module(ids, targets (B, Tt) int64)`` reads ``targets`` instead.

    Example:
        >>> net = load_network("counter")
        >>> net.module(net.encode(".aaabbb")).argmax(-1)   # what it expects after each symbol

    Attributes:
        name: as in ``load_network(name)``.
        module: in evaluation mode; holds its recurrent layers as ``rnn``.
        vocabulary: V symbols in the order of their ids; ``None`` for a network of numbers.
        card: what the network is and how well it does.
    """

    name: str
    module: nn.Module
    vocabulary: tuple[str, ...] | None
    card: Card

    @property
    def kind(self) -> Kind:
        """What a step is: ``"characters"``, ``"words"`` or ``"numbers"``."""
        return self.card.kind

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each symbol; none in a network of numbers."""
        return {symbol: index for index, symbol in enumerate(self.vocabulary or ())}

    @property
    def input_names(self) -> tuple[str, ...] | None:
        """What each input of the first layer stands for, where it is one symbol (one-hot input), else ``None``."""
        one_hot = self.vocabulary is not None and self.card.architecture.get("embedding") is None
        return self.vocabulary if one_hot else None

    def __call__(self, given: Tensor) -> Tensor:
        """The module's own forward: ids (B, T) to logits (B, T, V), or values (B, T, D) to predictions (B, T, D)."""
        return self.module(given)

    def tokenize(self, text: str, limit: int = LIMIT) -> TokenizedText:
        """Split ``text`` into tokens, once, and encode them.

        Raises:
            ValueError: nothing to read, nothing known, more than ``limit`` steps, or not a number; one sentence.
        """
        if self.vocabulary is None:
            rows = read_numbers(text, self.card.columns, limit)
            return TokenizedText(torch.tensor([rows], dtype=torch.float32), tuple(map(_short, rows)), ())
        symbols = self._split(text)
        if not symbols:
            raise Problem("The input text is empty. Type an input for {name}.", name=self.name)
        if len(symbols) > limit:
            raise Problem(
                "The input has {count} time steps, but at most {limit} are allowed. Use a shorter input.",
                count=f"{len(symbols):,}",
                limit=f"{limit:,}",
            )
        ids = self.ids
        unknown = self._unknown(symbols)
        if all(symbol not in ids or symbol == self.card.unknown for symbol in symbols):
            raise Problem(
                "The vocabulary of {name} contains none of the symbols of this text ({symbols}). Type another text.",
                name=self.name,
                symbols=_named(unknown or symbols),
            )
        if unknown and self.card.unknown is None:
            raise Problem(
                "The vocabulary of {name} does not contain {unknown}. Use only these symbols: {symbols}.",
                name=self.name,
                unknown=_named(unknown),
                symbols=_named(self.vocabulary),
            )
        tokens = self._in_vocabulary(symbols)
        return TokenizedText(torch.tensor([[ids[token] for token in tokens]]), tuple(tokens), tuple(unknown))

    def encode(self, text: str, limit: int = LIMIT) -> Tensor:
        """Return the input of the module for ``text``.

        Returns:
            Ids (1, T) int64, the unknown symbol's id where the vocabulary lacks a symbol; for a network of numbers
            the values (1, T, D) float32.

        Raises:
            ValueError: as ``tokenize``.
        """
        return self.tokenize(text, limit).given

    def tokens(self, text: str) -> list[str]:
        """Return the input token of each of the T steps, of a text that need not be valid: symbols, or numbers."""
        if self.vocabulary is None:
            return [_short(step) for step in read_numbers(text, self.card.columns, None)]
        return self._in_vocabulary(self._split(text))

    def labels(self, text: str) -> list[str]:
        """``tokens(text)`` as they are drawn: a newline as ``'⏎'``, a space as ``'␣'``."""
        return [display(token) for token in self.tokens(text)]

    def unknown(self, text: str) -> list[str]:
        """Return the symbols of ``text`` that the vocabulary lacks, each once, in the order of their first appearance."""
        return [] if self.vocabulary is None else self._unknown(self._split(text))

    def _unknown(self, symbols: list[str]) -> list[str]:
        return list(dict.fromkeys(symbol for symbol in symbols if symbol not in self.ids))

    def _in_vocabulary(self, symbols: list[str]) -> list[str]:
        """Replace the symbols that the vocabulary lacks by its unknown symbol, if it has one."""
        return [symbol if symbol in self.ids else (self.card.unknown or symbol) for symbol in symbols]

    def _split(self, text: str) -> list[str]:
        if self.kind == "words":
            return split_words(text, self.vocabulary or (), self.card.particles)
        return split_characters(text, self.vocabulary or ())


def read_numbers(text: str, columns: int, limit: int | None) -> list[list[float]]:
    """The steps (T, D) in ``text``: one after the other for D = 1, else D numbers a step and ``;`` or a line between.

    Raises:
        ValueError: one sentence that names the first thing that is wrong.
    """
    whole = re.split(r"[,;\s]+", text) if columns == 1 else re.split(r"[;\n]+", text)
    rows = [row for row in (part.strip() for part in whole) if row]
    if not rows:
        raise Problem("There are no numbers. Type some, as in 0.1, 0.25, 0.4.")
    if limit is not None and len(rows) > limit:
        raise Problem(
            "The input has {count} time steps, but at most {limit} are allowed. Use a shorter input.",
            count=f"{len(rows):,}",
            limit=f"{limit:,}",
        )
    steps = []
    for row in rows:
        step = [parse_number(part) for part in re.split(r"[,\s]+", row) if part]
        if len(step) != columns:
            raise Problem(
                "“{step}” has {count} values. Give {columns} values per time step.",
                step=row,
                count=len(step),
                columns=columns,
            )
        steps.append(step)
    return steps


def _short(step: list[float], most: int = 4) -> str:
    """The numbers of a step; of more than ``most`` the first ones and the last."""
    shown = [f"{value:g}" for value in step]
    return ",".join(shown if len(shown) <= most else [*shown[: most - 2], "…", shown[-1]])


def _named(symbols: tuple[str, ...] | list[str], most: int = 12) -> str:
    """Symbols in quotes, the first ``most`` of them."""
    shown = ", ".join(f"“{display(symbol)}”" for symbol in symbols[:most])
    return shown + (f" … (+{len(symbols) - most})" if len(symbols) > most else "")


__all__ = ["LIMIT", "UNKNOWN", "Card", "Example", "Network", "Start", "TokenizedText", "read_numbers"]
