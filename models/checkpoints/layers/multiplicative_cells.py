"""Multiplicative LSTMs of a file of tensors, by the names of their matrices.

OpenAI's sentiment neuron and UniRep have ``wx``, ``wh``, ``wmx``, ``wmh`` and ``b``: matrices of (inputs, outputs), the gates
in the order i f o u, and under weight normalization a gain for each column, ``gx``, ``gh``, ``gmx``, ``gmh``. Their ports to
PyTorch have the same names and order in ``nn.Linear`` modules. The library apex has ``w_ih``, ``w_hh``, ``w_mih``, ``w_mhh``,
in PyTorch's order of the gates; files that this project saved have ``weight_mx`` and ``weight_mh`` beside PyTorch's names.

Sources: https://github.com/openai/generating-reviews-discovering-sentiment (encoder.py), https://github.com/churchlab/UniRep
(unirep.py), https://github.com/guillitte/pytorch-sentiment-neuron (models.py), https://github.com/songlab-cal/tape (UniRep),
https://github.com/NVIDIA/apex (RNN/cells.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from models.checkpoints.layers.other_roles import multiplicative_cells
from models.checkpoints.layers.read_weights import reorder_gates
from models.checkpoints.parsing.contents import FoundLayer, StoredTensor

PUBLISHED = {"weight_ih": "wx", "weight_hh": "wh", "weight_mx": "wmx", "weight_mh": "wmh"}
PUBLISHED_ORDER = ("input_gate", "forget_gate", "output_gate", "candidate")
"""The names of OpenAI's matrices, and the gates in their order."""

IN_TORCHS_ORDER = (
    {"weight_ih": "w_ih", "weight_hh": "w_hh", "weight_mx": "w_mih", "weight_mh": "w_mhh"},
    {"weight_ih": "weight_ih", "weight_hh": "weight_hh", "weight_mx": "weight_mih", "weight_mh": "weight_mhh"},
    {name: name for name in PUBLISHED},
)
"""The names of matrices with the gates in PyTorch's order."""

ENDING = re.compile(r"(?P<level>_l\d+(_reverse)?)?(\.weight|:0)?$")
"""What follows a matrix's own name: its level, ``.weight`` of an ``nn.Linear``, or TensorFlow's ``:0``."""


def find_multiplicative_cells(tensors: Mapping[str, StoredTensor]) -> dict[str, FoundLayer]:
    """Return the multiplicative LSTMs among ``tensors``, by name; one without a matrix or with other shapes is left out."""
    found: dict[str, FoundLayer] = {}
    for cell, names in multiplicative_cells(tensors).items():
        path = cell.strip("._/").replace("/", ".")
        endings = {match[0]: match for name in names if (match := ENDING.search(name))}
        for end, match in endings.items():
            layer = _layer(cell, end, tensors)
            if layer is not None:
                level = (match["level"] or "_l0").removeprefix("_")
                found[f"{path}.{level}" if path else level] = layer
    return found


def _layer(cell: str, end: str, tensors: Mapping[str, StoredTensor]) -> FoundLayer | None:
    """Return the layer whose matrices are called ``cell + name + end``."""
    for scheme in (PUBLISHED, *IN_TORCHS_ORDER):
        names = {part: f"{cell}{name}{end}" for part, name in scheme.items()}
        if all(name in tensors and tensors[name].is_float and len(tensors[name].shape) == 2 for name in names.values()):
            break
    else:
        return None
    units = tensors[names["weight_mh"]].shape[0]
    matrices = {part: tensors[name] for part, name in names.items()}
    if scheme is PUBLISHED and matrices["weight_hh"].shape == (units, 4 * units):
        gains = {part: f"{cell}g{name[1:]}{end}" for part, name in scheme.items()}
        if any(name in tensors for name in gains.values()):
            if not all(name in tensors and _fits(tensors[name], matrices[part]) for part, name in gains.items()):
                return None
            matrices = {part: _scaled(each, tensors[gains[part]]) for part, each in matrices.items()}
            names |= {f"gain {part}": name for part, name in gains.items()}
        matrices = {part: _turned(each) for part, each in matrices.items()}
    inputs = matrices["weight_ih"].shape[1]
    shapes = {"weight_ih": (4 * units, inputs), "weight_hh": (4 * units, units)}
    shapes |= {"weight_mx": (units, inputs), "weight_mh": (units, units)}
    if any(each.shape != shapes[part] for part, each in matrices.items()):
        return None
    biases = _biases(cell, end, 4 * units, tensors)
    parts = {**matrices, **{part: stored for part, (_, stored) in biases.items()}}
    sources = (*names.values(), *(name for name, stored in biases.values() if stored.in_file))
    layer = FoundLayer("LSTM", parts, sources, {"multiplicative": True})
    if scheme is not PUBLISHED:
        return layer
    order = [PUBLISHED_ORDER.index(gate) for gate in ("input_gate", "forget_gate", "candidate", "output_gate")]
    return replace(layer, parts=reorder_gates(layer, order), order=PUBLISHED_ORDER, assumed=("order",))


def _biases(cell: str, end: str, rows: int, tensors: Mapping[str, StoredTensor]) -> dict[str, tuple[str, StoredTensor]]:
    """Return ``bias_ih`` and ``bias_hh``, one of zeros where the file has only the other; none where it has neither."""
    tail = "" if end == ".weight" else end
    listed = {
        "bias_ih": ("wx.bias", f"b_ih{tail}", f"bias_ih{tail}"),
        "bias_hh": ("wh.bias", f"b{tail}", f"b_hh{tail}", f"bias_hh{tail}"),
    }
    found: dict[str, tuple[str, StoredTensor]] = {}
    for part, names in listed.items():
        own = next((cell + name for name in names if cell + name in tensors), None)
        if own is not None and tensors[own].shape == (rows,):
            found[part] = own, tensors[own]
    return {part: found.get(part, ("", StoredTensor.zeros(rows))) for part in listed} if found else {}


def _fits(gain: StoredTensor, matrix: StoredTensor) -> bool:
    return gain.is_float and gain.shape == matrix.shape[1:]


def _turned(matrix: StoredTensor) -> StoredTensor:
    return replace(matrix, shape=matrix.shape[::-1], read=lambda: matrix.read().T)


def _scaled(matrix: StoredTensor, gain: StoredTensor) -> StoredTensor:
    """Return the matrix (inputs, outputs), each column divided by its length, 1e-6 or more, and multiplied by its gain."""

    def read() -> np.ndarray:
        columns = matrix.read()
        squares = np.square(columns, dtype=np.float64).sum(axis=0)
        return (columns * (gain.read() / np.sqrt(np.maximum(squares, 1e-12)))).astype(columns.dtype)

    return replace(matrix, read=read)
