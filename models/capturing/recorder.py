"""Record the inputs and outputs of recurrent layers, and join them into traces.

Everything is copied during the call, so that later changes to the network or to its inputs do not affect the trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.capturing.recordable import in_backward
from models.capturing.recorded_arrays import (
    hidden_states,
    in_16_bits,
    restore_order,
    run_gradients,
    same_bits,
    step_gradients,
    to_array,
    to_padded,
)
from models.core.gradient_proof import GradientProof, WeightGradient
from models.core.layer_run import Recording
from models.core.output_gradients import CallGradients, GradientHook, HookedOutput, OutputGradientCollector
from models.core.stepwise_modules import name_weights
from models.core.trace import LayerTrace
from models.core.weights import LayerWeights


class KernelRun(NamedTuple):
    """One call of a fused kernel for one layer in all its directions, batch first: (B, T, units), or packed.

    Attributes:
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        options: of ``LayerWeights``, such as an RNN's nonlinearity.
        layer: which layer of the stack.
        directions: 1, or 2 for a bidirectional layer.
        biases: whether the weights include biases.
        weights: in the order of torch's flat weights, for each direction.
        input: (B, T, D), or (sum of lengths, D) if packed.
        states: before the first step, (directions, B, P) hidden and, LSTM, (directions, B, H) cell; None for zeros.
        output: (B, T, directions * P), or packed.
        ends: the states after the last step, as ``states``.
        batch_sizes: the number of remaining sequences at each step if packed, else None.
        dropout: the factors of the output before the next layer, shaped as ``output``, or None.
        hooked: the output and the states after the last step as the rest of the network receives them, with their gradients
            in the shapes above; empty if they require no gradient.
        reverse: whether the only direction runs from the last step to the first.
    """

    kind: str
    options: Mapping[str, Any]
    layer: int
    directions: int
    biases: bool
    weights: tuple[Tensor, ...]
    input: Tensor
    states: tuple[Tensor, ...] | None
    output: Tensor
    ends: tuple[Tensor, ...]
    batch_sizes: Tensor | None
    dropout: Tensor | None = None
    hooked: tuple[HookedOutput, ...] = ()
    reverse: bool = False


class CellStep(NamedTuple):
    """One call of a Cell.

    Attributes:
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        options: of ``LayerWeights``, such as an RNN's nonlinearity.
        weights: weight_ih, weight_hh and, if it has them, bias_ih and bias_hh.
        input: (B, D).
        before: the states before the step, (B, H) each: hidden, and for an LSTM cell.
        after: the states after it.
        hooked: these as the rest of the network receives them.
    """

    kind: str
    options: Mapping[str, Any]
    weights: tuple[Tensor, ...]
    input: Tensor
    before: tuple[Tensor, ...]
    after: tuple[Tensor, ...]
    hooked: tuple[HookedOutput, ...] = ()


@dataclass(eq=False)
class _Layer:
    """One run of one layer in one direction, which further calls may continue.

    Attributes:
        weights: of the layer.
        reverse: whether it runs from the last position to the first.
        parts: consecutive parts of the run, each (B, T, units) by quantity.
        start: the states before the first step: (B, P) hidden, and for an LSTM (B, H) cell; None for zeros.
        ends: the states after the last step, likewise; empty if no call can continue from them.
        lengths: (B), if the sequences were packed.
        forward_index: the number of the network's call in which it ran.
        calls: the gradients by the outputs of each call.
        given: the input of each call, (B, S, D), to find the call that activation checkpointing repeats.
        low_precision: whether it computed with 16 bits.
        used: the gradients that reach each weight, by name.
        changed: whether the states were changed between two of its calls.
        ambiguous: whether activation checkpointing repeated a call that has the same input as another one.
        trace: the cached trace.
    """

    weights: LayerWeights
    reverse: bool
    parts: list[dict[str, np.ndarray]]
    start: tuple[np.ndarray, ...] | None
    ends: tuple[np.ndarray, ...]
    lengths: Tensor | None
    forward_index: int
    calls: list[CallGradients]
    given: list[np.ndarray]
    low_precision: bool
    used: dict[str, list[WeightGradient]] = field(default_factory=dict)
    changed: bool = False
    ambiguous: bool = False
    trace: LayerTrace | None = None


@dataclass(eq=False)
class Recorder(Mapping[str, LayerTrace]):
    """The layers recorded so far, as traces by name.

    Attributes:
        forward_count: how many times the whole network has been called.
        skipped: the modules with calls that were not recorded, by the reason.
    """

    forward_count: int = 0
    skipped: dict[str, list[str]] = field(default_factory=dict)
    _layers: dict[str, _Layer] = field(default_factory=dict)
    _runs: dict[str, int] = field(default_factory=dict)
    _gradient_hooks: list[GradientHook] = field(default_factory=list)
    _weight_gradients: dict[int, WeightGradient] = field(default_factory=dict)

    def __getitem__(self, name: str) -> LayerTrace:
        layer = self._layers[name]
        if layer.trace is None:
            layer.trace = self._trace(name, layer)
        return layer.trace

    def __contains__(self, name: object) -> bool:
        return name in self._layers

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def close(self) -> None:
        """Remove the gradient hooks."""
        while self._gradient_hooks:
            self._gradient_hooks.pop().remove()
        for used in self._weight_gradients.values():
            used.hook.remove()
        self._weight_gradients.clear()

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
        hook = GradientHook(outputs)
        if hook:
            self._gradient_hooks.append(hook)
        return hook

    def record(self, module: str, run: KernelRun, order: Tensor | None, new: bool = True) -> None:
        """Record one run of a fused module.

        Args:
            module: its name.
            run: its call.
            order: restores the order of a packed batch.
            new: whether it may begin a run; otherwise it is recorded only if it repeats one, for activation checkpointing.
        """
        x, lengths = to_padded(run.input, run.batch_sizes, order)
        out, _ = to_padded(run.output, run.batch_sizes, order)
        shared = {"input": x.copy()}
        hook = self._hook(run.hooked)
        per_direction = len(run.weights) // run.directions
        width = out.shape[-1] // run.directions
        for direction in range(run.directions):
            suffix = f"l{run.layer}_reverse" if direction else f"l{run.layer}"
            reverse = run.reverse or direction == 1
            name = f"{module}.{suffix}" if module else suffix
            own = name_weights(run.weights[direction * per_direction : (direction + 1) * per_direction], run.biases)
            weights = self._weights(name, run.kind, run.options, own)
            start = None
            if run.states is not None:
                start = tuple(restore_order(to_array(state)[direction].copy(), order) for state in run.states)
            columns = slice(direction * width, (direction + 1) * width)
            part = shared | hidden_states(out[..., columns], start, reverse, lengths)
            if run.dropout is not None:
                part["dropout"] = to_padded(run.dropout, run.batch_sizes, order)[0][..., columns].copy()
            joinable = run.directions == 1 and lengths is None and not reverse
            ends = (part["hidden"][:, -1], *(to_array(state)[0].copy() for state in run.ends[1:])) if joinable else ()
            if joinable and run.kind == "LSTM" and out.shape[1] == 1:  # one step: its cell is its last state
                before = np.zeros_like(ends[1]) if start is None else start[1]
                part |= {"cell": ends[1][:, None], "cell_prev": before[:, None]}
            back = partial(
                run_gradients,
                weights,
                part["hidden"].shape,
                direction,
                reverse,
                columns,
                run.batch_sizes,
                lengths,
                order,
            )
            calls = [CallGradients([hook], back)]
            layer = _Layer(
                weights, reverse, [part], start, ends, lengths, self.forward_count, calls, [part["input"]],
                low_precision=in_16_bits(run.output),
            )  # fmt: skip
            step = out.shape[1] == 1 and self.forward_count > 0  # as a Cell in a loop
            self._add(name, layer, own, joinable and start is not None, new, step)

    def record_step(self, module: str, step: CellStep, fresh: bool, new: bool = True) -> None:
        """Record one call of a Cell; ``fresh`` if it was called without a state, ``new`` as in ``record``."""
        name = f"{module}.l0" if module else "l0"
        own = name_weights(step.weights, len(step.weights) == 4)
        weights = self._weights(name, step.kind, step.options, own)
        start = tuple(to_array(state).copy() for state in step.before)
        ends = tuple(to_array(state).copy() for state in step.after)
        part = {"input": to_array(step.input).copy(), "hidden": ends[0], "hidden_prev": start[0]}
        if step.kind == "LSTM":
            part |= {"cell": ends[1], "cell_prev": start[1]}
        parts = [{quantity: values[:, None] for quantity, values in part.items()}]
        # With separate autograd functions for both states, the cell's gradient includes the path through the hidden state.
        separate = (
            step.kind == "LSTM"
            and bool(step.hooked)
            and step.hooked[0].tensor.grad_fn is not step.hooked[1].tensor.grad_fn
        )
        call = CallGradients([self._hook(step.hooked)], partial(step_gradients, ends), cell_includes_hidden=separate)
        layer = _Layer(
            weights, False, parts, start, ends, None, self.forward_count, [call], [parts[0]["input"]],
            low_precision=in_16_bits(step.after[0]),
        )  # fmt: skip
        self._add(name, layer, own, not fresh, new, step=True)

    def _all_runs(self, name: str) -> list[str]:
        return [_run_name(name, count) for count in range(1, self._runs.get(name, 0) + 1)]

    def _latest(self, name: str) -> _Layer | None:
        return self._layers.get(_run_name(name, self._runs.get(name, 0)))

    def _add(
        self, name: str, layer: _Layer, own: Mapping[str, Tensor], joinable: bool, new: bool, step: bool = False
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
            last.ends, last.trace = layer.ends, None
            self._use_weights(_run_name(name, self._runs[name]), layer, own)
            return
        self._runs[name] = self._runs.get(name, 0) + 1
        run = _run_name(name, self._runs[name])
        self._layers[run] = layer
        self._use_weights(run, layer, own)

    def _repeat(self, name: str, layer: _Layer) -> str | None:
        """Add the gradients of a repeated call to the record of the first; return that run's name, or None without one."""
        calls = [(run, index) for run in self._all_runs(name) for index in range(len(self._layers[run].given))]
        same: list[tuple[str, int]] = []
        for close in (partial(np.array_equal, equal_nan=True), partial(np.allclose, rtol=1e-4, atol=1e-6)):
            # a kernel without gradients rounds differently: then a layer above has another input
            same = same or [
                (run, index)
                for run, index in calls
                if (given := self._layers[run].given[index]).shape == layer.given[0].shape
                and close(given, layer.given[0])
            ]
        if not same:
            return None
        run, index = same[-1]
        first, [again] = self._layers[run].calls[index], layer.calls
        if first.hooks[0]:  # recorded with gradients (use_reentrant=False): they reach the outputs of the first call
            return run
        for each, at in same:
            self._layers[each].ambiguous |= len(same) > 1 and not self._layers[each].calls[at].hooks[0]
        first.hooks += again.hooks
        first.cell_includes_hidden |= again.cell_includes_hidden
        self._layers[run].trace = None
        return run

    def _use_weights(self, run: str, layer: _Layer, own: Mapping[str, Tensor]) -> None:
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

    def _weights(self, name: str, kind: str, options: Mapping[str, Any], own: Mapping[str, Tensor]) -> LayerWeights:
        """Return a copy of the weights; the copy of the layer's last run if they are unchanged."""
        last = self._latest(name)
        # By value: neither a tensor's version nor its address reveals a change through .data or a parametrization.
        if last is not None and all(same_bits(last.weights.tensors[key], values) for key, values in own.items()):
            return last.weights
        return LayerWeights.from_kernel(kind, {key: to_array(weight).copy() for key, weight in own.items()}, **options)

    def _trace(self, name: str, layer: _Layer) -> LayerTrace:
        weights, parts = layer.weights, layer.parts
        if len(parts) > 1:
            common = [key for key in parts[0] if all(key in part for part in parts)]
            parts[:] = [{key: np.concatenate([part[key] for part in parts], axis=1) for key in common}]
        tensors = {key: torch.from_numpy(values) for key, values in parts[0].items()}
        proof = GradientProof(name, self, layer.used, layer.ambiguous)
        recording = Recording(
            input=tensors["input"],
            hidden=tensors["hidden"],
            hidden_prev=tensors["hidden_prev"],
            initial_cell=None if weights.kind != "LSTM" or layer.start is None else torch.from_numpy(layer.start[1]),
            recorded={key: tensors[key] for key in ("cell", "cell_prev") if key in tensors},
            lengths=layer.lengths,
            dropout=tensors.get("dropout"),
            output_gradients=OutputGradientCollector(list(layer.calls), proof),
        )
        return LayerTrace(name, weights, recording, layer.reverse)


