"""Cells whose gates are separate tensors: a matrix for each gate instead of one with a block of rows for each.

Those of Flax are run. Kernels are (inputs, outputs): ``ii if ig io`` and ``hi hf hg ho`` of an LSTM, of whose products only
the recurrent ones have biases; ``ir iz in`` and ``hr hz hn`` of a GRU, of whose recurrent products only the candidate's has
one. Of other names it is not known which activation and which axis they have: such cells are only named.

Source: https://github.com/google/flax (flax/linen/recurrent.py: LSTMCell, OptimizedLSTMCell, GRUCell).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from models.checkpoints.parsing.contents import FoundLayer, StoredTensor

FLAX_KERNEL = re.compile(r"(?P<cell>(?:.*[._/])?)h(?P<gate>[go])(?P<end>[._/]kernel)", re.DOTALL)
"""A recurrent kernel of a gate that only Flax's LSTM has; of a GRU, the candidate's has the letter n."""

FLAX_CANDIDATE = re.compile(r"(?P<cell>(?:.*[._/])?)hn(?P<end>[._/]kernel)", re.DOTALL)

GATE_LETTER = re.compile(
    r"(?<![A-Za-z])(?P<before>[A-Z]?[a-z]{0,6}_?[xh]?)(?P<gate>[ifocgjuzrhn])(?P<after>[xh]?)(?=$|[./:]|_l\d)"
)
"""A gate's letter in a tensor's own name: ``W_hi``, ``Uf``, ``gru_U_z:0``, ``b_o``, ``hi``, ``W_fh``."""

LSTM_LETTERS, GRU_LETTERS = frozenset("ifo"), (frozenset("rz"), frozenset("ru"))
"""The letters of gates that a cell has at least; a candidate has one more."""


def find_flax_cells(tensors: Mapping[str, StoredTensor]) -> dict[str, FoundLayer]:
    """Return the LSTMs and GRUs of Flax among ``tensors``, by name; one without a kernel or with other shapes is left out."""
    found: dict[str, FoundLayer] = {}
    for pattern, kind, gates in ((FLAX_KERNEL, "LSTM", "ifgo"), (FLAX_CANDIDATE, "GRU", "rzn")):
        for match in filter(None, map(pattern.fullmatch, tensors)):
            path = match["cell"].strip("._/").replace("/", ".")
            name = f"{path}.l0" if path else "l0"
            if (
                name not in found
                and (layer := _flax_cell(match["cell"], match["end"], kind, gates, tensors)) is not None
            ):
                found[name] = layer
    return found


def _flax_cell(cell: str, end: str, kind: str, gates: str, tensors: Mapping[str, StoredTensor]) -> FoundLayer | None:
    kernels = {side: [f"{cell}{side}{gate}{end}" for gate in gates] for side in "ih"}
    if not all(name in tensors and tensors[name].is_float for names in kernels.values() for name in names):
        return None
    inputs, units = (*tensors[kernels["i"][0]].shape, 0, 0)[:2]
    shapes = {"i": (inputs, units), "h": (units, units)}
    if not inputs * units or any(tensors[name].shape != shapes[side] for side in "ih" for name in kernels[side]):
        return None
    parts = {f"weight_{side}h": _stacked([tensors[name] for name in kernels[side]], units) for side in "ih"}
    sources = [*kernels["i"], *kernels["h"]]
    for side, names in kernels.items():
        biases = [name.removesuffix("kernel") + "bias" for name in names]
        known = [name for name in biases if name in tensors]
        if any(tensors[name].shape != (units,) or not tensors[name].is_float for name in known):
            return None
        parts[f"bias_{side}h"] = _stacked([tensors.get(name, StoredTensor.zeros(units)) for name in biases], units)
        sources += known
    return FoundLayer(kind, parts, tuple(sources))


def _stacked(of_gates: list[StoredTensor], units: int) -> StoredTensor:
    """Return kernels (inputs, H) as a matrix (G * H, inputs), or biases (H) as a vector (G * H)."""
    shape = (len(of_gates) * units, *of_gates[0].shape[:-1])
    return StoredTensor(shape, of_gates[0].dtype, lambda: np.concatenate([each.read().T for each in of_gates]))


def gates_in_tensors(tensors: Mapping[str, StoredTensor]) -> dict[str, tuple[str, ...]]:
    """Return the tensors that are one gate's each, by the path of their cell: names that differ in a gate's letter alone.

    A cell has matrices of all gates of an LSTM or GRU, of one shape.
    """
    alike: dict[tuple[str, str, tuple[int, ...]], dict[str, str]] = {}
    for name, stored in tensors.items():
        path, own = _split(name)
        match = GATE_LETTER.search(own) if stored.is_float and len(stored.shape) in (1, 2) else None
        if match is not None:
            around = own[: match.start("gate")] + "?" + own[match.end("gate") :]
            alike.setdefault((path, around, stored.shape), {})[match["gate"]] = name
    cells: dict[str, list[str]] = {}
    for (path, _around, shape), names in alike.items():
        letters = frozenset(names)
        complete = letters >= LSTM_LETTERS or (len(letters) > 2 and any(letters >= each for each in GRU_LETTERS))
        if complete and (len(shape) == 2 or path in cells):
            cells.setdefault(path, []).extend(names.values())
    return {path.strip("._/").replace("/", "."): tuple(names) for path, names in cells.items()}


def _split(name: str) -> tuple[str, str]:
    """Return the path of a tensor and its own name, with that of its module where it is called kernel or weight."""
    cut = max(name.rfind("."), name.rfind("/"))
    if name[cut + 1 :].removesuffix(":0") in ("kernel", "weight", "bias", "w", "b"):
        cut = max(name.rfind(".", 0, max(cut, 0)), name.rfind("/", 0, max(cut, 0)))
    return name[: cut + 1], name[cut + 1 :]
