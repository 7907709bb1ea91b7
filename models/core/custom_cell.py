"""Traces of cells of the user's own: their equations are evaluated on the recorded inputs and states, and differentiated.

The equations have the form of those in ``models.core.cells``: each is a function of a namespace ``s``. In it are ``s.input``,
the previous states (``s.hidden_prev``), the quantities already computed, and the module's own parameters and submodules.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from models.core.activations import ZERO_TO_ONE
from models.core.cells import ValueRange
from models.core.formula import SymbolNamespace, Tree, formula_of, range_of
from models.core.gradient_proof import GradientWarning
from models.core.layer_gradients import no_gradient, twice_differentiated
from models.core.output_gradients import GradientHook
from models.core.weights import read_only


def is_quantity_name(name: str) -> bool:
    """Return whether a gate or state can have this name: in an equation it is an attribute, as in ``s.forget_gate``."""
    reserved = name == "input" or name.endswith(("_prev", "_grad"))
    return name.isascii() and name.isidentifier() and len(name) <= MAX_NAME_LENGTH and not reserved


MAX_NAME_LENGTH = 40


@dataclass(frozen=True)
class CellFormulas:
    """The equations of a cell of the user's own as formulas, with the attributes by which ``Cell`` describes one.

    Attributes:
        kind: the name of the module's class.
        states: the states that are the next step's input.
        formulas: of every gate and state, in the order of computation; None for an equation that is not recorded
            (``models.core.formula``).
        ranges: of each quantity, where it follows from the formulas.
    """

    kind: str
    states: tuple[str, ...]
    formulas: Mapping[str, Tree | None]
    ranges: Mapping[str, ValueRange]

    carry = None

    @property
    def quantities(self) -> tuple[str, ...]:
        """All gates and states, in the order of computation."""
        return tuple(self.formulas)

    @property
    def gates(self) -> tuple[str, ...]:
        """The quantities that are not states."""
        return tuple(name for name in self.formulas if name not in self.states)

    @property
    def zero_one_gates(self) -> tuple[str, ...]:
        """The gates with values from 0 (closed) to 1 (open), as after a sigmoid."""
        return tuple(name for name in self.gates if self.ranges[name] == ZERO_TO_ONE)


@dataclass(frozen=True)
class CellEquations:
    """The equations of a cell of the user's own.

    Attributes:
        equations: a function of ``s`` for every gate and state, in the order of computation; each returns (N, units).
        states: the states, in the order in which the module takes and returns them.

    Example:
        >>> min_gru = CellEquations(
        ...     equations={
        ...         "update_gate": lambda s: s.to_z(s.input).sigmoid(),
        ...         "candidate": lambda s: s.to_h(s.input),
        ...         "hidden": lambda s: (1 - s.update_gate) * s.hidden_prev + s.update_gate * s.candidate,
        ...     }
        ... )
    """

    equations: Mapping[str, Callable[[Any], Tensor]]
    states: tuple[str, ...] = ("hidden",)

    def __post_init__(self) -> None:
        """Check the names of the quantities, and that every state has an equation."""
        for name in self.equations:
            if not is_quantity_name(name):
                raise ValueError(f"An equation cannot be named {name!r}. Use a name as in s.forget_gate.")
        missing = [state for state in self.states if state not in self.equations]
        if missing:
            raise ValueError(f"The state {missing[0]} has no equation; equations are of {', '.join(self.equations)}.")


class EquationNamespace:
    """The namespace ``s`` of the equations.

    Parameters and submodules are those of the call.
    """

    def __init__(self, module: nn.Module, weights: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
        """Store the module, its parameters and buffers by name, and the values of the step."""
        self._module, self._weights = module, weights
        vars(self).update(values)

    def __getattr__(self, name: str) -> Any:
        """Return a parameter, a submodule with the parameters of the call, or another attribute of the module."""
        if name in self._weights:
            return self._weights[name]
        found = getattr(self._module, name)
        if not isinstance(found, nn.Module):
            return found
        own = {key.removeprefix(f"{name}."): v for key, v in self._weights.items() if key.startswith(f"{name}.")}
        return lambda *args: functional_call(found, own, args)


@dataclass(frozen=True, eq=False)
class CustomRecording:
    """Recorded calls of a cell, one step each: copies.

    Attributes:
        module: the cell.
        weights: its parameters and buffers at the time of the calls.
        input: (B, T, D).
        before, after: by state, (B, T, units).
        hooks: on the states after each step.
        separate: whether each state has a graph node of its own: then its gradient includes the paths through the others.
        parameter_hooks: on the parameters that require gradients.
    """

    module: nn.Module
    weights: Mapping[str, Tensor]
    input: Tensor
    before: Mapping[str, Tensor]
    after: Mapping[str, Tensor]
    hooks: list[GradientHook]
    separate: bool
    parameter_hooks: Mapping[str, GradientHook]


@dataclass(frozen=True, eq=False)
class CustomTrace(Mapping[str, np.ndarray]):
    """One run of a cell of the user's own: ``trace["forget_gate"]`` or ``trace.forget_gate`` is (B, T, units), read-only.

    Attributes:
        name: of the layer.
        kind: the name of the module's class.
        definition: the equations.
        recording: of the run.
    """

    name: str
    kind: str
    definition: CellEquations
    recording: CustomRecording

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of its gates and states, in the order of computation."""
        return tuple(self.definition.equations)

    @property
    def shape(self) -> tuple[int, ...]:
        """(B, T, H) of the hidden state."""
        return tuple(self.recording.after[self.definition.states[0]].shape)

    @property
    def lengths(self) -> np.ndarray:
        """The length of each sequence of the batch, (B): all of them have T steps."""
        batch, steps, _units = self.shape
        return read_only(torch.full((batch,), steps))

    @property
    def input(self) -> np.ndarray:
        """The cell's input x_t, (B, T, D)."""
        return read_only(self.recording.input)

    @cached_property
    def cell_equations(self) -> CellFormulas:
        """The equations as formulas."""
        states, equations = self.definition.states, self.definition.equations
        before = [f"{state}_prev" for state in states]
        formulas: dict[str, Tree | None] = {}
        ranges: dict[str, ValueRange] = {}
        for name, equation in equations.items():
            namespace = SymbolNamespace(self.recording.module, ("input", *before, *formulas))
            formula = formulas[name] = formula_of(equation, namespace)
            ranges[name] = None if formula is None else range_of(formula, ranges)
        return CellFormulas(self.kind, states, formulas, ranges)

    def __getitem__(self, quantity: str) -> np.ndarray:
        """Return a gate or state, (B, T, units).

        Raises:
            KeyError: there is no equation of that name.
            ValueError: the equations do not compute the states that the module returned.
        """
        if quantity not in self.definition.equations:
            raise KeyError(f"{self.kind} has no {quantity}; it has {', '.join(self.quantities)}")
        return read_only(self._values[quantity])

    def __getattr__(self, name: str) -> Any:
        """Return a gate or state, one step earlier as ``<state>_prev``, or its gradient as ``<quantity>_grad``."""
        if name in self.definition.equations:
            return self[name]
        if name.removesuffix("_prev") in self.definition.states:
            return read_only(self.recording.before[name.removesuffix("_prev")])
        if name.removesuffix("_grad") in self.definition.equations:
            return read_only(self._gradients[name.removesuffix("_grad")])
        raise AttributeError(f"{self.kind} has no {name}; it has {', '.join(self.quantities)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.quantities)

    def __len__(self) -> int:
        return len(self.quantities)

    def per_step(self, parameter: str) -> np.ndarray:
        """Return each step's contribution to the gradient of a parameter of the module, (T, *its shape)."""
        return read_only(torch.stack([grads[parameter] for grads in self._backward[1]]))

    @cached_property
    def _values(self) -> dict[str, Tensor]:
        run = self.recording
        with torch.no_grad():
            values = self._evaluate(run.weights, slice(None))
        for state in self.definition.states:
            if not torch.allclose(values[state], run.after[state], rtol=1e-4, atol=1e-5, equal_nan=True):
                error = float((values[state] - run.after[state]).abs().max())
                raise ValueError(
                    f"The equations of {self.kind} do not compute its {state}: they differ from the module's "
                    f"by up to {error:.3g}."
                )
        return values | dict(run.after)

    def _evaluate(
        self, weights: Mapping[str, Tensor], steps: slice, leaves: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Evaluate the equations for some steps; put a new leaf in ``leaves`` for every quantity and use it further on."""
        run = self.recording
        rows = run.input[:, steps]
        batch, count, _ = rows.shape
        given = {"input": rows} | {f"{name}_prev": values[:, steps] for name, values in run.before.items()}
        s = EquationNamespace(run.module, weights, {name: v.flatten(0, 1) for name, v in given.items()})
        values: dict[str, Tensor] = {}
        for name, equation in self.definition.equations.items():
            values[name] = equation(s)
            vars(s)[name] = values[name]
            if leaves is not None:
                leaves[name] = vars(s)[name] = values[name].detach().requires_grad_()
        return {name: v.unflatten(0, (batch, count)) for name, v in values.items()}

    @property
    def _gradients(self) -> dict[str, Tensor]:
        return self._backward[0]

    @cached_property
    def _backward(self) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
        """The gradients by every quantity, (B, T, units), and each step's contribution to those of the parameters."""
        run = self.recording
        if not any(hook.count for hook in run.hooks):
            raise no_gradient(self.name)
        if any(hook.differentiated for hook in run.hooks):
            raise twice_differentiated(self.name)
        _ = self._values  # refuses equations that are not the module's
        quantities: dict[str, list[Tensor]] = {name: [] for name in self.quantities}
        shares = []
        for t, hook in enumerate(run.hooks):
            found, own = self._backward_step(t, hook.total())
            shares.append(own)
            for name, grad in found.items():
                quantities[name].append(grad)
        self._compare(shares)
        return {name: torch.stack(grads, dim=1) for name, grads in quantities.items()}, shares

    def _backward_step(self, t: int, arrived: Mapping[int, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        run, states = self.recording, self.definition.states
        own = {name: values.detach().requires_grad_(values.is_floating_point()) for name, values in run.weights.items()}
        leaves: dict[str, Tensor] = {}
        with torch.enable_grad():
            values = {name: v[:, 0] for name, v in self._evaluate(own, slice(t, t + 1), leaves).items()}
        outer = {state: arrived.get(index, torch.zeros_like(values[state])) for index, state in enumerate(states)}
        grads: dict[str, Tensor] = {}
        totals: dict[str, Tensor] = {}
        weights = [name for name, each in own.items() if each.requires_grad]
        for name in reversed(self.quantities):  # each equation once, from the last
            grad = outer.get(name, torch.zeros_like(values[name]))
            if name not in states or not run.separate:
                grad = grad + grads.get(name, torch.zeros_like(grad))
            totals[name] = grad
            wanted = [each for each in leaves if each != name]
            inputs = [leaves[each] for each in wanted] + [own[each] for each in weights]
            if not values[name].requires_grad:
                continue
            back = torch.autograd.grad(values[name], inputs, grad, allow_unused=True, retain_graph=True)
            for each, part in zip([*wanted, *(f"weights.{w}" for w in weights)], back, strict=True):
                if part is not None:
                    grads[each] = grads[each] + part if each in grads else part
        return totals, {w: grads.get(f"weights.{w}", torch.zeros_like(own[w])) for w in weights}

    def _compare(self, shares: list[dict[str, Tensor]]) -> None:
        """Warn of parameters whose gradient is not the sum of the steps' contributions."""
        wrong = []
        for name, hook in self.recording.parameter_hooks.items():
            if hook.count:
                total, reached = torch.stack([each[name] for each in shares]).sum(0), hook.total()[0]
                if not torch.allclose(total, reached, rtol=1e-3, atol=1e-4 * float(reached.abs().max()) + 1e-7):
                    wrong.append(name)
        if wrong:
            warnings.warn(
                f"The time steps' shares of {', '.join(wrong)} in {self.name} do not add up to the gradients that reached "
                "them: these weights are also used elsewhere, or in another run.",
                GradientWarning,
                stacklevel=5,
            )
