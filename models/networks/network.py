"""A network: its module, its tokenizer and vocabulary, and a card with its task, training and metrics."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from models.core.html_representation import NotebookHtml
from models.core.messages import Problem, TitledName
from models.core.parse_numbers import parse_number
from models.core.tokenize_text import UNKNOWN, display, display_unknown, longest_text, split_characters, split_words
from models.networks.input_limit import INPUT_LIMIT, TooManyStepsError, check_length

TokenKind = Literal["characters", "words", "numbers"]


@dataclass(frozen=True)
class Example:
    """An example input.

    Attributes:
        text: as a user types it.
        language: ``"en"`` or ``"ko"`` if it is in a natural language, else ``None``.
    """

    text: str
    language: str | None = None


@dataclass(frozen=True)
class DefaultView:
    """The view of a network that a page shows by default.

    Attributes:
        text, layer, unit, step, quantity: the input and the selection; ``unit`` and ``step`` count from 0.
        why: why this view was chosen, and how that was measured, by language (``"en"``, ``"ko"``).
    """

    text: str
    layer: str
    unit: int
    step: int
    quantity: str
    why: dict[str, str]


@dataclass(frozen=True)
class ModelCard:
    """A network's task, architecture, vocabulary, training and metrics.

    Attributes:
        name: as in ``load_network(name)``.
        title, task: a short name and one or two sentences, by language (``"en"``, ``"ko"``).
        kind: what one step of a sequence is.
        scored: where the prediction is evaluated: after ``"all"`` symbols or only after the ``"last"``.
        predicts: the ``"next"`` symbol or value after every step, the ``"class"`` of the whole sequence, a class at each
            step (``"tag"``), another ``"sequence"``, ``"values"`` after every step that are not the next input, or
            ``"nothing"``.
        classes: names of the C classes in the order of the logits, by language; ``None`` if no class is predicted.
        architecture: class name and arguments of the module.
        vocabulary: the symbols in the order of their ids; ``None`` for a network of numbers.
        target_vocabulary: the V' symbols of a predicted sequence, in the order of their ids, with the start symbol first and
            the end symbol second; ``None`` if no sequence is predicted.
        unknown: the symbol for all symbols outside the vocabulary; ``None`` if the network has none.
        padding: the symbol that pads short sequences; ``None`` if the network has none.
        particles: Korean particles, which are tokens of their own after a known word.
        columns: D, numbers per step of a network of numbers, else 0.
        parameters: number of trained parameters.
        data: source, licence and split of the training data.
        training: seed, steps, seconds, torch version and settings.
        metrics: on held-out data, with baselines.
        examples: inputs to choose from.
        default: the view to show first.
        answer_step: the step whose token is the right answer after the last step (the recall networks); ``None`` where
            the right answer is unknown.
    """

    name: str
    title: dict[str, str]
    task: dict[str, str]
    kind: TokenKind
    scored: Literal["all", "last"]
    predicts: Literal["next", "class", "tag", "sequence", "values", "nothing"]
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
    default: DefaultView
    target_vocabulary: tuple[str, ...] | None = None
    answer_step: int | None = None

    @classmethod
    def load(cls, path: Path) -> "ModelCard":
        """Load the card from a JSON file."""
        fields = json.loads(path.read_text(encoding="utf-8"))
        for name in ("vocabulary", "target_vocabulary"):
            if fields.get(name) is not None:
                fields[name] = tuple(fields[name])
        if fields["classes"] is not None:
            fields["classes"] = {language: tuple(names) for language, names in fields["classes"].items()}
        fields["particles"] = tuple(fields["particles"])
        fields["examples"] = tuple(Example(**each) for each in fields["examples"])
        fields["default"] = DefaultView(**fields["default"])
        return cls(**fields)


@dataclass(frozen=True, eq=False)
class TokenizedText:
    """A text as the input of a network.

    Attributes:
        given: ids (1, T) int64, or values (1, T, D) float32.
        tokens: T, of the vocabulary, or numbers.
        labels: T, the tokens in display form; a symbol that the vocabulary lacks as itself, in brackets.
        unknown: the symbols of the text that the vocabulary lacks, each once, in the order of their first appearance.
    """

    given: Tensor
    tokens: tuple[str, ...]
    labels: tuple[str, ...]
    unknown: tuple[str, ...]


class SequenceLayout(Protocol):
    """The mapping of one sequence to the inputs of a module with its own layout, and of its outputs to scores by step.

    Attributes:
        steps: the only number of steps T that the module accepts; None for any.
        fixed: names of the module's other inputs, which are 0.
    """

    @property
    def steps(self) -> int | None: ...

    @property
    def fixed(self) -> tuple[str, ...]: ...

    def inputs(self, given: Tensor) -> tuple[Tensor, ...]:
        """Return all inputs of the module for ids (B, T) or values (B, T, D)."""
        ...

    def scores(self, outputs: Any) -> Tensor:
        """Return the scores, as ``Network.run`` does, in what the module returned."""
        ...

    def further_outputs(self, outputs: Any) -> dict[str, Tensor]:
        """Return by name what the module returned besides the scores of steps or classes."""
        ...


@dataclass(frozen=True)
class Network(NotebookHtml):
    """A trained network with its tokenizer and card.

    Symbols: ``module(ids (B, T) int64)`` returns logits (B, T, V) of the next symbol.
    Numbers: ``module(x (B, T, D) float32)`` returns the prediction (B, T, D) of the next value.
    Classes: ``module(ids (B, T) int64, lengths (B) or None)`` returns logits (B, C) of the whole sequence; of a tagger
    ``module(ids (B, T) int64)`` returns (B, T, C) of each step.
    Sequences: ``module(ids (B, Ts) int64)`` returns logits (B, Tt, V') of the symbols that it generates greedily;
    ``module(ids, targets (B, Tt) int64)`` takes ``targets`` as the decoder's inputs instead (teacher forcing).

    Example:
        >>> net = load_network("counter")
        >>> net.module(net.encode(".aaabbb")).argmax(-1)   # the most probable next symbol after each symbol

    Attributes:
        name: as in ``load_network(name)``.
        module: in evaluation mode; its recurrent layers are ``module.rnn``.
        vocabulary: V symbols in the order of their ids; ``None`` for a network of numbers.
        card: its task, training and metrics.
        left_out: of an opened file, the names of what in it is not run or only assumed: tensors, layers, connections
            (``"rnn1 → rnn2"``), the ``"readout"``, the ``"graph"``, and of tensors alone the ``"functions between layers"``.
            Empty where the module's output is the file's own.
        layout: of a module that a file states as a graph, which has a layout of its own; None for the layouts above.
    """

    name: str
    module: nn.Module
    vocabulary: tuple[str, ...] | None
    card: ModelCard
    left_out: tuple[str, ...] = ()
    layout: SequenceLayout | None = None

    @property
    def kind(self) -> TokenKind:
        """The kind of one step: ``"characters"``, ``"words"`` or ``"numbers"``."""
        return self.card.kind

    @property
    def titled_name(self) -> TitledName:
        """The name, for a sentence."""
        return TitledName(self.name, self.card.title)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Id of each symbol; empty for a network of numbers."""
        return {symbol: index for index, symbol in enumerate(self.vocabulary or ())}

    @property
    def input_names(self) -> tuple[str, ...] | None:
        """The symbol of each input of the first layer if the input is one-hot, else ``None``."""
        one_hot = self.vocabulary is not None and self.card.architecture.get("embedding") is None
        return self.vocabulary if one_hot else None

    def __call__(self, given: Tensor) -> Tensor:
        """Return the module's own output: ids (B, T) to logits (B, T, V), or values (B, T, D) to predictions (B, T, D)."""
        return self.module(given)

    def run(self, given: Tensor, module: nn.Module | None = None) -> Tensor:
        """Return the scores of ``given`` in the layouts above, whatever the module's own layout is.

        Args:
            given: ids (B, T) int64, or values (B, T, D).
            module: a copy of the network's module to run instead of it.

        Raises:
            Problem: the module does not accept a sequence of this length.
        """
        return self.run_with_outputs(given, module)[0]

    def run_with_outputs(self, given: Tensor, module: nn.Module | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the scores as ``run`` does, and by name the module's outputs that are not scores of steps or classes.

        Only a module that a file states as a graph has such outputs. Arguments and errors as of ``run``.
        """
        module = self.module if module is None else module
        if self.layout is None:
            return module(given), {}
        outputs = module(*self.layout.inputs(given))
        return self.layout.scores(outputs), self.layout.further_outputs(outputs)

    def tokenize(self, text: str, limit: int | None = None) -> TokenizedText:
        """Split ``text`` into tokens, once, and encode them.

        Args:
            text: as a user types it.
            limit: the most steps; ``INPUT_LIMIT`` if None.

        Raises:
            ValueError: the text is empty, contains no symbol of the vocabulary or an invalid number, or has more than
                ``limit`` steps (``TooManyStepsError``); one sentence says which.
        """
        limit = INPUT_LIMIT.get() if limit is None else limit
        check_length(text, self.longest_text)
        if self.vocabulary is None:
            rows = parse_numbers(text, self.card.columns, limit)
            numbers = tuple(map(_short, rows))
            return TokenizedText(torch.tensor([rows], dtype=torch.float32), numbers, numbers, ())
        symbols = self.symbols(text)
        if not symbols:
            raise Problem("The input text is empty. Type an input for {name}.", name=self.titled_name)
        if len(symbols) > limit:
            raise TooManyStepsError(len(symbols), limit)
        ids = self.ids
        unknown = self._unknown(symbols)
        if all(symbol not in ids or symbol == self.card.unknown for symbol in symbols):
            raise Problem(
                "The vocabulary of {name} contains none of the tokens of this text ({symbols}). Type another text.",
                name=self.titled_name,
                symbols=_named(unknown or symbols),
            )
        if unknown and self.card.unknown is None:
            raise Problem(
                "The vocabulary of {name} does not contain {unknown}. Use only these tokens: {symbols}.",
                name=self.titled_name,
                unknown=_named(unknown),
                symbols=_named(self.vocabulary),
            )
        tokens = self._in_vocabulary(symbols)
        encoded = torch.tensor([[ids[token] for token in tokens]])
        return TokenizedText(encoded, tuple(tokens), tuple(map(self._label, symbols)), tuple(unknown))

    def encode(self, text: str, limit: int | None = None) -> Tensor:
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
            return [_short(step) for step in parse_numbers(text[: self.longest_text], self.card.columns, None)]
        return self._in_vocabulary(self.symbols(text))

    def labels(self, text: str) -> list[str]:
        """Return ``tokens(text)`` in display form: a newline is ``'⏎'``, a symbol not in the vocabulary ``'[symbol]'``."""
        if self.vocabulary is None:
            return self.tokens(text)
        return [self._label(symbol) for symbol in self.symbols(text)]

    def part(self, text: str, first: int, count: int) -> str:
        """Return a text of ``count`` steps of ``text`` from step ``first`` (from 0), or of those that there are."""
        steps = slice(first, first + count)
        if self.vocabulary is None:
            return ("; " if self.card.columns > 1 else ", ").join(
                number_rows(text[: self.longest_text], self.card.columns)[steps]
            )
        return ("" if self.kind == "characters" else " ").join(self.symbols(text)[steps])

    def unknown(self, text: str) -> list[str]:
        """Return the symbols of ``text`` that the vocabulary lacks, each once, in the order of their first appearance."""
        return [] if self.vocabulary is None else self._unknown(self.symbols(text))

    def _label(self, symbol: str) -> str:
        return display(symbol) if symbol in self.ids or not self.card.unknown else display_unknown(symbol)

    def _unknown(self, symbols: list[str]) -> list[str]:
        return list(dict.fromkeys(symbol for symbol in symbols if symbol not in self.ids))

    def _in_vocabulary(self, symbols: list[str]) -> list[str]:
        """Replace the symbols that the vocabulary lacks by its unknown symbol, if it has one."""
        return [symbol if symbol in self.ids else (self.card.unknown or symbol) for symbol in symbols]

    @cached_property
    def longest_text(self) -> int:
        """The characters of a text that are read; no more are split."""
        return longest_text(self.vocabulary or () if self.kind == "characters" else ())

    def symbols(self, text: str) -> list[str]:
        """Return the symbols into which the vocabulary splits ``text``; those that it lacks remain as they are."""
        text = text[: self.longest_text]
        if self.kind == "words":
            return split_words(text, self.vocabulary or (), self.card.particles)
        return split_characters(text, self.vocabulary or ())


def parse_numbers(text: str, columns: int, limit: int | None) -> list[list[float]]:
    """Parse steps (T, D): for D = 1 one number after the other, else D numbers a step, separated by ``;`` or lines.

    Raises:
        ValueError: the text is invalid; one sentence names the first error.
    """
    check_length(text)
    rows = number_rows(text, columns)
    if not rows:
        raise Problem("There are no numbers. Type some, as in 0.1, 0.25, 0.4.")
    if limit is not None and len(rows) > limit:
        raise TooManyStepsError(len(rows), limit)
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


def number_rows(text: str, columns: int) -> list[str]:
    """Return the text of each step of numbers; see ``parse_numbers``."""
    whole = re.split(r"[,;\s]+", text) if columns == 1 else re.split(r"[;\n]+", text)
    return [row for row in (part.strip() for part in whole) if row]


def _short(step: list[float], most: int = 4) -> str:
    """Return the numbers of a step as text; of more than ``most`` the first ones and the last."""
    shown = [f"{value:g}" for value in step]
    return ",".join(shown if len(shown) <= most else [*shown[: most - 2], "…", shown[-1]])


def _named(symbols: tuple[str, ...] | list[str], most: int = 12) -> str:
    """Return symbols in quotes, the first ``most`` of them."""
    shown = ", ".join(f"“{display(symbol)}”" for symbol in symbols[:most])
    return shown + (f" … (+{len(symbols) - most})" if len(symbols) > most else "")


__all__ = [
    "UNKNOWN",
    "DefaultView",
    "Example",
    "ModelCard",
    "Network",
    "SequenceLayout",
    "TokenizedText",
    "parse_numbers",
]
