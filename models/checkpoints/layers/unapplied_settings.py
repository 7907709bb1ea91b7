"""Settings that a file states of its recurrent cells, and that its layers do not apply here.

Zoneout (Krueger et al. 2017) replaces a state by ``z h_{t-1} + (1 - z) h_t``, also after training; no tensor shows it. Where
hyper-parameters beside the tensors give it a rate, how the network's own code uses the rate is not known.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from models.checkpoints.parsing.pickles import OpaqueCall
from models.checkpoints.parsing.work_budget import spend

SETTING = re.compile(r"zoneout", re.IGNORECASE)
MAX_VALUES, MAX_FOUND = 100_000, 8
"""Values that are visited, and settings that are returned."""


def find_unapplied(described: Any) -> tuple[str, ...]:
    """Return the settings in nested plain values: ``"zoneout = 0.1 (hyper_parameters.zoneout)"``."""
    found = []
    for path, value in _numbers(described):
        own = path.rpartition(".")[2]
        if value and SETTING.search(own):
            found.append(f"{own[:60]} = {value:g} ({path[-120:]})")
        if len(found) == MAX_FOUND:
            break
    return tuple(found)


def _numbers(described: Any) -> Iterator[tuple[str, float]]:
    """Generate (path, number) of nested mappings, lists and objects' states, breadth first; each container once."""
    pending, seen, left = deque([("", described)]), set[int](), MAX_VALUES
    while pending and left > 0:
        path, value = pending.popleft()
        left -= 1
        if isinstance(value, bool | str | bytes):
            continue
        if isinstance(value, int | float):
            yield path, float(value)
            continue
        if isinstance(value, OpaqueCall):
            value = value.items or value.state
        if id(value) in seen or not isinstance(value, Mapping | list | tuple):
            continue
        seen.add(id(value))
        spend(len(value))
        if isinstance(value, Mapping):
            pending += [(f"{path}.{key}" if path else key, each) for key, each in value.items() if isinstance(key, str)]
        else:
            pending += [(path, each) for each in value[:8]]