def _run_name(name: str, count: int) -> str:
    """Return the name of a layer's run, counted from 1."""
    return f"{name}#{count}" if count > 1 else name


def _continues(last: _Layer, layer: _Layer, step: bool) -> bool:
    """Return whether ``layer`` continues where ``last`` ended."""
    begin = layer.start
    assert begin is not None
    if last.weights is not layer.weights or [s.shape for s in last.ends] != [s.shape for s in begin]:
        return False
    # An LSTM's cell states between the steps of a part follow from its first one, so a changed one has to be recorded.
    recorded = layer.weights.kind != "LSTM" or all("cell" in part for part in (*last.parts, *layer.parts))
    if _follows(last, layer):
        return recorded or not last.changed
    if not recorded or not begin[0].any():  # a state of zeros starts a new run
        return False
    if not step or last.forward_index != layer.forward_index:
        return _masked(last, begin)
    # A loop may change the state between steps (dropout, masks); the initial state of the run starts a new run.
    return last.start is None or not np.array_equal(last.start[0], begin[0])


def _follows(last: _Layer, layer: _Layer) -> bool:
    """Return whether ``layer`` begins with the states in which ``last`` ended."""
    assert layer.start is not None
    return all(map(np.array_equal, last.ends, layer.start))


def _masked(last: _Layer, begin: tuple[np.ndarray, ...]) -> bool:
    """Return whether ``begin`` is where ``last`` ended, except for sequences with states set to zero."""
    same = np.logical_and.reduce([(end == state).all(axis=1) for end, state in zip(last.ends, begin, strict=True)])
    zero = np.logical_and.reduce([~state.any(axis=1) for state in begin])
    return bool((same | zero).all() and same.any())
