"""Interventions in running recurrent layers: clamped gates and states, ablated units, patched activations.

A fused kernel cannot be stopped between two steps, so an edited layer, and all above it in its stack, run step by step
(``models.core.stepwise``). Layers below run with the fused kernel. Without interventions this module is not used.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from models.capturing.capture import capture, recurrent_modules
from models.core.cells import WEIGHT_NAMES
from models.core.local_derivatives import has_local_derivatives
from models.core.messages import Problem
from models.core.output_gradients import OutputGradients
from models.core.recording import Recording
from models.core.stepwise import ClampSchedule, run_layer
from models.core.stepwise_modules import StepwiseModule
from models.core.trace import LayerTrace, LayerTraces, Trace
from models.edits.costly_edits import check_cost
from models.edits.edit import Ablate, Clamp, InitialState, InterventionEdit, Patch
from models.edits.weight_edits import Parameters, unknown_layer, unknown_unit


def build_clamp_schedules(
    edits: Iterable[InterventionEdit],
    known: Parameters,
    steps: int,
    plain: Callable[[], Trace],
    other: Callable[[str], Trace],
) -> dict[str, ClampSchedule]:
    """Return the interventions of each layer, by name.

    Args:
        edits: in order.
        known: the network's parameters.
        steps: T, the number of steps of its layers.
        plain: returns the trace of the same sequence without interventions.
        other: returns the trace of another text.

    Raises:
        Problem: an edit does not fit the network or the sequence; one sentence says why.
    """
    schedules: dict[str, ClampSchedule] = {}
    edits = tuple(edits)
    check_cost(edits)
    for edit in edits:
        if edit.layer not in known.cells:
            raise unknown_layer(edit.layer, known.cells)
        cell, schedule = known.cells[edit.layer], schedules.setdefault(edit.layer, ClampSchedule())
        quantity = (
            "hidden" if isinstance(edit, Ablate) else edit.state if isinstance(edit, InitialState) else edit.quantity
        )
        names = cell.states if isinstance(edit, InitialState) else cell.quantities
        if quantity not in names:
            raise Problem(
                "{layer} has no {name}. Choose one of these: {names}.",
                layer=edit.layer,
                name=quantity,
                names=", ".join(names),
            )
        units = known.arrays[f"{edit.layer}.weight_hh"].shape[1] if quantity == "hidden" else known.units(edit.layer)
        if edit.unit is not None and edit.unit >= units:
            raise unknown_unit(edit.layer, edit.unit, units)
        match edit:
            case InitialState(_, state, value, unit):
                schedule.initial.setdefault(state, []).append((unit, value))
            case Clamp(_, _, value, unit, first, last):
                for step in _step_range(first, last, steps):
                    schedule.clamp(step, quantity, unit, value)
            case Ablate(layer, unit, by, first, last):
                value = 0.0 if by == "zero" else float(plain().layers[layer].hidden[0, :, unit].mean(dtype="float64"))
                for step in _step_range(first, last, steps):
                    schedule.clamp(step, quantity, unit, value)
            case Patch(layer, _, step, text, source, unit):
                run = other(text).layers[layer]
                [at] = _step_range(step, step, steps)
                [there] = _step_range(source, source, run.shape[1])
                schedule.clamp(at, quantity, unit, torch.tensor(run[quantity][0, there]))
    return schedules


def _step_range(first: int, last: int | None, steps: int) -> range:
    last = steps - 1 if last is None else last
    for step in (first, last):
        if step >= steps:
            raise Problem(
                "Time step {step} does not exist. The sequence ends at time step {count}.", step=step + 1, count=steps
            )
    return range(first, last + 1)


class intervene:
    """Context manager: ``with intervene(module, schedules) as run: module(x)`` applies them; ``run.trace`` is the trace.

    The module's recurrent parts that have a schedule run step by step, and their output goes on into the rest of the module,
    so the module's own code computes its predictions; backward passes go through the steps. The module must not be shared
    with other threads (``edited_module`` makes a copy) and must call each part once, in evaluation mode. All hooks are
    removed on exit.

    Raises:
        Problem: a layer with a schedule is a Cell, or its input is a ``PackedSequence``.
    """

    def __init__(self, module: nn.Module, schedules: Mapping[str, ClampSchedule]) -> None:
        """Prepare to run ``module``."""
        self.module, self.schedules = module, schedules
        self.states: dict[str, dict[str, list[Tensor]]] = {}
        """By layer that runs step by step: its quantities by position, in the run's autograd graph, (B, units) each."""
        self.stacked: dict[str, dict[str, Tensor]] = {}
        """The same as the layer's output, (B, T, units) each: without the path to the layer's own next steps."""
        self._layers: dict[str, LayerTrace] = {}
        self._capture = capture(module)
        self._handles: list[Any] = []

    def __enter__(self) -> intervene:
        self._parts = recurrent_modules(self.module)
        self._thread = threading.get_ident()
        self._captured = self._capture.__enter__()
        for path, part in self._parts.items():
            before = f"{path}." if path else ""
            own = [name for name in self.schedules if name.startswith(before) and "." not in name.removeprefix(before)]
            if not own:
                continue
            if not isinstance(part, nn.RNNBase) or getattr(part, "is_cell", False):
                self.__exit__(None, None, None)
                raise _runs_by_steps(own[0])
            self._handles.append(part.register_forward_hook(self._rerun(before), with_kwargs=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._handles:
            self._handles.pop().remove()
        self._capture.__exit__(kind, error, traceback)

    @property
    def trace(self) -> Trace:
        """The trace of every layer."""
        return Trace(
            LayerTraces({name: self._layers.get(name, layer) for name, layer in self._captured.layers.items()})
        )

    def trace_with_grads(self) -> Trace:
        """Return ``trace`` with the gradients that a backward pass has left at the states (see ``retain_grads``)."""
        layers = dict(self.trace.layers)
        for name, layer in self._layers.items():
            if has_local_derivatives(
                layer
            ):  # gradients from outside the layer; local derivatives propagate them from step to step
                hidden, *cell = (_grad(self.stacked[name][state]) for state in layer.cell_equations.states[::-1])
                output_gradients = OutputGradients(hidden, cell[0] if cell else None, (False,) * hidden.shape[1])
            else:  # autograd's gradients of each state are complete already
                rows = self.states[name]
                hidden, *cell = (_stacked_grads(rows[state]) for state in layer.cell_equations.states[::-1])
                output_gradients = OutputGradients(
                    hidden, cell[0] if cell else None, (True,) * hidden.shape[1], cell_includes_hidden=True
                )
            layers[name] = replace(layer, recording=replace(layer.recording, output_gradients=output_gradients))
        return Trace(LayerTraces(layers))

    def retain_grads(self) -> None:
        """Retain the gradients of a backward pass at the states of the layers that run step by step."""
        for name, rows in self.states.items():
            for state in ("hidden", "cell"):
                for values in (*rows.get(state, ()), *([self.stacked[name][state]] if state in rows else [])):
                    if values.requires_grad:
                        values.retain_grad()

    def _rerun(self, before: str) -> Callable[..., Any]:
        called: list[bool] = []

        def rerun(part: Any, args: tuple, kwargs: dict, output: Any) -> Any:
            if called:  # the steps of the schedule are those of one call
                raise _runs_by_steps(f"{before}l0")
            called.append(True)
            given = args[0] if args else kwargs["input"]
            states = args[1] if len(args) > 1 else kwargs.get("hx")
            if isinstance(given, PackedSequence):
                raise Problem("Values cannot be fixed in packed sequences. Give one sequence at a time.")
            x = given[None] if given.dim() == 2 else given if part.batch_first else given.transpose(0, 1)
            starts = self._starts(part, x, states, given.dim() == 2)
            out, ends = self._stack(part, before, x, starts)
            if given.dim() == 2:
                out, ends = out[0], [state[:, 0] for state in ends]
            elif not part.batch_first:
                out = out.transpose(0, 1)
            return out, tuple(ends) if part.mode == "LSTM" else ends[0]

        return rerun

    @staticmethod
    def _starts(part: Any, x: Tensor, states: Any, unbatched: bool) -> list[Tensor]:
        """Return the states before the first step, (levels * directions, B, units) each: hidden, and for an LSTM cell."""
        if states is not None:
            states = list(states) if part.mode == "LSTM" else [states]
            return [state[:, None] for state in states] if unbatched else states
        count = part.num_layers * (2 if part.bidirectional else 1)
        widths = [part.proj_size or part.hidden_size, part.hidden_size][: 2 if part.mode == "LSTM" else 1]
        return [x.new_zeros(count, len(x), width) for width in widths]

    def _stack(self, part: Any, before: str, x: Tensor, starts: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run all levels: return the output (B, T, directions * P), and the last states in the form of ``starts``."""
        directions = 2 if part.bidirectional else 1
        ends: list[list[Tensor]] = [[] for _ in starts]
        stepwise = False
        for level in range(part.num_layers):
            rows = slice(level * directions, (level + 1) * directions)
            suffixes = [f"l{level}", f"l{level}_reverse"][:directions]
            stepwise = stepwise or any(before + suffix in self.schedules for suffix in suffixes)
            if not stepwise:
                x, *last = run_kernel(part, suffixes, x, [state[rows] for state in starts])
                for each, state in zip(ends, last, strict=True):
                    each.extend(state)
                continue
            outputs = []
            for direction, suffix in enumerate(suffixes):
                own = [state[level * directions + direction] for state in starts]
                hidden, last = self._layer(part, before, suffix, x, own)
                outputs.append(hidden)
                for each, state in zip(ends, last, strict=True):
                    each.append(state)
            x = torch.cat(outputs, -1) if directions > 1 else outputs[0]
        return x, [torch.stack(each) for each in ends]

    def _layer(
        self, part: Any, before: str, suffix: str, x: Tensor, starts: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        seen = self._captured.layers[before + suffix]
        cell, reverse = seen.cell_equations, seen.reverse
        weights = {
            name: getattr(part, f"{name}_{suffix}") for name in WEIGHT_NAMES if hasattr(part, f"{name}_{suffix}")
        }
        states = dict(zip(("hidden", "cell"), starts, strict=False))
        schedule = self.schedules.get(before + suffix, ClampSchedule())
        rows, begun = run_layer(cell, weights, x, states, schedule, reverse)
        values = {name: torch.stack(each, 1) for name, each in rows.items()}
        kept = {name: each.detach() for name, each in values.items()}
        cells = torch.stack(begun["cell"], 1).detach() if "cell" in begun else None
        first = -1 if reverse else 0
        recording = Recording(
            input=x.detach().clone(),
            hidden=kept.pop("hidden"),
            hidden_prev=torch.stack(begun["hidden"], 1).detach(),
            initial_cell=None if cells is None else cells[:, first].clone(),
            recorded=kept if cells is None else kept | {"cell_prev": cells},
            clamped=schedule.masks(values),
        )
        self._layers[before + suffix] = LayerTrace(before + suffix, seen.weights, recording, reverse)
        self.states[before + suffix], self.stacked[before + suffix] = rows, values
        end = 0 if reverse else -1
        return values["hidden"], [values[name][:, end] for name in states]


def _runs_by_steps(layer: str) -> Problem:
    """Return the error of a layer that is called more than once."""
    return Problem(
        "{layer} is run step by step by the network's own code. Values can be fixed only in nn.RNN, nn.LSTM and nn.GRU.",
        layer=layer,
    )


def run_kernel(part: Any, suffixes: list[str], x: Tensor, starts: list[Tensor]) -> tuple[Tensor, ...]:
    """Run one level of ``part`` with its own kernel: return the output (B, T, directions * P), and the last states."""
    fused: Any = {"LSTM": torch.lstm, "GRU": torch.gru, "RNN_TANH": torch.rnn_tanh, "RNN_RELU": torch.rnn_relu}
    function = part.kernel if isinstance(part, StepwiseModule) else fused[part.mode]
    own = [
        getattr(part, f"{name}_{suffix}")
        for suffix in suffixes
        for name in WEIGHT_NAMES
        if hasattr(part, f"{name}_{suffix}")
    ]
    begin: Any = starts if part.mode == "LSTM" else starts[0]
    # time first, as the capture runs a stack's levels, so that the numbers are equal bit for bit
    out, *last = function(x.transpose(0, 1), begin, own, part.bias, 1, 0.0, False, part.bidirectional, False)
    return out.transpose(0, 1), *last


def _grad(values: Tensor) -> Tensor:
    """Return the gradient of a tensor; zeros if it has none."""
    return torch.zeros_like(values) if values.grad is None else values.grad


def _stacked_grads(values: list[Tensor]) -> Tensor:
    """Return (B, T, units), the gradients of T states; zeros for those that have none."""
    return torch.stack(list(map(_grad, values)), 1)
