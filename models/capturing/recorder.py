"""Record the inputs and outputs of recurrent layers, and join them into traces.

Everything is copied during the call, so that later changes to the network or to its inputs do not affect the trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from models.capturing.kernel_runs import CellStep, KernelRun, ReplayedGradients, StackRun
from models.capturing.layer_records import LayerRecord, Part, RecordedTraces, computed
from models.capturing.recordable import in_backward
from models.capturing.recorded_arrays import (
    all_same_bits,
    copy_of,
    equal,
    hidden_states,
    in_16_bits,
    restore_order,
    run_gradients,
    sequence_lengths,
    step_gradients,
    to_padded,
)
from models.core.gradient_proof import WeightGradient
from models.core.output_gradients import CallGradients, GradientHook, HookedOutput
from models.core.recorded_weights import RecordedWeights
from models.core.stepwise_modules import name_weights
from models.core.trace import LayerTrace

WITHOUT_GRADIENTS = GradientHook(())
"""The hook of a call whose outputs require no gradient."""


@dataclass(eq=False)
class Recorder(Mapping[str, LayerTrace]):
    """The layers recorded so far, as traces by name.

    Attributes:
        forward_count: how many times the whole network has been called.
        skipped: the modules with calls that were not recorded, by the reason.
    """

    forward_count: int = 0
    skipped: dict[str, list[str]] = field(default_factory=dict)
    _recorded: RecordedTraces = field(default_factory=RecordedTraces)
    _traces: dict[str, LayerTrace] = field(default_factory=dict)
    _runs: dict[str, int] = field(default_factory=dict)
    _gradient_hooks: list[GradientHook] = field(default_factory=list)
    _weight_gradients: dict[int, WeightGradient] = field(default_factory=dict)

    def __getitem__(self, name: str) -> LayerTrace:
        if name not in self._traces:
            self._traces[name] = self._recorded[name]
        return self._traces[name]

    def __contains__(self, name: object) -> bool:
        return name in self._layers

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    @property
    def _layers(self) -> dict[str, LayerRecord]:
        return self._recorded.records

    def _forget(self, run: str) -> None:
        """Make a new trace of a run when it is next read."""
        self._traces.pop(run, None)
        self._recorded.forget(run)

    def close(self) -> None:
        """Remove the gradient hooks."""
        while self._gradient_hooks:
            self._gradient_hooks.pop().remove()
        for used in self._weight_gradients.values():
            used.hook.remove()
        self._weight_gradients.clear()

    def records(self) -> bool:
        """Return whether a call of a recurrent module that runs now is recorded."""
        return True

    def skip(self, module: str, reason: str) -> None:
        """Note that a call of ``module`` was not recorded."""
        names = self.skipped.setdefault(reason, [])
        if module not in names:
            names.append(module)

    def missing(self) -> str:
        """Return one sentence that names the modules with calls that were not recorded, and why; "" if there are none."""
        reasons = [
            f"{', '.join(name or 'the module' for name in names)} ({reason})" for reason, names in self.skipped.items()
        ]
        return f"not recorded: {'; '.join(reasons)}" if reasons else ""

    def _hook(self, outputs: tuple[HookedOutput, ...]) -> GradientHook:
        if not outputs:
            return WITHOUT_GRADIENTS
        hook = GradientHook(outputs)
        if hook:
            self._gradient_hooks.append(hook)
        return hook

    def record_stack(self, module: str, stack: StackRun, order: Tensor | None, new: bool = True) -> None:
        """Record one run of all layers of a fused module, with arguments as of ``record``."""
        hook = self._hook(stack.hooked)
        for run in stack.runs:
            layers = self.record(module, run, order, new, ReplayedGradients(stack.replay, hook, run.layer))
            stack.replay.weights[run.layer] = [values for each in layers for values in each.weights.copies.values()]

    def record(
        self, module: str, run: KernelRun, order: Tensor | None, new: bool = True, hook: GradientHook | None = None
    ) -> list[LayerRecord]:
        """Record one run of one layer of a fused module, and return its record in each direction.

        Args:
            module: its name.
            run: its call.
            order: restores the order of a packed batch.
            new: whether it may begin a run; otherwise it is recorded only if it repeats one, for activation checkpointing.
            hook: has the gradients by its output and its last states; None to register one on them.
        """
        self._recorded.order_streams(run.weights[0])
        lengths = sequence_lengths(run.batch_sizes, order)
        given, out = run.input, run.output
        if lengths is not None or callable(given) or callable(out):
            given, out = (_later(values, run.batch_sizes, order) for values in (given, out))
        read = cache(lambda: copy_of(given())) if callable(given) else copy_of(given)
        hook = self._hook(run.hooked) if hook is None else hook
        per_direction = len(run.weights) // run.directions
        found = []
        for direction in range(run.directions):
            suffix = f"l{run.layer}_reverse" if direction else f"l{run.layer}"
            reverse = run.reverse or direction == 1
            name = f"{module}.{suffix}" if module else suffix
            mine = run.weights[direction * per_direction : (direction + 1) * per_direction]
            own = name_weights(mine, run.biases, run.options)
            weights = self._weights(name, run.kind, run.options, own)
            start = None
            if run.states is not None:
                start = tuple(restore_order(copy_of(state, direction), order) for state in run.states)
            width = own["weight_hr" if "weight_hr" in own else "weight_hh"].shape[0 if "weight_hr" in own else 1]
            columns = slice(direction * width, (direction + 1) * width)
            part: Part = {"input": read}
            if callable(out):
                states = cache(partial(_hidden_states, out, columns, start, reverse, lengths))
                part |= {key: partial(_quantity, states, key) for key in ("hidden", "hidden_prev")}
            else:
                part |= hidden_states(out[..., columns] if run.directions > 1 else out, start, reverse, lengths)
            if run.dropout is not None:
                part["dropout"] = copy_of(to_padded(run.dropout, run.batch_sizes, order)[..., columns])
            joinable = run.directions == 1 and lengths is None and not reverse
            ends = tuple(copy_of(state, 0) for state in run.ends) if joinable else ()
            if joinable and run.kind == "LSTM" and run.shape[1] == 1:  # one step: its cell is its last state
                before = torch.zeros_like(ends[1]) if start is None else start[1]
                part |= {"cell": ends[1].unsqueeze(1), "cell_prev": before.unsqueeze(1)}
            shape = (*run.shape, width)
            back = partial(run_gradients, weights, shape, direction, reverse, columns, run.batch_sizes, lengths, order)
            layer = LayerRecord(
                weights, reverse, [part], start, ends, lengths, self.forward_count, [CallGradients([hook], back)], [read],
                low_precision=run.low_precision,
            )  # fmt: skip
            step = run.shape[1] == 1 and self.forward_count > 0  # as a Cell in a loop
            self._add(name, layer, own, joinable and start is not None, new, step)
            found.append(layer)
        return found

    def record_step(self, module: str, step: CellStep, fresh: bool, new: bool = True) -> None:
        """Record one call of a Cell; ``fresh`` if it was called without a state, ``new`` as in ``record``."""
        name = f"{module}.l0" if module else "l0"
        self._recorded.order_streams(step.input)
        own = name_weights(step.weights, len(step.weights) == 4, step.options)
        weights = self._weights(name, step.kind, step.options, own)
        start, ends = tuple(map(copy_of, step.before)), tuple(map(copy_of, step.after))
        values = {"input": copy_of(step.input), "hidden": ends[0], "hidden_prev": start[0]}
        if step.kind == "LSTM":
            values |= {"cell": ends[1], "cell_prev": start[1]}
        part: Part = {quantity: each.unsqueeze(1) for quantity, each in values.items()}
        # With separate autograd functions for both states, the cell's gradient includes the path through the hidden state.
        separate = (
            step.kind == "LSTM"
            and bool(step.hooked)
            and step.hooked[0].tensor.grad_fn is not step.hooked[1].tensor.grad_fn
        )
        call = CallGradients([self._hook(step.hooked)], partial(step_gradients, ends), cell_includes_hidden=separate)
        layer = LayerRecord(
            weights, False, [part], start, ends, None, self.forward_count, [call], [part["input"]],
            low_precision=bool(step.hooked) and in_16_bits(step.after[0]),
        )  # fmt: skip
        self._add(name, layer, own, not fresh, new, step=True)

    def _all_runs(self, name: str) -> list[str]:
        return [_run_name(name, count) for count in range(1, self._runs.get(name, 0) + 1)]

    def _latest(self, name: str) -> LayerRecord | None:
        return self._layers.get(_run_name(name, self._runs.get(name, 0)))

    def _add(
        self, name: str, layer: LayerRecord, own: Mapping[str, Tensor], joinable: bool, new: bool, step: bool = False
    ) -> None:
        """Repeat an earlier call in a backward pass, continue the run that ``layer`` follows, or begin a new one."""
        if in_backward() and (run := self._repeat(name, layer)) is not None:
            self._use_weights(run, layer, own)
            return
        if not new:
            return
        last = self._latest(name)
        if last is not None and joinable and _continues(last, layer, step):
            last.parts += layer.parts
            last.calls += layer.calls
            last.given += layer.given
            last.changed |= not _follows(last, layer)
            last.ends = layer.ends
            self._forget(_run_name(name, self._runs[name]))
            self._use_weights(_run_name(name, self._runs[name]), layer, own)
            return
        self._runs[name] = self._runs.get(name, 0) + 1
        run = _run_name(name, self._runs[name])
        self._layers[run] = layer
        self._use_weights(run, layer, own)

    def _repeat(self, name: str, layer: LayerRecord) -> str | None:
        """Add the gradients of a repeated call to the record of the first; return that run's name, or None without one."""
        calls = [(run, index) for run in self._all_runs(name) for index in range(len(self._layers[run].given))]
        same: list[tuple[str, int]] = []
        again = computed(layer.given[0])
        # a kernel without gradients rounds differently: then a layer above has another input
        for tolerance in ({"rtol": 0.0, "atol": 0.0}, {"rtol": 1e-4, "atol": 1e-6}):
            same = same or [
                (run, index)
                for run, index in calls
                if (given := computed(self._layers[run].given[index])).shape == again.shape
                and torch.allclose(given, again.to(given), equal_nan=True, **tolerance)
            ]
        if not same:
            return None
        run, index = same[-1]
        first, [repeated] = self._layers[run].calls[index], layer.calls
        if first.hooks[0]:  # recorded with gradients (use_reentrant=False): they reach the outputs of the first call
            return run
        for each, at in same:
            self._layers[each].ambiguous |= len(same) > 1 and not self._layers[each].calls[at].hooks[0]
        first.hooks += repeated.hooks
        first.cell_includes_hidden |= repeated.cell_includes_hidden
        self._forget(run)
        return run

    def _use_weights(self, run: str, layer: LayerRecord, own: Mapping[str, Tensor]) -> None:
        """Hook the weights of a call whose outputs require gradients."""
        if not layer.calls[0].hooks[0]:
            return
        for name, weight in own.items():
            if not weight.requires_grad:
                continue
            used = self._weight_gradients.get(id(weight))
            if used is None:
                used = self._weight_gradients[id(weight)] = WeightGradient(weight)
            used.low_precision |= layer.low_precision
            used.uses[run, name] = None
            known = self._layers[run].used.setdefault(name, [])
            if used not in known:
                known.append(used)

    def _weights(self, name: str, kind: str, options: Mapping[str, Any], own: Mapping[str, Tensor]) -> RecordedWeights:
        """Return a copy of the weights; the copy of the layer's last run if they are unchanged."""
        last = self._latest(name)
        # By value: neither a tensor's version nor its address reveals a change through .data or a parametrization.
        if last is not None and all_same_bits(last.weights.copies, own):
            return last.weights
        return RecordedWeights.of(kind, {key: copy_of(weight) for key, weight in own.items()}, **options)


