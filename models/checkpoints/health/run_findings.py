"""What a run of one layer says of its health."""

from __future__ import annotations

from models.checkpoints.health import evidence_labels
from models.checkpoints.health.findings import MAX_LISTED_UNITS, Evidence, Finding
from models.checkpoints.health.unit_health import check_units_in_run
from models.core.trace import LayerTrace


def check_run(layer: LayerTrace, name: str, row: int = 0) -> list[Finding]:
    """What a run of one layer says: units that did not move, gates that were always at their bound."""
    said, units, found = check_units_in_run(layer, row), layer.weights.hidden_size, list[Finding]()
    still = said.inactive or said.constant
    if still and said.steps > 1:
        found.append(
            Finding(
                (
                    "In this run of {steps} time steps, the hidden state hardly changed in {count} of the {units} units "
                    "of {where}."
                ),
                "note" if len(still) < units / 2 else "warning",
                [Evidence(name, evidence_labels.CONSTANT_UNITS, len(still), units=still[:MAX_LISTED_UNITS])],
                where=name,
                count=len(still),
                units=layer.weights.output_size,
                steps=said.steps,
            )
        )
    if said.duplicates:
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
                        len(said.duplicates),
                        pairs=said.duplicates[:MAX_LISTED_UNITS],
                    )
                ],
                where=name,
                count=len(said.duplicates),
            )
        )
    for gate in said.closed:
        bound = {"closed": said.closed[gate], "open": said.open[gate]}
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
