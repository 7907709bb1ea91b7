"""What every layer of a Keras configuration has in common: its settings, its variables and its masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from models.checkpoints.graphs.graph_module import MAX_ELEMENTS, refuse_setting
from models.checkpoints.layers.keras_cells import KerasVersion
from models.checkpoints.parsing.contents import StoredTensor
from models.checkpoints.parsing.errors import CheckpointError

DTYPES = {"float32": torch.float32, "float64": torch.float64}
"""The precisions that are run; a mixed one depends on the device that Keras ran on."""

COMMON_SETTINGS = frozenset(
    ("name", "trainable", "dtype", "batch_input_shape", "batch_shape", "input_shape", "input_dtype", "seed", "weights")
)
"""Settings of any layer that its output does not depend on, or that are read elsewhere."""

TRAINING_ONLY = ("_initializer", "_regularizer", "_constraint")
"""How the settings end that matter in training alone."""


@dataclass(frozen=True, eq=False)
class LayerEntry:
    """One layer of a configuration.

    Attributes:
        name: its own name.
        label: its name with those of the models around it, ``"inner.lstm"``.
        type: its class.
        config: its settings.
        operation: whether it is a function of ``keras.ops`` and not a layer.
    """

    name: str
    label: str
    type: str
    config: Mapping[str, Any]
    operation: bool = False


@dataclass(eq=False)
class Value:
    """A tensor on its way through the graph, and its mask (B, T): False where Keras skips a step; None without one."""

    tensor: Tensor
    mask: Tensor | None = None


class Builder(Protocol):
    """The context with which layers that contain others make them."""

    version: KerasVersion

    def layer_name(self, tensor: str) -> str | None:
        """Return the name in ``Checkpoint.layers`` of the recurrent layer with this kernel, or None if it has none."""
        ...

    def layer(self, entry: LayerEntry, depth: int) -> KerasLayer:
        """Make the layer of a configuration, with ``depth`` models around it."""
        ...


class KerasLayer:
    """One layer: made from its settings, then given its variables, then called with values.

    Attributes:
        settings: the names of the settings that the layer reads or may ignore. Another one with a value is refused.
        keeps_mask: whether its output has its input's mask.
        own: names of its trainable variables, in Keras's order.
        fixed: names of its other variables.
        children: the layers in it, by their place in Keras's object tree (``"cell"``), in the order of their variables.
        inner: of a model, its layers by name.
        arguments: the named arguments that it takes.
        trains: whether it may do something else in training mode.
    """

    settings: ClassVar[frozenset[str]] = frozenset()
    keeps_mask: ClassVar[bool] = False
    arguments: ClassVar[frozenset[str]] = frozenset(("mask",))
    own: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    inner: Mapping[str, KerasLayer] | None = None
    trains: bool = True

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Read the settings of ``entry``.

        Raises:
            CheckpointError: a setting is not known, or cannot be run.
        """
        self.entry, self.label, self.config, self.version = entry, entry.label, entry.config, builder.version
        self.children: dict[str, KerasLayer] = {}
        self.variables: dict[str, StoredTensor] = {}  # until the modules are made
        self.sources: dict[str, str] = {}  # their names in the file
        self.trainable = self.config.get("trainable") is not False
        self.dtype = self._dtype()
        self._paths: dict[str, str] = {}
        for name, value in self.config.items():
            known = name in self.settings or name in COMMON_SETTINGS or name.endswith(TRAINING_ONLY)
            if not known and value not in (None, False, 0, [], {}):
                refuse_setting(self.label, str(name), value)

    def _dtype(self) -> torch.dtype:
        policy = self.config.get("dtype", "float32")
        while isinstance(policy, dict):
            policy = policy.get("config", {}).get("name") if isinstance(policy.get("config"), dict) else None
        if policy is None:
            return torch.float32
        if policy not in DTYPES:
            refuse_setting(self.label, "dtype", policy)
        return DTYPES[policy]

    def setting(self, name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """Return a setting of this type, or ``default`` where it is not there.

        Raises:
            CheckpointError: it has another type.
        """
        value = self.config.get(name, default)
        wrong_bool = isinstance(value, bool) and bool not in (kind if isinstance(kind, tuple) else (kind,))
        if value is not default and (not isinstance(value, kind) or wrong_bool):
            refuse_setting(self.label, name, value)
        return value

    def count(self, name: str, default: int | None = None) -> int:
        """Return a setting that is a whole number above 0."""
        value = self.setting(name, int, default)
        if not isinstance(value, int) or value < 1:
            refuse_setting(self.label, name, value)
        return int(value)

    def counts(self, name: str, length: int, default: int | None = None, least: int = 1) -> tuple[int, ...]:
        """Return a setting of ``length`` whole numbers; one number applies to all."""
        value = self.setting(name, (int, list), default)
        values = value if isinstance(value, list) else [value] * length
        if len(values) != length or not all(type(each) is int and each >= least for each in values):
            refuse_setting(self.label, name, value)
        return tuple(values)

    def require(self, name: str, *allowed: Any) -> None:
        """Refuse a setting that has none of the ``allowed`` values, the first of which is the default."""
        if (value := self.config.get(name, allowed[0])) not in allowed:
            refuse_setting(self.label, name, value)

    def make(self, variables: Mapping[str, StoredTensor]) -> dict[str, nn.Module]:
        """Return the torch modules that hold the layer's variables, by their names in the layer ("" for its only one)."""
        return {}

    def module_name(self, part: str) -> str:
        """The name that the graph's module should give to one of the modules of ``make``."""
        return f"{self.label}.{part}" if part else self.label

    def placed(self, paths: Mapping[str, str]) -> None:
        """Keep where the modules of ``make`` are in the graph's module."""
        self._paths = dict(paths)

    def part(self, net: nn.Module, name: str = "") -> Any:
        """Return one of the modules of ``make``."""
        return net.get_submodule(self._paths[name])

    def call(self, net: nn.Module, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return the layer's output: a ``Value``, or a list of them, nested as Keras nests them.

        Args:
            net: the graph's module.
            args: the call's arguments: a ``Value``, a list of them or a constant each.
            kwargs: its named arguments.

        Raises:
            CheckpointError: the layer is called in a way that cannot be run.
        """
        x = self.only(args, kwargs)
        return Value(self.apply(net, x.tensor.to(self.dtype)), x.mask if self.keeps_mask else None)

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """Return the output of a layer of one tensor."""
        raise NotImplementedError

    def only(self, args: list[Any], kwargs: Mapping[str, Any]) -> Value:
        """Return the only positional argument, with the mask that the call names, if it names one.

        Raises:
            CheckpointError: there are other arguments.
        """
        if len(args) != 1 or not isinstance(args[0], Value):
            raise self.wrong_call()
        mask = kwargs.get("mask")
        return Value(args[0].tensor, mask.tensor) if isinstance(mask, Value) else args[0]

    def check_arguments(self, kwargs: Mapping[str, Any]) -> None:
        """Refuse a call that gives a named argument other than ``arguments`` a value, ``training=True`` above all."""
        known = self.arguments if self.trains else self.arguments | {"training"}
        for name, value in kwargs.items():
            if name not in known and value is not None and value is not False:
                refuse_setting(self.label, name, value if isinstance(value, bool | int | float | str) else "…")

    def wrong_call(self) -> CheckpointError:
        """Return the error for a call with other inputs than the layer takes."""
        return CheckpointError("The inputs of {layer} do not fit it. Save the model again.", layer=self.label)

    def walk(self) -> Iterator[KerasLayer]:
        """Return this layer and all layers in it."""
        yield self
        for child in (self.children if self.inner is None else self.inner).values():
            yield from child.walk()


def parameter(stored: StoredTensor, dtype: torch.dtype, shape: tuple[int, ...] | None = None) -> nn.Parameter:
    """Return a copy of a variable as a parameter, with its axes of size 1 as ``shape`` has them."""
    values = torch.tensor(np.ascontiguousarray(stored.read())).to(dtype)
    return nn.Parameter(values if shape is None else values.reshape(shape))


def check_size(layer: KerasLayer, setting: str, count: int) -> None:
    """Refuse an output that would be too large for its settings alone."""
    if count > MAX_ELEMENTS:
        refuse_setting(layer.label, setting, layer.config.get(setting))


class Holder(nn.Module):
    """Parameters by name, for a layer that torch has no module for."""

    def __init__(self, **parameters: nn.Parameter) -> None:
        """Hold ``parameters``."""
        super().__init__()
        for name, values in parameters.items():
            self.register_parameter(name, values)
