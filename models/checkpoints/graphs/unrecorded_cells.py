"""The recurrent cells of a graph that it computes by separate operations, so that their gates are not recorded."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

CELL_CLASS = re.compile(r"(Cell|LSTM|GRU|RNN)$")
CELL_WEIGHT = re.compile(r"weight_(ih|hh)(_l\d+)?(_reverse)?")


def find_unrecorded_cells(
    classes: Mapping[str, str], parameters: Collection[str], recorded: Iterable[str]
) -> tuple[str, ...]:
    """Return the paths of modules that are recurrent cells by their class or weights, but have no recorded layer.

    Of modules inside each other only the innermost is named; the network itself, whose path is "", is not.

    Args:
        classes: the class names of the modules that run, by path.
        parameters: the names of the parameters of all modules.
        recorded: the paths of the recurrent layers that are recorded.
    """
    recorded = tuple(recorded)
    kinds: dict[str, set[str]] = {}
    for name in parameters:
        path, _, own = name.rpartition(".")
        if match := CELL_WEIGHT.fullmatch(own):
            kinds.setdefault(path, set()).add(match[1])
    found = [
        path
        for path, name in classes.items()
        if path
        and (CELL_CLASS.search(name) or len(kinds.get(path, ())) == 2)
        and _has_any(path, parameters)
        and path not in recorded
        and not _has_any(path, recorded)
    ]
    return tuple(path for path in found if not _has_any(path, found))


def _has_any(path: str, names: Iterable[str]) -> bool:
    """Return whether one of the names is inside the module of this path."""
    return any(name.startswith(f"{path}.") for name in names)
