"""The payload of a run of training: its scalars and the maps of one layer over the training steps.

The browser's steps are training steps: all of which a contained number is. A curve with more than ``MAX_POINTS`` values is
thinned to evenly spaced ones with the newest and the first NaN or infinity, each with the lowest and the highest value up to
the next; a map as in ``viz.figures.training_map``. A number that is contained is as recorded, never an average.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.runs.open_run import RunLayer, StepMap, TrainingRun
from viz.figures.training_map import MAX_COLUMNS, drawn_rows
from viz.payloads.binary_payload import pack

MAX_POINTS = 500
"""Values of a curve."""

MAX_NUMBERS = 300_000
"""Numbers in the maps of a layer, 4 bytes each."""


@dataclass(frozen=True, eq=False)
class CurvePoints:
    """The values of a scalar that are contained.

    Attributes:
        steps: (N,) training steps, ascending.
        values: (N,) float64, as recorded.
        low, high: (N,) the lowest and the highest finite value from each step up to the next one; None if all are contained.
    """

    steps: np.ndarray
    values: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None


@dataclass(frozen=True, eq=False)
class TrainingNumbers:
    """Those numbers of a run that are contained.

    Attributes:
        layer: the layer of the maps; None where there is none.
        curves: by the name of the scalar.
        maps: by name, as "gradient/hidden" and "saturation/forget_gate"; with the rows that are contained alone.
        steps: (N,) int64, every training step of which there is a number.
        recorded: the most values of a scalar, and the most rows of a map, of which the contained ones are.
    """

    layer: RunLayer | None
    curves: Mapping[str, CurvePoints]
    maps: Mapping[str, StepMap]
    steps: np.ndarray
    recorded: tuple[int, int]


def training_numbers(run: TrainingRun, layer: RunLayer | None, scalars: Sequence[str]) -> TrainingNumbers:
    """Return these scalars of a run, those that it has, and the maps of a layer."""
    known = set(run.scalar_names)
    found = run.scalars([name for name in scalars if name in known])
    curves = {name: curve_points(*each) for name, each in found.items() if len(each[0])}
    whole = {} if layer is None else _maps(run, layer)
    size = sum(each.values.shape[1] for each in whole.values())
    most = min(MAX_COLUMNS, MAX_NUMBERS // max(size, 1))
    maps = {name: _thinned(each, most) for name, each in whole.items() if len(each.steps)}
    steps = [*(each.steps for each in curves.values()), *(each.steps for each in maps.values())]
    recorded = [max((len(each[0]) for each in found.values()), default=0)]
    recorded.append(max((len(each.steps) for each in whole.values()), default=0))
    axis = np.unique(np.concatenate([np.empty(0, np.int64), *steps]))
    return TrainingNumbers(layer, curves, maps, axis, (recorded[0], recorded[1]))


def curve_points(steps: np.ndarray, values: np.ndarray) -> CurvePoints:
    """Return at most about ``MAX_POINTS`` of the values of a scalar at its training steps (N,)."""
    count = len(values)
    every = -(-count // MAX_POINTS)
    if every <= 1:
        return CurvePoints(steps, values, None, None)
    broken = np.flatnonzero(~np.isfinite(values))
    chosen = np.unique(np.concatenate([np.arange(0, count, every), [count - 1], broken[:1]]))
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        low = np.minimum.reduceat(np.where(finite, values, np.inf), chosen)
        high = np.maximum.reduceat(np.where(finite, values, -np.inf), chosen)
    return CurvePoints(steps[chosen], values[chosen], low, high)


def _maps(run: TrainingRun, layer: RunLayer) -> dict[str, StepMap]:
    found = {
        f"gradient/{state}": run.gradient_map(layer.name, state)
        for state in ("hidden", "cell")
        if f"gradient/{state}" in layer.maps
    }
    for gate in layer.gates:
        if {f"closed/{gate}", f"open/{gate}"} <= set(layer.maps):
            found[f"saturation/{gate}"] = run.gate_map(layer.name, gate)
    return found


def _thinned(values: StepMap, most: int) -> StepMap:
    real = values.positions[None, :] < values.lengths[:, None]
    rows = drawn_rows(values, real & ~np.isfinite(values.values), max(most, 1))
    return StepMap(
        values.steps[rows], values.positions, values.values[rows], values.lengths[rows], values.width, values.stride,
        values.every,
    )  # fmt: skip


def training_payload(view_id: str, numbers: TrainingNumbers) -> bytes:
    """Return the payload.

    Its steps are ``numbers.steps``, its quantities the gates of the layer whose saturation was recorded, with the share of
    saturated values as their numbers; without any it has one quantity, ``training_step``.

    Args:
        view_id: the browser's store for it.
        numbers: what it contains.
    """
    axis, layer = numbers.steps, numbers.layer
    gates: dict[str, np.ndarray] = {}
    name = "" if layer is None else layer.name
    for gate in () if layer is None else layer.gates:
        if f"saturation/{gate}" not in numbers.maps:
            continue
        gates[gate] = np.full((len(axis), 1), np.nan)
        curve = numbers.curves.get(f"saturation/{name}/{gate}")
        if curve is not None:
            gates[gate][np.searchsorted(axis, curve.steps), 0] = curve.values
    return pack(
        view_id,
        layer=name,
        kind="" if layer is None else layer.kind,
        gates=gates,
        states={} if gates else {"training_step": axis[:, None]},
        arrays={f"map:{name}": each.values for name, each in numbers.maps.items()},
        tokens=[f"{step:,}" for step in axis.tolist()],
        options={
            "training_steps": axis.tolist(),
            "curves": {name: _curve(each, axis) for name, each in numbers.curves.items()},
            "maps": {name: _map(each, axis) for name, each in numbers.maps.items()},
            "zero_one_gates": list(gates),
            "reverse": False,
        },
    )


def _curve(points: CurvePoints, axis: np.ndarray) -> dict[str, Any]:
    found = {"at": np.searchsorted(axis, points.steps).tolist(), "values": _numbers(points.values)}
    if points.low is not None and points.high is not None:
        found |= {"low": _bounds(points.low), "high": _bounds(points.high)}
    return found


def _map(values: StepMap, axis: np.ndarray) -> dict[str, Any]:
    return {
        "at": np.searchsorted(axis, values.steps).tolist(),
        "lengths": values.lengths.tolist(),
        "width": values.width,
    }


def _numbers(values: np.ndarray) -> list[float | str]:
    """Return float64 values for JSON, exactly; NaN and infinity, which it lacks, as texts of JavaScript."""
    names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    return [value if np.isfinite(value) else names[str(value)] for value in values.astype(np.float64).tolist()]


def _bounds(values: np.ndarray) -> list[float | None]:
    """Return the ends of a band, which is drawn, to six digits; None where no value is finite."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values.tolist()]
