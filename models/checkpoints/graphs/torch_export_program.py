"""The steps of a torch.export graph as they run. A program holds no tensor: parameters are looked up by their path."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from models.checkpoints.graphs.aten_operators import run_operator
from models.checkpoints.graphs.aten_recurrent import bound_arguments, run_recurrent
from models.checkpoints.graphs.graph_parts import Place
from models.checkpoints.graphs.graph_run import Run, named_failures
from models.checkpoints.graphs.torch_export_values import filled

MAX_NUMBER = 1 << 63
"""Sizes and other numbers are less than this."""

Compute = Callable[[Run, list[Any], dict[str, Any]], Any]
Names = str | None | tuple["Names", ...]
"""The name of one output, or of each of several; None for one that is not used."""


def _floor(value: Any) -> int:
    return math.floor(value)


PYTHON: dict[str, Callable[..., Any]] = {
    "_operator.add": operator.add, "_operator.sub": operator.sub, "_operator.mul": operator.mul,
    "_operator.floordiv": operator.floordiv, "_operator.truediv": operator.truediv, "_operator.mod": operator.mod,
    "_operator.neg": operator.neg, "_operator.eq": operator.eq, "_operator.ne": operator.ne, "_operator.lt": operator.lt,
    "_operator.le": operator.le, "_operator.gt": operator.gt, "_operator.ge": operator.ge, "_operator.and_": operator.and_,
    "_operator.or_": operator.or_, "_operator.not_": operator.not_, "math.ceil": math.ceil, "math.floor": _floor,
    "math.trunc": math.trunc, "torch.sym_int": int, "torch.sym_float": float, "torch.sym_max": max, "torch.sym_min": min,
    "torch.sym_not": operator.not_,
}  # fmt: skip
"""Operators on sizes and other numbers."""

READS: dict[str, Callable[..., Any]] = {
    "sym_size": lambda values, axis: values.shape[axis],
    "sym_numel": lambda values: values.numel(),
    "sym_stride": lambda values, axis: values.stride(axis),
    "item": lambda values: values.item(),
    "_local_scalar_dense": lambda values: values.item(),
}
"""Operators whose output is a number."""

CHECKS = frozenset({
    "_assert_scalar", "_assert_async", "sym_constrain_range", "sym_constrain_range_for_size", "_assert_tensor_metadata"
})  # fmt: skip
"""Operators that put nothing out."""


@dataclass(frozen=True, eq=False)
class ExportStep:
    """One step of a program.

    Attributes:
        label: the node's name for sentences.
        compute: ``(run, arguments, named arguments) -> output or outputs``.
        args, named: its arguments.
        outputs: names of its outputs.
        reads: names of all values that it uses.
        last: names of the values that no later step uses.
    """

    label: str
    compute: Compute
    args: list[Any]
    named: dict[str, Any]
    outputs: Names
    reads: frozenset[str]
    last: tuple[str, ...] = ()


@dataclass(eq=False)
class ExportProgram:
    """A graph as it runs.

    Attributes:
        inputs: names of the values that it takes.
        steps: in running order.
        outputs: its outputs, references or values.
        constants: where parameters and other constants are kept, by name.
        copied: names of inputs and constants that a step changes; it changes a copy.
        single: whether its output is one value instead of a list.
        changed: names of the inputs of an inner graph that a step changes.
        viewed: names of the inputs that an output may be a view of.
    """

    inputs: tuple[str, ...]
    steps: Sequence[ExportStep]
    outputs: list[Any]
    constants: Mapping[str, Place] = field(default_factory=dict)
    copied: frozenset[str] = frozenset()
    single: bool = False
    changed: frozenset[str] = frozenset()
    viewed: frozenset[str] = frozenset()

    def __deepcopy__(self, memo: dict) -> ExportProgram:
        return self

    def run(self, run: Run, inputs: Sequence[Any]) -> Any:
        """Return the outputs for ``inputs``.

        Raises:
            CheckpointError: a node cannot be computed from these inputs, or keeps too many values.
        """
        values: dict[str, Any] = dict(zip(self.inputs, inputs, strict=True))
        for name in self.copied:
            values[name] = self._get(run, values, name).clone()
        run.live += sum(map(_elements, values.values()))
        get = partial(self._get, run, values)
        for step in self.steps:
            with named_failures(step.label):
                args, named = filled([step.args, list(step.named.values())], get)
                made = step.compute(run, args, dict(zip(step.named, named, strict=True)))
                kept = dict(_named(step.outputs, made))
            values |= kept
            run.count(step.label, sum(map(_elements, kept.values())))
            for name in step.last:
                run.live -= _elements(values.pop(name, None))
        outputs = filled(self.outputs, get)
        run.live -= sum(map(_elements, values.values()))
        return outputs[0] if self.single else outputs

    def _get(self, run: Run, values: Mapping[str, Any], name: str) -> Any:
        if name in values:
            return values[name]
        path, own = self.constants[name]
        return getattr(run.root.get_submodule(path), own)


def _elements(value: Any) -> int:
    return value.numel() if isinstance(value, Tensor) else 0


def _named(names: Names, made: Any) -> Iterable[tuple[str, Any]]:
    """Generate the outputs of a node with their names.

    Raises:
        ValueError: there are more or fewer than named.
    """
    if isinstance(names, str):
        if not isinstance(made, Tensor | int | float | bool):
            raise ValueError("output")
        yield names, made
    elif names is not None:
        for name, value in zip(names, made, strict=True):
            yield from _named(name, value)


def with_last_reads(steps: Sequence[ExportStep], kept: Iterable[str]) -> list[ExportStep]:
    """Return the steps with ``last`` set; ``kept`` are names that are used after the last step."""
    seen = set(kept)
    found: list[ExportStep] = []
    for step in reversed(steps):
        own = set(step.reads) | set(output_names(step.outputs))
        found.append(replace(step, last=tuple(sorted(own - seen))))
        seen |= own
    return found[::-1]


def output_names(names: Names) -> Iterable[str]:
    """Generate the names of a node's outputs."""
    if isinstance(names, str):
        yield names
    elif names is not None:
        for each in names:
            yield from output_names(each)


