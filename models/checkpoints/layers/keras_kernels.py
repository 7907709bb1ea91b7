"""Keras's kernels of one recurrent cell as the weights of PyTorch: transposed, gates reordered, biases split.

A kernel is (D, G * H), with the gates in the order i f c o (LSTM) and z r h (GRU). CuDNNLSTM and CuDNNGRU of Keras 2 store
cuDNN's own matrices reshaped to the shape of kernels, and both biases concatenated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.checkpoints.layers.activation_names import activation_from_keras, require_supported
from models.checkpoints.layers.find_by_name import KIND_OF_GATE_COUNT
from models.checkpoints.layers.keras_cells import CellConfig, KernelGroup
from models.checkpoints.parsing.contents import FoundLayer, StoredTensor
from models.checkpoints.parsing.errors import CheckpointError
from models.core.cells import NORM_NAMES

GATE_ORDER = {"RNN": (0,), "LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2)}
"""For each of PyTorch's gates in order, its index among Keras's: i f c o, and z r h."""


def layer_from_kernels(
    name: str, group: KernelGroup, config: CellConfig | None, has_config: bool, version: int
) -> FoundLayer:
    """Return the layer of one cell's kernels.

    Args:
        name: of the layer, for errors.
        group: its tensors.
        config: its settings, or None if the configuration does not have them.
        has_config: whether the file has a configuration.
        version: Keras's major version.

    Raises:
        CheckpointError: the settings do not fit the tensors, or an activation is not supported.
    """
    kernel, recurrent, bias = group.kernel, group.recurrent, group.bias
    units, columns = recurrent.shape
    kind = KIND_OF_GATE_COUNT[columns // units]
    from_cudnn = kind != "RNN" and bias is not None and bias.shape == (2 * columns,)
    options: dict[str, Any] = {}
    assumed: tuple[str, ...] = ()
    if config is not None:
        options = _options(name, kind, config, version)
    elif not from_cudnn:  # cuDNN's kernels always use tanh and sigmoid
        assumed = ("nonlinearity",) if kind == "RNN" else ("recurrent_activation", "activation")
    parts = {
        "weight_ih": _transposed(kernel, kind, units, from_cudnn),
        "weight_hh": _transposed(recurrent, kind, units, from_cudnn),
    }
    if kind == "GRU":
        two_biases = from_cudnn or (bias is not None and len(bias.shape) == 2)
        options["reset_after"] = two_biases if bias is not None else config is None or config.reset_after
        if bias is None and config is None:
            assumed += ("reset_after",)
    if bias is not None:
        both = from_cudnn or (kind == "GRU" and options["reset_after"])
        expected = (2, columns) if both else (columns,)
        if bias.shape != expected and not from_cudnn:
            raise CheckpointError(
                "The bias of {layer} has shape {shape}, but its kernels need {wanted}. Save the model again.",
                layer=name,
                shape=list(bias.shape),
                wanted=list(expected),
            )
        parts["bias_ih"] = _reordered_bias(bias, kind, units, 0 if both else None)
        parts["bias_hh"] = _reordered_bias(bias, kind, units, 1) if both else StoredTensor.zeros(columns)
    if config is not None and config.norm is not None:
        parts = _with_norms(name, group, parts)
        options |= {"norm": _epsilon(name, config.norm), "cell_norm": True}
    return FoundLayer(kind, parts, group.sources, options, 1.0 if config or not has_config else 0.9, assumed)


def _with_norms(name: str, group: KernelGroup, parts: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Return the weights of a cell with layer norms: its bias, which it adds after them, is part of their terms."""
    units = group.recurrent.shape[0]
    for part in NORM_NAMES:
        shape = (units if part.endswith("_c") else 4 * units,)
        if part not in group.norms or group.norms[part].shape != shape or not group.norms[part].is_float:
            raise CheckpointError(
                "The layer norms of {layer} in this file do not fit its kernels. Save the model again.", layer=name
            )
    norms, bias = dict(group.norms), group.bias
    if bias is not None:
        term, added = norms["shift_ih"], bias
        norms["shift_ih"] = StoredTensor(term.shape, term.dtype, lambda: term.read() + added.read())
    return {"weight_ih": parts["weight_ih"], "weight_hh": parts["weight_hh"], **norms}


def _epsilon(name: str, value: Any) -> float:
    if not isinstance(value, float) or not value > 0:
        raise CheckpointError(
            "{layer} has {setting} = {value}, which cannot be run. Save the model with a number above 0.",
            layer=name,
            setting="norm_epsilon",
            value=str(value)[:60],
        )
    return value


def _options(name: str, kind: str, config: CellConfig, version: int) -> dict[str, Any]:
    """Return the activations that the configuration sets, as options of ``LayerWeights``."""
    if config.kind != kind:
        raise CheckpointError(
            "{layer} is configured as {said}, but its kernels have the shape of {kind}. Save the model again.",
            layer=name,
            said=config.kind,
            kind=kind,
        )
    names = {"nonlinearity" if kind == "RNN" else "activation": config.activation}
    if kind != "RNN":
        names["recurrent_activation"] = config.recurrent_activation
    return {option: require_supported(name, activation_from_keras(own, version)) for option, own in names.items()}


def _row_order(kind: str, units: int) -> np.ndarray:
    """Return the row indices (G * H) that bring Keras's gate blocks into PyTorch's order."""
    return np.concatenate([np.arange(units) + at * units for at in GATE_ORDER[kind]])


def _transposed(kernel: StoredTensor, kind: str, units: int, from_cudnn: bool) -> StoredTensor:
    """Return a kernel (D, G * H) as (G * H, D), in PyTorch's gate order.

    With ``from_cudnn``, each gate's block (D, H) holds the values of an (H, D) matrix in row-major order.
    """
    rows = _row_order(kind, units)

    def read() -> np.ndarray:
        values = kernel.read()
        if from_cudnn:
            blocks = np.split(values, values.shape[1] // units, axis=1)
            transposed = np.concatenate([block.reshape(units, -1) for block in blocks])
        else:
            transposed = values.T
        return np.ascontiguousarray(transposed[rows])

    return StoredTensor(kernel.shape[::-1], kernel.dtype, read)


def _reordered_bias(bias: StoredTensor, kind: str, units: int, row: int | None) -> StoredTensor:
    """Return a bias (G * H) in PyTorch's gate order; of a (2, G * H) pair, the one at index ``row``."""
    rows = _row_order(kind, units)
    return StoredTensor((len(rows),), bias.dtype, lambda: bias.read().reshape(-1, len(rows))[row or 0][rows])
