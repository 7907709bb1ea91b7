"""Find recurrent layers by PyTorch's parameter names, whatever wrappers the network was saved in.

``rnn.weight_ih_l0_reverse`` is the input matrix of ``rnn.l0_reverse``; a ``Cell``'s ``cell.weight_ih`` is that of
``cell.l0``. The number of rows per column of the recurrent matrix determines the kind: 4 LSTM, 3 GRU, 1 RNN.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from models.checkpoints.parsing.contents import CheckpointError, FoundLayer, StoredTensor
from models.core.cells import Kind, cell_of

KINDS: tuple[Kind, ...] = ("RNN", "GRU", "LSTM")
KIND_OF_GATE_COUNT = {len(cell_of(kind).gates): kind for kind in KINDS}
"""The kind of a layer by its number of gates: 1 RNN, 3 GRU, 4 LSTM."""

TENSOR_NAME = re.compile(
    r"(?P<module>.*?)(?P<separator>[._/]?)(?P<part>weight|w|bias|b)_(?P<side>ih|hh|hr)(?P<layer>_l\d+)?(?P<reverse>_reverse)?"
)
WRAPPER_PREFIXES = ("module.", "_orig_mod.")


def strip_wrapper_prefixes(tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Return the same tensors without the name prefixes that DataParallel, weight averaging and torch.compile add."""
    named = {name.replace("._orig_mod.", "."): stored for name, stored in tensors.items()}
    if len(named) < len(tensors):
        named = dict(tensors)
    for _ in range(4):  # wrappers may be nested: a compiled, parallel, averaged module
        for prefix in WRAPPER_PREFIXES:
            inside = [name for name in named if name != "n_averaged"]
            if inside and all(name.startswith(prefix) and name != prefix for name in inside):
                named = {name.removeprefix(prefix): stored for name, stored in named.items()}
    return named


def find_layers(tensors: Mapping[str, StoredTensor]) -> dict[str, FoundLayer]:
    """Return the recurrent layers among ``tensors``, in the tensors' order.

    Raises:
        CheckpointError: the tensors of one layer, by their names, have shapes that do not match.
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
    """Return the layer of tensors that are named as in PyTorch.

    Raises:
        CheckpointError: their shapes or dtypes do not match.
    """
    recurrent, incoming = parts["weight_hh"].shape, parts["weight_ih"].shape
    if len(recurrent) != 2 or len(incoming) != 2 or 0 in recurrent + incoming or recurrent[0] != incoming[0]:
        raise CheckpointError(
            (
                "The matrices of {layer} have shapes {input} and {recurrent}, which do not fit together. Save the "
                "network again."
            ),
            layer=layer,
            input=list(incoming),
            recurrent=list(recurrent),
        )
    projected = "weight_hr" in parts
    rows, output_size = recurrent
    gates, rest = (4, rows % 4) if projected else divmod(rows, output_size)
    kind = None if rest else KIND_OF_GATE_COUNT.get(gates)
    if kind is None:
        raise CheckpointError(
            (
                "{layer} has {rows} rows for hidden size {columns}. An LSTM needs 4 × the hidden size, a GRU 3 ×, an "
                "RNN 1 ×."
            ),
            layer=layer,
            rows=rows,
            columns=output_size,
        )
    expected = {"bias_ih": (rows,), "bias_hh": (rows,), "weight_hr": (output_size, rows // 4)}
    for part, stored in parts.items():
        if part in expected and stored.shape != expected[part]:
            raise CheckpointError(
                "{part} of {layer} has shape {shape}, but its matrices need {wanted}. Save the network again.",
                part=part,
                layer=layer,
                shape=list(stored.shape),
                wanted=list(expected[part]),
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
