"""ONNX's If, Loop and Scan: graphs inside nodes.

Source: https://onnx.ai/onnx/operators. Of an If only the branch that is taken runs. Loops are bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.checkpoints.graphs.graph_module import refuse, refuse_setting
from models.checkpoints.graphs.onnx_program import Compute, Program, Scope
from models.checkpoints.graphs.onnx_registry import OnnxOperation, axis_of
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.onnx_model import Graph

CONTROL = {"If": ("then_branch", "else_branch"), "Loop": ("body",), "Scan": ("body",)}
"""The attributes of each operator that are graphs."""
SETTINGS = {
    "If": (),
    "Loop": (),
    "Scan": (
        "num_scan_inputs", "scan_input_axes", "scan_input_directions", "scan_output_axes", "scan_output_directions",
    ),
}  # fmt: skip
MAX_ITERATIONS = 100_000
"""Iterations of one loop."""


def check_control(operation: OnnxOperation) -> None:
    """Raise ``CheckpointError`` if an If, Loop or Scan has an attribute that cannot be run, or lacks a graph."""
    node = operation.node
    for name, value in node.attributes.items():
        if name not in (*CONTROL[node.op], *SETTINGS[node.op]):
            operation.refuse(name, value)
    if not all(isinstance(node.attributes.get(name), Graph) for name in CONTROL[node.op]):
        refuse(node.label, node.op)
    if node.op == "Scan" and operation.version < 9:  # another operator, over batches
        operation.refuse("opset", operation.version)


def build_control(operation: OnnxOperation, graphs: Sequence[Graph], program: Callable[[Graph], Program]) -> Compute:
    """Return the function that runs an If, Loop or Scan.

    Args:
        operation: the node.
        graphs: those of its graphs that can be run: of an If on a constant only the branch taken.
        program: makes the program of a graph.
    """
    node = operation.node
    for graph in graphs:
        if node.op == "If" and len(graph.outputs) < len(node.outputs):
            refuse_setting(node.label, "outputs", len(node.outputs))
    programs = [program(graph) for graph in graphs]
    if node.op == "If":
        return Branches(programs[0], programs[-1])
    return Loop(operation, programs[0]) if node.op == "Loop" else Scan(operation, programs[0])


@dataclass(frozen=True, eq=False)
class Branches:
    """Runs one of an If's two graphs."""

    then: Program
    otherwise: Program

    def __call__(self, scope: Scope, inputs: list[Tensor | None]) -> tuple[Tensor, ...]:
        """Return the outputs of the branch that the condition chooses."""
        chosen = self.then if not inputs or bool(inputs[0]) else self.otherwise
        return tuple(chosen.run(scope.run, (), scope))


@dataclass(frozen=True, eq=False)
class Loop:
    """Runs a Loop: its body takes iteration, condition and carried values; it returns condition, carried and scanned ones."""

    operation: OnnxOperation
    body: Program

    def __call__(self, scope: Scope, inputs: list[Tensor | None]) -> tuple[Tensor, ...]:
        """Return the carried values after the last iteration, and the scanned values stacked."""
        most, condition = inputs[0], inputs[1] if len(inputs) > 1 else None
        carried = [_present(values) for values in inputs[2:]]
        scanned: list[list[Tensor]] = [[] for _ in self.body.outputs[1 + len(carried) :]]
        going = condition is None or bool(condition)
        iteration = size = 0
        while going and (most is None or iteration < int(most)):
            check_iterations(self.operation, iteration)
            counter = torch.tensor(iteration, dtype=torch.int64)
            flag = torch.tensor(True)
            made = self.body.run(scope.run, (counter, flag, *carried), scope)
            going, carried = bool(made[0]), made[1 : 1 + len(carried)]
            for values, new in zip(scanned, made[1 + len(carried) :], strict=True):
                values.append(new)
                size += new.numel()
            self.operation.bounded([size])
            iteration += 1
        if not iteration and any(self.operation.node.outputs[len(carried) :]):
            raise ValueError("no iteration, so that scanned outputs have no shape")
        return (*carried, *(torch.stack(values) for values in scanned if values))


def check_iterations(operation: OnnxOperation, count: int) -> None:
    """Raise ``CheckpointError`` if a loop has run too often."""
    if count >= MAX_ITERATIONS:
        raise CheckpointError(
            "{layer} is run too often in a loop of this file. Use a shorter input.", layer=operation.label[:200]
        )


@dataclass(frozen=True, eq=False)
class Scan:
    """Runs a Scan: its body takes states and one slice of each scanned input; it returns states and slices of outputs."""

    operation: OnnxOperation
    body: Program

    def __call__(self, scope: Scope, inputs: list[Tensor | None]) -> tuple[Tensor, ...]:
        """Return the states after the last step, and the slices of the outputs stacked."""
        operation = self.operation
        count = operation.get("num_scan_inputs")
        given = [_present(values) for values in inputs]
        states, sequences = given[: len(given) - count], given[len(given) - count :]
        axes = operation.get("scan_input_axes", (0,) * count)
        backwards = operation.get("scan_input_directions", (0,) * count)
        rows = [
            (values.flip(axis) if back else values).unbind(axis)
            for values, axis, back in zip(sequences, axes, backwards, strict=True)
        ]
        steps = {len(each) for each in rows}
        if len(steps) != 1:
            raise ValueError("sequences of different lengths")
        check_iterations(operation, max(steps) - 1)
        outputs: list[list[Tensor]] = [[] for _ in self.body.outputs[len(states) :]]
        size = 0
        for slices in zip(*rows, strict=True):
            made = self.body.run(scope.run, (*states, *slices), scope)
            states = made[: len(states)]
            for values, new in zip(outputs, made[len(states) :], strict=True):
                values.append(new)
                size += new.numel()
            operation.bounded([size])
        out_axes = operation.get("scan_output_axes", (0,) * len(outputs))
        out_backwards = operation.get("scan_output_directions", (0,) * len(outputs))
        found = []
        for values, axis, back in zip(outputs, out_axes, out_backwards, strict=True):
            if not values:
                raise ValueError("no step, so that outputs have no shape")
            stacked = torch.stack(values[::-1] if back else values, axis_of(axis, values[0].dim() + 1))
            found.append(stacked)
        return (*states, *found)


def _present(values: Tensor | None) -> Tensor:
    if values is None:
        raise ValueError("an input is missing")
    return values
