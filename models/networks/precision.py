"""The same layer in other number formats: how far its states drift apart over the steps.

A format decides how a network rounds. bfloat16 and float16 hold every number so, and round after every operation; TF32, which
NVIDIA's cores use for the products of float32 networks, rounds only the factors of products, to a mantissa of 10 bits, and
adds the products up in float32.

Source of the formats: IEEE 754-2008 (float16, float32, float64); Kalamkar et al. 2019 (bfloat16); NVIDIA 2020, A100 Tensor
Core GPU Architecture (TF32).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from models.core.stepwise import Script, run_layer
from models.core.weights import LayerWeights

Format = Literal["float64", "float32", "tf32", "bfloat16", "float16"]
FORMATS: tuple[Format, ...] = ("float32", "tf32", "bfloat16", "float16")
EXACT: Format = "float64"
"""What the others are held against."""

MANTISSA: dict[Format, int] = {"float64": 52, "float32": 23, "tf32": 10, "bfloat16": 7, "float16": 10}
"""Bits after the binary point: two numbers next to each other differ by 2^-bits of their size."""

DTYPES: dict[Format, torch.dtype] = {
    "float64": torch.float64,
    "float32": torch.float32,
    "tf32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
PRODUCTS = {"linear", "addmm", "matmul", "__matmul__", "mm"}


@dataclass(frozen=True, eq=False)
class Drift:
    """What one layer's states are in each format.

    Attributes:
        states: by format, ``"float64"`` among them, then by state, such as ``"hidden"`` or ``"cell"``: (T, units) float64, by
            position in the sequence.
    """

    states: Mapping[Format, Mapping[str, np.ndarray]]

    def distance(self, format: Format, state: str = "hidden", exact: Format = EXACT) -> np.ndarray:
        """(T), the L2 norm of the difference of a state from what it is in the format ``exact``."""
        return np.linalg.norm(self.difference(format, state, exact), axis=1)

    def difference(self, format: Format, state: str = "hidden", exact: Format = EXACT) -> np.ndarray:
        """(T, units), a state in a format less what it is in the format ``exact``."""
        with np.errstate(invalid="ignore"):  # what float16 cannot hold is infinite
            return self.states[format][state] - self.states[exact][state]


def drift(weights: LayerWeights, x: np.ndarray, formats: Sequence[Format] = FORMATS, *, reverse: bool = False) -> Drift:
    """One layer that reads one sequence in several formats, each from states of zeros.

    Args:
        weights: of the layer.
        x: (T, D).
        formats: which; ``"float64"`` is always there.
        reverse: whether the layer reads from the last position to the first.

    Raises:
        ValueError: ``x`` does not fit the layer.

    Example:
        >>> drift(checkpoint.layers["rnn.l0"], x).distance("bfloat16")
    """
    ((found,),) = stack_drift([[weights]], x, formats, reverse=[[reverse]])
    return found


def stack_drift(
    levels: Sequence[Sequence[LayerWeights]],
    x: np.ndarray,
    formats: Sequence[Format] = FORMATS,
    *,
    reverse: Sequence[Sequence[bool]] | None = None,
) -> list[list[Drift]]:
    """A stack that reads one sequence in several formats: each level reads what the one below it puts out in that format.

    Args:
        levels: of each level, one or two layers: of two, the second reads backwards.
        x: (T, D).
        formats: which; ``"float64"`` is always there.
        reverse: which layers read backwards, where that is otherwise.

    Returns:
        A Drift for every layer, placed as in ``levels``.

    Raises:
        ValueError: ``x`` does not fit the first level.
    """
    x = np.asarray(x)
    if x.ndim != 2 or x.shape[1] != levels[0][0].input_size or not len(x):
        raise ValueError(f"The input is {x.shape}, but the layer reads (steps, {levels[0][0].input_size}).")
    states: list[list[dict[Format, dict[str, np.ndarray]]]] = [[{} for _ in level] for level in levels]
    for format in dict.fromkeys((EXACT, *formats)):
        dtype = DTYPES[format]
        given = torch.tensor(x).to(dtype)[None]
        for depth, level in enumerate(levels):
            outputs = []
            for index, weights in enumerate(level):
                backwards = bool(index) if reverse is None else reverse[depth][index]
                rows = _run(weights, given, format, backwards)
                states[depth][index][format] = {name: rows[name][0].double().numpy() for name in weights.cell.states}
                outputs.append(rows["hidden"])
            given = torch.cat(outputs, -1)
    return [[Drift(each) for each in level] for level in states]


def _run(weights: LayerWeights, x: Tensor, format: Format, reverse: bool) -> dict[str, Tensor]:
    """Every quantity of a layer, (1, T, units), computed in one format."""
    dtype = DTYPES[format]
    own = {name: values.to(dtype) for name, values in weights.tensors.items()}
    sizes = {"hidden": weights.output_size, "cell": weights.hidden_size}
    begin = {name: x.new_zeros(1, sizes[name]) for name in weights.cell.states}
    with torch.inference_mode(), Tf32Products() if format == "tf32" else nullcontext():
        rows, _ = run_layer(weights.cell, own, x, begin, Script(), reverse)
    return {name: torch.stack(each, 1) for name, each in rows.items()}


class Tf32Products(TorchFunctionMode):
    """While it is entered, products of float32 matrices round their factors as TF32 does, and nothing else."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Call ``func``, a product's with rounded factors."""
        name = getattr(func, "__name__", "")
        if name in PRODUCTS:
            first = 1 if name == "addmm" else 0
            factors = tuple(tf32(factor) for factor in args[first : first + 2])
            args = args[:first] + factors + args[first + 2 :]
        return func(*args, **(kwargs or {}))


def tf32(values: Tensor) -> Tensor:
    """float32 numbers rounded to a mantissa of 10 bits, ties away from 0."""
    bits = values.view(torch.int32)
    rounded = ((bits + (1 << 12)) & ~0x1FFF).view(torch.float32)
    return torch.where(values.isfinite(), rounded, values)  # the carry would make other numbers of NaN and infinity
