"""The network of a torch.export archive, built from its graph: recurrent layers as torch's modules, and all other nodes.

    module = build_export_graph(program, tensors)      # the archive's JSON, and its weights and constants by name
    output = module(x)                          # what the exported program returns

Source: https://docs.pytorch.org/docs/stable/export/ir_spec.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from models.checkpoints.graphs.graph_module import MAX_NODES, GraphInput, GraphModule, refuse_setting
from models.checkpoints.graphs.graph_run import Run
from models.checkpoints.graphs.onnx_registry import to_tensor
from models.checkpoints.graphs.torch_export_nodes import GraphBuilder, constant_names, module_classes
from models.checkpoints.graphs.torch_export_parts import ExportParts
from models.checkpoints.graphs.torch_export_program import ExportProgram
from models.checkpoints.graphs.torch_export_values import (
    DTYPES,
    Axis,
    Guard,
    Reference,
    parse_argument,
    parse_axes,
)
from models.checkpoints.graphs.torch_graph_ends import id_table, output_function
from models.checkpoints.graphs.unrecorded_cells import find_unrecorded_cells
from models.checkpoints.parsing.contents import StoredTensor
from models.checkpoints.parsing.errors import CheckpointError

SCHEMA = 8
"""The version of the JSON that can be parsed; it changes only where older readers no longer can."""


class TorchExportModule(GraphModule):
    """The network of a torch.export archive."""

    program: ExportProgram
    dtypes: tuple[torch.dtype, ...]
    axes: tuple[tuple[Axis, ...], ...]
    guards: tuple[Guard, ...]

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The program's outputs for its inputs in order; each is converted to the type that the program states.

        Raises:
            CheckpointError: the inputs are of other shapes than the program accepts.
        """
        if len(inputs) != len(self.inputs):
            raise TypeError(f"The network has {len(self.inputs)} inputs, not {len(inputs)}.")
        given = [values.to(dtype) for values, dtype in zip(inputs, self.dtypes, strict=True)]
        self._check(given)
        found = self.program.run(Run(self), given)
        outputs = [each if isinstance(each, Tensor) else torch.tensor(each) for each in found]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _check(self, given: Sequence[Tensor]) -> None:
        symbols: dict[str, int] = {}
        for about, axes, values in zip(self.inputs, self.axes, given, strict=True):
            if len(axes) != values.dim() or not all(
                axis.allows(size, symbols) for axis, size in zip(axes, values.shape, strict=True)
            ):
                raise CheckpointError(
                    "The input {name} has the shape {shape}, but the network was exported for {expected}. Enter an input "
                    "of that shape.",
                    name=about.name[:200],
                    shape=_shape(values.shape),
                    expected=_shape(about.shape),
                )
        by_name = {about.name: values for about, values in zip(self.inputs, given, strict=True)}
        for guard in self.guards:
            if not guard.holds(by_name):
                raise CheckpointError(
                    "The network was exported for inputs with {condition}, but this input has other sizes. Enter an input "
                    "of such sizes.",
                    condition=guard.text[:200],
                )


def _shape(sizes: Sequence[int | None]) -> str:
    return f"({', '.join('?' if size is None else str(size) for size in sizes)})"


