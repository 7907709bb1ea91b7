"""The layers of a Keras model and their calls, from its configuration: Sequential and Functional, of Keras 2 and 3.

Keras 3 writes the arguments of each call with the tensors in it as ``__keras_tensor__``; Keras 2 lists the tensors as
``[layer, node, tensor, arguments]``. A node is one call of a layer, and a tensor one of its outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from models.checkpoints.graphs.graph_module import MAX_DEPTH, MAX_NODES, refuse
from models.checkpoints.graphs.keras_layer import LayerEntry
from models.checkpoints.layers.keras_cells import NORMED_CELL, class_of, is_own_class
from models.checkpoints.parsing.errors import CheckpointError

MODEL_TYPES = ("Sequential", "Functional", "Model")
OPERATION_MODULES = ("keras.src.ops.", "keras.ops", "keras.src.activations.")


CallKey = tuple[str, int]
"""A layer's name, and which of its calls it is."""


class TensorRef(NamedTuple):
    """One output of one call of a layer."""

    layer: str
    node: int
    tensor: int


@dataclass(frozen=True, eq=False)
class LayerCall:
    """One call of a layer.

    Attributes:
        layer: its name.
        node: which of the layer's calls it is.
        args: its arguments: ``TensorRef``, lists of them and constants.
        kwargs: its named arguments.
    """

    layer: str
    node: int
    args: list[Any]
    kwargs: Mapping[str, Any]

    def references(self) -> Iterator[TensorRef]:
        """Return the tensors that it takes."""
        yield from references([self.args, list(self.kwargs.values())])


@dataclass(frozen=True, eq=False)
class Topology:
    """A model: its layers, their calls in running order, its inputs and outputs.

    Attributes:
        layers: the configurations of all layers by name, in the file's order; input layers included.
        calls: those that the outputs need, each after those that it depends on.
        inputs, outputs: tensors.
    """

    layers: Mapping[str, LayerEntry]
    calls: tuple[LayerCall, ...]
    inputs: tuple[TensorRef, ...]
    outputs: tuple[TensorRef, ...]


def damaged() -> CheckpointError:
    """Return the error for a configuration that is not what Keras writes."""
    return CheckpointError("The configuration in this Keras file is damaged. Save the model again.")


def layer_entry(raw: Any, prefix: str = "", label: str = "") -> LayerEntry:
    """Return a layer's configuration.

    Args:
        raw: as parsed from JSON.
        prefix: the names of the models around it, each followed by a dot.
        label: what to call it, if not by its own name.

    Raises:
        CheckpointError: it is damaged, or the class is a user's own.
    """
    if not isinstance(raw, dict) or not isinstance(raw.get("class_name"), str):
        raise damaged()
    config = raw.get("config")
    if isinstance(config, list):  # Sequential of the first versions of Keras
        config = {"layers": config}
    if not isinstance(config, dict):
        raise damaged()
    type, module = class_of(raw), raw.get("module")
    name = config.get("name", raw.get("name"))
    name = name if isinstance(name, str) and name else type.lower()
    label = label or prefix + name
    if not is_own_class(raw) and type != NORMED_CELL:
        refuse(label, type)
    operation = isinstance(module, str) and module.startswith(OPERATION_MODULES)
    return LayerEntry(name, label, type, config, operation)


