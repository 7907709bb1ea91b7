"""The network that a file states as a graph, as a torch module that runs; shared by the formats that state one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NoReturn

from torch import Tensor, nn

from models.checkpoints.building.checkpoint_module import add_submodule
from models.checkpoints.parsing.errors import CheckpointError

InputKind = Literal["ids", "values"]

MAX_NODES = 20_000
"""Nodes or layers of a graph, nested ones included."""

MAX_DEPTH = 20
"""Graphs inside graphs, and layers inside layers."""

MAX_ELEMENTS = 1 << 26
"""Numbers that one operation may put out for its settings alone: a constant that is filled, a padding, a repetition."""


@dataclass(frozen=True)
class GraphInput:
    """One input of a graph.

    Attributes:
        name: as in the file.
        kind: ``"ids"`` for integers that an embedding looks up, ``"values"`` for numbers.
        shape: sizes of all axes, the batch's included; None for an axis of any size.
        vocabulary: V, the number of ids; None where it is not known, or for values.
    """

    name: str
    kind: InputKind
    shape: tuple[int | None, ...]
    vocabulary: int | None = None


class GraphModule(nn.Module):
    """The network that a file states, in evaluation mode.

    Each format derives from it and has its own ``forward``. Its recurrent layers are submodules, which are ``nn.RNN``,
    ``nn.LSTM``, ``nn.GRU`` or modules of ``models.core.stepwise_modules``, so that ``capture`` records them by their names.

    Attributes:
        inputs: what ``forward`` takes, in order.
        outputs: the names of what it returns, in order.
        output_functions: the function that each output ends in along its last axis: ``"linear"``, ``"softmax"``,
            ``"log_softmax"``, ``"sigmoid"``, another one, or None where it is not known.
        left_out: names of what of the file is not run; empty where the outputs are the file's own.
        kept_states: those of ``left_out`` that the file's code changes for its next call: here every call starts with the
            file's values, as the first call of the file's own code does.
        unrecorded_cells: the modules that are recurrent cells by their class or weights, but which the file computes by
            separate operations: they run, and their gates and states are not recorded.
        recurrent_layers: names of the recurrent layers in running order, as ``Checkpoint.layers`` and ``capture`` name them:
            ``"lstm.l0"``, ``"lstm.l0_reverse"``.
    """

    inputs: tuple[GraphInput, ...] = ()
    outputs: tuple[str, ...] = ()
    output_functions: tuple[str | None, ...] = ()
    left_out: tuple[str, ...] = ()
    kept_states: tuple[str, ...] = ()
    unrecorded_cells: tuple[str, ...] = ()
    recurrent_layers: tuple[str, ...] = ()

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The file's own outputs in the file's own layout: a tensor, or a tuple of several."""
        raise NotImplementedError

    def add_part(self, name: str, part: nn.Module) -> str:
        """Make ``part`` a submodule called as in the file, as far as a module's name can be; return the path it got."""
        path = part_path(name, {each for each, _ in self.named_modules() if each}, type(self))
        add_submodule(self, path, part)
        return path


def part_path(name: str, taken: set[str], root: type[GraphModule] = GraphModule) -> str:
    """Return ``name`` as a module's path that is not among those ``taken``, nor an attribute of modules.

    Only its first step can be in conflict with the attributes of the network's own class, ``root``.
    """
    steps = [re.sub(r"\W", "_", step, flags=re.ASCII) for step in name.split(".") if step]
    own = {each for base in root.__mro__ for each in (*vars(base), *vars(base).get("__annotations__", ()))}
    free = [
        f"{step}_" if hasattr(_PLAIN, step) or (place == 0 and step in own) else step
        for place, step in enumerate(steps)
    ]
    path = ".".join(free) or "part"
    while path in taken:
        path += "_"
    return path


_PLAIN = nn.Module()


def refuse(layer: str, type: str) -> NoReturn:
    """Raise the error for a layer or node that cannot be run.

    Raises:
        CheckpointError: always; it names the layer and its type.
    """
    raise CheckpointError(
        "{layer} has the type {type}, which cannot be run. Choose one of the recurrent layers to run on its own, or save "
        "the network without {layer}.",
        layer=layer[:200],
        type=type[:200],
    )


def refuse_setting(layer: str, setting: str, value: object) -> NoReturn:
    """Raise the error for a layer or node that could be run but for one of its settings.

    Raises:
        CheckpointError: always; it names the layer, the setting and its value.
    """
    if isinstance(value, str | bytes | tuple | list):  # which may be long
        value = value[:60]
    raise CheckpointError(
        "{layer} has {setting} = {value}, which cannot be run. Choose one of the recurrent layers to run on its own, or "
        "save the network without {layer}.",
        layer=layer[:200],
        setting=setting[:60],
        value=str(value)[:60],
    )
