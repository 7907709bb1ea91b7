"""Check the health of one layer by its recorded run."""

from __future__ import annotations

from models.checkpoints.health import evidence_labels
from models.checkpoints.health.findings import MAX_LISTED_UNITS, Evidence, Finding
from models.checkpoints.health.unit_health import check_units_in_run
from models.core.trace import LayerTrace


def check_run(layer: LayerTrace, name: str, row: int = 0) -> list[Finding]:
    """Return the findings about one layer's run: constant units, duplicate units, gates that are always saturated."""
    health, units, found = check_units_in_run(layer, row), layer.weights.hidden_size, list[Finding]()
    constant = health.inactive or health.constant
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
    for gate in health.closed:
        bound = {"closed": health.closed[gate], "open": health.open[gate]}
        both = bound["closed"] + bound["open"]
        if len(both) > units / 2:
            found.append(
                Finding(
                    (
                        "In this run, {count} of the {units} gates of {where} were almost always open (> 0.9) or closed (< "
                        "0.1). Only a small gradient reaches the weights of such a gate. An always-open forget gate, however, "
                        "lets the cell-state gradient through: that can be long-term memory, not a fault."
                    ),
                    "warning",
                    [
                        Evidence(
                            f"{name}: {gate}",
                            measure,
                            len(each),
                            None,
                            "Karpathy, Johnson and Li 2015",
                            each[:MAX_LISTED_UNITS],
                        )
                        for measure, each in (
                            (evidence_labels.ALWAYS_CLOSED, bound["closed"]),
                            (evidence_labels.ALWAYS_OPEN, bound["open"]),
                        )
                    ],
                    where=name,
                    count=len(both),
                    units=units,
                )
            )
    return found
