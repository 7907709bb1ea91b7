"""Compute the weights of layers that were normalized or pruned from the tensors that are saved instead.

Sources: Salimans and Kingma 2016, w = g v / |v|; Miyato et al. 2018, w = v / (u^T v' w); torch.nn.utils.prune, w = v m.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from models.checkpoints.parsing.contents import StoredTensor
from models.checkpoints.parsing.errors import CheckpointError

PARAMETRIZED = re.compile(
    r"(?P<module>.*?)parametrizations\.(?P<weight>[^.]+)\.(?P<part>original0|original1|original|0\._u|0\._v)"
)
PART_OF_SUFFIX = {"original0": "g", "original1": "v", "original": "orig", "0._u": "u", "0._v": "v'"}
OLD_PARAMETRIZED = re.compile(r"(?P<weight>(?:.*\.)?(?:weight|bias)[^.]*)_(?P<part>g|v|orig|u|mask)")


def undo_parametrizations(tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Return the same tensors, with the normalized or pruned weights instead of their parts.

    Raises:
        CheckpointError: a recurrent weight has another parametrization.
    """
    parts: dict[str, dict[str, str]] = {}
    for name in tensors:
        if match := PARAMETRIZED.fullmatch(name):
            parts.setdefault(match["module"] + match["weight"], {})[PART_OF_SUFFIX[match["part"]]] = name
        elif match := OLD_PARAMETRIZED.fullmatch(name):
            parts.setdefault(match["weight"], {})[match["part"]] = name
    made: dict[str, StoredTensor] = {}
    replaced: dict[str, str] = {}
    for weight, names in parts.items():
        if weight in tensors:
            continue
        own = {part: tensors[name] for part, name in names.items()}
        if set(own) == {"g", "v"}:
            made[weight] = _weight_norm(weight, own["g"], own["v"])
        elif set(own) == {"orig", "mask"}:
            made[weight] = _pruned(weight, own["orig"], own["mask"])
        elif {"orig", "u"} <= set(own):
            spectral = own.get("v'", own.get("v"))
            if spectral is None:
                continue
            made[weight] = _spectral_norm(weight, own["orig"], own["u"], spectral)
        elif "orig" in own and re.search(r"weight_[ih]h", weight):
            raise CheckpointError(
                (
                    "The parametrization of {weight} can be computed only by its own code. Call "
                    "torch.nn.utils.parametrize.remove_parametrizations and save it again."
                ),
                weight=weight,
            )
        else:
            continue
        replaced |= dict.fromkeys(names.values(), weight)
    out: dict[str, StoredTensor] = {}
    for name, stored in tensors.items():
        if name in replaced:
            out[replaced[name]] = made[replaced[name]]
        else:
            out[name] = stored
    return out


def _shape_error(weight: str) -> CheckpointError:
    return CheckpointError(
        "The parts of the normalized or pruned {weight} do not fit together. Save the network again.", weight=weight
    )


def _pruned(weight: str, original: StoredTensor, mask: StoredTensor) -> StoredTensor:
    """Return the weight where the mask is 1, and 0 where it is 0."""
    if original.shape != mask.shape:
        raise _shape_error(weight)

    def read() -> np.ndarray:
        values = original.read()
        return values * mask.read().astype(values.dtype)

    return StoredTensor(original.shape, original.dtype, read)


def _weight_norm(weight: str, g: StoredTensor, v: StoredTensor) -> StoredTensor:
    """Return ``g v / |v|``, where the norm is over the axes of size 1 in ``g``."""
    along = (1,) * len(v.shape) if not g.shape else g.shape
    if (
        len(along) != len(v.shape)
        or any(a not in (1, b) for a, b in zip(along, v.shape, strict=True))
        or not v.is_float
    ):
        raise _shape_error(weight)
    over = tuple(axis for axis, side in enumerate(along) if side == 1 and not (axis == 0 and v.shape[0] == 1))

    def read() -> np.ndarray:
        direction = v.read().astype(np.float64)
        length = np.sqrt((direction**2).sum(axis=over, keepdims=True))
        return (direction * (g.read().reshape(along) / length)).astype(v.read().dtype)

    return StoredTensor(v.shape, v.dtype, read)


def _spectral_norm(weight: str, original: StoredTensor, u: StoredTensor, v: StoredTensor) -> StoredTensor:
    """Return ``w / (u^T w v)``."""
    if len(original.shape) != 2 or u.shape != original.shape[:1] or v.shape != original.shape[1:]:
        raise _shape_error(weight)

    def read() -> np.ndarray:
        matrix = original.read()
        wide = matrix.astype(np.float64)
        return (wide / (u.read() @ (wide @ v.read()))).astype(matrix.dtype)

    return StoredTensor(original.shape, original.dtype, read)