def build_export_graph(program: Mapping[str, Any], tensors: Mapping[str, StoredTensor]) -> TorchExportModule:
    """Build the network.

    Args:
        program: the archive's JSON.
        tensors: its weights, buffers and constants by name.

    Raises:
        CheckpointError: it has a node that cannot be run; the sentence names the first one.
    """
    version = program["schema_version"]  # one number in the first versions
    if isinstance(version, Mapping):
        version = version["major"]
    if version != SCHEMA:
        raise CheckpointError(
            "The graph of this torch.export archive has the schema version {version}, but only version {known} can be run. "
            "Export the network again with a newer version of PyTorch.",
            version=version,
            known=SCHEMA,
        )
    graph, signature = program["graph_module"]["graph"], program["graph_module"]["signature"]
    if len(graph["nodes"]) > MAX_NODES:
        refuse_setting("torch.export", "nodes", len(graph["nodes"]))
    module = TorchExportModule()
    constants = constant_names(signature)
    parts = ExportParts(module, {name: tensors[name] for name in constants.values()}, to_tensor)
    builder = GraphBuilder(parts, constants, _kept_parameters(signature))
    inputs = _user_inputs(signature)
    outputs = _user_outputs(signature)
    module.program = builder.program(graph, inputs, outputs, {name: name for name in constants})
    values = graph["tensor_values"]
    ranges = program.get("range_constraints", {})
    module.axes = tuple(parse_axes(name, values[name]["sizes"], ranges) for name in inputs)
    module.dtypes = tuple(_dtype(name, values[name]["dtype"]) for name in inputs)
    module.inputs = tuple(
        _describe(name, axes, dtype, id_table(graph["nodes"], name, values))
        for name, axes, dtype in zip(inputs, module.axes, module.dtypes, strict=True)
    )
    module.guards = tuple(Guard(text) for text in program.get("guards_code", ()) if _is_new(text, module))
    named = [each.name for each in outputs if isinstance(each, Reference)]
    module.outputs = tuple(
        each.name if isinstance(each, Reference) else f"output_{place}" for place, each in enumerate(outputs)
    )
    module.output_functions = tuple(
        output_function(graph["nodes"], name, values) if name in named else None for name in module.outputs
    )
    module.recurrent_layers = tuple(parts.layers)
    module.unrecorded_cells = find_unrecorded_cells(
        module_classes(graph["nodes"]), _kept_parameters(signature), [each.rpartition(".")[0] for each in parts.layers]
    )
    module.left_out = module.kept_states = tuple(builder.changed | _changed_buffers(signature))
    return module.eval()


def _user_inputs(signature: Mapping[str, Any]) -> tuple[str, ...]:
    names = []
    for spec in signature["input_specs"]:
        ((kind, about),) = spec.items()
        if kind == "user_input":
            ((form, value),) = about["arg"].items()
            if form == "as_none" or form in ("as_int", "as_float", "as_bool", "as_string"):
                continue
            if form != "as_tensor":
                refuse_setting(str(value.get("as_name", "input")), "input", form)
            names.append(value["name"])
        elif kind not in ("parameter", "buffer", "tensor_constant", "constant_input"):
            refuse_setting("torch.export", "input", kind)
    return tuple(names)


def _user_outputs(signature: Mapping[str, Any]) -> list[Any]:
    """Return the outputs, as references or numbers; None is not one."""
    found = []
    for spec in signature["output_specs"]:
        ((kind, about),) = spec.items()
        if kind in ("user_output", "loss_output"):
            argument = about["arg"] if kind == "user_output" else {"as_tensor": about["arg"]}
            value = parse_argument("output", argument)
            if value is not None and not isinstance(value, str):
                found.append(value)
        elif kind not in ("buffer_mutation", "user_input_mutation"):
            refuse_setting("torch.export", "output", kind)
    if not found or not all(isinstance(each, Reference | int | float | bool) for each in found):
        refuse_setting("torch.export", "outputs", len(found))
    return found


def _changed_buffers(signature: Mapping[str, Any]) -> dict[str, None]:
    """Return the names of buffers that each call of the program changes for the next one."""
    return {
        spec["buffer_mutation"]["buffer_name"]: None for spec in signature["output_specs"] if "buffer_mutation" in spec
    }


def _kept_parameters(signature: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(spec["parameter"]["parameter_name"] for spec in signature["input_specs"] if "parameter" in spec)


def _dtype(name: str, code: int) -> torch.dtype:
    if code not in DTYPES:
        refuse_setting(name, "data type", code)
    return DTYPES[code]


def _describe(name: str, axes: Sequence[Axis], dtype: torch.dtype, rows: int | None) -> GraphInput:
    ids = rows is not None and not dtype.is_floating_point
    return GraphInput(
        name, "ids" if ids else "values", tuple(axis.size for axis in axes), (rows or None) if ids else None
    )


def _is_new(text: str, module: TorchExportModule) -> bool:
    """Return whether a guard says more than the sizes of single axes, which are checked already."""
    for about in module.inputs:
        for place, size in enumerate(about.shape):
            if text.strip() == f"L['{about.name}'].size()[{place}] == {size}":
                return False
    return True
