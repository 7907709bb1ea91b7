"""Is a checkpoint healthy? What its weights say, in words, with the evidence beside every sentence.

A layer is read only when it is looked at, and so is every other tensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from models.checkpoints.building.compatibility import Fit, fit
from models.checkpoints.checkpoint import Checkpoint
from models.checkpoints.health import evidence_labels
from models.checkpoints.health.anomalies import oddities
from models.checkpoints.health.findings import ORDER, SHOWN, Evidence, Finding
from models.checkpoints.health.layer_findings import broken, findings_of
from models.checkpoints.health.run_findings import findings_in
from models.checkpoints.parsing.contents import CheckpointError
from models.core.trace import LayerTrace

READ = 1 << 26
"""Numbers of a tensor, other than a layer's, up to which a verdict reads it."""


def verdict(
    checkpoint: Checkpoint,
    layers: Iterable[str] | None = None,
    ran: Mapping[str, LayerTrace] | None = None,
    others: bool = True,
) -> list[Finding]:
    """What is wrong with a checkpoint, the worst first; one sentence that says so where nothing is.

    Args:
        checkpoint: the file.
        layers: which of its layers to read; None for all.
        ran: what some of them did in a run, by their names in the checkpoint.
        others: whether to read the other tensors too.

    Example:
        >>> for finding in verdict(load_checkpoint("model.pt")):
        ...     print(finding.severity, finding, finding.evidence)
    """
    chosen, able = tuple(checkpoint.found if layers is None else layers), fit(checkpoint)
    found: list[Finding] = []
    for name in chosen:
        found += findings_of(name, checkpoint.layers[name], readers_of(checkpoint, name, able))
        if ran is not None and name in ran:
            found += findings_in(ran[name], name)
    if others:
        found += findings_of_others(checkpoint)
    if all(finding.severity == "note" for finding in found):
        found.append(_healthy(checkpoint, chosen))
    return sorted(found, key=lambda finding: ORDER.index(finding.severity))


def _healthy(checkpoint: Checkpoint, layers: tuple[str, ...]) -> Finding:
    if not layers:
        return Finding("This file holds no recurrent layer, so there is nothing to judge.", "note", ())
    count = sum(each.size for name in layers for each in checkpoint.found[name].parts.values() if each.held)
    evidence = [Evidence(", ".join(layers)[:200], evidence_labels.LOOKED_AT, count)]
    return Finding(
        "This network looks healthy: every number is finite, and no unit is dead, doubled or stuck.",
        "healthy",
        evidence,
    )


def readers_of(checkpoint: Checkpoint, name: str, able: Fit | None = None) -> list[np.ndarray] | None:
    """The matrices (?, P) that read a layer's output besides itself; None where the file does not tell.

    They are the next level's input weights, or, of a last level, every decoder that fits it.
    """
    able = able or fit(checkpoint)
    for stack in able.stacks.values():  # those of several parts first
        if name not in stack.layers:
            continue
        levels = [level for part in stack.parts for level in part.levels]
        for index, level in enumerate(levels):
            if name not in level:
                continue
            above = levels[index + 1 :]
            if above:
                read = [checkpoint.layers[each].weight_ih for each in above[0]]
            else:
                small = [each for each in able.decoders(stack.name) if checkpoint.stored[each].size <= READ]
                held = [(able.decoder(stack.name, each), checkpoint.tensors[each]) for each in small]
                read = [values.T if matrix.turned else values for matrix, values in held]
            width = checkpoint.found[name].parts["weight_hh"].shape[1]
            first = level.index(name) * width
            return [matrix[:, first : first + width] for matrix in read] or None
    return None


def findings_of_others(checkpoint: Checkpoint) -> list[Finding]:
    """What the other tensors say: numbers that are none, rows that nothing moved."""
    found, skipped = list[Finding](), list[str]()
    for name, stored in checkpoint.stored.items():
        if not stored.is_float or not stored.size:
            continue
        if stored.size > READ:
            skipped.append(name)
            continue
        try:
            odd = oddities(checkpoint.tensors[name], stored.dtype)
        except CheckpointError:
            continue  # the page that shows the tensor says so
        found += broken(name, {"": odd})
        rows = odd.zero_rows + odd.constant_rows
        if len(stored.shape) == 2 and len(rows) > 1:  # one alone is padding
            found.append(
                Finding(
                    "{where} has rows of one and the same number throughout ({count} of {rows}): nothing ever moved them.",
                    "note",
                    [Evidence(name, evidence_labels.CONSTANT_ROWS, len(rows), units=rows[:SHOWN])],
                    where=name,
                    count=len(rows),
                    rows=stored.shape[0],
                )
            )
    if skipped:
        evidence = [
            Evidence(name, evidence_labels.NUMBERS, checkpoint.stored[name].size, READ) for name in skipped[:10]
        ]
        found.append(
            Finding("{names} were not read: they are very large.", "note", evidence, names=", ".join(skipped[:5]))
        )
    return found
