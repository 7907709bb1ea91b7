"""Find recurrent layers by shape alone, where no name explains the tensors, and say how sure that is.

A recurrent matrix has 4 (LSTM), 3 (GRU) or 1 (RNN) rows for each of its columns, or columns for each of its rows, and an
input matrix beside it that has as many. The order of the gates is not in a shape: PyTorch's is assumed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from models.checkpoints.layers.find_by_name import KIND_OF_GATE_COUNT
from models.checkpoints.parsing.contents import FoundLayer, StoredTensor

RECURRENT_NAME = re.compile(r"rec|hid|hh|state|(^|[^a-z])u([^a-z]|$)|w_?h", re.IGNORECASE)
"""What people call a recurrent matrix; a square one is taken for one only then."""

ATTENTION_NAME = re.compile(r"att(n|ention)|qkv|in_proj", re.IGNORECASE)
"""What people call an attention's matrices: its three projections in one have a GRU's shape, and are none."""

MAX_DISTANCE = 32
"""How many places apart the tensors of one layer may stand."""


@dataclass(frozen=True)
class TensorOrder:
    """The tensors' names in the file's order, and where each stands."""

    names: tuple[str, ...]
    at: Mapping[str, int]


def guess_layers(tensors: Mapping[str, StoredTensor]) -> dict[str, FoundLayer]:
    """The layers that the shapes of ``tensors`` allow, in their order, with a certainty below 1."""
    free = {
        name: stored
        for name, stored in tensors.items()
        if stored.is_float and 0 not in stored.shape and not ATTENTION_NAME.search(name)
    }
    places = TensorOrder(tuple(free), {name: index for index, name in enumerate(free)})
    found: dict[str, FoundLayer] = {}
    levels: dict[str, int] = {}
    for name in list(free):
        for turned in (False, True):
            gates = _gate_count(free.get(name), turned)
            if not gates or (gates == 1 and not RECURRENT_NAME.search(name)):
                continue
            partner = _input_matrix(name, free, places, turned)
            if partner is None:
                continue
            other = _gate_count(free[partner], turned)
            if other > 1 and places.at[partner] > places.at[name] and not RECURRENT_NAME.search(name):
                name, partner, gates = partner, name, other  # either might be; the input's comes first
            layer = _layer(name, partner, free, places, gates, turned, certain=other < 2)
            shared = re.match(r".*[._/]", _common_prefix(name, partner))
            prefix = shared[0].strip("._/").replace("/", ".") if shared else f"layer{len(found)}"
            level = levels[prefix] = levels.get(prefix, -1) + 1
            found[f"{prefix}.l{level}"] = layer
            for used in layer.sources:
                del free[used]
            break
    return found


def _gate_count(stored: StoredTensor | None, turned: bool) -> int:
    """Gates of a recurrent matrix of this shape; 0 if it can be none."""
    if stored is None or len(stored.shape) != 2:
        return 0
    rows, columns = stored.shape[::-1] if turned else stored.shape
    gates, rest = divmod(rows, columns)
    return gates if not rest and gates in KIND_OF_GATE_COUNT and columns > 1 and not (turned and gates == 1) else 0


def _neighbours(name: str, places: TensorOrder) -> list[str]:
    """The other tensors that stand near one; only those are looked at, so that no file takes long."""
    others = places.names[max(0, places.at[name] - MAX_DISTANCE) : places.at[name] + MAX_DISTANCE]
    return [other for other in others if other != name]


def _common_prefix(one: str, other: str) -> str:
    """The letters that two names begin with."""
    alike = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:alike]


def _input_matrix(name: str, free: Mapping[str, StoredTensor], places: TensorOrder, turned: bool) -> str | None:
    """The input matrix: as many rows (or columns), named most alike, nearest."""
    side = 1 if turned else 0
    rows = free[name].shape[side]
    fits = [
        other
        for other in _neighbours(name, places)
        if other in free and len(free[other].shape) == 2 and free[other].shape[side] == rows
    ]
    return min(
        fits,
        key=lambda other: (-len(_common_prefix(name, other)), abs(places.at[other] - places.at[name])),
        default=None,
    )


def _layer(
    recurrent: str,
    read: str,
    free: Mapping[str, StoredTensor],
    places: TensorOrder,
    gates: int,
    turned: bool,
    certain: bool,
) -> FoundLayer:
    rows = free[recurrent].shape[1 if turned else 0]
    start = min(places.at[recurrent], places.at[read])
    around = [name for name in _neighbours(recurrent, places) if name in free and 0 <= places.at[name] - start <= 4]
    near = [name for name in around if free[name].shape == (rows,)]
    parts = {"weight_ih": _transposed_if(free[read], turned), "weight_hh": _transposed_if(free[recurrent], turned)}
    biases = near[:2]
    parts |= {part: free[name] for part, name in zip(("bias_ih", "bias_hh"), biases, strict=False)}
    if len(biases) == 1:
        parts["bias_hh"] = StoredTensor.zeros(rows)
    certainty = {1: 0.3, 3: 0.7, 4: 0.7}[gates] + (0.1 if biases else 0.0) - (0.0 if certain else 0.3)
    assumed = {1: ("nonlinearity",), 3: ("order", "reset_after"), 4: ("order",)}[gates]
    sources = (read, recurrent, *biases)
    return FoundLayer(
        KIND_OF_GATE_COUNT[gates], parts, sources, certainty=round(certainty, 1), assumed=("kind", *assumed)
    )


def _transposed_if(stored: StoredTensor, turned: bool) -> StoredTensor:
    return StoredTensor(stored.shape[::-1], stored.dtype, lambda: stored.read().T) if turned else stored
