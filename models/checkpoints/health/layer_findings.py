"""What the weights of one layer say of its health."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from models.checkpoints.health import evidence_labels
from models.checkpoints.health.anomalies import Oddities, oddities
from models.checkpoints.health.distributions import forget_biases
from models.checkpoints.health.findings import SHOWN, Evidence, Finding
from models.checkpoints.health.initialization import started
from models.checkpoints.health.spectra import spectra
from models.checkpoints.health.unit_health import units_of
from models.core.weights import LayerWeights

LARGE = 100.0
"""A weight of this magnitude drives any gate to its bound by itself."""
CLOSED = -1.0
"""Below this median a forget gate keeps less than 27 % of its cell a step where nothing is read."""
DENORMAL = 0.01
"""The share of denormal numbers from which on they are worth a word."""
QUICK = 512
"""Units up to which a verdict computes all eigenvalues; of larger blocks the outermost are estimated."""

JOZEFOWICZ = "Jozefowicz, Zaremba and Sutskever 2015"
PASCANU = "Pascanu, Mikolov and Bengio 2013"


def findings_of(name: str, weights: LayerWeights, readers: Sequence[np.ndarray] | None = None) -> list[Finding]:
    """What the weights of one layer say; ``readers`` as of ``units_of``."""
    odd = {part: oddities(values) for part, values in weights.arrays().items()}
    bad = list(broken(name, odd))
    if bad:  # nothing else can be measured
        return bad
    found = [
        *_sizes(name, odd),
        *_untouched(name, weights, odd),
        *_forgetting(name, weights),
        *_units(name, weights, readers),
    ]
    if weights.kind == "RNN":
        found += _lasting(name, weights)
    return found


def broken(name: str, odd: Mapping[str, Oddities]) -> Iterator[Finding]:
    """That some tensors hold numbers that are none, by the names of the tensors."""
    bad = {part: each for part, each in odd.items() if each.nan or each.inf}
    if bad:
        yield Finding(
            "{where} holds NaN or infinity ({count} numbers), and so is whatever it computes: its training diverged. "
            "Go back to an earlier checkpoint.",
            "broken",
            [
                Evidence(f"{name}: {part}", evidence_labels.NOT_FINITE, each.nan + each.inf)
                for part, each in bad.items()
            ],
            where=name,
            count=f"{sum(each.nan + each.inf for each in bad.values()):,}",
        )


def _sizes(name: str, odd: Mapping[str, Oddities]) -> Iterator[Finding]:
    large = {part: each.largest for part, each in odd.items() if each.largest >= LARGE}
    if large:
        yield Finding(
            "{where} has a weight of {value}: by itself it drives any gate to its bound, so nothing more is learned there.",
            "warning",
            [
                Evidence(f"{name}: {part}", evidence_labels.LARGEST_WEIGHT, value, LARGE)
                for part, value in large.items()
            ],
            where=name,
            value=f"{max(large.values()):.4g}",
        )
    small = {part: each for part, each in odd.items() if each.denormal > DENORMAL * each.size}
    if small:
        yield Finding(
            "{where} holds numbers that are all but 0 ({count}, denormal): they do nothing, and are slow to compute with.",
            "note",
            [
                Evidence(f"{name}: {part}", evidence_labels.DENORMAL_SHARE, each.denormal / each.size, DENORMAL)
                for part, each in small.items()
            ],
            where=name,
            count=f"{sum(each.denormal for each in small.values()):,}",
        )


def _untouched(name: str, weights: LayerWeights, odd: Mapping[str, Oddities]) -> Iterator[Finding]:
    begun = started(weights)
    if begun is not None:
        measure = evidence_labels.LARGEST_BY_WIDTH if begun.library == "PyTorch" else evidence_labels.FROM_ORTHOGONAL
        yield Finding(
            "{where} is still as {library} initialises it: no training has moved it.",
            "warning",
            [Evidence(name, measure, begun.value, 1.0 if begun.library == "PyTorch" else 0.0, begun.library)],
            where=name,
            library=begun.library,
        )
    elif weights.bias_ih is not None and weights.bias_hh is not None:
        biases = weights.bias_ih + weights.bias_hh
        if len(biases) >= 8 and np.isin(biases, (0, 1)).all():
            yield Finding(
                "The biases of {where} are all exactly 0 or 1, as they were initialised: training has not moved them.",
                "note",
                [Evidence(f"{name}: bias", evidence_labels.MOVED_BIASES, 0)],
                where=name,
            )
    for part, each in odd.items():
        rows = each.zero_rows + each.constant_rows
        if part.startswith("weight") and rows:
            yield Finding(
                "{where} has rows of one and the same number throughout ({count}): nothing ever moved them.",
                "warning",
                [Evidence(f"{name}: {part}", evidence_labels.CONSTANT_ROWS, len(rows), units=rows[:SHOWN])],
                where=f"{name}.{part}",
                count=len(rows),
            )


def _forgetting(name: str, weights: LayerWeights) -> Iterator[Finding]:
    biases = forget_biases(weights)
    if biases is None or weights.kind != "LSTM":
        return
    median = float(np.median(biases))
    if median <= CLOSED:
        gates = weights.cell.activations["forget_gate"]
        kept = float(gates(torch.from_numpy(biases)).mean())
        yield Finding(
            "The forget gates of {where} are closed to begin with: where nothing is read, a cell keeps {kept} of itself a "
            "step, so it can hardly learn what lasts. Start their biases at 1.",
            "warning",
            [
                Evidence(f"{name}: forget_gate", evidence_labels.MEDIAN_FORGET, median, CLOSED, JOZEFOWICZ),
                Evidence(f"{name}: forget_gate", evidence_labels.MEAN_FORGET, kept),
            ],
            where=name,
            kept=f"{kept:.0%}",
        )


def _units(name: str, weights: LayerWeights, readers: Sequence[np.ndarray] | None) -> Iterator[Finding]:
    said, units = units_of(weights, readers), weights.hidden_size
    dead = tuple(sorted({*said.unread, *said.unreading}))
    if dead:
        yield Finding(
            "{where} has dead units ({count} of {units}): they read nothing, or nothing reads them.",
            "warning",
            [Evidence(name, evidence_labels.DEAD_UNITS, len(dead), units=dead[:SHOWN])],
            where=name, count=len(dead), units=units,
        )  # fmt: skip
    alive = [pair for pair in said.duplicates if not {*pair} & {*dead}]
    if alive:
        yield Finding(
            "{where} has pairs of units that are doubles ({count}): both read the same in the same way, so one is wasted.",
            "warning",
            [Evidence(name, evidence_labels.DOUBLES, len(alive), pairs=tuple(alive[:SHOWN]))],
            where=name, count=len(alive),
        )  # fmt: skip
    for gate, stuck in said.stuck.items():
        yield Finding(
            "{where} has gates that are stuck ({count}): no input within −1 and 1 and no state moves them from their bound.",
            "warning",
            [Evidence(f"{name}: {gate}", evidence_labels.STUCK_GATES, len(stuck), units=stuck[:SHOWN])],
            where=name, count=len(stuck),
        )  # fmt: skip


def _lasting(name: str, weights: LayerWeights) -> Iterator[Finding]:
    """What the recurrent matrix alone decides of a simple RNN's gradients; in gated cells the gates decide."""
    (found,) = spectra(weights, QUICK).values()
    through = weights.cell.activations["preactivation"]
    most = found.norm * through.steepest
    if most < 1:
        yield Finding(
            "No gradient of {where} can last: a step back leaves at most {left} of it, ten steps {ten}.",
            "warning",
            [Evidence(name, evidence_labels.SINGULAR_VALUE, found.norm, 1 / through.steepest, PASCANU)],
            where=name, left=f"{most:.2g}", ten=f"{most**10:.1g}",
        )  # fmt: skip
    elif found.radius > 1:
        free = through.range is None
        evidence = [Evidence(name, evidence_labels.SPECTRAL_RADIUS, found.radius, 1.0, PASCANU)]
        if free:
            yield Finding(
                "{where} can explode: its recurrent matrix stretches some state by {radius} every step, and its activation "
                "has no bound.",
                "warning", evidence, where=name, radius=f"{found.radius:.3g}",
            )  # fmt: skip
        else:
            yield Finding(
                "Gradients of {where} can explode: its recurrent matrix stretches some direction by {radius} every step, "
                "where no unit is saturated.",
                "note", evidence, where=name, radius=f"{found.radius:.3g}",
            )  # fmt: skip