def operator_step(label: str, name: str, overload: str) -> Compute:
    """Return the function of a node with one of torch's operators."""
    if name in CHECKS:
        return lambda run, args, named: _check(label, name, args)
    if name in READS:
        return lambda run, args, named: _number(READS[name](*args, *named.values()))
    return lambda run, args, named: run_operator(label, name, overload, args, named)


def python_step(target: str) -> Compute:
    """Return the function of a node on numbers."""
    return lambda run, args, named: _number(PYTHON[target](*args, *named.values()))


def recurrent_step(label: str, op: str, path: str) -> Compute:
    """Return the function of a node that a recurrent module runs."""

    def compute(run: Run, args: list[Any], named: dict[str, Any]) -> Any:
        return run_recurrent(label, run.root.get_submodule(path), bound_arguments(op, args, named))

    return compute


def module_step(path: str) -> Compute:
    """Return the function of a node that a module with one input runs."""
    return lambda run, args, named: run.root.get_submodule(path)(args[0])


def without_gradient_step(program: ExportProgram) -> Compute:
    """Return the function of a node that turns gradients on or off in an inner graph."""

    def compute(run: Run, args: list[Any], named: dict[str, Any]) -> Any:
        with torch.set_grad_enabled(bool(args[0]) and torch.is_grad_enabled()):
            return program.run(run, args[2:])

    return compute


def condition_step(branches: Sequence[ExportProgram]) -> Compute:
    """Return the function of a node that runs one of two inner graphs."""

    def compute(run: Run, args: list[Any], named: dict[str, Any]) -> Any:
        return branches[0 if bool(args[0]) else 1].run(run, args[3])

    return compute


def _number(value: Any) -> Any:
    if isinstance(value, int | float) and abs(value) < MAX_NUMBER:
        return value
    raise ValueError("number")


def _check(label: str, name: str, args: Sequence[Any]) -> None:
    if name in ("_assert_scalar", "_assert_async") and not bool(args[0]):
        raise ValueError(str(args[1]) if len(args) > 1 else "assertion")
