"""Undo what stands in the place of a weight while it is trained: weight and spectral normalisation.

Sources: Salimans and Kingma 2016, w = g v / |v|; Miyato et al. 2018, w = v / (u^T v' w).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from models.checkpoints.parsing.contents import CheckpointError, Stored

PARAMETRIZED = re.compile(
    r"(?P<module>.*?)parametrizations\.(?P<weight>[^.]+)\.(?P<part>original0|original1|original|0\._u|0\._v)"
)
PARTS = {"original0": "g", "original1": "v", "original": "orig", "0._u": "u", "0._v": "v'"}
OLD = re.compile(r"(?P<weight>(?:.*\.)?weight[^.]*)_(?P<part>g|v|orig|u)")


def effective(tensors: Mapping[str, Stored]) -> dict[str, Stored]:
    """The same tensors, with the weights that the network computes with in the place of their parts.

    Raises:
        CheckpointError: a recurrent weight is parametrized in another way.
    """
    parts: dict[str, dict[str, str]] = {}
    for name in tensors:
        if match := PARAMETRIZED.fullmatch(name):
            parts.setdefault(match["module"] + match["weight"], {})[PARTS[match["part"]]] = name
        elif match := OLD.fullmatch(name):
            parts.setdefault(match["weight"], {})[match["part"]] = name
    made: dict[str, Stored] = {}
    gone: dict[str, str] = {}
    for weight, names in parts.items():
        if weight in tensors:
            continue
        held = {part: tensors[name] for part, name in names.items()}
        if set(held) == {"g", "v"}:
            made[weight] = _weight_norm(weight, held["g"], held["v"])
        elif {"orig", "u"} <= set(held):
            spectral = held.get("v'", held.get("v"))
            if spectral is None:
                continue
            made[weight] = _spectral_norm(weight, held["orig"], held["u"], spectral)
        elif "orig" in held and re.search(r"weight_[ih]h", weight):
            raise CheckpointError(
                "{weight} is parametrized in a way that only its own code can compute; "
                "call torch.nn.utils.parametrize.remove_parametrizations and save it again.",
                weight=weight,
            )
        else:
            continue
        gone |= dict.fromkeys(names.values(), weight)
    out: dict[str, Stored] = {}
    for name, stored in tensors.items():
        if name in gone:
            out[gone[name]] = made[gone[name]]
        else:
            out[name] = stored
    return out


def _misfit(weight: str) -> CheckpointError:
    return CheckpointError(
        "The parts of the normalised {weight} do not fit each other; save the network again.", weight=weight
    )


def _weight_norm(weight: str, g: Stored, v: Stored) -> Stored:
    along = (1,) * len(v.shape) if not g.shape else g.shape
    if (
        len(along) != len(v.shape)
        or any(a not in (1, b) for a, b in zip(along, v.shape, strict=True))
        or not v.is_float
    ):
        raise _misfit(weight)
    over = tuple(axis for axis, side in enumerate(along) if side == 1 and not (axis == 0 and v.shape[0] == 1))

    def read() -> np.ndarray:
        direction = v.read().astype(np.float64)
        length = np.sqrt((direction**2).sum(axis=over, keepdims=True))
        return (direction * (g.read().reshape(along) / length)).astype(v.read().dtype)

    return Stored(v.shape, v.dtype, read)


def _spectral_norm(weight: str, original: Stored, u: Stored, v: Stored) -> Stored:
    if len(original.shape) != 2 or u.shape != original.shape[:1] or v.shape != original.shape[1:]:
        raise _misfit(weight)

    def read() -> np.ndarray:
        matrix = original.read()
        wide = matrix.astype(np.float64)
        return (wide / (u.read() @ (wide @ v.read()))).astype(matrix.dtype)

    return Stored(original.shape, original.dtype, read)
