"""Which recurrent layers of a checkpoint read each other: stacks that can run.

Only names and shapes are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, permutations

from models.checkpoints.parsing.contents import FoundLayer

GATE_COUNTS = {"RNN": 1, "GRU": 3, "LSTM": 4}
LAYER_NAME = re.compile(r"(?P<path>.*?)\.?l(?P<level>\d+)(?P<reverse>_reverse)?", re.DOTALL)
ROLE_PATTERNS = {"encoder": re.compile(r"(^|[._/])enc|encoder"), "decoder": re.compile(r"(^|[._/])dec|decoder")}
ARROW = " → "
"""Between the names of parts that read each other."""

MAX_STACKS = 32
"""Stacks of a file among which the likeliest is looked for."""

MAX_NAMED_MODULES = 6
"""Parts that are all named in a stack's name."""

MAX_PERMUTED_MODULES = 5
"""Parts of which every order is tried."""


@dataclass(frozen=True)
class RecurrentModule:
    """Layers that are one module: levels of one kind and size, each in the same directions.

    Attributes:
        path: the module's name.
        levels: the names of the layers of each level: forward, and reverse where it reads both ways.
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        inputs: D of the first level.
        units: H.
        width: what it hands on at each step: P, or 2 P where it reads both ways.
    """

    path: str
    levels: tuple[tuple[str, ...], ...]
    kind: str
    input_size: int
    hidden_size: int
    output_size: int

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers, in the order in which they run."""
        return tuple(layer for level in self.levels for layer in level)


@dataclass(frozen=True)
class Stack:
    """Parts that run one after the other.

    Attributes:
        name: of its parts, such as ``"encoder.rnn"`` or ``"lstm → lstm_1"``.
        parts: each reads what the one before it hands on.
    """

    name: str
    modules: tuple[RecurrentModule, ...]

    @property
    def input_size(self) -> int:
        """D, what the first layer reads at each step."""
        return self.modules[0].input_size

    @property
    def output_size(self) -> int:
        """What the last layer hands on at each step: P, or 2 P where it reads both ways."""
        return self.modules[-1].output_size

    @property
    def layers(self) -> tuple[str, ...]:
        """The names that its layers have in the checkpoint, in the order in which they run."""
        return tuple(layer for part in self.modules for layer in part.layers)


def find_stacks(found: Mapping[str, FoundLayer]) -> dict[str, Stack]:
    """Every stack, by name: those of several parts first, then each part alone."""
    parts = recurrent_modules(found)
    stacks = [make_stack(chain) for chain in _chains(parts) if len(chain) > 1]
    stacks += [make_stack([part]) for part in parts]
    return {stack.name: stack for stack in stacks}


def make_stack(parts: Iterable[RecurrentModule]) -> Stack:
    """The stack of ``parts``."""
    parts = tuple(parts)
    names = [part.path for part in parts]
    return Stack(ARROW.join(names if len(names) <= MAX_NAMED_MODULES else [names[0], "…", names[-1]]), parts)


def recurrent_modules(found: Mapping[str, FoundLayer]) -> list[RecurrentModule]:
    """The modules that the layers make up, in the file's order.

    A layer that reads backwards and has no partner is none: Keras's ``go_backwards`` alone.
    """
    groups: dict[str, dict[int, dict[bool, str]]] = {}
    for name in found:
        match = LAYER_NAME.fullmatch(name)
        path, level, reverse = (
            (match["path"], int(match["level"]), bool(match["reverse"])) if match else (name, 0, False)
        )
        groups.setdefault(path, {}).setdefault(level, {})[reverse] = name
    parts = []
    for path, held in groups.items():
        levels = [
            tuple(held[level][side] for side in sorted(held[level])) for level in sorted(held) if False in held[level]
        ]
        own = path or "rnn"
        if _is_one_module(levels, found) and sorted(held) == list(range(len(levels))):
            parts.append(_make_module(own, levels, found))
        else:
            for index, sides in enumerate(levels):
                # two directions that are not alike are no module: the forward one alone is
                alike = sides if _is_one_module([sides], found) else sides[:1]
                parts.append(_make_module(f"{own}.{index}", [alike], found))
    return parts


def hidden_size_of(layer: FoundLayer) -> int:
    """H."""
    return layer.parts["weight_hh"].shape[0] // GATE_COUNTS[layer.kind]


def _make_module(path: str, levels: list[tuple[str, ...]], found: Mapping[str, FoundLayer]) -> RecurrentModule:
    first, last = found[levels[0][0]], levels[-1]
    width = sum(found[name].parts["weight_hh"].shape[1] for name in last)
    return RecurrentModule(
        path, tuple(levels), first.kind, first.parts["weight_ih"].shape[1], hidden_size_of(first), width
    )


def _is_one_module(levels: list[tuple[str, ...]], found: Mapping[str, FoundLayer]) -> bool:
    """Whether one module of torch's own shape can hold these levels."""
    alike = {
        (
            len(level),
            found[name].kind,
            hidden_size_of(found[name]),
            frozenset(found[name].parts),
            str(dict(found[name].options)),
        )
        for level in levels
        for name in level
    }
    below = [sum(found[name].parts["weight_hh"].shape[1] for name in level) for level in levels]
    read = [{found[name].parts["weight_ih"].shape[1] for name in level} for level in levels]
    same = len(alike) == 1 and all(len(each) == 1 for each in read)
    return same and all(wide == {given} for given, wide in zip(below, read[1:], strict=False))


def _chains(parts: list[RecurrentModule]) -> list[list[RecurrentModule]]:
    """Parts that read each other, in the file's order; else in the one order in which all their widths fit."""
    chains: list[list[RecurrentModule]] = []
    for part in parts:
        if chains and _feeds(chains[-1][-1], part):
            chains[-1].append(part)
        else:
            chains.append([part])
    if len(chains) > 1 and len(parts) <= MAX_PERMUTED_MODULES:
        fitting = [list(order) for order in permutations(parts) if all(_feeds(a, b) for a, b in pairwise(order))]
        if len(fitting) == 1:
            return fitting
    return chains


def _feeds(below: RecurrentModule, above: RecurrentModule) -> bool:
    return below.output_size == above.input_size and encoder_or_decoder(below.path) == encoder_or_decoder(above.path)


@lru_cache(maxsize=1 << 15)
def encoder_or_decoder(path: str) -> str | None:
    """``"encoder"`` or ``"decoder"``, where its name says so."""
    return next((role for role, pattern in ROLE_PATTERNS.items() if pattern.search(path.lower())), None)
