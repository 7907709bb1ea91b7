"""The steps of an ONNX graph as they run: values by name, one step a node, values dropped after their last use.

A program holds no module and no tensor, so that copies of a network can share it: parameters are looked up by their path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from models.checkpoints.graphs.graph_parts import Place
from models.checkpoints.graphs.graph_run import Run, named_failures


@dataclass(eq=False)
class Scope:
    """The values of one graph by name while it runs, and those of the graph around it.

    Attributes:
        run: the call that it belongs to.
        program: the graph's program.
        outer: the scope of the graph around it, or None.
        values: what has been computed and not yet dropped.
    """

    run: Run
    program: Program
    outer: Scope | None = None
    values: dict[str, Tensor] = field(default_factory=dict)

    def get(self, name: str) -> Tensor:
        """Return a value or constant.

        Raises:
            KeyError: there is none of that name.
        """
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            place = scope.program.constants.get(name)
            if place is not None:
                return getattr(self.run.root.get_submodule(place[0]), place[1])
            scope = scope.outer
        raise KeyError(name)


Compute = Callable[[Scope, list[Tensor | None]], Any]


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a program.

    Attributes:
        label: the node's name for sentences.
        inputs: names of the values that it takes, "" for one left out.
        outputs: names of the values that it sets, "" for one that is not used.
        compute: ``(scope, inputs) -> output or outputs``.
        last: names of the values that no later step uses.
    """

    label: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    compute: Compute
    last: tuple[str, ...] = ()


@dataclass(eq=False)
class Program:
    """A graph as it runs.

    Attributes:
        steps: in running order.
        inputs: names of the values that it takes.
        outputs: names of those that it returns.
        constants: where the constants that its steps use are kept, by name.
    """

    steps: Sequence[Step]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, Place]

    def __deepcopy__(self, memo: dict) -> Program:
        return self

    def run(self, run: Run, inputs: Sequence[Tensor], outer: Scope | None = None) -> list[Tensor]:
        """Return the outputs for ``inputs``.

        Raises:
            CheckpointError: a node cannot be computed from these inputs, or there are too many steps.
        """
        scope = Scope(run, self, outer, dict(zip(self.inputs, inputs, strict=True)))
        run.live += sum(values.numel() for values in inputs)
        for step in self.steps:
            with named_failures(step.label):
                made = step.compute(scope, [scope.get(name) if name else None for name in step.inputs])
            results = made if isinstance(made, tuple | list) else (made,)
            kept = {name: values for name, values in zip(step.outputs, results, strict=False) if name}
            scope.values |= kept
            run.count(step.label, sum(values.numel() for values in kept.values()))
            for name in step.last:
                dropped = scope.values.pop(name, None)
                run.live -= 0 if dropped is None else dropped.numel()
        outputs = [scope.get(name) for name in self.outputs]
        run.live -= sum(values.numel() for values in scope.values.values())
        return outputs


def with_last_uses(steps: Sequence[Step], reads: Sequence[frozenset[str]], kept: frozenset[str]) -> tuple[Step, ...]:
    """Return the steps with ``last`` set.

    Args:
        steps: in running order.
        reads: for each step, the names that it uses, those that its inner graphs use included.
        kept: names that are used after the last step.
    """
    seen = set(kept)
    found: list[Step] = []
    for step, names in zip(reversed(steps), reversed(reads), strict=True):
        own = names | {name for name in step.outputs if name}
        found.append(Step(step.label, step.inputs, step.outputs, step.compute, tuple(sorted(own - seen))))
        seen |= own
    return tuple(reversed(found))
