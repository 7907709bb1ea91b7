"""The network of a TorchScript archive: its code, interpreted, with recurrent layers as torch's modules.

    module = build_script_network(described, constants, code, decode)
    output = module(x)                  # what torch.jit.load(...).eval() returns at its first call

Every call starts with the attributes that the file has: what the code keeps for its next call is in ``left_out``. With
``module.keeps_state = True`` it is kept, as by the archive's own code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from models.checkpoints.graphs.aten_recurrent import CELLS, SEQUENCES, layer_names, recurrent_module_of
from models.checkpoints.graphs.graph_module import GraphModule, refuse_setting
from models.checkpoints.graphs.graph_parts import GraphParts
from models.checkpoints.graphs.torchscript_archive import ObjectReader, ScriptCode, ScriptObject
from models.checkpoints.graphs.torchscript_inputs import describe_arguments, end_function, output_count
from models.checkpoints.graphs.torchscript_interpreter import Interpreter, Stored
from models.checkpoints.graphs.torchscript_names import dotted, operator_of
from models.checkpoints.graphs.torchscript_normed_cells import CellCall, norm_places, normed_cell
from models.checkpoints.graphs.torchscript_reach import reached_calls
from models.checkpoints.graphs.unrecorded_cells import find_unrecorded_cells
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.pickles import OpaqueCall


class ScriptState:
    """Attributes that the code of a network keeps for its next call; copies of a network share none of them."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.changed: dict[tuple[str, str], Any] = {}

    def __deepcopy__(self, memo: dict) -> ScriptState:
        return ScriptState()


class Shared:
    """The parts of an archive that do not change, which copies of a network share."""

    def __init__(self, tree: ScriptObject, code: ScriptCode, constants: Sequence[Stored]) -> None:
        """Keep the modules, the code, and the tensors that the code names."""
        self.tree, self.code, self.constants = tree, code, constants

    def __deepcopy__(self, memo: dict) -> Shared:
        return self


class TorchScriptModule(GraphModule):
    """The network of a TorchScript archive.

    Attributes:
        normed_cells: paths of the recurrent modules that run cells of the archive, by the cells' paths in it.
        keeps_state: whether attributes that its code sets are kept for the next call.
    """

    archive: Shared
    script_state: ScriptState
    argument_kinds: tuple[str, ...]
    recurrent_paths: tuple[str, ...] = ()
    normed_cells: Mapping[str, str] = MappingProxyType({})
    keeps_state: bool = False

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return what the archive's ``forward`` returns for its arguments in order; those with a default may be left out.

        Raises:
            CheckpointError: it cannot be computed from these inputs.
        """
        if len(inputs) < len(self.inputs):
            raise TypeError(f"The network has {len(self.inputs)} inputs, not {len(inputs)}.")
        changed = self.script_state.changed if self.keeps_state else {}
        cells = {path: self.get_submodule(own) for path, own in self.normed_cells.items()}
        run = Interpreter(self, self.archive.code, self.archive.constants, self.recurrent_paths, changed, cells)
        given = [_argument(kind, value) for kind, value in zip(self.argument_kinds, inputs, strict=False)]
        tree = self.archive.tree
        try:
            outputs = list(_flat(run.call(tree.type.methods["forward"], tree, given, {})))
        except (KeyError, IndexError, AttributeError, RecursionError, ZeroDivisionError) as error:
            raise CheckpointError(
                "{layer} cannot be computed from these inputs ({reason}). Check the shapes of the inputs.",
                layer=run.label[:200],
                reason=f"{type(error).__name__}: {error}"[:200],
            ) from error
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _argument(kind: str, value: Any) -> Any:
    if kind in ("int", "float", "bool"):
        number = value.item() if isinstance(value, Tensor) else value
        return {"int": int, "float": float, "bool": bool}[kind](number)
    return value


def _flat(value: Any) -> Iterator[Tensor]:
    """Generate the tensors of an output, those of tuples and lists in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, int | float):
        yield torch.tensor(value)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _flat(each)
    elif value is not None:
        refuse_setting("forward", "output", type(value).__name__)


def build_script_network(
    described: OpaqueCall, constants: Any, code: ScriptCode, decode: Callable[[OpaqueCall], Tensor | None]
) -> TorchScriptModule:
    """Build the network.

    Args:
        described: the parsed ``data.pkl``.
        constants: the tensors of ``constants.pkl``, parsed.
        code: the archive's code.
        decode: returns the tensor that a call in a pickle describes.

    Raises:
        CheckpointError: its code has an operation that cannot be run; the sentence names the first one's module.
    """
    reader = ObjectReader(code, decode)
    tree = reader.read_object(described)
    if "forward" not in tree.type.methods:
        raise CheckpointError("This TorchScript archive has no forward method, so it cannot be run. Save a network.")
    changed, reached = reached_calls(tree, code)
    module = TorchScriptModule()
    parts = _ScriptParts(module)
    parameters = [
        f"{each.path}.{name}" for each in tree.modules() for name in each.type.parameters if name in each.values
    ]
    values = [reader.read_value(value, 0) for value in constants]
    plain = Interpreter(module, code, values, (), {})
    for each in tree.modules():
        parts.add_recurrent(each, lambda cell, args: plain.call(cell.type.methods["forward"], cell, args, {}))
    for each in tree.modules():
        parts.add_tensors(each)
    stored = [parts.stored("constants", f"c{place}", value, False) for place, value in enumerate(values)]
    module.archive, module.script_state = Shared(tree, code, stored), ScriptState()
    module.recurrent_paths, module.recurrent_layers = tuple(parts.recurrent), tuple(parts.layers)
    module.normed_cells = dict(parts.normed_cells)
    module.left_out = module.kept_states = changed
    module.unrecorded_cells = find_unrecorded_cells(
        {
            each.path: each.type.name
            for each in tree.modules()
            if each.path in reached and not each.type.name.startswith("__torch__.torch.")
        },
        parameters,
        [own for own, path in parts.holders.items() if path in parts.recurrent],
    )
    module.eval()
    function = tree.type.methods["forward"]
    module.argument_kinds, module.inputs = describe_arguments(module, tree, code)
    count = output_count(function)
    module.outputs = ("output",) if count == 1 else tuple(f"output_{place}" for place in range(count))
    module.output_functions = (end_function(tree, code),) if count == 1 else (None,) * count
    return module


