"""Find recurrent layers by shape alone, for tensors with unknown names, and estimate how certain each one is.

A recurrent matrix has 4 (LSTM), 3 (GRU) or 1 (RNN) rows per column, or columns per row, and an input matrix near it with the
same number of rows. A shape does not reveal the order of the gates: PyTorch's is assumed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from models.checkpoints.layers.find_by_name import KIND_OF_GATE_COUNT, common_prefix, single_biases
from models.checkpoints.layers.other_roles import RECURRENT_NAME, has_other_role, multiplicative_cells
from models.checkpoints.layers.separate_gates import gates_in_tensors
from models.checkpoints.parsing.contents import FoundLayer, StoredTensor

NUMBER, SEPARATOR = re.compile(r"\d+"), re.compile(r"[._/]")
TENSOR_SUFFIX = re.compile(r"[._/](weight|bias|kernel|w|b)(:0)?$", re.IGNORECASE)

MAX_DISTANCE = 32
"""The maximum distance, in the file's order, between the tensors of one layer."""


@dataclass(frozen=True)
class TensorOrder:
    """The tensors' names in the file's order, and the index of each."""

    names: tuple[str, ...]
    at: Mapping[str, int]


def guess_layers(tensors: Mapping[str, StoredTensor]) -> dict[str, FoundLayer]:
    """Return the layers that the shapes of ``tensors`` suggest, in the tensors' order, with a certainty below 1.

    Tensors whose names say that they are something else are none of a layer's.
    """
    multiplicative = tuple(multiplicative_cells(tensors))
    of_gates = {name for names in gates_in_tensors(tensors).values() for name in names}
    free = {
        name: stored
        for name, stored in tensors.items()
        if stored.is_float
        and 0 not in stored.shape
        and not has_other_role(name)
        and not name.startswith(multiplicative)
        and name not in of_gates
    }
    order = TensorOrder(tuple(free), {name: index for index, name in enumerate(free)})
    found: dict[str, FoundLayer] = {}
    levels: dict[str, int] = {}
    for name in list(free):
        for transposed in (False, True):
            gates = _gate_count(free.get(name), transposed)
            if not gates or (gates == 1 and not RECURRENT_NAME.search(name)):
                continue
            partner = _input_matrix(name, free, order, transposed)
            if partner is None:
                continue
            other = _gate_count(free[partner], transposed)
            if other > 1 and order.at[partner] > order.at[name] and not RECURRENT_NAME.search(name):
                name, partner, gates = partner, name, other  # both have the shape; the input matrix comes first
            certain = other < 2 or (bool(RECURRENT_NAME.search(name)) and not RECURRENT_NAME.search(partner))
            layer = _layer(name, partner, free, order, gates, transposed, certain)
            shared = re.match(r".*[._/]", common_prefix((name, partner)))
            prefix = shared[0].strip("._/").replace("/", ".") if shared else f"layer{len(found)}"
            level = levels[prefix] = levels.get(prefix, -1) + 1
            found[f"{prefix}.l{level}"] = layer
            for used in layer.sources:
                del free[used]
            break
    return found


def _gate_count(stored: StoredTensor | None, transposed: bool) -> int:
    """Return the number of gates of a recurrent matrix of this shape, or 0 if it cannot be one."""
    if stored is None or len(stored.shape) != 2:
        return 0
    rows, columns = stored.shape[::-1] if transposed else stored.shape
    gates, rest = divmod(rows, columns)
    return gates if not rest and gates in KIND_OF_GATE_COUNT and columns > 1 and not (transposed and gates == 1) else 0


def _neighbours(name: str, order: TensorOrder) -> list[str]:
    """Return the tensors within ``MAX_DISTANCE`` of one; the search is limited to them so that large files stay fast."""
    others = order.names[max(0, order.at[name] - MAX_DISTANCE) : order.at[name] + MAX_DISTANCE]
    return [other for other in others if other != name]


def _input_matrix(name: str, free: Mapping[str, StoredTensor], order: TensorOrder, transposed: bool) -> str | None:
    """Return the likeliest input matrix: as many rows (or columns), the longest common name prefix, the nearest."""
    side = 1 if transposed else 0
    rows = free[name].shape[side]
    candidates = [
        other
        for other in _neighbours(name, order)
        if other in free
        and len(free[other].shape) == 2
        and free[other].shape[side] == rows
        and not _is_repeat(name, other)
    ]
    return min(
        candidates,
        key=lambda other: (-len(common_prefix((name, other))), abs(order.at[other] - order.at[name])),
        default=None,
    )


def _is_repeat(one: str, other: str) -> bool:
    """Return whether two names are those of the same tensor in two modules of a list: ``blocks.0.fc``, ``blocks.1.fc``.

    The numbers of arrays themselves, ``arr_0`` and ``arr_1``, do not count.
    """
    if NUMBER.sub("#", one) != NUMBER.sub("#", other):
        return False
    mine, theirs = (SEPARATOR.split(TENSOR_SUFFIX.sub("", name)) for name in (one, other))
    return len(mine) == len(theirs) and (mine[:-1] != theirs[:-1] or len(mine) < len(SEPARATOR.split(one)))


def _layer(
    recurrent: str,
    incoming: str,
    free: Mapping[str, StoredTensor],
    order: TensorOrder,
    gates: int,
    transposed: bool,
    certain: bool,
) -> FoundLayer:
    rows = free[recurrent].shape[1 if transposed else 0]
    start = min(order.at[recurrent], order.at[incoming])
    neighbours = [name for name in _neighbours(recurrent, order) if name in free and 0 <= order.at[name] - start <= 4]
    module = re.match(r".*[._/]|", common_prefix((recurrent, incoming)))
    own = "" if module is None else module[0]
    near = [name for name in neighbours if free[name].shape == (rows,) and name.startswith(own)]
    parts = {
        "weight_ih": _transposed_if(free[incoming], transposed),
        "weight_hh": _transposed_if(free[recurrent], transposed),
    }
    biases = near[:2]
    parts |= {part: free[name] for part, name in zip(("bias_ih", "bias_hh"), biases, strict=False)}
    if len(biases) == 1:
        single = single_biases((recurrent, parts["weight_hh"]), free)
        parts["bias_hh"] = single["bias_hh"][1] if single else StoredTensor.zeros(rows)
        biases += [name for name, stored in single.values() if stored.in_file and name not in biases]
    certainty = {1: 0.3, 3: 0.7, 4: 0.7}[gates] + (0.1 if biases else 0.0) - (0.0 if certain else 0.3)
    assumed = {1: ("nonlinearity",), 3: ("order", "reset_after"), 4: ("order",)}[gates]
    sources = (incoming, recurrent, *biases)
    return FoundLayer(
        KIND_OF_GATE_COUNT[gates], parts, sources, certainty=round(certainty, 1), assumed=("kind", *assumed)
    )


def _transposed_if(stored: StoredTensor, transposed: bool) -> StoredTensor:
    return StoredTensor(stored.shape[::-1], stored.dtype, lambda: stored.read().T) if transposed else stored
