"""Which scalars of a run are drawn as curves, and how: their titles, colours and lines, the same on every host."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.runs.open_run import RunLayer
from viz.colours import BEFORE_AFTER, CURVES, KIND, QUANTITY, THEMES, Theme, quantity_colour
from viz.figures.training_curves import TrainingCurve
from viz.i18n import _
from viz.quantity_names import quantity_names

MAX_LAYERS = 6
"""Layers that are drawn as curves of their own."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


@dataclass(frozen=True)
class RecordedCurve:
    """The form of the curve of a scalar.

    Attributes:
        scalar: its name in the run.
        title: in the legend.
        colours: of the line, by theme.
        dash, width: of the line.
    """

    scalar: str
    title: str
    colours: Mapping[Theme, str]
    dash: str = "solid"
    width: float = 2.0


def drawn_curves(
    curves: Sequence[RecordedCurve], found: Mapping[str, tuple[np.ndarray, np.ndarray]], theme: Theme
) -> list[TrainingCurve]:
    """Return the curves whose scalars were found, with their training steps (N,) and values (N,)."""
    return [
        TrainingCurve(
            curve.title, *found[curve.scalar], colour=curve.colours[theme], dash=curve.dash, width=curve.width
        )
        for curve in curves
        if curve.scalar in found
    ]


def learning_curves(kind: str) -> list[RecordedCurve]:
    """Return the curves of "loss" or "accuracy", in training and in validation."""
    training, validation = BEFORE_AFTER
    return [
        RecordedCurve(f"{kind}/train", _("training"), training, width=1.2),
        RecordedCurve(f"{kind}/validation", _("validation"), validation, width=2.6),
    ]


def norm_curves() -> list[RecordedCurve]:
    """Return the curves of the norm of all gradients before and after clipping."""
    after, before = BEFORE_AFTER
    return [
        RecordedCurve("gradient_norm/total", _("before clipping"), before, width=1.6),
        RecordedCurve("gradient_norm/total_clipped", _("after clipping"), after),
    ]


def clipping_threshold(settings: Mapping[str, object]) -> float | None:
    """Return the threshold of clipping by norm in a run's settings; None if it is off or unknown."""
    threshold = settings.get("clip_threshold")
    by_norm = settings.get("clipping") == "norm"
    return float(threshold) if by_norm and isinstance(threshold, int | float) and 0 < threshold < 1e30 else None


def radius_curves(layers: Mapping[str, RunLayer], known: Sequence[str]) -> list[RecordedCurve]:
    """Return the curves of the spectral radii: of each gate's recurrent weights, or of the layer's where they have no gates.

    Args:
        layers: of the run, by name.
        known: the names of its scalars.
    """
    found, titles, names = [], quantity_names(), set(known)
    for layer, dash in zip(list(layers.values())[:MAX_LAYERS], DASHES, strict=False):
        whole = f"spectral_radius/{layer.name}"
        gates = [gate for gate in layer.gates if f"{whole}/{gate}" in names]
        for gate in gates:  # in a folder of somebody else's, possibly one that no cell has
            title = f"{layer.name}: {titles.get(gate, gate)}"
            found.append(RecordedCurve(f"{whole}/{gate}", title, _gate_colours(gate), dash))
        if not gates and whole in names:
            found.append(RecordedCurve(whole, layer.name, KIND.get(layer.kind, BEFORE_AFTER[0]), dash))
    return found


def update_curves(known: Sequence[str]) -> list[RecordedCurve]:
    """Return the curves of the sizes of the updates beside those of the weights, of the first weight matrices."""
    names = [name for name in known if name.startswith("update_ratio/") and "weight" in name][: 2 * MAX_LAYERS]
    return [
        RecordedCurve(
            name,
            name.removeprefix("update_ratio/"),
            CURVES[place % len(CURVES)],
            DASHES[place // len(CURVES)],
        )
        for place, name in enumerate(names)
    ]


def gate_curves(layer: RunLayer, statistic: str) -> list[RecordedCurve]:
    """Return the curves of a statistic of each gate of a layer, over the batch, the units and the time steps.

    Args:
        layer: of the run.
        statistic: "saturation", the share of saturated values, or "mean".
    """
    names = quantity_names()
    return [
        RecordedCurve(f"{statistic}/{layer.name}/{gate}", names.get(gate, gate), _gate_colours(gate))
        for gate in layer.gates
    ]


def _gate_colours(gate: str) -> dict[Theme, str]:
    """Return a gate's colour in each theme; of a gate that no cell has, the candidate's."""
    return {theme: quantity_colour(gate if gate in QUANTITY else "candidate", theme) for theme in THEMES}
