"""Group the recurrent layers of a checkpoint into stacks that can run: each module takes the output of the one before it.

Only names and shapes are used; no tensor is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise, permutations

from models.checkpoints.parsing.contents import FoundLayer
from models.core.cells import GATE_COUNTS

LAYER_NAME = re.compile(r"(?P<path>.*?)\.?l(?P<level>\d+)(?P<reverse>_reverse)?", re.DOTALL)
ROLE_PATTERNS = {"encoder": re.compile(r"(^|[._/])enc|encoder"), "decoder": re.compile(r"(^|[._/])dec|decoder")}
NUMBER = re.compile(r"\d+")
ARROW = " → "
"""Separates the names of a stack's modules."""

MAX_STACKS = 32
"""The maximum number of stacks of a file among which the likeliest is searched."""

MAX_NAMED_MODULES = 6
"""The maximum number of modules that are all listed in a stack's name."""

MAX_PERMUTED_MODULES = 5
"""The maximum number of modules of which every order is tried."""


@dataclass(frozen=True)
class RecurrentModule:
    """Layers that form one ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``: levels of one kind and size, in the same directions.

    Attributes:
        path: the module's name.
        levels: the names of the layers of each level: forward and, if bidirectional, reverse.
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        input_size: D of the first level.
        hidden_size: H.
        output_size: P, or 2 P if bidirectional.
        reverse: whether its only direction runs from the last step to the first.
    """

    path: str
    levels: tuple[tuple[str, ...], ...]
    kind: str
    input_size: int
    hidden_size: int
    output_size: int
    reverse: bool = False

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of all layers, in the order in which they run."""
        return tuple(layer for level in self.levels for layer in level)


@dataclass(frozen=True)
class Stack:
    """Recurrent modules that run one after the other.

    Attributes:
        name: the names of its modules, such as ``"encoder.rnn"`` or ``"lstm → lstm_1"``.
        modules: each takes the output of the one before it as input.
    """

    name: str
    modules: tuple[RecurrentModule, ...]

    @property
    def input_size(self) -> int:
        """D of the first module."""
        return self.modules[0].input_size

    @property
    def output_size(self) -> int:
        """P of the last module, or 2 P if it is bidirectional."""
        return self.modules[-1].output_size

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of its layers in the checkpoint, in the order in which they run."""
        return tuple(layer for module in self.modules for layer in module.layers)


def find_stacks(found: Mapping[str, FoundLayer]) -> dict[str, Stack]:
    """Return every stack by name: those of several modules first, then each module alone."""
    modules = group_modules(found)
    stacks = [make_stack(chain) for chain in _chains(modules) if len(chain) > 1]
    stacks += [
        make_stack([module]) for module in (*modules, *_backward_modules(found, {each.path for each in modules}))
    ]
    return {stack.name: stack for stack in stacks}


def make_stack(modules: Iterable[RecurrentModule]) -> Stack:
    """Return the stack of ``modules``."""
    modules = tuple(modules)
    names = [module.path for module in modules]
    return Stack(ARROW.join(names if len(names) <= MAX_NAMED_MODULES else [names[0], "…", names[-1]]), modules)


def group_modules(found: Mapping[str, FoundLayer]) -> list[RecurrentModule]:
    """Return the modules that the layers form, in the file's order.

    A backward layer without a forward partner, Keras's ``go_backwards`` alone, belongs to none.
    """
    groups: dict[str, dict[int, dict[bool, str]]] = {}
    for name in found:
        match = LAYER_NAME.fullmatch(name)
        path, level, reverse = (
            (match["path"], int(match["level"]), bool(match["reverse"])) if match else (name, 0, False)
        )
        groups.setdefault(path, {}).setdefault(level, {})[reverse] = name
    modules = []
    for path, by_level in groups.items():
        forward = [level for level in sorted(by_level) if False in by_level[level]]
        levels = [tuple(by_level[level][reverse] for reverse in sorted(by_level[level])) for level in forward]
        own = path or "rnn"
        if _is_one_module(levels, found) and sorted(by_level) == list(range(len(levels))):
            modules.append(_make_module(own, levels, found))
        else:
            for index, directions in enumerate(levels):
                # two directions that differ in shape do not form a module: use the forward one alone
                usable = directions if _is_one_module([directions], found) else directions[:1]
                modules.append(_make_module(f"{own}.{index}", [usable], found))
    return modules


