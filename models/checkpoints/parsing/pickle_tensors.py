"""Collect tensors by name from the parsed pickle of a PyTorch file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from models.checkpoints.parsing.contents import Limits, StoredTensor, decode_array, element_count, item_size
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.file_source import StoredBytes
from models.checkpoints.parsing.pickled_arrays import is_array, read_array
from models.checkpoints.parsing.pickled_modules import cell_options, is_module, levels_of
from models.checkpoints.parsing.pickles import OpaqueCall, PersistentId
from models.checkpoints.parsing.work_budget import spend

DTYPES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64", "Int": "int32",
    "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool", "QInt8": "int8", "QUInt8": "uint8",
    "QInt32": "int32", "Untyped": "uint8",
}  # fmt: skip

StorageLookup = Callable[[str], StoredBytes]
"""Returns a storage by its key; raises KeyError if there is none."""

STATE_DICT_KEYS = (
    "state_dict", "model_state_dict", "model_state", "model", "net_state_dict", "net", "network", "module", "weights",
    "params",
)  # fmt: skip
REVERSE_KEYS = ("reverse", "go_backwards", "is_reverse")
FORWARD_NAME = re.compile(r"(weight|bias)_(ih|hh|hr)_l\d+")
SKIPPED_PREFIXES = (
    "optim",
    "lr_sched",
    "scheduler",
    "callbacks",
    "loops",
    "scaler",
    "rng",
    "_flat_weights",
    "traced_inputs",
)


class TensorCollector:
    """A traversal of a parsed pickle that collects its tensors.

    Attributes:
        layer_metadata: kind and options of the recurrent modules that were pickled as a whole, by layer.
    """

    def __init__(self, storages: StorageLookup, limits: Limits) -> None:
        """Set the lookup of storages by key, and the limits."""
        self.storages, self.limits = storages, limits
        self.seen = self.found = 0
        self.empty: dict[int, Any] = {}  # containers without tensors, kept so that their ids stay their own
        self.layer_metadata: dict[str, dict[str, Any]] = {}

    def collect_state(self, root: Any) -> tuple[dict[str, StoredTensor], dict[str, str]]:
        """Return the tensors of a state_dict, or of a dict that contains one, by name; and the plain values beside it."""
        tensors: dict[str, StoredTensor] = {}
        metadata: dict[str, str] = {}
        if isinstance(root, dict):
            metadata = {
                str(key): str(value)[:200]
                for key, value in root.items()
                if isinstance(key, str) and isinstance(value, str | int | float | bool)
            }
            for key in STATE_DICT_KEYS:
                if isinstance(root.get(key), dict | OpaqueCall) and not _is_tensor(root[key]):
                    self.collect(root[key], "", tensors, 0)
                    if tensors:
                        return tensors, metadata
        self.collect(root, "", tensors, 0)
        return tensors, dict(list(metadata.items())[:20])

    def collect(self, value: Any, name: str, into: dict[str, StoredTensor], depth: int) -> None:
        """Add every tensor within ``value`` to ``into``, named by its path."""
        if id(value) in self.empty:
            return
        before = self.found
        self._collect(value, name, into, depth)
        if self.found == before and depth:
            self.empty[id(value)] = value

    def _collect(self, value: Any, name: str, into: dict[str, StoredTensor], depth: int) -> None:
        self.seen += 1
        spend()
        if self.seen > self.limits.operations or len(into) > self.limits.tensors or depth > 64:
            raise CheckpointError(
                "This file contains too many tensors, or they are nested too deeply. Save only the network's weights."
            )
        if isinstance(value, OpaqueCall):
            if _is_tensor(value) or is_array(value):
                stored = read_array(value, name) if is_array(value) else self.rebuild(value, name)
                if stored is not None:
                    self.found += 1
                    into[name or "tensor"] = stored
                return
            if value.name == "torch.ScriptObject":
                self.collect_packed(value, name, into)
                return
            if not is_module(value):
                inside = _contents_of(value)
                if isinstance(inside, Mapping | list | tuple):  # which several objects may share
                    self.collect(inside, name, into, depth)
                return
            value = self.module_state(value, name)
        if isinstance(value, Mapping):
            value = reverse_names(value) if is_marked_reverse(value) else value
            items = [(str(key), below) for key, below in value.items() if isinstance(key, str | int)]
        elif isinstance(value, list | tuple):
            items = [(str(index), below) for index, below in enumerate(value)]
        else:
            return
        spend(len(items))
        marked = is_marked_reverse(value)
        for key, below in items:
            if marked and isinstance(below, dict):
                below = reverse_names(below)
            if isinstance(below, OpaqueCall | dict | list | tuple) and not key.startswith(SKIPPED_PREFIXES):
                spend((len(name) + len(key)) >> 4)
                self.collect(below, f"{name}.{key}" if name else key, into, depth + 1)

    def module_state(self, module: OpaqueCall, name: str) -> dict[str, Any]:
        """Return the tensors and modules of a pickled ``nn.Module`` by name, as in its state_dict; store its layers' options.

        Tensors that are plain attributes are among them.
        """
        state = module.state
        options = cell_options(module)
        if options is not None:
            self.layer_metadata |= {f"{name}.{level}" if name else level: options for level in levels_of(state)}
        below: dict[str, Any] = {
            str(key): value for key, value in state.items() if isinstance(value, OpaqueCall) and _is_tensor(value)
        }
        for kind in ("_parameters", "_buffers", "_modules"):
            held = state.get(kind)
            below |= {str(key): value for key, value in held.items()} if isinstance(held, dict) else {}
        return below

    def collect_packed(self, value: OpaqueCall, name: str, into: dict[str, StoredTensor]) -> None:
        """Collect the tensors within the packed parameters of one of torch's quantized kernels."""
        self.collect([value.args, value.state], f"{name}._packed" if name else "_packed", into, 1)

    def rebuild(self, value: OpaqueCall, name: str) -> StoredTensor | None:
        """Return the tensor that a ``_rebuild_...`` call describes, or None if it is of a kind that is never a weight."""
        args, depth = value.args, 0
        kind = value.name
        while kind in WRAPPER_CALLS and depth < 8:
            depth += 1
            if kind == "torch._tensor._rebuild_from_type_v2":
                kind, args = args[0].path, args[2]
            else:
                if not isinstance(args[0], OpaqueCall):
                    return None
                kind, args = args[0].name, args[0].args
        if kind not in TENSOR_CALLS:
            return None
        try:
            stored = self.rebuild_dense(kind, args)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise CheckpointError(
                "Tensor {name} extends past the end of this file. The file is truncated or damaged; copy it again.",
                name=name or "tensor",
            ) from error
        return stored

    def rebuild_dense(self, kind: str, args: tuple) -> StoredTensor | None:
        """Return the tensor of the arguments (storage, offset, size, stride, ...)."""
        storage, offset, size, stride = args[:4]
        if not isinstance(storage, PersistentId):
            return None
        shape, strides = _sizes(size), _sizes(stride)
        _, type_name, key, _location, _count = storage.key[:5]
        dtype = DTYPES.get(type_name.path.rsplit(".", 1)[-1].removesuffix("Storage"))
        if kind.endswith("_v3"):
            dtype = args[6].path.removeprefix("torch.")
        if dtype is None:
            return None
        if len(strides) != len(shape) or type(offset) is not int or offset < 0:
            raise ValueError
        data, width = self.storages(str(key)), item_size(dtype)
        if data.packed:
            spend(data.size >> 12)  # unpacked anew for each of its tensors
        last = offset + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
        count = element_count(shape)
        if count * width > max(data.size, 1 << 20) or (count and (last + 1) * width > data.size):
            raise ValueError  # also if overlapping strides make few bytes look like many elements
        if kind.endswith("_qtensor"):
            return self.dequantize(
                StoredTensor(shape, dtype, lambda: decode_array(data.read(), dtype, shape, strides, offset)), args[4]
            )
        return StoredTensor(shape, dtype, lambda: decode_array(data.read(), dtype, shape, strides, offset))

    def dequantize(self, stored: StoredTensor, parameters: tuple) -> StoredTensor:
        """Return the dequantized tensor, ``(q - zero_point) * scale``, per tensor or per channel."""
        if parameters[0].path == "torch.per_tensor_affine":
            scale, zero = float(parameters[1]), int(parameters[2])
            return StoredTensor(stored.shape, "float32", lambda: (stored.read() - np.float32(zero)) * np.float32(scale))
        scales, zeros, axis = (
            self.rebuild_dense("", parameters[1].args),
            self.rebuild_dense("", parameters[2].args),
            parameters[3],
        )
        if scales is None or zeros is None or scales.shape != zeros.shape or scales.shape != (stored.shape[axis],):
            raise ValueError
        along = [1] * len(stored.shape)
        along[axis] = -1

        def read() -> np.ndarray:
            steps = scales.read().reshape(along).astype(np.float32)
            return (stored.read() - zeros.read().reshape(along).astype(np.float32)) * steps

        return StoredTensor(stored.shape, "float32", read)


