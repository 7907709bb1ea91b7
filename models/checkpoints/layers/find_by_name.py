"""Find recurrent layers by PyTorch's parameter names, whatever wrappers the network was saved in.

``rnn.weight_ih_l0_reverse`` is the input matrix of ``rnn.l0_reverse``; a ``Cell``'s ``cell.weight_ih`` is that of
``cell.l0``. The number of rows per column of the recurrent matrix determines the kind: 4 LSTM, 3 GRU, 1 RNN.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from models.checkpoints.layers.other_roles import multiplicative_cells
from models.checkpoints.parsing.contents import FoundLayer, StoredTensor
from models.checkpoints.parsing.errors import CheckpointError
from models.core.cells import GATE_COUNTS

KIND_OF_GATE_COUNT = {count: kind for kind, count in GATE_COUNTS.items()}
"""The kind of a layer by its number of gates: 1 RNN, 3 GRU, 4 LSTM."""

TENSOR_NAME = re.compile(
    r"(?P<module>.*?)(?P<separator>[._/]?)(?P<part>weight|w|bias|b)_(?P<side>ih|hh|hr)(?P<layer>_l\d+)?(?P<reverse>_reverse)?"
)
RECURRENT_PART = re.compile(r"weight_hh|w_hh|Wh|wh(?=$|[._/])")
"""The part of a recurrent matrix's name that a bias's name replaces."""
BIASES, CANDIDATE_BIASES = ("bias", "b"), ("bias_n", "bias_hh_n", "bias_hn", "bhn", "b_hn")
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

    Beside other layers, one whose shapes are not those of an RNN, LSTM or GRU is left out (``incomplete_layers``).

    Raises:
        CheckpointError: the only layers, by their names, have shapes that do not match.
    """
    groups = _named_parts(tensors)
    found, problems = dict[str, FoundLayer](), list[CheckpointError]()
    for layer, parts in groups.items():
        if {"weight_ih", "weight_hh"} <= set(parts):
            named = {part: stored for part, (_, stored) in parts.items()}
            sources = tuple(name for name, _ in parts.values())
            biases = {} if {"bias_ih", "bias_hh"} & set(parts) else single_biases(parts["weight_hh"], tensors)
            named |= {part: stored for part, (_, stored) in biases.items()}
            sources += tuple(name for name, stored in biases.values() if stored.in_file)
            try:
                found[layer] = layer_from_parts(layer, named, sources)
            except CheckpointError as problem:
                problems.append(problem)
    if problems and not found:
        raise problems[0]
    return found


def incomplete_layers(tensors: Mapping[str, StoredTensor]) -> dict[str, tuple[str, ...]]:
    """Return the layers that cannot be run: by name, with the names of their tensors.

    They have only one of two matrices, or shapes of no known cell. ``tensors`` are those that no found layer uses. A tensor
    of a layer without either matrix only has a layer's name.
    """
    return {
        layer: tuple(name for name, _ in parts.values())
        for layer, parts in _named_parts(tensors).items()
        if {"weight_ih", "weight_hh"} & set(parts)
    }


def _named_parts(tensors: Mapping[str, StoredTensor]) -> dict[str, dict[str, tuple[str, StoredTensor]]]:
    """Return the tensors that are named as in PyTorch, by layer and then by part, each with its name in the file.

    Those of a multiplicative LSTM, which has further matrices, are left out.
    """
    groups: dict[str, dict[str, tuple[str, StoredTensor]]] = {}
    multiplicative = multiplicative_cells(tensors)
    for name, stored in tensors.items():
        match = TENSOR_NAME.fullmatch(name)
        if match is None or (match["module"] and not match["separator"]):
            continue
        if match["module"] + match["separator"] in multiplicative:
            continue
        level = (match["layer"] or "_l0").removeprefix("_") + (match["reverse"] or "")
        layer = f"{match['module']}.{level}" if match["module"] else level
        part = {"w": "weight", "b": "bias"}.get(match["part"], match["part"]) + "_" + match["side"]
        groups.setdefault(layer, {})[part] = (name, stored)
    return groups


def single_biases(
    recurrent: tuple[str, StoredTensor], tensors: Mapping[str, StoredTensor]
) -> dict[str, tuple[str, StoredTensor]]:
    """Return ``bias_ih`` and ``bias_hh``, with their names, of a layer that has one bias instead of two.

    ``bias`` (G * H) is added to the products of all gates. In a GRU of equinox or MLX, ``bias_n`` (H) is added to the
    candidate's recurrent product, which the reset gate multiplies.

    Args:
        recurrent: the name and the matrix (G * H, H) of the recurrent weights.
        tensors: all tensors of the file, by name.
    """
    name, weight = recurrent
    start = RECURRENT_PART.search(name)
    if start is None or len(weight.shape) != 2:
        return {}
    rows, units = weight.shape
    before, after = name[: start.start()], name[start.end() :].removesuffix(".weight")
    whole = next((each for each in _vectors(before, after, BIASES, rows, tensors)), None)
    if whole is None:
        return {}
    both = {"bias_ih": (whole, tensors[whole]), "bias_hh": (whole, StoredTensor.zeros(rows))}
    of_candidate = next((each for each in _vectors(before, after, CANDIDATE_BIASES, units, tensors)), None)
    if of_candidate is not None and rows == 3 * units:
        both["bias_hh"] = (of_candidate, _candidate_rows(tensors[of_candidate], rows))
    return both


def _vectors(
    before: str, after: str, names: tuple[str, ...], size: int, tensors: Mapping[str, StoredTensor]
) -> list[str]:
    """Return the names of the float vectors of this size that are called ``before + name + after``."""
    listed = (before + name + after for name in names)
    return [name for name in listed if name in tensors and tensors[name].is_float and tensors[name].shape == (size,)]


def _candidate_rows(bias: StoredTensor, rows: int) -> StoredTensor:
    """Return a GRU's recurrent bias (3 H) of zeros and the candidate's ``bias`` (H)."""
    return StoredTensor(
        (rows,), bias.dtype, lambda: np.concatenate([np.zeros(rows - bias.size, bias.read().dtype), bias.read()])
    )


def layer_from_parts(layer: str, parts: Mapping[str, StoredTensor], sources: tuple[str, ...]) -> FoundLayer:
    """Return the layer of tensors that are named as in PyTorch.

    Raises:
        CheckpointError: their shapes or dtypes do not match.
    """
    recurrent, incoming = parts["weight_hh"].shape, parts["weight_ih"].shape
    if len(incoming) == 2 and recurrent == incoming[:1]:
        raise CheckpointError(
            "The recurrent weights of {layer} are a vector, one number for each unit, as of an independently recurrent "
            "network (IndRNN). Cells of this kind cannot be run.",
            layer=layer,
        )
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


def common_prefix(names: Sequence[str]) -> str:
    """Return the characters that all names start with."""
    first, last = min(names), max(names)
    same = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:same]
