"""Tensors inside a recurrent layer's own module that its equations do not have, such as a norm in the cell or peepholes.

The layer's numbers are then not the network's own. Only names are used; no tensor is loaded.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from models.checkpoints.layers.find_by_name import common_prefix
from models.checkpoints.layers.initial_states import find_initial_states
from models.checkpoints.layers.other_roles import has_other_role
from models.checkpoints.layers.stacks import group_modules
from models.checkpoints.parsing.contents import FoundLayer, StoredTensor

LEVEL = re.compile(r"_(?P<level>l\d+(?:_reverse)?)(?![a-z\d])")
"""The level and direction at the end of a parameter's name, as in ``weight_hh_l0_reverse``."""

INSIDE_NAME = re.compile(
    r"(^|[._/])(layer_?)?(norm|ln|batch_?norm|bn|peep\w*|zoneout|gamma|beta|alpha|[hc]_?0|init\w*)(_?\w*)([._/]|$)",
    re.IGNORECASE,
)
"""Usual names of a cell's further tensors: where a layer has no module of its own, only these are its tensors."""


def with_unexplained(found: Mapping[str, FoundLayer], tensors: Mapping[str, StoredTensor]) -> dict[str, FoundLayer]:
    """Return the layers with the names of the float tensors in their own modules that no layer uses."""
    used = {source for layer in found.values() for source in layer.sources}
    free = {name: stored for name, stored in tensors.items() if name not in used}
    for states in find_initial_states(group_modules(found), free).values():
        used.update(states.names)
    others = [name for name, stored in tensors.items() if stored.is_float and name not in used]
    modules = {name: _module(layer.sources) for name, layer in found.items()}
    ordered, places = sorted(others), {name: place for place, name in enumerate(others)}
    inside = {module: _names_inside(module, ordered, places) for module in set(modules.values())}
    return {
        name: replace(layer, unexplained=_unexplained(name, layer, inside[modules[name]]))
        for name, layer in found.items()
    }


@dataclass(frozen=True)
class _Inside:
    """A tensor inside a layer's module, that no layer uses.

    Attributes:
        name: its name.
        level: the level and direction in it, None without one.
        other_role: whether its name in the module is that of another layer's tensor.
    """

    name: str
    level: str | None
    other_role: bool


def _names_inside(module: str, ordered: Sequence[str], places: Mapping[str, int]) -> list[_Inside]:
    """Return the tensors inside a module, in the order of their ``places``; each name is read once for all its levels.

    Args:
        module: its path with the last separator; "" for none.
        ordered: the names of all tensors that no layer uses, sorted.
        places: the order of the result.
    """
    after = map(ordered.__getitem__, range(bisect_left(ordered, module), len(ordered)))
    inside = []
    for name in sorted(takewhile(lambda name: name.startswith(module), after), key=places.__getitem__):
        own = name[len(module) :]
        if module or (INSIDE_NAME.search(own) and own.count(".") < 2):
            level = LEVEL.search(own)
            inside.append(_Inside(name, level and level["level"], has_other_role(own)))
    return inside


def _module(sources: tuple[str, ...]) -> str:
    """Return the common prefix of a layer's tensors up to the last separator, ``"encoder.rnn."``; "" without one."""
    match = re.match(r".*[./]", common_prefix(sources), re.DOTALL)
    return "" if match is None else re.sub(r"(^|/)vars/$", r"\1", match[0])


def _unexplained(layer: str, found: FoundLayer, inside: Iterable[_Inside]) -> tuple[str, ...]:
    """Return the names of those tensors inside a layer's own module that are of its level."""
    level = layer.rpartition(".")[2]
    return tuple(
        each.name for each in inside if each.level in (None, level) and not (found.certainty < 1 and each.other_role)
    )
