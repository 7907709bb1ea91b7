"""Learned or constant initial states among the tensors of a file: ``h0`` and ``c0`` beside or inside a recurrent module.

A state is taken for a module's only if its name, its size and its place leave no other reading.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from models.checkpoints.layers.stacks import ARROW, RecurrentModule
from models.checkpoints.parsing.contents import StoredTensor

NAME = re.compile(r"(?P<owner>(?:.*\.)?)(?P<own>\w+)", re.DOTALL)
HIDDEN_NAME = re.compile(r"(init(ial)?_?)?h(idden)?(_?state)?(_?(0|init))?", re.IGNORECASE)
CELL_NAME = re.compile(r"(init(ial)?_?)?c(ell)?(_?state)?(_?(0|init))?", re.IGNORECASE)
INITIAL = re.compile(r"init|0", re.IGNORECASE)


@dataclass(frozen=True)
class InitialStates:
    """The initial states of a module.

    Attributes:
        hidden: the name of the tensor of all layers' h_0: as many values as layers times P.
        cell: the name of that of c_0 of an LSTM, None in others.
    """

    hidden: str
    cell: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its tensors."""
        return (self.hidden,) if self.cell is None else (self.hidden, self.cell)

    def connections(self, module: str) -> list[str]:
        """Return what is assumed of them, as in ``Network.left_out``: ``"h0 → rnn"``."""
        return [f"{name}{ARROW}{module}" for name in self.names]


def find_initial_states(
    modules: Iterable[RecurrentModule], tensors: Mapping[str, StoredTensor]
) -> dict[str, InitialStates]:
    """Return the initial states of each module that has them, by its path.

    Args:
        modules: all recurrent modules of the file.
        tensors: the tensors that no layer uses.
    """
    modules, found = list(modules), dict[str, InitialStates]()
    hidden, cells = (_named(pattern, tensors) for pattern in (HIDDEN_NAME, CELL_NAME))
    for module in modules if hidden else ():
        directions = len(module.levels[0])
        widths = {"hidden": module.output_size // directions, "cell": module.hidden_size}
        count = len(module.levels) * directions
        of_hidden = [name for name in hidden if _fits(hidden[name], tensors[name], module, count, widths["hidden"])]
        of_cell = [name for name in cells if _fits(cells[name], tensors[name], module, count, widths["cell"])]
        wanted = 1 if module.kind == "LSTM" else 0
        if len(of_hidden) == 1 and len(of_cell) == wanted:
            found[module.path] = InitialStates(of_hidden[0], of_cell[0] if of_cell else None)
    claims = Counter(name for states in found.values() for name in states.names)
    return {path: states for path, states in found.items() if all(claims[name] == 1 for name in states.names)}


def _named(pattern: re.Pattern[str], tensors: Mapping[str, StoredTensor]) -> dict[str, str]:
    """Return the float tensors that are called like an initial state: their names, each with its module's path and a dot."""
    names = {}
    for name, stored in tensors.items():
        match = NAME.fullmatch(name)
        if stored.is_float and match and pattern.fullmatch(match["own"]) and INITIAL.search(match["own"]):
            names[name] = match["owner"]
    return names


def _fits(owner: str, stored: StoredTensor, module: RecurrentModule, count: int, width: int) -> bool:
    """Return whether a tensor has ``count`` states of ``width`` values, and belongs to the module or to one around it."""
    return stored.size == count * width and stored.shape[-1:] == (width,) and f"{module.path}.".startswith(owner)
