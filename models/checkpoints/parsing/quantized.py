"""Unpack dynamically quantized recurrent layers: integers and scales, packed for torch's kernels.

The results are the dequantized values: those that the quantized kernel multiplies with, apart from its rounding of the
input.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from models.checkpoints.parsing.contents import StoredTensor

PACKED = re.compile(r"(?P<module>.*?)_all_weight_values\.(?P<index>\d+)\.param\._packed\.1\.0\.(?P<place>.*)")
PART_OF_PLACE = {
    "1.0": "bias_ih", "1.1": "bias_hh",
    "4.0._packed.1.0.0": "weight_ih", "4.1._packed.1.0.0": "weight_hh",
}  # fmt: skip


def unpack_quantized(tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Return the same tensors with the packed ones of recurrent layers under PyTorch's names from before quantization."""
    layers: dict[str, dict[int, dict[str, StoredTensor]]] = {}
    rest: dict[str, StoredTensor] = {}
    for name, stored in tensors.items():
        if match := PACKED.fullmatch(name):
            parts = layers.setdefault(match["module"], {}).setdefault(int(match["index"]), {})
            if match["place"] in PART_OF_PLACE:
                parts[PART_OF_PLACE[match["place"]]] = stored
        else:
            rest[name] = stored
    for module, by_index in layers.items():
        count = 2 if _is_bidirectional(by_index) else 1
        for index, parts in sorted(by_index.items()):
            suffix = f"_l{index // count}" + ("_reverse" if index % count else "")
            rest |= {f"{module}{part}{suffix}": stored for part, stored in parts.items()}
    return rest


def _is_bidirectional(layers: Mapping[int, Mapping[str, StoredTensor]]) -> bool:
    """Return whether every second entry is a reverse direction, which only the input sizes reveal.

    Two entries whose input size equals the hidden size are ambiguous; they are treated as two levels.
    """
    if len(layers) % 2 or not all({"weight_ih", "weight_hh"} <= set(parts) for parts in layers.values()):
        return False
    shapes = [parts["weight_ih"].shape + parts["weight_hh"].shape for _, parts in sorted(layers.items())]
    if any(len(shape) != 4 for shape in shapes):
        return False
    widths, units = [shape[1] for shape in shapes], shapes[0][3]
    return widths[0] == widths[1] != units or (len(widths) > 2 and widths[2] == 2 * units)
