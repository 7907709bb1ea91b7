"""Check the health of a checkpoint: findings in words, each with its evidence.

Layers and other tensors are loaded one at a time, and only those that are checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from models.checkpoints.building.compatibility import compatible_parts
from models.checkpoints.checkpoint_data import CheckpointData
from models.checkpoints.health import evidence_labels
from models.checkpoints.health.anomalies import find_anomalies
from models.checkpoints.health.findings import MAX_LISTED_UNITS, SEVERITY_ORDER, Evidence, Finding
from models.checkpoints.health.layer_findings import check_layer, nonfinite_findings
from models.checkpoints.health.run_findings import check_run
from models.checkpoints.layers.find_by_name import incomplete_layers
from models.checkpoints.layers.other_roles import family_of, multiplicative_cells
from models.checkpoints.layers.separate_gates import gates_in_tensors
from models.checkpoints.parsing.errors import CheckpointError
from models.core.trace import LayerTrace

PACKED_NAME = re.compile(r"_packed_weight_[ih]h|_all_weight_values")
"""Names of recurrent weights that are packed for torch's quantized kernels."""

MATRIX_NAME = re.compile(r"w(eight)?_(ih|hh)")

NAMED_RECURRENT = re.compile(r"(?<![a-z])(lstm|(gru|rnn)(?![a-z]))", re.IGNORECASE)
"""A module called after a recurrent layer: ``rnn/basic_lstm_cell/kernel`` of TensorFlow 1, ``lstm/linear/w`` of Haiku."""

MAX_TENSOR_SIZE = 1 << 26
"""Tensors outside the layers with more elements are not loaded."""


def verdict(
    checkpoint: CheckpointData,
    layers: Iterable[str] | None = None,
    ran: Mapping[str, LayerTrace] | None = None,
    others: bool = True,
) -> list[Finding]:
    """Return the findings about a checkpoint, the most severe first; a single healthy finding if nothing is wrong.

    Args:
        checkpoint: the file.
        layers: the names of the layers to check; None for all.
        ran: recorded runs of some layers, by their names in the checkpoint.
        others: whether to check the other tensors too.

    Example:
        >>> for finding in verdict(load_checkpoint("model.pt")):
        ...     print(finding.severity, finding, finding.evidence)
    """
    chosen = tuple(checkpoint.found if layers is None else layers)
    found: list[Finding] = []
    for name in chosen:
        found += _unexplained_findings(name, checkpoint)
        found += check_layer(name, checkpoint.layers[name], consumer_weights(checkpoint, name))
        if ran is not None and name in ran:
            found += check_run(ran[name], name)
    if others:
        found += check_other_tensors(checkpoint)
    if all(finding.severity == "note" for finding in found):
        found.append(_healthy_finding(checkpoint, chosen))
    return sorted(found, key=lambda finding: SEVERITY_ORDER.index(finding.severity))


def _healthy_finding(checkpoint: CheckpointData, layers: tuple[str, ...]) -> Finding:
    if not layers:
        family = family_of(checkpoint.stored)
        if family is not None:
            return Finding(
                (
                    "This file contains no RNN, LSTM or GRU, so there is nothing to check. Its tensors are named like those "
                    "of this network: {family}."
                ),
                "note",
                (),
                family=family,
            )
        named = [name for name in checkpoint.stored if NAMED_RECURRENT.search(name)]
        if named:
            return Finding(
                "Nothing is checked: {names} are named like the tensors of a recurrent layer, but their arrangement is not "
                "known. Save its weights with the names and shapes that PyTorch or Keras gives them.",
                "warning",
                (),
                names=", ".join(named[:5]) + (" …" if len(named) > 5 else ""),
            )
        return Finding("This file contains no recurrent layer, so there is nothing to check.", "note", ())
    count = sum(each.size for name in layers for each in checkpoint.found[name].parts.values() if each.in_file)
    evidence = [Evidence(", ".join(layers)[:200], evidence_labels.NUMBERS_CHECKED, count)]
    return Finding(
        (
            "No serious problems found: all values are finite, and there are no dead units, duplicate units or "
            "permanently saturated gates."
        ),
        "healthy",
        evidence,
    )


def _unexplained_findings(name: str, checkpoint: CheckpointData) -> list[Finding]:
    """Return the finding about the tensors in a layer's own module that its equations do not have."""
    names = checkpoint.found[name].unexplained
    if not names:
        return []
    sizes = [Evidence(each, evidence_labels.NUMBERS, checkpoint.stored[each].size) for each in names[:10]]
    return [
        Finding(
            (
                "The equations of the {kind} do not use these tensors of {layer}: {names}. The gates and states shown are "
                "not those of this network."
            ),
            "warning",
            sizes,
            layer=name,
            kind=checkpoint.found[name].kind,
            names=", ".join(names[:5]) + (" …" if len(names) > 5 else ""),
        )
    ]


