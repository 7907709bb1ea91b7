"""Recurrent matrices of weight-dropped layers (AWD-LSTM, ULMFiT): the trained values are named ``weight_hh_l0_raw``.

In evaluation nothing is dropped, so that the raw matrix is the layer's own. A copy under the plain name is one from training.

Source: Merity, Keskar and Socher 2018, "Regularizing and Optimizing LSTM Language Models".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from models.checkpoints.parsing.contents import StoredTensor

RAW_NAME = re.compile(r"(?P<owner>(?:.*[._/])?)(?P<weight>weight_(?:ih|hh)(?P<level>_l\d+(?:_reverse)?)?)_raw")


def undo_weight_drop(tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Return the same tensors, with the raw matrices under the names of the layer that they belong to.

    The raw matrix is a parameter of the layer itself, or of its wrapper, which calls the layer ``module``.
    """
    plain: dict[str, str] = {}
    for name in tensors:
        if match := RAW_NAME.fullmatch(name):
            owner, level = match["owner"], match["level"] or ""
            partners = [f"{part}_{side}{level}" for part in ("weight", "bias") for side in ("ih", "hh")]
            partners = [partner for partner in partners if partner != match["weight"]]
            wrapped = f"{owner}module."
            is_wrapper = any(wrapped + partner in tensors for partner in partners)
            plain[name] = (wrapped if is_wrapper else owner) + match["weight"]
    copies = set(plain.values())
    return {plain.get(name, name): stored for name, stored in tensors.items() if name not in copies}
