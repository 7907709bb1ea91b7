"""Check the health of one layer by its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from models.checkpoints.health import evidence_labels
from models.checkpoints.health.anomalies import Anomalies, find_anomalies
from models.checkpoints.health.distributions import forget_biases
from models.checkpoints.health.findings import MAX_LISTED_UNITS, Evidence, Finding
from models.checkpoints.health.gate_names import GATE_NAMES
from models.checkpoints.health.initialization import matching_initialization
from models.checkpoints.health.spectra import weight_spectra
from models.checkpoints.health.unit_health import check_units
from models.core.weights import LayerWeights

LARGE_WEIGHT = 100.0
"""With an input near ±1, a single weight of this magnitude saturates a unit whose activation function is bounded."""
CLOSED_BIAS = -1.0
"""Below this median bias a forget gate keeps less than 27 % of its cell per step, for zero input and state."""
DENORMAL_SHARE = 0.01
"""The share of denormal numbers above which they are reported."""
MAX_EXACT_UNITS = 512
"""The largest number of units for which all eigenvalues are computed; for larger blocks the outermost are estimated."""

JOZEFOWICZ = "Jozefowicz, Zaremba and Sutskever 2015"
PASCANU = "Pascanu, Mikolov and Bengio 2013"


def check_layer(name: str, weights: LayerWeights, consumers: Sequence[np.ndarray] | None = None) -> list[Finding]:
    """Return the findings about one layer's weights; ``consumers`` as in ``check_units``."""
    anomalies = {part: find_anomalies(values) for part, values in weights.arrays().items()}
    nonfinite = list(nonfinite_findings(name, anomalies))
    if nonfinite:  # nothing else can be measured
        return nonfinite
    found = [
        *_magnitude_findings(name, weights, anomalies),
        *_untrained_findings(name, weights, anomalies),
        *_forget_bias_findings(name, weights),
        *_unit_findings(name, weights, consumers),
    ]
    if weights.kind == "RNN":
        found += _recurrence_findings(name, weights)
    return found


def nonfinite_findings(name: str, anomalies: Mapping[str, Anomalies]) -> Iterator[Finding]:
    """Generate a finding if some tensors contain NaN or infinity; anomalies by the names of the tensors."""
    bad = {part: each for part, each in anomalies.items() if each.nan or each.inf}
    if bad:
        yield Finding(
            (
                "NaN or infinite values in {where}: {count}. The outputs become NaN or infinite too; training "
                "probably diverged. Go back to an earlier checkpoint."
            ),
            "broken",
            [
                Evidence(f"{name}: {part}", evidence_labels.NOT_FINITE, each.nan + each.inf)
                for part, each in bad.items()
            ],
            where=name,
            count=f"{sum(each.nan + each.inf for each in bad.values()):,}",
        )


def _magnitude_findings(name: str, weights: LayerWeights, anomalies: Mapping[str, Anomalies]) -> Iterator[Finding]:
    large = {part: each.largest for part, each in anomalies.items() if each.largest >= LARGE_WEIGHT}
    kinds = {
        evidence_labels.LARGEST_WEIGHT: {part: value for part, value in large.items() if part.startswith("weight")},
        evidence_labels.LARGEST_BIAS: {part: value for part, value in large.items() if part.startswith("bias")},
    }
    if weights.cell.norm is not None:  # it brings every product to the same scale
        kinds = {}
    unbounded = weights.kind == "RNN" and weights.cell.activations["preactivation"].range is None
    for measure, parts in kinds.items():
        if not parts:
            continue
        evidence = [Evidence(f"{name}: {part}", measure, value, LARGE_WEIGHT) for part, value in parts.items()]
        value = f"{max(parts.values()):.4g}"
        if unbounded or set(parts) == {"weight_hr"}:
            yield Finding(
                "{where} contains a weight or bias of magnitude {value}. The states can grow very large.",
                "warning", evidence, where=name, value=value,
            )  # fmt: skip
        elif measure is evidence_labels.LARGEST_WEIGHT:
            yield Finding(
                (
                    "{where} contains a weight of magnitude {value}. An input near ±1 is enough to saturate the unit, "
                    "so almost no gradient reaches its weights."
                ),
                "warning", evidence, where=name, value=value,
            )  # fmt: skip
        else:
            yield Finding(
                (
                    "{where} contains a bias of magnitude {value}. It probably keeps the unit saturated, so almost no "
                    "gradient reaches its weights."
                ),
                "warning", evidence, where=name, value=value,
            )  # fmt: skip
    small = {part: each for part, each in anomalies.items() if each.denormal > DENORMAL_SHARE * each.size}
    if small:
        yield Finding(
            "Denormal values in {where}: {count}. They are practically 0 and only slow down the computation.",
            "note",
            [
                Evidence(f"{name}: {part}", evidence_labels.DENORMAL_SHARE, each.denormal / each.size, DENORMAL_SHARE)
                for part, each in small.items()
            ],
            where=name,
            count=f"{sum(each.denormal for each in small.values()):,}",
        )