class _ScriptParts(GraphParts):
    """The parameters of a network, each added once."""

    def __init__(self, module: GraphModule) -> None:
        super().__init__(module)
        self.recurrent, self.layers, self.normed_cells = list[str](), list[str](), dict[str, str]()
        self.seen: dict[int, Stored] = {}
        self.alive: list[Tensor] = []

    def add_recurrent(self, each: ScriptObject, run: CellCall) -> None:
        """Add the recurrent layer that one of the archive's modules is, if it is one; ``run`` runs its code."""
        cell = normed_cell(each, run)
        if cell is not None:
            path = self.normed_cells[each.path] = self.holders[each.path] = self.add(each.path or "rnn", cell)
            self.recurrent.append(path)
            self.layers += layer_names(path, cell)
            own = [(each, name, f"{name}_l0") for name in ("weight_ih", "weight_hh")]
            for holder, name, place in (*own, *norm_places(each)):
                value = holder.values[name]
                self.alive.append(value)
                stored = Stored((path, place), tuple(cell.get_parameter(place).shape))
                self.seen[id(value)] = holder.values[name] = stored
            return
        built = _recurrent_part(each)
        if built is not None:
            path = self.add(each.path or "rnn", built)
            self.holders[each.path] = path
            self.recurrent.append(path)
            self.layers += layer_names(path, built)
            for name, parameter in built.named_parameters():
                value = each.values[name]
                self.alive.append(value)
                self.seen[id(value)] = each.values[name] = Stored((path, name), tuple(parameter.shape))

    def add_tensors(self, each: ScriptObject) -> None:
        """Add the other tensors of one of the archive's modules."""
        for name, value in each.values.items():
            each.values[name] = self._kept(each, name, value)

    def _kept(self, each: ScriptObject, name: str, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self.stored(each.path, name, value, name in each.type.parameters)
        if isinstance(value, list | tuple):
            return type(value)(self._kept(each, f"{name}_{at}", own) for at, own in enumerate(value))
        if isinstance(value, dict):
            return {key: self._kept(each, f"{name}_{at}", own) for at, (key, own) in enumerate(value.items())}
        return value

    def stored(self, path: str, name: str, value: Any, trained: bool) -> Any:
        """Return where a tensor is kept, after adding it to the network."""
        if not isinstance(value, Tensor):
            return value
        if id(value) in self.seen:
            return self.seen[id(value)]
        self.seen[id(value)] = Stored(self.keep(path, name, value, trained), tuple(value.shape))
        self.alive.append(value)  # so that its id stays its own
        return self.seen[id(value)]


def _recurrent_part(each: ScriptObject) -> nn.Module | None:
    """Return the module of a recurrent layer, None where a module calls no recurrent operator with its own weights."""
    calls = {
        operator_of(name)[1]
        for method in each.type.methods.values()
        for node in ast.walk(method)
        if isinstance(node, ast.Call) and (name := dotted(node.func) or "").startswith("torch.")
    }
    mode = str(each.values.get("mode", each.values.get("nonlinearity", ""))).lower().removeprefix("rnn_")
    found = [name for name in (*SEQUENCES, *CELLS) if name in calls and (not mode or "rnn" not in name or mode in name)]
    form = re.compile(r"(weight|bias)_(ih|hh|hr)(_l\d+(_reverse)?)?")
    names = [name for name, value in each.values.items() if form.fullmatch(name) and isinstance(value, Tensor)]
    if len(found) != 1 or not names:
        return None
    op = found[0]
    if op in CELLS:
        ordered = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if "bias_ih" in names else [])]
        given: dict[str, Any] = {}
    else:
        levels = len({name.split("_l")[1].removesuffix("_reverse") for name in names if "_l" in name})
        ends = ("", "_reverse")[: 1 + any(name.endswith("_reverse") for name in names)]
        kinds = [
            kind for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr") if f"{kind}_l0" in names
        ]
        ordered = [f"{kind}_l{level}{end}" for level in range(levels) for end in ends for kind in kinds]
        given = {
            "num_layers": levels,
            "bidirectional": len(ends) == 2,
            "has_biases": "bias_ih" in kinds,
            "batch_first": False,
        }
    found_weights = [each.values.get(name) for name in ordered]
    weights = [weight for weight in found_weights if isinstance(weight, Tensor) and weight.dim()]
    if len(weights) != len(ordered):
        return None
    return recurrent_module_of(each.path or "rnn", op, weights, given)
