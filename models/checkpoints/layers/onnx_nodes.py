"""The layers of an ONNX recurrent node: RNN, LSTM, GRU, and onnxruntime's DynamicQuantizeLSTM.

Source: https://onnx.ai/onnx/operators. Per direction W is (G * H, D), R is (G * H, H), B both biases concatenated and P the
peepholes (3 * H); the gates are in the order i o f c (LSTM; P: i o f) and z r h (GRU). DynamicQuantizeLSTM stores both
matrices transposed, as integers with a scale and a zero point per direction or per row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from models.checkpoints.layers.activation_names import activations_from_onnx, require_supported
from models.checkpoints.parsing.contents import FoundLayer, StoredTensor
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.onnx_model import Node


class ConstantLookup(Protocol):
    """The constants that a node can use."""

    def stored(self, name: str) -> StoredTensor | None:
        """The constant of a name, None if it is none."""

    def sources(self, name: str) -> tuple[str, ...]:
        """The names of the file's tensors that the constant is computed from."""


class ComputedWeightsError(CheckpointError):
    """The weights of a recurrent node are not constants."""


GATE_ORDER = {"RNN": (0,), "LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2)}
"""For each of PyTorch's gates in order, its index among ONNX's: i o f c, and z r h."""
PEEPHOLE_ORDER = (0, 2, 1)
"""For each block of ``weight_ch``, i f o, its index among ONNX's."""
WEIGHT_INPUTS = (1, 2, 3, 7)
"""The inputs W, R, B and P of a node."""
ACTIVATION_OPTIONS = {
    "RNN": ("nonlinearity",),
    "LSTM": ("recurrent_activation", "activation", "activation"),
    "GRU": ("recurrent_activation", "activation"),
}
"""The options of ``LayerWeights`` that a node's activations set, in the node's order."""
QUANTIZED = ("com.microsoft", "DynamicQuantizeLSTM")
KINDS = {("", kind): kind for kind in GATE_ORDER} | {QUANTIZED: "LSTM"}
"""The kind of the layers of each operator, by domain and name."""
REVERSED = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
"""For each value of the attribute ``direction``, whether each direction runs from the last step to the first."""
ATTRIBUTES = frozenset((
    "activation_alpha", "activation_beta", "activations", "clip", "direction", "hidden_size", "input_forget", "layout",
    "linear_before_reset",
))  # fmt: skip


@dataclass(frozen=True, eq=False)
class NodeLayer:
    """One direction of a recurrent node.

    Attributes:
        layer: its kind, weights and options.
        reverse: whether it runs from the last step to the first.
    """

    layer: FoundLayer
    reverse: bool


def kind_of(node: Node) -> str | None:
    """The kind of the layers of a node; None if it is not recurrent."""
    return KINDS.get((node.domain, node.op))


def is_quantized(node: Node) -> bool:
    """Return whether a node's weights are integers."""
    return (node.domain, node.op) == QUANTIZED


def read_node_layers(node: Node, constants: ConstantLookup) -> list[NodeLayer]:
    """Return the layer of each direction of a recurrent node.

    Raises:
        CheckpointError: its weights are not constants or do not fit, or it has an option that cannot be run.
        ValueError: the file is damaged.
    """
    kind, label = KINDS[node.domain, node.op], node.label
    reverses = REVERSED.get(node.attributes.get("direction", "forward"))
    _refuse_options(node, label)
    given = {place: node.inputs[place] for place in WEIGHT_INPUTS if node.input(place)}
    w, r, bias, peepholes = (constants.stored(given[place]) if place in given else None for place in WEIGHT_INPUTS)
    missing = (3 in given and bias is None) or (7 in given and peepholes is None)
    if reverses is None or w is None or r is None or missing:
        raise ComputedWeightsError(
            "The weights of {name} are computed inside this ONNX graph. Export it with constant folding.", name=label
        )
    if is_quantized(node):
        w, r = (_dequantized(node, stored, place, constants) for stored, place in ((w, 8), (r, 10)))
    gates = len(GATE_ORDER[kind])
    directions = len(reverses)
    fits = len(w.shape) == 3 == len(r.shape) and w.shape[:2] == r.shape[:2] == (directions, gates * r.shape[2])
    fits = fits and (bias is None or bias.shape == (directions, 2 * w.shape[1]))
    fits = fits and (peepholes is None or (kind == "LSTM" and peepholes.shape == (directions, 3 * r.shape[2])))
    if not fits or not w.shape[2]:
        raise CheckpointError("The weights of {name} do not fit together. Export it again.", name=label)
    if not all(stored.is_float for stored in (w, r, bias, peepholes) if stored is not None):
        raise CheckpointError("The weights of {name} are not floating-point. Export it in float32.", name=label)
    activations = list(_activations(node, kind, label, directions))
    units = r.shape[2]
    used = [name for name in (*given.values(), *(node.inputs[8:12] if is_quantized(node) else ())) if name]
    sources = tuple(dict.fromkeys(source for name in used for source in constants.sources(name)))
    order = np.concatenate([np.arange(units) + gate * units for gate in GATE_ORDER[kind]])
    found = []
    for index, reverse in enumerate(reverses):
        options: dict[str, Any] = dict(activations[index])
        if kind == "GRU":
            options["reset_after"] = node.attributes.get("linear_before_reset", 0) != 0
        if kind == "LSTM" and node.attributes.get("input_forget", 0) != 0:
            options["coupled"] = True
        if "clip" in node.attributes:
            options["clip"] = float(node.attributes["clip"])
        parts = {"weight_ih": _direction_rows(w, index, order), "weight_hh": _direction_rows(r, index, order)}
        if bias is not None:
            parts["bias_ih"] = _direction_rows(bias, index, order)
            parts["bias_hh"] = _direction_rows(bias, index, order + len(order))
        if peepholes is not None:
            blocks = np.concatenate([np.arange(units) + block * units for block in PEEPHOLE_ORDER])
            parts["weight_ch"] = _direction_rows(peepholes, index, blocks)
            options["peepholes"] = True
        found.append(NodeLayer(FoundLayer(kind, parts, sources, options), reverse))
    return found


def _refuse_options(node: Node, label: str) -> None:
    """Raise ``CheckpointError`` for what the cells' equations do not have."""
    clip = node.attributes.get("clip", 1.0)
    if not clip > 0:  # onnxruntime refuses it too
        raise CheckpointError(
            "The option clip of {name} is {value}. Export the network again with a value above 0.",
            name=label,
            value=f"{clip:g}",
        )
    for option in node.attributes:
        if option not in ATTRIBUTES:
            raise CheckpointError(
                "The option {option} of {name} is not supported. Export the network without it.",
                name=label,
                option=option[:60],
            )


def _activations(node: Node, kind: str, label: str, directions: int) -> Iterator[dict[str, str]]:
    """Generate the activations of each direction, as options of ``LayerWeights``."""
    attributes: Mapping[str, Any] = node.attributes
    found = list(
        activations_from_onnx(
            attributes.get("activations", ()),
            attributes.get("activation_alpha", ()),
            attributes.get("activation_beta", ()),
        )
    )
    per = len(ACTIVATION_OPTIONS[kind])
    if len(found) not in (0, directions * per):
        raise ValueError("activations")
    for start in range(0, directions * per, per):
        options: dict[str, str] = {}
        for option, name in zip(ACTIVATION_OPTIONS[kind], found[start : start + per], strict=False):
            if options.setdefault(option, require_supported(label, name)) != name:
                raise CheckpointError(
                    (
                        "{name} uses {one} for its candidate but {other} for its cell state, which is not supported. Use the "
                        "same activation function for both."
                    ),
                    name=label,
                    one=options[option],
                    other=name,
                )
        yield options


def _direction_rows(stored: StoredTensor, index: int, order: np.ndarray) -> StoredTensor:
    """Return the rows ``order`` of one direction's tensor."""
    return StoredTensor((len(order), *stored.shape[2:]), stored.dtype, lambda: stored.read()[index][order])


def _dequantized(node: Node, stored: StoredTensor, place: int, constants: ConstantLookup) -> StoredTensor:
    """Return the dequantized values of a matrix of DynamicQuantizeLSTM, (directions, 4 * H, inputs).

    Args:
        node: the node.
        stored: the integers, (directions, inputs, 4 * H).
        place: the input that holds the scale, (directions) or (directions, 4 * H); the zero point is the next one.
        constants: as for ``read_node_layers``.
    """
    scale, zero = (constants.stored(node.input(each)) for each in (place, place + 1))
    if scale is None or len(stored.shape) != 3 or (node.input(place + 1) and zero is None):
        raise ComputedWeightsError(
            "The weights of {name} are computed inside this ONNX graph. Export it with constant folding.",
            name=node.label,
        )
    shape = (stored.shape[0], stored.shape[2], stored.shape[1])
    sizes = ((shape[0],), (shape[0], shape[1]))
    if (
        stored.dtype not in ("int8", "uint8")
        or scale.shape not in sizes
        or (zero is not None and zero.shape not in sizes)
    ):
        raise CheckpointError("The weights of {name} do not fit together. Export it again.", name=node.label)

    def read() -> np.ndarray:
        offset = 0 if zero is None else zero.read().astype(np.int32).reshape(shape[0], -1, 1)
        values = stored.read().astype(np.int32).transpose(0, 2, 1) - offset
        return values.astype(np.float32) * scale.read().astype(np.float32).reshape(shape[0], -1, 1)

    return StoredTensor(shape, "float32", read)
