"""What a run of one layer says of its health."""

from __future__ import annotations

from models.checkpoints.health import evidence_labels
from models.checkpoints.health.findings import SHOWN, Evidence, Finding
from models.checkpoints.health.unit_health import units_in
from models.core.trace import LayerTrace


def findings_in(layer: LayerTrace, name: str, row: int = 0) -> list[Finding]:
    """What a run of one layer says: units that did not move, gates that were always at their bound."""
    said, units, found = units_in(layer, row), layer.weights.hidden_size, list[Finding]()
    still = said.silent or said.still
    if still and said.steps > 1:
        found.append(
            Finding(
                "Of the {units} units of {where}, {count} did not move in this run of {steps} steps.",
                "note" if len(still) < units / 2 else "warning",
                [Evidence(name, evidence_labels.STILL_UNITS, len(still), units=still[:SHOWN])],
                where=name,
                count=len(still),
                units=layer.weights.output_size,
                steps=said.steps,
            )
        )
    if said.duplicates:
        found.append(
            Finding(
                "{where} has pairs of units that were the same at every step of this run ({count}): for this sequence one "
                "of each would do.",
                "note",
                [Evidence(name, evidence_labels.SAME_STATES, len(said.duplicates), pairs=said.duplicates[:SHOWN])],
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
                    "Of the {units} gates of {where}, {count} were at their bound at nearly every step of this run: they no "
                    "longer decide, and no gradient passes through them.",
                    "warning",
                    [
                        Evidence(
                            f"{name}: {gate}", measure, len(each), None, "Karpathy, Johnson and Li 2015", each[:SHOWN]
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