def _untrained_findings(name: str, weights: LayerWeights, anomalies: Mapping[str, Anomalies]) -> Iterator[Finding]:
    initial = matching_initialization(weights)
    if initial is not None:
        measure = (
            evidence_labels.LARGEST_TIMES_ROOT_H
            if initial.library == "PyTorch"
            else evidence_labels.ORTHOGONALITY_ERROR
        )
        yield Finding(
            (
                "The weights of {where} still have the statistics of {library}'s default initialization. The layer "
                "looks untrained."
            ),
            "warning",
            [Evidence(name, measure, initial.value, 1.0 if initial.library == "PyTorch" else 0.0, initial.library)],
            where=name,
            library=initial.library,
        )
    elif weights.bias_ih is not None and weights.bias_hh is not None:
        biases = weights.bias_ih + weights.bias_hh
        if len(biases) >= 8 and np.isin(biases, (0, 1)).all():
            yield Finding(
                "The biases of {where} are all exactly 0 or 1. They look unchanged since initialization.",
                "note",
                [Evidence(f"{name}: bias", evidence_labels.CHANGED_BIASES, 0)],
                where=name,
            )
    for part, each in anomalies.items():
        rows = each.zero_rows + each.constant_rows
        if part.startswith("weight") and rows:
            yield Finding(
                (
                    "Constant rows in {where}: {count}. All values in such a row are equal, so it was probably never "
                    "trained."
                ),
                "warning",
                [Evidence(f"{name}: {part}", evidence_labels.CONSTANT_ROWS, len(rows), units=rows[:MAX_LISTED_UNITS])],
                where=f"{name}.{part}",
                count=len(rows),
            )


def _forget_bias_findings(name: str, weights: LayerWeights) -> Iterator[Finding]:
    biases = forget_biases(weights)
    if biases is None or weights.kind != "LSTM":
        return
    median = float(np.median(biases))
    if median <= CLOSED_BIAS:
        gates = weights.cell.activations["forget_gate"]
        kept = float(gates(torch.from_numpy(biases)).mean())
        yield Finding(
            (
                "The forget-gate biases of {where} are strongly negative: with zero input and zero hidden state, the "
                "LSTM keeps only {kept} of its cell state per time step. If you train from scratch, initialize these "
                "biases to 1."
            ),
            "warning",
            [
                Evidence(f"{name}: forget_gate", evidence_labels.MEDIAN_FORGET, median, CLOSED_BIAS, JOZEFOWICZ),
                Evidence(f"{name}: forget_gate", evidence_labels.MEAN_FORGET, kept),
            ],
            where=name,
            kept=f"{kept:.0%}",
        )


def _unit_findings(name: str, weights: LayerWeights, consumers: Sequence[np.ndarray] | None) -> Iterator[Finding]:
    health, units = check_units(weights, consumers), weights.hidden_size
    dead = tuple(sorted({*health.no_outgoing, *health.no_incoming}))
    if dead:
        yield Finding(
            ("Dead units in {where}: {count} of {units}. All of their incoming weights or all of their outgoing "
    "weights are close to 0."),
            "warning",
            [Evidence(name, evidence_labels.DEAD_UNITS, len(dead), units=dead[:MAX_LISTED_UNITS])],
            where=name, count=len(dead), units=units,
        )  # fmt: skip
    alive = [pair for pair in health.duplicates if not {*pair} & {*dead}]
    if alive:
        yield Finding(
            ("Pairs of duplicate units in {where}: {count}. Both units of a pair have the same incoming weights, "
    "so one of them is redundant."),
            "warning",
            [Evidence(name, evidence_labels.DUPLICATES, len(alive), pairs=tuple(alive[:MAX_LISTED_UNITS]))],
            where=name, count=len(alive),
        )  # fmt: skip
    for gate, stuck in health.stuck.items():
        yield Finding(
            (
                "Units of {where} with a permanently saturated {gate}: {count}. No hidden state and no input in [−1, 1] "
                "brings it out of saturation."
            ),
            "warning",
            [Evidence(f"{name}: {gate}", evidence_labels.STUCK_GATES, len(stuck), units=stuck[:MAX_LISTED_UNITS])],
            where=name, count=len(stuck), gate=GATE_NAMES[gate],
        )  # fmt: skip


def _recurrence_findings(name: str, weights: LayerWeights) -> Iterator[Finding]:
    """Generate findings about vanishing or exploding gradients of a simple RNN; in gated cells they depend on the gates."""
    (spectrum,) = weight_spectra(weights, MAX_EXACT_UNITS).values()
    activation = weights.cell.activations["preactivation"]
    bound = spectrum.norm * activation.max_slope
    if bound < 1:
        yield Finding(
            ("Gradients in the vanilla RNN {where} vanish: each time step of backpropagation leaves at most {left} "
    "× the gradient norm, ten time steps at most {ten} ×."),
            "warning",
            [Evidence(name, evidence_labels.SINGULAR_VALUE, spectrum.norm, 1 / activation.max_slope, PASCANU)],
            where=name, left=f"{bound:.2g}", ten=f"{bound**10:.1g}",
        )  # fmt: skip
    elif spectrum.radius * activation.max_slope > 1:
        growth = (
            spectrum.radius * activation.max_slope
        )  # the largest possible factor per step, of a sigmoid a quarter of it
        measure = evidence_labels.SPECTRAL_RADIUS if activation.max_slope == 1 else evidence_labels.RADIUS_TIMES_SLOPE
        evidence, factor = [Evidence(name, measure, growth, 1.0, PASCANU)], f"{growth:.3g}"
        if activation.range is None:
            yield Finding(
                ("States and gradients in the vanilla RNN {where} can explode: W_hh scales its dominant eigendirection "
    "by {radius} × per time step, and the activation function has no upper bound."),
                "warning", evidence, where=name, radius=factor,
            )  # fmt: skip
        else:
            yield Finding(
                ("Gradients in the vanilla RNN {where} can explode: while no unit is saturated, W_hh scales its "
    "dominant eigendirection by {radius} × per time step."),
                "note", evidence, where=name, radius=factor,
            )  # fmt: skip
