"""Record the inputs and outputs of recurrent layers, and join them into traces.

Everything is copied during the call, so that later changes to the network or to its inputs do not affect the trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from models.core.gate_evaluation import previous_states
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


NO_GRADIENT = GradientHook(())
"""The hook of outputs that require no gradient."""


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
        changed: whether the states were changed between two of its calls.
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
    changed: bool = False
    trace: LayerTrace | None = None


@dataclass(eq=False)
class Recorder(Mapping[str, LayerTrace]):
    """The layers recorded so far, as traces by name.

    Attributes:
        forward_count: how many times the whole network has been called.
    """

    forward_count: int = 0
    _layers: dict[str, _Layer] = field(default_factory=dict)
    _runs: dict[str, int] = field(default_factory=dict)
    _gradient_hooks: list[GradientHook] = field(default_factory=list)

    def __getitem__(self, name: str) -> LayerTrace:
        layer = self._layers[name]
        if layer.trace is None:
            layer.trace = _trace(name, layer)
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

    def _hook(self, outputs: tuple[HookedOutput, ...]) -> GradientHook:
        if not outputs:
            return NO_GRADIENT
        hook = GradientHook(outputs)
        self._gradient_hooks.append(hook)
        return hook

    def record(self, module: str, run: KernelRun, order: Tensor | None) -> None:
        """Record one run of a fused module; ``order`` restores the order of a packed batch."""
        x, lengths = _by_batch(run.input, run.batch_sizes, order)
        out, _ = _by_batch(run.output, run.batch_sizes, order)
        shared = {"input": x.copy()}
        hook = self._hook(run.hooked)
        per_direction = len(run.weights) // run.directions
        width = out.shape[-1] // run.directions
        for direction in range(run.directions):
            suffix = f"l{run.layer}_reverse" if direction else f"l{run.layer}"
            reverse = run.reverse or direction == 1
            name = f"{module}.{suffix}" if module else suffix
            own = run.weights[direction * per_direction : (direction + 1) * per_direction]
            weights = self._weights(name, run.kind, run.options, run.biases, own)
            start = None
            if run.states is not None:
                start = tuple(_ordered(_array(state)[direction].copy(), order) for state in run.states)
            columns = slice(direction * width, (direction + 1) * width)
            part = shared | _hidden(out[..., columns], start, reverse, lengths)
            if run.dropout is not None:
                part["dropout"] = _by_batch(run.dropout, run.batch_sizes, order)[0][..., columns].copy()
            joinable = run.directions == 1 and lengths is None and not reverse
            ends = (part["hidden"][:, -1], *(_array(state)[0].copy() for state in run.ends[1:])) if joinable else ()
            step = joinable and part["hidden"].shape[1] == 1
            if step and run.kind == "LSTM":  # as of a Cell's call: the state may be changed before the next one
                before = np.zeros_like(ends[1]) if start is None else start[1]
                part |= {"cell": ends[1][:, None], "cell_prev": before[:, None]}
            back = partial(
                _run_grads, weights, part["hidden"].shape, direction, reverse, columns, run.batch_sizes, lengths, order
            )
            calls = [CallGradients(hook, back)]
            layer = _Layer(weights, reverse, [part], start, ends, lengths, self.forward_count, calls)
            self._add(name, layer, joinable and start is not None, step)

    def record_step(self, module: str, step: CellStep, fresh: bool) -> None:
        """Record one call of a Cell; ``fresh`` if it was called without a state."""
        name = f"{module}.l0" if module else "l0"
        weights = self._weights(name, step.kind, step.options, len(step.weights) == 4, step.weights)
        start = tuple(_array(state).copy() for state in step.before)
        ends = tuple(_array(state).copy() for state in step.after)
        part = {"input": _array(step.input).copy(), "hidden": ends[0], "hidden_prev": start[0]}
        if step.kind == "LSTM":
            part |= {"cell": ends[1], "cell_prev": start[1]}
        parts = [{quantity: values[:, None] for quantity, values in part.items()}]
        # With separate autograd functions for both states, the cell's gradient includes the path through the hidden state.
        separate = step.kind == "LSTM" and step.hooked[0].tensor.grad_fn is not step.hooked[1].tensor.grad_fn
        call = CallGradients(self._hook(step.hooked), partial(_step_grads, ends), cell_includes_hidden=separate)
        layer = _Layer(weights, False, parts, start, ends, None, self.forward_count, [call])
        self._add(name, layer, joinable=not fresh, step=True)

    def _latest(self, name: str) -> _Layer | None:
        count = self._runs.get(name, 0)
        return self._layers.get(f"{name}#{count}" if count > 1 else name)

    def _add(self, name: str, layer: _Layer, joinable: bool, step: bool = False) -> None:
        """Continue the run that ``layer`` follows, or begin a new one."""
        last = self._latest(name)
        if last is not None and joinable and _continues(last, layer, step):
            last.changed |= not _follows(last, layer)
            last.parts += layer.parts
            last.calls += layer.calls
            last.ends, last.trace = layer.ends, None
            return
        self._runs[name] = count = self._runs.get(name, 0) + 1
        self._layers[f"{name}#{count}" if count > 1 else name] = layer

    def _weights(
        self, name: str, kind: str, options: Mapping[str, Any], biases: bool, weights: tuple[Tensor, ...]
    ) -> LayerWeights:
        """Return a copy of the weights; the copy of the layer's last run if they are unchanged."""
        own = name_weights(weights, biases)
        last = self._latest(name)
        # By value: neither a tensor's version nor its address reveals a change through .data or a parametrization.
        if last is not None and all(same_bits(last.weights.tensors[key], values) for key, values in own.items()):
            return last.weights
        return LayerWeights.from_kernel(kind, {key: _array(weight).copy() for key, weight in own.items()}, **options)