def _unread_layers(checkpoint: CheckpointData) -> list[Finding]:
    """Return the findings about recurrent layers that a file names but of which it has no readable weights."""
    found = []
    for layer, names in incomplete_layers(checkpoint.stored).items():
        if layer in checkpoint.found:
            continue
        sizes = [Evidence(each, evidence_labels.NUMBERS, checkpoint.stored[each].size) for each in names]
        listed = ", ".join(names)
        if sum(MATRIX_NAME.search(each) is not None for each in names) > 1:
            unread = Finding(
                (
                    "{layer} is not run: its tensors are named like those of a recurrent layer, but do not have the shapes "
                    "of an RNN, LSTM or GRU: {names}."
                ),
                "warning",
                sizes,
                layer=layer,
                names=listed,
            )
        else:
            unread = Finding(
                "{layer} is incomplete: of its two weight matrices, the file contains only {names}. Save the whole network.",
                "warning",
                sizes,
                layer=layer,
                names=listed,
            )
        found.append(unread)
    for cell, names in gates_in_tensors(checkpoint.stored).items():
        found.append(
            Finding(
                "{layer} is not run: its gates are tensors of their own ({names}), and of such names it is not known which "
                "activation and which axis they have. Save one matrix with the rows of all gates, as PyTorch does.",
                "warning",
                [Evidence(each, evidence_labels.NUMBERS, checkpoint.stored[each].size) for each in names],
                layer=cell or "cell",
                names=", ".join(names),
            )
        )
    for cell, names in multiplicative_cells(checkpoint.stored).items() if checkpoint.found else ():
        found.append(
            Finding(
                "{layer} is not run: its tensors {names} are named like those of a multiplicative LSTM.",
                "warning",
                [Evidence(each, evidence_labels.NUMBERS, checkpoint.stored[each].size) for each in names],
                layer=cell.rstrip("._/") or names[0],
                names=", ".join(names),
            )
        )
    packed = [name for name in checkpoint.stored if PACKED_NAME.search(name)]
    if packed:
        found.append(
            Finding(
                "These quantized layers cannot be read: {names}. Save the network before it is quantized.",
                "warning",
                (),
                names=", ".join(dict.fromkeys(name.rpartition("._")[0] or name for name in packed[:5])),
            )
        )
    return found


def consumer_weights(checkpoint: CheckpointData, name: str) -> list[np.ndarray] | None:
    """Return the matrices (?, P) outside a layer that take its output as input, or None if they are unknown.

    They are the next level's input weights or, for the last level, every decoder of matching size.
    """
    compatible = compatible_parts(checkpoint)
    for stack in compatible.stacks.values():  # those of several modules come first
        if name not in stack.layers:
            continue
        levels = [level for module in stack.modules for level in module.levels]
        for index, level in enumerate(levels):
            if name not in level:
                continue
            above = levels[index + 1 :]
            if above:
                consumers = [checkpoint.layers[each].weight_ih for each in above[0]]
            else:
                small = [
                    each for each in compatible.decoders(stack.name) if checkpoint.stored[each].size <= MAX_TENSOR_SIZE
                ]
                decoders = [(compatible.decoder(stack.name, each), checkpoint.tensors[each]) for each in small]
                consumers = [values.T if matrix.transposed else values for matrix, values in decoders]
            width = checkpoint.found[name].parts["weight_hh"].shape[1]
            first = level.index(name) * width
            return [matrix[:, first : first + width] for matrix in consumers] or None
    return None


def check_other_tensors(checkpoint: CheckpointData) -> list[Finding]:
    """Return the findings about tensors outside the layers: unreadable layers, NaN, infinity, constant rows."""
    found, skipped = _unread_layers(checkpoint), list[str]()
    for name, stored in checkpoint.stored.items():
        if not stored.is_float or not stored.size:
            continue
        if stored.size > MAX_TENSOR_SIZE:
            skipped.append(name)
            continue
        try:
            anomalies = find_anomalies(checkpoint.tensors[name], stored.dtype)
        except CheckpointError:
            continue  # the page that shows the tensor reports the error
        found += nonfinite_findings(name, {"": anomalies})
        rows = anomalies.zero_rows + anomalies.constant_rows
        if len(stored.shape) == 2 and len(rows) > 1:  # a single one is the padding symbol's
            found.append(
                Finding(
                    (
                        "Constant rows in {where}: {count} of {rows}. All values in such a row are equal, so it was probably "
                        "never trained."
                    ),
                    "note",
                    [Evidence(name, evidence_labels.CONSTANT_ROWS, len(rows), units=rows[:MAX_LISTED_UNITS])],
                    where=name,
                    count=len(rows),
                    rows=stored.shape[0],
                )
            )
    if skipped:
        evidence = [
            Evidence(name, evidence_labels.NUMBERS, checkpoint.stored[name].size, MAX_TENSOR_SIZE)
            for name in skipped[:10]
        ]
        found.append(Finding("Too large to be checked: {names}.", "note", evidence, names=", ".join(skipped[:5])))
    return found
