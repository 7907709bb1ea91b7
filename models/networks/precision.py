"""A layer's states in different number formats, and how rounding errors accumulate over the steps.

A network in bfloat16 or float16 rounds after every operation; TF32, which NVIDIA's cores use for the matrix products of
float32 networks, rounds only the factors of products, to a mantissa of 10 bits, and accumulates in float32.

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

from models.core.stepwise import ClampSchedule, run_layer
from models.core.weights import LayerWeights

NumberFormat = Literal["float64", "float32", "tf32", "bfloat16", "float16"]
FORMATS: tuple[NumberFormat, ...] = ("float32", "tf32", "bfloat16", "float16")
REFERENCE_FORMAT: NumberFormat = "float64"
"""The format that the others are compared with."""

MANTISSA_BITS: dict[NumberFormat, int] = {"float64": 52, "float32": 23, "tf32": 10, "bfloat16": 7, "float16": 10}
"""Bits after the binary point: neighboring numbers differ by 2^-bits of their size."""

DTYPES: dict[NumberFormat, torch.dtype] = {
    "float64": torch.float64,
    "float32": torch.float32,
    "tf32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
MATRIX_PRODUCTS = {"linear", "addmm", "matmul", "__matmul__", "mm"}


@dataclass(frozen=True, eq=False)
class StatesByFormat:
    """One layer's states in each format.

    Attributes:
        states: by format, ``"float64"`` among them, then by state, such as ``"hidden"`` or ``"cell"``: (T, units) float64, by
            position in the sequence.
    """

    states: Mapping[NumberFormat, Mapping[str, np.ndarray]]

    def distance(
        self, format: NumberFormat, state: str = "hidden", exact: NumberFormat = REFERENCE_FORMAT
    ) -> np.ndarray:
        """Return the L2 norm of ``difference`` at each step, (T)."""
        return np.linalg.norm(self.difference(format, state, exact), axis=1)

    def difference(
        self, format: NumberFormat, state: str = "hidden", exact: NumberFormat = REFERENCE_FORMAT
    ) -> np.ndarray:
        """Return a state in a format minus the same state in the format ``exact``, (T, units)."""
        with np.errstate(invalid="ignore"):  # float16 overflows to infinity
            return self.states[format][state] - self.states[exact][state]


def states_by_format(
    weights: LayerWeights, x: np.ndarray, formats: Sequence[NumberFormat] = FORMATS, *, reverse: bool = False
) -> StatesByFormat:
    """Run one layer on one sequence in several formats, each from states of zeros.

    Args:
        weights: of the layer.
        x: (T, D).
        formats: the formats besides ``"float64"``, which is always included.
        reverse: whether the layer runs from the last position to the first.

    Raises:
        ValueError: ``x`` does not fit the layer.

    Example:
        >>> states_by_format(checkpoint.layers["rnn.l0"], x).distance("bfloat16")
    """
    ((found,),) = stack_states_by_format([[weights]], x, formats, reverse=[[reverse]])
    return found


def stack_states_by_format(
    levels: Sequence[Sequence[LayerWeights]],
    x: np.ndarray,
    formats: Sequence[NumberFormat] = FORMATS,
    *,
    reverse: Sequence[Sequence[bool]] | None = None,
) -> list[list[StatesByFormat]]:
    """Run a stack on one sequence in several formats: each level's input is the output of the level below in that format.

    Args:
        levels: of each level, one or two layers: of two, the second runs backwards.
        x: (T, D).
        formats: the formats besides ``"float64"``, which is always included.
        reverse: which layers run backwards, if not the second ones.

    Returns:
        The states of every layer, nested as in ``levels``.

    Raises:
        ValueError: ``x`` does not fit the first level.
    """
    x = np.asarray(x)
    if x.ndim != 2 or x.shape[1] != levels[0][0].input_size or not len(x):
        raise ValueError(f"The input is {x.shape}, but the layer reads (steps, {levels[0][0].input_size}).")
    states: list[list[dict[NumberFormat, dict[str, np.ndarray]]]] = [[{} for _ in level] for level in levels]
    for format in dict.fromkeys((REFERENCE_FORMAT, *formats)):
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
    return [[StatesByFormat(each) for each in level] for level in states]


def _run(weights: LayerWeights, x: Tensor, format: NumberFormat, reverse: bool) -> dict[str, Tensor]:
    """Return every quantity of a layer, (1, T, units), computed in one format."""
    dtype = DTYPES[format]
    own = {name: values.to(dtype) for name, values in weights.tensors.items()}
    sizes = {"hidden": weights.output_size, "cell": weights.hidden_size}
    begin = {name: x.new_zeros(1, sizes[name]) for name in weights.cell.states}
    with torch.inference_mode(), Tf32Products() if format == "tf32" else nullcontext():
        rows, _ = run_layer(weights.cell, own, x, begin, ClampSchedule(), reverse)
    return {name: torch.stack(each, 1) for name, each in rows.items()}


class Tf32Products(TorchFunctionMode):
    """Mode in which products of float32 matrices round their factors as TF32 does; other operations are unchanged."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Call ``func``, with rounded factors if it is a matrix product."""
        name = getattr(func, "__name__", "")
        if name in MATRIX_PRODUCTS:
            first = 1 if name == "addmm" else 0
            factors = tuple(round_to_tf32(factor) for factor in args[first : first + 2])
            args = args[:first] + factors + args[first + 2 :]
        return func(*args, **(kwargs or {}))


def round_to_tf32(values: Tensor) -> Tensor:
    """Return float32 numbers rounded to a mantissa of 10 bits, ties away from 0."""
    bits = values.view(torch.int32)
    rounded = ((bits + (1 << 12)) & ~0x1FFF).view(torch.float32)
    return torch.where(values.isfinite(), rounded, values)  # the carry would change NaN and infinity