def _continues(last: _Layer, layer: _Layer, step: bool) -> bool:
    """Return whether ``layer`` continues where ``last`` ended."""
    begin = layer.start
    assert begin is not None
    if last.weights is not layer.weights or [s.shape for s in last.ends] != [s.shape for s in begin]:
        return False
    # Cell states between the steps of one part are computed from its first; a changed state has to be recorded.
    recorded = layer.weights.kind != "LSTM" or all("cell" in part for part in (*last.parts, *layer.parts))
    if _follows(last, layer):
        return recorded or not last.changed
    if not recorded:
        return False
    # A loop over a Cell, or over a layer one step at a time, may change the state between steps (dropout, masks); a state of
    # zeros, or the initial state of the run, starts a new run.
    if not step or last.forward_index != layer.forward_index or not begin[0].any():
        return False
    return last.start is None or not np.array_equal(last.start[0], begin[0])


def _follows(last: _Layer, layer: _Layer) -> bool:
    """Return whether ``layer`` begins with the states in which ``last`` ended."""
    assert layer.start is not None
    return all(map(np.array_equal, last.ends, layer.start))


def copy_to_cpu(values: Tensor) -> Tensor:
    """Return a detached copy of ``values`` on the CPU, float32 or float64."""
    return torch.from_numpy(_array(values).copy())


def _array(values: Tensor) -> np.ndarray:
    """Return ``values`` detached, on the CPU, float32 or float64; without a copy if they already are."""
    if values.dtype not in (torch.float32, torch.float64):
        values = values.float()
    return values.numpy(force=True)


def same_bits(copy: Tensor, values: Tensor) -> bool:
    """Return whether ``values`` still equal their ``copy``, bit for bit (NaN too)."""
    bits = torch.int64 if copy.dtype == torch.float64 else torch.int32
    plain = values.detach().to(copy.device, copy.dtype)
    return torch.equal(copy.view(bits), plain.view(bits))


def _ordered(values: Any, order: Tensor | None) -> Any:
    return values if order is None else values[order.numpy(force=True)]


