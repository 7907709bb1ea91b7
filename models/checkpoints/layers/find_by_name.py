"""Find recurrent layers by the names that PyTorch gives their tensors, however the network was wrapped.

``rnn.weight_ih_l0_reverse`` is the input matrix of ``rnn.l0_reverse``; a ``Cell``'s ``cell.weight_ih`` is that of
``cell.l0``. How many rows the recurrent matrix has for each of its columns tells the kind: 4 LSTM, 3 GRU, 1 RNN.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from models.checkpoints.parsing.contents import CheckpointError, FoundLayer, StoredTensor

KIND_OF_GATE_COUNT = {1: "RNN", 3: "GRU", 4: "LSTM"}

TENSOR_NAME = re.compile(
    r"(?P<module>.*?)(?P<separator>[._/]?)(?P<part>weight|w|bias|b)_(?P<side>ih|hh|hr)(?P<layer>_l\d+)?(?P<reverse>_reverse)?"
)
WRAPPER_PREFIXES = ("module.", "_orig_mod.")


def strip_wrapper_prefixes(tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """The same tensors without what DataParallel, weight averaging and torch.compile put before their names."""
    named = {name.replace("._orig_mod.", "."): stored for name, stored in tensors.items()}
    if len(named) < len(tensors):
        named = dict(tensors)
    for _ in range(4):  # one in another: a compiled, parallel, averaged module
        for prefix in WRAPPER_PREFIXES:
            inside = [name for name in named if name != "n_averaged"]
            if inside and all(name.startswith(prefix) and name != prefix for name in inside):
                named = {name.removeprefix(prefix): stored for name, stored in named.items()}
    return named


def find_layers(tensors: Mapping[str, StoredTensor]) -> dict[str, FoundLayer]:
    """The recurrent layers among ``tensors``, in their order.

    Raises:
        CheckpointError: tensors are named as those of one layer but their shapes do not fit each other.
    """
    groups: dict[str, dict[str, tuple[str, StoredTensor]]] = {}
    for name, stored in tensors.items():
        match = TENSOR_NAME.fullmatch(name)
        if match is None or (match["module"] and not match["separator"]):
            continue
        level = (match["layer"] or "_l0").removeprefix("_") + (match["reverse"] or "")
        layer = f"{match['module']}.{level}" if match["module"] else level
        part = {"w": "weight", "b": "bias"}.get(match["part"], match["part"]) + "_" + match["side"]
        groups.setdefault(layer, {})[part] = (name, stored)
    found = {}
    for layer, parts in groups.items():
        if {"weight_ih", "weight_hh"} <= set(parts):
            sources = tuple(name for name, _ in parts.values())
            found[layer] = layer_from_parts(layer, {part: stored for part, (_, stored) in parts.items()}, sources)
    return found


def layer_from_parts(layer: str, parts: Mapping[str, StoredTensor], sources: tuple[str, ...]) -> FoundLayer:
    """The layer whose tensors are named as in PyTorch.

    Raises:
        CheckpointError: their shapes or types do not fit each other.
    """
    recurrent, read = parts["weight_hh"].shape, parts["weight_ih"].shape
    if len(recurrent) != 2 or len(read) != 2 or 0 in recurrent or 0 in read or recurrent[0] != read[0]:
        raise CheckpointError(
            (
                "The matrices of {layer} have shapes {input} and {recurrent}, which do not fit together. Save the "
                "network again."
            ),
            layer=layer,
            input=list(read),
            recurrent=list(recurrent),
        )
    projected = "weight_hr" in parts
    rows, handed_on = recurrent
    gates, rest = (4, rows % 4) if projected else divmod(rows, handed_on)
    kind = None if rest else KIND_OF_GATE_COUNT.get(gates)
    if kind is None:
        raise CheckpointError(
            (
                "{layer} has {rows} rows for hidden size {columns}. An LSTM needs 4 × the hidden size, a GRU 3 ×, an "
                "RNN 1 ×."
            ),
            layer=layer,
            rows=rows,
            columns=handed_on,
        )
    wanted = {"bias_ih": (rows,), "bias_hh": (rows,), "weight_hr": (handed_on, rows // 4)}
    for part, stored in parts.items():
        if part in wanted and stored.shape != wanted[part]:
            raise CheckpointError(
                "{part} of {layer} has shape {shape}, but its matrices need {wanted}. Save the network again.",
                part=part,
                layer=layer,
                shape=list(stored.shape),
                wanted=list(wanted[part]),
            )
        if not stored.is_float:
            raise CheckpointError(
                "{part} of {layer} has type {dtype}. Save the weights as floating-point numbers.",
                part=part,
                layer=layer,
                dtype=stored.dtype,
            )
    complete = dict(parts)
    if ("bias_ih" in parts) != ("bias_hh" in parts):
        missing = "bias_ih" if "bias_hh" in parts else "bias_hh"
        complete[missing] = StoredTensor.zeros(rows)
    return FoundLayer(kind, complete, sources, assumed=("nonlinearity",) if kind == "RNN" else ())
