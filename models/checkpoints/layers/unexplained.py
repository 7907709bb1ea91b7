"""Tensors inside a recurrent layer's own module that its equations do not have, such as a norm in the cell or peepholes.

The layer's numbers are then not the network's own. Only names are used; no tensor is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

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
    return {
        name: replace(layer, unexplained=_unexplained(name, layer, _module(layer.sources), others))
        for name, layer in found.items()
    }


def _module(sources: tuple[str, ...]) -> str:
    """Return the common prefix of a layer's tensors up to the last separator, ``"encoder.rnn."``; "" without one."""
    match = re.match(r".*[./]", _common_prefix(sources), re.DOTALL)
    return "" if match is None else re.sub(r"(^|/)vars/$", r"\1", match[0])


def _common_prefix(names: Sequence[str]) -> str:
    """Return the characters that all names start with."""
    first, last = min(names), max(names)
    same = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:same]


def _unexplained(layer: str, found: FoundLayer, module: str, others: list[str]) -> tuple[str, ...]:
    """Return those of the ``others`` that are in a layer's own module and of its level."""
    level = layer.rpartition(".")[2]
    names = []
    for name in others:
        if not name.startswith(module):
            continue
        own = name[len(module) :]
        at = LEVEL.search(own)
        if at is not None and at["level"] != level:
            continue
        if found.certainty < 1 and has_other_role(own):
            continue
        if module or (INSIDE_NAME.search(own) and own.count(".") < 2):
            names.append(name)
    return tuple(names)
