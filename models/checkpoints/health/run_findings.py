"""Check the health of one layer by its recorded run."""

from __future__ import annotations

from typing import Literal

from models.checkpoints.health import evidence_labels
from models.checkpoints.health.findings import MAX_LISTED_UNITS, Evidence, Finding, Severity
from models.checkpoints.health.gate_names import GATE_NAMES
from models.checkpoints.health.unit_health import check_units_in_run
from models.core.trace import LayerTrace
from models.gradients.nonfinite import QUANTITY_NAMES, NonFinite, first_nonfinite_state


def check_run(layer: LayerTrace, name: str, row: int = 0) -> list[Finding]:
    """Return the findings about one layer's run: NaN, infinity, constant, inactive and duplicate units, saturated gates."""
    nonfinite = first_nonfinite_state(layer, row)
    if nonfinite is not None:  # nothing else can be measured
        return [_nonfinite_finding(name, *nonfinite)]
    health, units, found = check_units_in_run(layer, row), layer.weights.hidden_size, list[Finding]()
    constant = tuple(unit for unit in health.constant if unit not in health.inactive)
    if constant and health.steps > 1:
        found.append(
            Finding(
                (
                    "In this run of {steps} time steps, the hidden state hardly changed in {count} of the {units} units "
                    "of {where}."
                ),
                "note" if len(constant) < units / 2 else "warning",
                [Evidence(name, evidence_labels.CONSTANT_UNITS, len(constant), units=constant[:MAX_LISTED_UNITS])],
                where=name,
                count=len(constant),
                units=layer.weights.output_size,
                steps=health.steps,
            )
        )
    if health.duplicates:
        found.append(
            Finding(
                (
                    "Pairs of units of {where} with the same hidden states at every time step of this run: {count}. For "
                    "this sequence, one unit of each pair would be enough."
                ),
                "note",
                [
                    Evidence(
                        name,
                        evidence_labels.SAME_STATES,
                        len(health.duplicates),
                        pairs=health.duplicates[:MAX_LISTED_UNITS],
                    )
                ],
                where=name,
                count=len(health.duplicates),
            )
        )
    if health.inactive and health.steps > 1:
        found.append(
            Finding(
                (
                    "In this run of {steps} time steps, {count} of the {units} units of {where} were never above 0 (dead "
                    "ReLU units for this sequence)."
                ),
                "note" if len(health.inactive) < units / 2 else "warning",
                [
                    Evidence(
                        name,
                        evidence_labels.INACTIVE_UNITS,
                        len(health.inactive),
                        units=health.inactive[:MAX_LISTED_UNITS],
                    )
                ],
                where=name,
                count=len(health.inactive),
                units=units,
                steps=health.steps,
            )
        )
    for gate in health.closed:
        if len(health.closed[gate]) + len(health.open[gate]) > units / 2:
            if health.closed[gate]:
                found.append(_saturated_gate(layer, name, gate, "closed", health.closed[gate]))
            if health.open[gate]:
                found.append(_saturated_gate(layer, name, gate, "open", health.open[gate]))
    return found


def _nonfinite_finding(name: str, state: str, place: NonFinite) -> Finding:
    values = {"quantity": QUANTITY_NAMES[state], "step": place.position + 1, "where": name}
    evidence = [
        Evidence(f"{name}: {state}", evidence_labels.FIRST_NONFINITE_STEP, place.position + 1, units=(place.unit,))
    ]
    if place.value == "inf":
        return Finding(
            (
                "In this run, the {quantity} of {where} becomes infinite at time step {step}. What is computed from it "
                "after that is not valid."
            ),
            "warning", evidence, **values,
        )  # fmt: skip
    return Finding(
        (
            "In this run, the {quantity} of {where} becomes NaN (not a number) at time step {step}. What is computed from "
            "it after that is not valid."
        ),
        "warning", evidence, **values,
    )  # fmt: skip


def _saturated_gate(
    layer: LayerTrace, name: str, gate: str, bound: Literal["closed", "open"], units: tuple[int, ...]
) -> Finding:
    """Return the finding about one gate that is almost always closed, or almost always open, in ``units``.

    A saturated gate passes hardly any gradient to its own weights; what it does to the states depends on the gate. A gate
    that multiplies the previous state passes the state, and its gradient, unchanged where it is open.
    """
    carry = layer.weights.cell.carry
    total = layer.weights.hidden_size
    many: Severity = "warning" if len(units) > total / 2 else "note"
    measure = evidence_labels.ALWAYS_CLOSED if bound == "closed" else evidence_labels.ALWAYS_OPEN
    evidence = [
        Evidence(
            f"{name}: {gate}", measure, len(units), None, "Karpathy, Johnson and Li 2015", units[:MAX_LISTED_UNITS]
        )
    ]
    values = {"gate": GATE_NAMES[gate], "count": len(units), "units": total, "where": name}
    if carry is not None and gate == carry.gate and bound == "open":
        return Finding(
            (
                "In this run, the {gate} of {count} of the {units} units of {where} was almost always open (> 0.9): "
                "these units keep most of their state from one time step to the next. This looks like long-term memory, "
                "not a fault."
            ),
            "note", evidence, **values,
        )  # fmt: skip
    if carry is not None and gate == carry.gate:
        return Finding(
            (
                "In this run, the {gate} of {count} of the {units} units of {where} was almost always closed (< 0.1): "
                "these units keep hardly any state from one time step to the next."
            ),
            many, evidence, **values,
        )  # fmt: skip
    if (gate, bound) == ("input_gate", "closed"):
        return Finding(
            (
                "In this run, the {gate} of {count} of the {units} units of {where} was almost always closed (< 0.1): "
                "hardly any new information is added to their cell state."
            ),
            many, evidence, **values,
        )  # fmt: skip
    if (gate, bound) == ("output_gate", "closed"):
        return Finding(
            (
                "In this run, the {gate} of {count} of the {units} units of {where} was almost always closed (< 0.1): "
                "their cell state hardly appears in the hidden state."
            ),
            many, evidence, **values,
        )  # fmt: skip
    return Finding(
        (
            "In this run, the {gate} of {count} of the {units} units of {where} was saturated at almost every time step. "
            "Only a small gradient reaches its weights."
        ),
        "note", evidence, **values,
    )  # fmt: skip