TENSOR_CALLS = {
    f"torch._utils.{name}"
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor")
}
WRAPPER_CALLS = {
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch.nn.parameter.Parameter",
    "torch.nn.parameter.Buffer",
    "torch._tensor._rebuild_from_type_v2",
}


def _is_tensor(value: Any) -> bool:
    return isinstance(value, OpaqueCall) and (
        value.name.startswith("torch._utils._rebuild") or value.name in WRAPPER_CALLS
    )


def _contents_of(value: OpaqueCall) -> Any:
    """Return what an object contains: its list, if it is a typed one, its items, its state, or its arguments."""
    if value.name.startswith("torch.jit._pickle.") and value.args:
        return value.args[0]
    if value.items:  # of a class derived from dict or list
        return value.items
    return value.state if value.state is not None else value.args


def is_marked_reverse(value: Any) -> bool:
    """Return whether a container, or a mapping among its elements, states that its layer runs backwards in time."""
    beside = value if isinstance(value, list | tuple) and len(value) <= 8 else (value,)
    return any(each.get(key) is True for each in beside if isinstance(each, Mapping) for key in REVERSE_KEYS)


def reverse_names(tensors: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the tensors of a layer of one direction under PyTorch's names of the reverse direction."""
    names = {name: f"{name}_reverse" for name in tensors if isinstance(name, str) and FORWARD_NAME.fullmatch(name)}
    if any(name in tensors for name in names.values()):
        return dict(tensors)
    return {names.get(name, name): value for name, value in tensors.items()}


def _sizes(value: Any) -> tuple[int, ...]:
    sizes = tuple(value.args[0] if isinstance(value, OpaqueCall) else value)
    if len(sizes) > 16 or not all(type(size) is int and 0 <= size < 1 << 40 for size in sizes):
        raise ValueError
    return sizes