def _by_batch(values: Tensor, batch_sizes: Tensor | None, order: Tensor | None) -> tuple[np.ndarray, Tensor | None]:
    """Return a run's values as (B, T, units), possibly without a copy, and the sequences' lengths if they were packed."""
    if batch_sizes is None:
        return _array(values), None
    packed = PackedSequence(torch.from_numpy(_array(values)), batch_sizes.cpu())
    padded, lengths = pad_packed_sequence(packed, batch_first=True)
    return _ordered(padded, order).numpy(), _ordered(lengths, order)


def _hidden(
    states: np.ndarray, start: tuple[np.ndarray, ...] | None, reverse: bool, lengths: Tensor | None
) -> dict[str, np.ndarray]:
    """Return copies of a run's hidden states (B, T, P) and of those one step earlier, by quantity."""
    batch, steps, size = states.shape
    if lengths is not None:
        first = np.zeros((batch, size), states.dtype) if start is None else start[0]
        hidden = torch.from_numpy(states.copy())
        previous = previous_states(hidden, torch.from_numpy(first), reverse, lengths)
        return {"hidden": hidden.numpy(), "hidden_prev": previous.numpy()}
    # Both are views of one array, shifted by a step.
    both = np.empty((batch, steps + 1, size), states.dtype)
    both[:, steps if reverse else 0] = 0 if start is None else start[0]
    earlier, later = both[:, :-1], both[:, 1:]
    (earlier if reverse else later)[...] = states
    return {"hidden": earlier, "hidden_prev": later} if reverse else {"hidden": later, "hidden_prev": earlier}


def _run_grads(
    weights: LayerWeights,
    shape: Sequence[int],
    direction: int,
    reverse: bool,
    columns: slice,
    batch_sizes: Tensor | None,
    lengths: Tensor | None,
    order: Tensor | None,
    grads: Mapping[int, Tensor],
) -> tuple[Tensor, Tensor | None]:
    """Return the gradients by a run's output and last states, by state: (B, T, P) hidden, and (B, T, H) cell or None."""
    dtype = next((grad.dtype for grad in grads.values()), torch.float32)
    batch, steps, _ = shape
    hidden = torch.zeros(shape, dtype=dtype)
    cell = torch.zeros(batch, steps, weights.hidden_size, dtype=dtype) if weights.kind == "LSTM" else None
    if 0 in grads:
        hidden += torch.from_numpy(_by_batch(grads[0], batch_sizes, order)[0][..., columns])
    last = (torch.full((batch,), steps) if lengths is None else lengths) - 1
    at = (torch.arange(batch), torch.zeros_like(last) if reverse else last)
    for index, values in enumerate((hidden, cell), start=1):
        if values is not None and index in grads:
            values[at] += _ordered(grads[index][direction], order)
    return hidden, cell


def _step_grads(after: Sequence[np.ndarray], grads: Mapping[int, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Return the gradients by the states after a Cell's call, as one step: (B, 1, H) hidden, and for an LSTM cell."""
    found = [
        grads[index][:, None] if index in grads else torch.from_numpy(np.zeros_like(state[:, None]))
        for index, state in enumerate(after)
    ]
    return found[0], found[1] if len(found) > 1 else None


def _trace(name: str, layer: _Layer) -> LayerTrace:
    weights, parts = layer.weights, layer.parts
    if len(parts) > 1:
        shared = [key for key in parts[0] if all(key in part for part in parts)]
        parts[:] = [{key: np.concatenate([part[key] for part in parts], axis=1) for key in shared}]
    tensors = {key: torch.from_numpy(values) for key, values in parts[0].items()}
    recording = Recording(
        input=tensors["input"],
        hidden=tensors["hidden"],
        hidden_prev=tensors["hidden_prev"],
        initial_cell=None if weights.kind != "LSTM" or layer.start is None else torch.from_numpy(layer.start[1]),
        recorded={key: tensors[key] for key in ("cell", "cell_prev") if key in tensors},
        lengths=layer.lengths,
        dropout=tensors.get("dropout"),
        output_gradients=OutputGradientCollector(list(layer.calls)),
    )
    return LayerTrace(name, weights, recording, layer.reverse)