def _backward_modules(found: Mapping[str, FoundLayer], taken: set[str]) -> list[RecurrentModule]:
    """Return the modules of backward layers without a forward partner, each of one layer; their paths are not ``taken``."""
    modules = []
    for name in found:
        match = LAYER_NAME.fullmatch(name)
        if match and match["reverse"] and name.removesuffix("_reverse") not in found:
            path = match["path"] or "rnn"
            path = f"{path}_reverse" if path in taken else path
            modules.append(replace(_make_module(path, [(name,)], found), reverse=True))
    return modules


def hidden_size_of(layer: FoundLayer) -> int:
    """Return H."""
    return layer.parts["weight_hh"].shape[0] // GATE_COUNTS[layer.kind]


def _make_module(path: str, levels: list[tuple[str, ...]], found: Mapping[str, FoundLayer]) -> RecurrentModule:
    first = found[levels[0][0]]
    return RecurrentModule(
        path,
        tuple(levels),
        first.kind,
        input_size=first.parts["weight_ih"].shape[1],
        hidden_size=hidden_size_of(first),
        output_size=sum(found[name].parts["weight_hh"].shape[1] for name in levels[-1]),
    )


def _is_one_module(levels: list[tuple[str, ...]], found: Mapping[str, FoundLayer]) -> bool:
    """Return whether the levels have the shapes of one torch module."""
    signatures = {
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
    outputs = [sum(found[name].parts["weight_hh"].shape[1] for name in level) for level in levels]
    inputs = [{found[name].parts["weight_ih"].shape[1] for name in level} for level in levels]
    same = len(signatures) == 1 and all(len(each) == 1 for each in inputs)
    return same and all(above == {below} for below, above in zip(outputs, inputs[1:], strict=False))


def _chains(modules: list[RecurrentModule]) -> list[list[RecurrentModule]]:
    """Return runs of modules whose sizes match, in the file's order; else in the only order in which all sizes match."""
    chains: list[list[RecurrentModule]] = []
    for module in modules:
        if chains and _feeds(chains[-1][-1], module):
            chains[-1].append(module)
        else:
            chains.append([module])
    if len(chains) > 1 and len(modules) <= MAX_PERMUTED_MODULES:
        matching = [list(order) for order in permutations(modules) if all(_feeds(a, b) for a, b in pairwise(order))]
        if len(matching) == 1:
            return matching
    return chains


def connections(stack: Stack) -> list[str]:
    """Return the names of the connections between the modules of ``stack``, such as ``"rnn1 → rnn2"``."""
    return [f"{below.path}{ARROW}{above.path}" for below, above in pairwise(stack.modules)]


def assumed_settings(found: Mapping[str, FoundLayer], layers: Iterable[str]) -> list[str]:
    """Return the settings of ``layers`` that the file does not show, such as ``"nonlinearity (rnn.l0)"``."""
    return [f"{setting} ({layer})" for layer in layers for setting in found[layer].assumed]


def _feeds(below: RecurrentModule, above: RecurrentModule) -> bool:
    """Return whether ``above`` takes the output of ``below`` as its input.

    Their sizes match, and both are in the encoder or the decoder. Where the sizes also match in the opposite order, they may
    be two alternatives, such as two branches: then their names have to count on.
    """
    if below.output_size != above.input_size or encoder_or_decoder(below.path) != encoder_or_decoder(above.path):
        return False
    return above.output_size != below.input_size or _counts_on(below.path, above.path)


def _counts_on(first: str, second: str) -> bool:
    """Return whether two names differ only in one number, larger by one: ``rnn1``, ``rnn2``; ``lstm``, ``lstm_1``."""
    if re.fullmatch(re.escape(first) + "_?[12]", second):
        return True
    numbers, above = ([*map(int, NUMBER.findall(name))] for name in (first, second))
    steps = [after - before for before, after in zip(numbers, above, strict=False) if after != before]
    return steps == [1] and NUMBER.split(first) == NUMBER.split(second)


@lru_cache(maxsize=1 << 15)
def encoder_or_decoder(path: str) -> str | None:
    """Return ``"encoder"`` or ``"decoder"`` if the name contains it, else None."""
    return next((role for role, pattern in ROLE_PATTERNS.items() if pattern.search(path.lower())), None)