def model_topology(entry: LayerEntry, depth: int, major: int) -> Topology:
    """Return the layers and calls of a Sequential or Functional model.

    Args:
        entry: the model's configuration.
        depth: how many models are around it.
        major: of the version of Keras that wrote it.

    Raises:
        CheckpointError: the configuration is damaged, nested too deeply, or a class is a user's own.
    """
    raw = entry.config.get("layers")
    if not isinstance(raw, list) or not raw or len(raw) > MAX_NODES or depth > MAX_DEPTH:
        raise damaged()
    prefix = f"{entry.label}." if depth else ""
    entries: dict[str, LayerEntry] = {}
    for each in raw:
        layer = layer_entry(each, prefix)
        if isinstance(each.get("name"), str) and each["name"] != layer.name:
            layer = LayerEntry(each["name"], prefix + each["name"], layer.type, layer.config, layer.operation)
        if layer.name in entries:
            raise damaged()
        entries[layer.name] = layer
    if "input_layers" not in entry.config:
        return _sequential(entry, entries)
    nodes = {
        name: [_node(node) for node in each.get("inbound_nodes") or []] for name, each in zip(entries, raw, strict=True)
    }
    return _functional(entry, entries, nodes, major)


def _sequential(entry: LayerEntry, entries: Mapping[str, LayerEntry]) -> Topology:
    first, *others = entries.values()
    below = TensorRef(first.name, 0, 0)
    inner = others
    if first.type != "InputLayer":
        below, inner = TensorRef("", 0, 0), [first, *others]
    given, calls = below, []
    for layer in inner:
        calls.append(LayerCall(layer.name, 0, [below], {}))
        below = TensorRef(layer.name, 0, 0)
    return Topology(entries, tuple(calls), (given,), (below,))


def _functional(
    entry: LayerEntry, entries: Mapping[str, LayerEntry], nodes: Mapping[str, list[tuple[list, dict]]], major: int
) -> Topology:
    def resolved(ref: TensorRef, outermost: bool) -> TensorRef:
        """The reference with the place of its node among the calls that the file lists."""
        layer = entries.get(ref.layer)
        if layer is None:
            raise damaged()
        count = max(len(nodes[ref.layer]), 1)
        # the first node of a nested model is its own, from its input to its output, and is not listed
        own = layer.type in MODEL_TYPES and (outermost and layer.type != "Sequential" if major >= 3 else True)
        node = ref.node - own if 0 <= ref.node - own < count else ref.node
        if count == 1:
            node = 0
        if not 0 <= node < count or ref.tensor < 0:
            raise damaged()
        return TensorRef(ref.layer, node, ref.tensor)

    def placed(tree: Any) -> Any:
        if isinstance(tree, TensorRef):
            return resolved(tree, False)
        return [placed(each) for each in tree] if isinstance(tree, list) else tree

    calls = {
        (name, index): LayerCall(name, index, placed(args), {key: placed(value) for key, value in kwargs.items()})
        for name, listed in nodes.items()
        for index, (args, kwargs) in enumerate(listed)
    }
    ends = [
        tuple(resolved(ref, True) for ref in _listed(entry.config.get(key)))
        for key in ("input_layers", "output_layers")
    ]
    return Topology(entries, _ordered(calls, ends[0], ends[1]), ends[0], ends[1])


def _ordered(
    calls: Mapping[CallKey, LayerCall], inputs: tuple[TensorRef, ...], outputs: tuple[TensorRef, ...]
) -> tuple[LayerCall, ...]:
    """The calls that the outputs need, in the order in which Keras runs them: the farthest from an output first.

    The order matters where a layer changes what a later one sees: ``MultiHeadAttention`` takes its inputs' masks away.
    """
    given = {(ref.layer, ref.node) for ref in inputs}

    def below(key: CallKey) -> list[CallKey]:
        return [] if key in given else [(ref.layer, ref.node) for ref in calls[key].references()]

    depths: dict[CallKey, int] = {}
    of_layer: dict[str, int] = {}
    for key in reversed(_depth_first([(ref.layer, ref.node) for ref in outputs], below, {*calls, *given})):
        # all calls of a layer count as far from the outputs as its farthest one so far
        depths[key] = of_layer[key[0]] = depth = max(depths.setdefault(key, 0), of_layer.get(key[0], 0))
        for each in below(key):
            depths[each] = max(depth + 1, depths.get(each, 0))
    return tuple(calls[key] for key in sorted(depths, key=lambda key: -depths[key]) if key not in given)


