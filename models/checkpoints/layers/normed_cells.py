"""Layer norms inside the LSTM cells of a file of tensors, by the names of PyTorch's benchmark ``custom_lstms``.

Source: https://github.com/pytorch/pytorch/blob/main/benchmarks/fastrnns/custom_lstms.py: ``layernorm_i`` of the products of
the input, ``layernorm_h`` of those of the hidden state, ``layernorm_c`` of the cell state; no further biases. Tensors do not
show the epsilon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from models.checkpoints.parsing.contents import FoundLayer, StoredTensor

EPSILON = 1e-5
"""Of ``nn.LayerNorm``."""

NORM_TENSORS = {
    f"{part}_{side}": f"layernorm_{letter}.{name}"
    for side, letter in (("ih", "i"), ("hh", "h"), ("c", "c"))
    for part, name in (("gain", "weight"), ("shift", "bias"))
}
"""The name in a cell's module of each weight of ``models.core.cells.NORM_NAMES``."""


def with_layer_norms(found: Mapping[str, FoundLayer], tensors: Mapping[str, StoredTensor]) -> dict[str, FoundLayer]:
    """Return the layers, those with all three norms as LSTMs with layer norm, whose epsilon is assumed."""
    return {name: _with_norms(layer, tensors) for name, layer in found.items()}


def _with_norms(layer: FoundLayer, tensors: Mapping[str, StoredTensor]) -> FoundLayer:
    module = next((name.removesuffix("weight_hh") for name in layer.sources if name.endswith("weight_hh")), None)
    if module is None or layer.kind != "LSTM" or layer.parts.keys() != {"weight_ih", "weight_hh"}:
        return layer
    rows = layer.parts["weight_hh"].shape[0]
    parts = {}
    for part, own in NORM_TENSORS.items():
        stored = tensors.get(module + own)
        if stored is None or not stored.is_float or stored.shape != (rows // 4 if part.endswith("_c") else rows,):
            return layer
        parts[part] = stored
    return replace(
        layer,
        parts={**layer.parts, **parts},
        sources=(*layer.sources, *(module + own for own in NORM_TENSORS.values())),
        options={**layer.options, "norm": EPSILON, "cell_norm": True},
        assumed=(*layer.assumed, "norm"),
    )
