"""The parameters of a network built from a torch.export graph: by their names in the file, in torch's modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from models.checkpoints.graphs.aten_recurrent import layer_names, recurrent_module_of
from models.checkpoints.graphs.graph_parts import CONSTANTS, GraphParts, Place, dense_module
from models.checkpoints.parsing.contents import StoredTensor


@dataclass(eq=False)
class ExportParts(GraphParts):
    """The parameters of a network, each added once.

    Attributes:
        tensors: its parameters, buffers and constants by name, not loaded.
        decode: loads one, given its name for sentences.
        layers: the names of the recurrent layers so far.
    """

    tensors: Mapping[str, StoredTensor]
    decode: Callable[[StoredTensor, str], Tensor]
    layers: list[str] = field(default_factory=list)
    _places: dict[str, Place] = field(default_factory=dict)
    _modules: dict[tuple, str] = field(default_factory=dict)

    def values(self, name: str) -> Tensor:
        """Return a tensor's values."""
        if name in self._places:
            path, own = self._places[name]
            return getattr(self.module.get_submodule(path), own)
        return self.decode(self.tensors[name], name)

    def place(self, name: str, parameter: bool) -> Place:
        """Return where a tensor is kept, after adding it to the network."""
        if name not in self._places:
            path, _, own = name.rpartition(".")
            values = self.decode(self.tensors[name], name)
            self._places[name] = self.keep(path or CONSTANTS, own, values, trained=parameter)
        return self._places[name]

    def recurrent(
        self,
        label: str,
        path: str,
        op: str,
        names: Sequence[str | None],
        weights: Sequence[Tensor],
        given: Mapping[str, Any],
    ) -> str:
        """Return the path of the module of a recurrent operator, after adding it to the network.

        Args:
            label: its name for sentences.
            path: its path in the file.
            op: the operator.
            names: the names of its weights in the file; None for one that is computed from others.
            weights: their values.
            given: the operator's other arguments, by name.

        Raises:
            CheckpointError: the weights do not fit these arguments.
        """
        key = (op, path, *(name or id(values) for name, values in zip(names, weights, strict=True)))
        if key not in self._modules:
            part = recurrent_module_of(label, op, weights, given)
            added = self._modules[key] = self.add(path, part)
            self.layers += layer_names(added, part)
            for name, (own, _) in zip(names, list(part.named_parameters()), strict=True):
                if name is not None:
                    self._places.setdefault(name, (added, own))
            self.holders.setdefault(path, added)
        return self._modules[key]

    def dense(self, path: str, weight: str, bias: str | None) -> str | None:
        """Return the path of a dense layer's module; None where its parameters are shared with another kind of layer."""
        if weight != f"{path}.weight" or bias not in (None, f"{path}.bias"):
            return None
        return self._named(path, weight, bias, dense_module)

    def embedding(self, path: str, weight: str) -> str | None:
        """Return the path of an embedding's module; None where its matrix is shared with another kind of layer."""
        return self._named(path, weight, None, _embedding) if weight == f"{path}.weight" else None

    def _named(self, path: str, weight: str, bias: str | None, make: Callable[..., nn.Module]) -> str | None:
        key = (make.__name__, weight, bias)
        if key not in self._modules:
            if weight in self._places or path in self.holders:
                return None
            values = self.values(weight)
            if values.dim() != 2 or not values.is_floating_point():
                return None
            part = make(values, None if bias is None else self.values(bias))
            added = self._modules[key] = self.add(path, part)
            self.holders[path] = added
            self._places[weight] = added, "weight"
            if bias is not None:
                self._places[bias] = added, "bias"
        return self._modules[key]


def _embedding(weight: Tensor, bias: Tensor | None) -> nn.Module:
    return nn.Embedding.from_pretrained(weight, freeze=False)


def common_path(names: Sequence[str | None]) -> str:
    """Return the path of the module that all of these parameters belong to; "" if they have no module in common."""
    paths = {name.rpartition(".")[0] for name in names if name is not None}
    return paths.pop() if len(paths) == 1 else ""