def _depth_first(ends: list[CallKey], below: Callable[[CallKey], list[CallKey]], known: set[CallKey]) -> list[CallKey]:
    """The calls that ``ends`` need, each after those ``below`` it."""
    done: dict[CallKey, None] = {}
    begun: set[CallKey] = set()
    for end in ends:
        stack = [(end, False)]
        while stack:
            key, finished = stack.pop()
            if finished:
                done[key] = None
            elif key not in done:
                if key in begun or key not in known:
                    raise damaged()  # the calls form a circle, or one is missing
                begun.add(key)
                stack.append((key, True))
                stack += [(each, False) for each in reversed(below(key))]
    return list(done)


def _listed(raw: Any) -> Iterator[TensorRef]:
    """The tensors of ``input_layers`` or ``output_layers``, in the order in which Keras flattens them."""
    if isinstance(raw, list) and len(raw) == 3 and isinstance(raw[0], str):
        yield _reference(raw)
    elif isinstance(raw, list):
        for each in raw:
            yield from _listed(each)
    elif isinstance(raw, dict):
        for key in sorted(raw):
            yield from _listed(raw[key])
    else:
        raise damaged()


def _reference(raw: Any) -> TensorRef:
    if not isinstance(raw, list) or len(raw) < 3:
        raise damaged()
    layer, node, tensor = raw[:3]
    if not isinstance(layer, str) or type(node) is not int or type(tensor) is not int:
        raise damaged()
    return TensorRef(layer, node, tensor)


def _node(raw: Any) -> tuple[list[Any], dict[str, Any]]:
    """The arguments and named arguments of one call."""
    if isinstance(raw, dict):
        args, kwargs = _tree(raw.get("args", []), 0), raw.get("kwargs", {})
        if not isinstance(args, list) or not isinstance(kwargs, dict):
            raise damaged()
        return args, {str(key): _tree(value, 0) for key, value in kwargs.items()}
    if not isinstance(raw, list):
        raise damaged()
    if raw and isinstance(raw[0], str):  # a call with one tensor, not in a list
        raw = [raw]
    tensors = [_reference(each) for each in raw]
    named: dict[str, Any] = {}
    for each in raw:
        if len(each) > 3 and isinstance(each[3], dict):
            named |= {str(key): _legacy_argument(value) for key, value in each[3].items()}
    return [tensors[0] if len(tensors) == 1 else list(tensors)], named


def _legacy_argument(raw: Any) -> Any:
    """A named argument of Keras 2: a tensor is ``[layer, node, tensor]``."""
    if isinstance(raw, list):
        if len(raw) in (3, 4) and isinstance(raw[0], str) and raw[0] != "_CONSTANT_VALUE":
            return _reference(raw)
        return [_legacy_argument(each) for each in raw]
    return raw


def _tree(raw: Any, depth: int) -> Any:
    """An argument of Keras 3."""
    if depth > MAX_DEPTH:
        raise damaged()
    if isinstance(raw, list):
        return [_tree(each, depth + 1) for each in raw]
    if not isinstance(raw, dict):
        return raw
    config = raw.get("config")
    match raw.get("class_name"):
        case "__keras_tensor__" if isinstance(config, dict):
            return _reference(config.get("keras_history"))
        case "__slice__" if isinstance(config, dict):
            ends = [config.get(name) for name in ("start", "stop", "step")]
            if all(each is None or type(each) is int for each in ends):
                return slice(*ends)
        case "__tuple__" if isinstance(config, dict):
            return _tree(config.get("items"), depth + 1)
        case "__ellipsis__":
            return Ellipsis
    return raw


def references(tree: Any) -> Iterator[TensorRef]:
    """Return the tensors in nested lists of arguments."""
    if isinstance(tree, TensorRef):
        yield tree
    elif isinstance(tree, list):
        for each in tree:
            yield from references(each)
