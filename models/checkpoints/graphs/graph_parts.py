"""The parts of a network that is built from a file's graph: modules and tensors, called as in the file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from torch import Tensor, nn

from models.checkpoints.graphs.graph_module import GraphModule

CONSTANTS = "constants"
"""The module of tensors whose name does not say which module they belong to."""

Place = tuple[str, str]
"""Where a tensor is kept: the path of a module and the name of its parameter or buffer."""


@dataclass(eq=False)
class GraphParts:
    """The parts of a network, each added once.

    Attributes:
        module: the network.
        holders: the paths of the modules that have tensors of their own, by their paths in the file.
    """

    module: GraphModule
    holders: dict[str, str] = field(default_factory=dict, kw_only=True)

    def add(self, path: str, part: nn.Module) -> str:
        """Add a module to the network; return the path it got."""
        while True:
            try:
                return self.module.add_part(path, part)
            except KeyError:  # a parameter has that name
                path += "_"

    def keep(self, path: str, name: str, values: Tensor, trained: bool) -> Place:
        """Add a tensor to the module called ``path`` in the file, a plain one if there is none.

        Args:
            path: of the module in the file.
            name: of the tensor in it; another one where modules cannot have it.
            values: the tensor.
            trained: whether it is a parameter, not a buffer; integers never are.

        Returns:
            Where it is kept.
        """
        if path not in self.holders:
            self.holders[path] = self.add(path or CONSTANTS, nn.Module())
        part = self.module.get_submodule(self.holders[path])
        own = re.sub(r"\W", "_", name, flags=re.ASCII) or "value"
        while hasattr(part, own):
            own += "_"
        if trained and values.is_floating_point():
            part.register_parameter(own, nn.Parameter(values))
        else:
            part.register_buffer(own, values)
        return self.holders[path], own


def dense_module(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """Return a dense layer with these weights, (out, in) and (out)."""
    module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    state = {"weight": weight.contiguous()} | ({} if bias is None else {"bias": bias})
    module.load_state_dict(state, assign=True)
    return module
