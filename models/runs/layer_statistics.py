"""Statistics of a recorded run of a layer by time step: norms of its states' gradients, means and saturation of its gates."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import numpy as np
import torch
from torch import Tensor

from models.core.activations import MINUS_ONE_TO_ONE, ZERO_TO_ONE
from models.core.cells import Cell
from models.core.gate_evaluation import padding_mask
from models.core.gradient_proof import GradientWarning
from models.core.layer_gradients import GradientError, state_gradients
from models.core.recording import DeviceRecording
from models.core.trace import LayerTrace
from models.runs.parameter_statistics import vector_norm
from models.states.saturation import LEFT, RIGHT

GATE_STATISTICS = ("mean", "closed", "open")
"""Of a gate at one time step, over the batch and the units: its mean, and the shares below and above its thresholds."""


def map_quantities(cell: Cell) -> tuple[str, ...]:
    """Return the names of a layer's maps, in the order of a row.

    ``"gradient/hidden"`` and ``"gradient/cell"``: the norm of dL/dh_t and of dL/dc_t over the batch and the units.
    ``"mean/GATE"``, ``"closed/GATE"``, ``"open/GATE"``: see ``gate_thresholds``.
    """
    gradients = ("gradient/hidden", "gradient/cell") if "cell" in cell.states else ("gradient/hidden",)
    return gradients + tuple(f"{statistic}/{gate}" for gate in cell.gates for statistic in GATE_STATISTICS)


def gate_thresholds(cell: Cell, gate: str) -> tuple[float, float]:
    """Return the values below and above which a gate counts as saturated.

    Of a gate from 0 to 1 those of ``models.states.saturation``; of a candidate from -1 to 1 the same distance from the ends,
    relative to the range. Of an RNN's preactivation they apply to its activation: a relu counts as saturated at 0, where its
    slope is 0.
    """
    bounds = cell.ranges["hidden" if gate == "preactivation" else gate]
    if bounds == ZERO_TO_ONE:
        return LEFT, RIGHT
    if bounds == MINUS_ONE_TO_ONE:
        return -RIGHT, RIGHT
    return 0.0, inf


@dataclass(frozen=True)
class LayerStatistics:
    """Statistics of one run of a layer.

    Attributes:
        steps: T, the number of time steps of the longest sequence.
        maps: (quantities, T) float64, in the order of ``map_quantities``; NaN where a quantity is unknown.
        scalars: ``"saturation/GATE"`` and ``"mean/GATE"``: over the whole batch, all time steps and all units.
        unconfirmed: why the gradients are unknown or unconfirmed, or None.
    """

    steps: int
    maps: Tensor
    scalars: Mapping[str, float]
    unconfirmed: str | None


@torch.no_grad()
def layer_statistics(layer: LayerTrace, confirm: bool) -> LayerStatistics:
    """Return the statistics of a layer's run, after the backward pass.

    Args:
        layer: the run.
        confirm: whether to compare the gradients with those that reached the weights, at the cost of a backward pass.
    """
    batch, steps, _ = layer.shape
    lengths = None if layer.recording.lengths is None else torch.tensor(layer.lengths)
    valid = None if lengths is None else ~padding_mask(lengths, steps)[..., 0]  # (B, T)
    counts = torch.full((steps,), batch, dtype=torch.float64) if valid is None else valid.sum(0).double()
    rows: list[Tensor] = []
    hidden, cell, unconfirmed = _state_gradients(layer, confirm)
    rows.append(_step_norms(hidden, steps))
    if "cell" in layer.cell_equations.states:
        rows.append(_step_norms(cell, steps))
    scalars: dict[str, float] = {}
    weights = counts / counts.sum()
    for gate in layer.cell_equations.gates:
        mean, closed, opened = _gate_rows(layer, gate, valid, counts)
        rows += [mean, closed, opened]
        scalars[f"saturation/{gate}"] = float(((closed + opened) * weights).sum())
        scalars[f"mean/{gate}"] = float((mean * weights).sum())
    return LayerStatistics(steps, torch.stack(rows), scalars, unconfirmed)


def _state_gradients(layer: LayerTrace, confirm: bool) -> tuple[Tensor | None, Tensor | None, str | None]:
    """Return dL/dh_t and dL/dc_t (B, T, units), and why they are unknown or unconfirmed."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", GradientWarning)
            if not confirm:
                gathered = layer.recording.gathered_gradients
                return (None, None, None) if gathered is None else (*state_gradients(layer, gathered), None)
            found = layer.gradients
            hidden = torch.tensor(found.hidden)
            cell = torch.tensor(found.cell) if "cell" in layer.cell_equations.states else None
        reason = next((str(each.message) for each in caught if issubclass(each.category, GradientWarning)), None)
        return hidden, cell, reason
    except GradientError as error:
        return None, None, str(error)


def _step_norms(values: Tensor | None, steps: int) -> Tensor:
    """Return the norm at each time step over the batch and the units, (T) float64; NaN where the values are unknown."""
    if values is None:
        return torch.full((steps,), torch.nan, dtype=torch.float64)
    by_sequence = vector_norm(values, dim=2)  # of contiguous rows this is several times faster
    return torch.linalg.vector_norm(by_sequence.double(), dim=0).cpu()


def _gate_rows(layer: LayerTrace, gate: str, valid: Tensor | None, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a gate's mean and the shares of values that are saturated low and high, by time step, (T) float64 each."""
    low, high = gate_thresholds(layer.cell_equations, gate)
    size = counts * layer.shape[2]
    on_device = isinstance(layer.recording, DeviceRecording)
    total, below, above = (_device_sums if on_device else _sums)(layer, gate, low, high, valid)
    mean = total / size
    undefined = mean * 0  # NaN where the gate has NaN or infinity
    return mean, below / size + undefined, above / size + undefined


def _sums(layer: LayerTrace, gate: str, low: float, high: float, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sum of a gate's values, and the counts below ``low`` and above ``high``, by time step, (T) float64 each."""
    values = layer[gate]
    through = layer["hidden"] if gate == "preactivation" else values
    if valid is not None:
        there = valid.numpy()[..., None]
        values = np.where(there, values, 0)
        through = np.where(there, through, (low + min(high, 1.0)) / 2)  # saturated neither low nor high
    below = through <= low if high == inf else through < low
    counts = [_count(each) for each in (below, through > high)]
    with np.errstate(invalid="ignore", over="ignore"):  # of a layer whose values are infinite
        found = (values.sum(axis=2).sum(axis=0, dtype=np.float64), *counts)
    return tuple(torch.from_numpy(each).double() for each in found)  # type: ignore[return-value]


def _count(mask: np.ndarray) -> np.ndarray:
    """Return the number of true values at each time step of ``mask`` (B, T, H), (T)."""
    batch, steps, units = mask.shape
    if units % 8 or batch > 255 or not mask.flags.c_contiguous:
        return np.count_nonzero(mask, axis=(0, 2))
    words = mask.view(np.uint64).sum(axis=0)  # eight units in each; a byte counts up to 255 sequences
    return words.view(np.uint8).reshape(steps, units).sum(axis=1, dtype=np.int64)


def _device_sums(
    layer: LayerTrace, gate: str, low: float, high: float, valid: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the same as ``_sums``, computed where the layer ran."""
    values = layer.tensor(gate)
    through = layer.tensor("hidden") if gate == "preactivation" else values
    there = None if valid is None else valid.to(values.device)[..., None]
    below = through <= low if high == inf else through < low
    found = [each if there is None else each * there for each in (values, below, through > high)]
    return tuple(each.sum((0, 2)).double().cpu() for each in found)  # type: ignore[return-value]
