"""Find recurrent layers by shape alone, where no name explains the tensors, and say how sure that is.

A recurrent matrix has 4 (LSTM), 3 (GRU) or 1 (RNN) rows for each of its columns, or columns for each of its rows, and an
input matrix beside it that has as many. The order of the gates is not in a shape: PyTorch's is assumed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from models.checkpoints.layers.find_by_name import KINDS
from models.checkpoints.parsing.contents import FoundLayer, Stored

RECURRENT = re.compile(r"rec|hid|hh|state|(^|[^a-z])u([^a-z]|$)|w_?h", re.IGNORECASE)
"""What people call a recurrent matrix; a square one is taken for one only then."""

ATTENDS = re.compile(r"att(n|ention)|qkv|in_proj", re.IGNORECASE)
"""What people call an attention's matrices: its three projections in one have a GRU's shape, and are none."""

NEAR = 32
"""How many places apart the tensors of one layer may stand."""


@dataclass(frozen=True)
class Places:
    """The tensors' names in the file's order, and where each stands."""

    names: tuple[str, ...]
    at: Mapping[str, int]


def guess_layers(tensors: Mapping[str, Stored]) -> dict[str, FoundLayer]:
    """The layers that the shapes of ``tensors`` allow, in their order, with a certainty below 1."""
    free = {
        name: stored
        for name, stored in tensors.items()
        if stored.is_float and 0 not in stored.shape and not ATTENDS.search(name)
    }
    places = Places(tuple(free), {name: index for index, name in enumerate(free)})
    found: dict[str, FoundLayer] = {}
    levels: dict[str, int] = {}
    for name in list(free):
        for turned in (False, True):
            gates = _gates(free.get(name), turned)
            if not gates or (gates == 1 and not RECURRENT.search(name)):
                continue
            partner = _partner(name, free, places, turned)
            if partner is None:
                continue
            other = _gates(free[partner], turned)
            if other > 1 and places.at[partner] > places.at[name] and not RECURRENT.search(name):
                name, partner, gates = partner, name, other  # either might be; the input's comes first
            layer = _layer(name, partner, free, places, gates, turned, certain=other < 2)
            shared = re.match(r".*[._/]", _common(name, partner))
            prefix = shared[0].strip("._/").replace("/", ".") if shared else f"layer{len(found)}"
            level = levels[prefix] = levels.get(prefix, -1) + 1
            found[f"{prefix}.l{level}"] = layer
            for used in layer.sources:
                del free[used]
            break
    return found


def _gates(stored: Stored | None, turned: bool) -> int:
    """Gates of a recurrent matrix of this shape; 0 if it can be none."""
    if stored is None or len(stored.shape) != 2:
        return 0
    rows, columns = stored.shape[::-1] if turned else stored.shape
    gates, rest = divmod(rows, columns)
    return gates if not rest and gates in KINDS and columns > 1 and not (turned and gates == 1) else 0


def _around(name: str, places: Places) -> list[str]:
    """The other tensors that stand near one; only those are looked at, so that no file takes long."""
    others = places.names[max(0, places.at[name] - NEAR) : places.at[name] + NEAR]
    return [other for other in others if other != name]


def _common(one: str, other: str) -> str:
    """The letters that two names begin with."""
    alike = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:alike]


def _partner(name: str, free: Mapping[str, Stored], places: Places, turned: bool) -> str | None:
    """The input matrix: as many rows (or columns), named most alike, nearest."""
    side = 1 if turned else 0
    rows = free[name].shape[side]
    fits = [
        other
        for other in _around(name, places)
        if other in free and len(free[other].shape) == 2 and free[other].shape[side] == rows
    ]
    return min(
        fits,
        key=lambda other: (-len(_common(name, other)), abs(places.at[other] - places.at[name])),
        default=None,
    )


def _layer(
    recurrent: str,
    read: str,
    free: Mapping[str, Stored],
    places: Places,
    gates: int,
    turned: bool,
    certain: bool,
) -> FoundLayer:
    rows = free[recurrent].shape[1 if turned else 0]
    start = min(places.at[recurrent], places.at[read])
    around = [name for name in _around(recurrent, places) if name in free and 0 <= places.at[name] - start <= 4]
    near = [name for name in around if free[name].shape == (rows,)]
    parts = {"weight_ih": _upright(free[read], turned), "weight_hh": _upright(free[recurrent], turned)}
    biases = near[:2]
    parts |= {part: free[name] for part, name in zip(("bias_ih", "bias_hh"), biases, strict=False)}
    if len(biases) == 1:
        parts["bias_hh"] = Stored.zeros(rows)
    certainty = {1: 0.3, 3: 0.7, 4: 0.7}[gates] + (0.1 if biases else 0.0) - (0.0 if certain else 0.3)
    assumed = {1: ("nonlinearity",), 3: ("order", "reset_after"), 4: ("order",)}[gates]
    sources = (read, recurrent, *biases)
    return FoundLayer(KINDS[gates], parts, sources, certainty=round(certainty, 1), assumed=("kind", *assumed))


def _upright(stored: Stored, turned: bool) -> Stored:
    return Stored(stored.shape[::-1], stored.dtype, lambda: stored.read().T) if turned else stored