def _later(
    values: Tensor | Callable[[], Tensor], batch_sizes: Tensor | None, order: Tensor | None
) -> Tensor | Callable[[], Tensor]:
    """Return a run's values as (B, T, units), or a function that computes them."""
    if callable(values):
        return lambda: to_padded(values(), batch_sizes, order)
    return to_padded(values, batch_sizes, order)


def _hidden_states(out: Callable[[], Tensor], columns: slice, *rest: Any) -> dict[str, Tensor]:
    """Return the hidden states of one direction of an output that is yet to be computed."""
    return hidden_states(out()[..., columns], *rest)


def _quantity(states: Callable[[], dict[str, Tensor]], name: str) -> Tensor:
    return states()[name]


def _run_name(name: str, count: int) -> str:
    """Return the name of a layer's run, counted from 1."""
    return f"{name}#{count}" if count > 1 else name


def _continues(last: LayerRecord, layer: LayerRecord, step: bool) -> bool:
    """Return whether ``layer`` continues where ``last`` ended."""
    begin = layer.start
    assert begin is not None
    if last.weights is not layer.weights or [s.shape for s in last.ends] != [s.shape for s in begin]:
        return False
    # An LSTM's cell states between the steps of a part follow from its first one, so a changed one has to be recorded.
    recorded = layer.weights.kind != "LSTM" or all("cell" in part for part in (*last.parts, *layer.parts))
    if _follows(last, layer):
        return recorded or not last.changed
    if not recorded or not bool(begin[0].any()):  # a state of zeros starts a new run
        return False
    if not step or last.forward_index != layer.forward_index:
        return _masked(last, begin)
    # A loop may change the state between steps (dropout, masks); the initial state of the run starts a new run.
    return last.start is None or not equal(last.start[:1], begin[:1])


def _follows(last: LayerRecord, layer: LayerRecord) -> bool:
    """Return whether ``layer`` begins with the states in which ``last`` ended."""
    assert layer.start is not None
    return equal(last.ends, layer.start)


def _masked(last: LayerRecord, begin: tuple[Tensor, ...]) -> bool:
    """Return whether ``begin`` is where ``last`` ended, except for sequences with states set to zero."""
    same = torch.stack([(end == state).all(1) for end, state in zip(last.ends, begin, strict=True)]).all(0)
    zero = torch.stack([(state == 0).all(1) for state in begin]).all(0)
    return bool((same | zero).all() and same.any())
