"""Keep what recurrent layers read and put out, and join it into traces.

Everything is copied the moment it is seen, so that what happens to the network or to its inputs later changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from models.arrivals import Arrivals, Call, Flow, Listener
from models.evaluate import shifted
from models.stepwise_modules import named
from models.trace import LayerTrace, Recording
from models.weights import LayerWeights


class Run(NamedTuple):
    """One call of a fused kernel for one layer in all its directions, time first: (T, B, units), or packed.

    Attributes:
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        options: of ``LayerWeights``, such as an RNN's nonlinearity.
        layer: which layer of the stack.
        directions: 1, or 2 for a bidirectional layer.
        biases: whether the weights hold biases.
        weights: in the order of torch's flat weights, for each direction.
        input: (T, B, D), or (sum of lengths, D) where packed.
        states: before the first step, (directions, B, P) hidden and, LSTM, (directions, B, H) cell; None for zeros.
        output: (T, B, directions * P), or packed.
        ends: the states after the last step, as ``states``.
        batch_sizes: how many sequences are left at each step where packed, else None.
        dropout: what the output was multiplied by on its way up, as ``output``, or None.
        flows: the output and the states after the last step as they go on into the network, shaped as those above.
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
    flows: tuple[Flow, ...] = ()


class Step(NamedTuple):
    """One call of a Cell.

    Attributes:
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        options: of ``LayerWeights``, such as an RNN's nonlinearity.
        weights: weight_ih, weight_hh and, if it has them, bias_ih and bias_hh.
        input: (B, D).
        before: the states it was given, (B, H) each: hidden, and for an LSTM cell.
        after: the states it gave back.
        flows: these as they go on into the network.
    """

    kind: str
    options: Mapping[str, Any]
    weights: tuple[Tensor, ...]
    input: Tensor
    before: tuple[Tensor, ...]
    after: tuple[Tensor, ...]
    flows: tuple[Flow, ...] = ()


@dataclass(eq=False)
class _Layer:
    """One run of one layer in one direction, which further calls may continue."""

    weights: LayerWeights
    reverse: bool
    parts: list[dict[str, Tensor]]
    """Consecutive parts of the run, each (B, T, units) by quantity."""
    start: tuple[Tensor, ...] | None
    """The states before the first step: (B, P) hidden, and for an LSTM (B, H) cell; None for zeros."""
    ends: tuple[Tensor, ...]
    """The states after the last step, likewise; empty where no call can go on from them."""
    lengths: Tensor | None
    forward: int
    """In which call of the whole network it ran."""
    calls: list[Call]
    """What is heard of the gradients that come back to it."""
    trace: LayerTrace | None = None


@dataclass(eq=False)
class Recorder(Mapping[str, LayerTrace]):
    """The layers recorded so far, as traces by name."""

    forward: int = 0
    """How many times the whole network has been called."""
    _layers: dict[str, _Layer] = field(default_factory=dict)
    _runs: dict[str, int] = field(default_factory=dict)
    _listeners: list[Listener] = field(default_factory=list)

    def __getitem__(self, name: str) -> LayerTrace:
        layer = self._layers[name]
        if layer.trace is None:
            layer.trace = _trace(name, layer)
        return layer.trace

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def close(self) -> None:
        """Listen to no more gradients."""
        while self._listeners:
            self._listeners.pop().stop()

    def _listen(self, flows: tuple[Flow, ...]) -> Listener:
        listener = Listener(flows)
        self._listeners.append(listener)
        return listener

    def record(self, module: str, run: Run, order: Tensor | None) -> None:
        """Keep one run of a fused module; ``order`` puts a packed batch back into the order it was given in."""
        per_direction = len(run.weights) // run.directions
        width = run.output.shape[-1] // run.directions
        sequences, lengths = _by_batch(run, order)
        listener = self._listen(run.flows)
        for direction in range(run.directions):
            suffix = f"l{run.layer}" + ("_reverse" if direction else "")
            name = f"{module}.{suffix}" if module else suffix
            own = run.weights[direction * per_direction : (direction + 1) * per_direction]
            weights = self._weights(name, run.kind, run.options, run.biases, own)
            columns = slice(direction * width, (direction + 1) * width)
            part = {"input": sequences["input"], "hidden": sequences["output"][..., columns]}
            if "dropout" in sequences:
                part["dropout"] = sequences["dropout"][..., columns]
            start = None
            if run.states is not None:
                start = tuple(_ordered(copied(state[direction]), order) for state in run.states)
            joinable = run.directions == 1 and lengths is None
            ends = (part["hidden"][:, -1], *(copied(state[0]) for state in run.ends[1:])) if joinable else ()
            cells = weights.hidden_size if run.kind == "LSTM" else None
            back = partial(_run_grads, part["hidden"].shape, cells, direction, columns, run.batch_sizes, lengths, order)
            calls = [Call(listener, back)]
            layer = _Layer(weights, direction == 1, [part], start, ends, lengths, self.forward, calls)
            self._add(name, layer, joinable and start is not None)

    def record_step(self, module: str, step: Step, fresh: bool) -> None:
        """Keep one call of a Cell; ``fresh`` where it was given no state."""
        name = f"{module}.l0" if module else "l0"
        weights = self._weights(name, step.kind, step.options, len(step.weights) == 4, step.weights)
        start = tuple(copied(state) for state in step.before)
        ends = tuple(copied(state) for state in step.after)
        part = {"input": copied(step.input), "hidden": ends[0], "hidden_prev": start[0]}
        if step.kind == "LSTM":
            part |= {"cell": ends[1], "cell_prev": start[1]}
        parts = [{quantity: values[:, None] for quantity, values in part.items()}]
        # Where the hidden state was not made by the same function as the cell, it was made from it.
        whole_cell = step.kind == "LSTM" and step.flows[0].tensor.grad_fn is not step.flows[1].tensor.grad_fn
        call = Call(self._listen(step.flows), partial(_step_grads, ends), whole_cell)
        layer = _Layer(weights, False, parts, start, ends, None, self.forward, [call])
        self._add(name, layer, joinable=not fresh, step=True)

    def _newest(self, name: str) -> _Layer | None:
        count = self._runs.get(name, 0)
        return self._layers.get(f"{name}#{count}" if count > 1 else name)

    def _add(self, name: str, layer: _Layer, joinable: bool, step: bool = False) -> None:
        """Continue the run that ``layer`` goes on from, or begin a new one."""
        last = self._newest(name)
        if last is not None and joinable and _continues(last, layer, step):
            last.parts += layer.parts
            last.calls += layer.calls
            last.ends, last.trace = layer.ends, None
            return
        self._runs[name] = count = self._runs.get(name, 0) + 1
        self._layers[f"{name}#{count}" if count > 1 else name] = layer

    def _weights(
        self, name: str, kind: str, options: Mapping[str, Any], biases: bool, weights: tuple[Tensor, ...]
    ) -> LayerWeights:
        """A copy of the weights; the one that the layer's last run used where they are still the same."""
        own = named(weights, biases)
        last = self._newest(name)
        # By value: neither a tensor's version nor its address tells of a write through .data or a parametrization.
        if last is not None and all(_same(last.weights.tensors[key], values) for key, values in own.items()):
            return last.weights
        return LayerWeights.of(kind, {key: copied(weight) for key, weight in own.items()}, **options)


def _continues(last: _Layer, layer: _Layer, step: bool) -> bool:
    """Whether ``layer`` goes on where ``last`` ended."""
    begun = layer.start
    assert begun is not None
    if last.weights is not layer.weights or [s.shape for s in last.ends] != [s.shape for s in begun]:
        return False
    if all(map(torch.equal, last.ends, begun)):
        return True
    # A loop over a Cell may change the state between steps (dropout, masks); a state of zeros, or the very state that
    # the run began with, is a new beginning.
    if not step or last.forward != layer.forward or not begun[0].any():
        return False
    return last.start is None or not torch.equal(last.start[0], begun[0])


def copied(values: Tensor) -> Tensor:
    """``values`` in memory of its own, without history, on the CPU, float32 or float64."""
    kept = torch.float64 if values.dtype == torch.float64 else torch.float32
    return values.detach().to("cpu", kept, copy=True, memory_format=torch.contiguous_format)


def _same(copy: Tensor, values: Tensor) -> bool:
    """Whether ``values`` still hold what was copied, bit for bit (NaN too)."""
    bits = torch.int64 if copy.dtype == torch.float64 else torch.int32
    plain = values.detach().to(copy.device, copy.dtype)
    return torch.equal(copy.view(bits), plain.view(bits))


def _ordered(values: Tensor, order: Tensor | None) -> Tensor:
    return values if order is None else values[order.to(values.device)]


def _by_batch(run: Run, order: Tensor | None) -> tuple[dict[str, Tensor], Tensor | None]:
    """Copies of what the run read and wrote as (B, T, units), and the sequences' lengths where they were packed."""
    tensors = {"input": run.input, "output": run.output}
    if run.dropout is not None:
        tensors["dropout"] = run.dropout
    if run.batch_sizes is None:
        return {name: copied(values.transpose(0, 1)) for name, values in tensors.items()}, None
    padded, lengths = {}, None
    for name, values in tensors.items():
        padded[name], lengths = _padded(copied(values), run.batch_sizes, order)
    return padded, lengths


def _padded(values: Tensor, batch_sizes: Tensor, order: Tensor | None) -> tuple[Tensor, Tensor]:
    """Packed values as (B, T, units), and the sequences' lengths."""
    padded, lengths = pad_packed_sequence(PackedSequence(values, batch_sizes.cpu()), batch_first=True)
    return _ordered(padded, order), _ordered(lengths, order)


def _run_grads(
    shape: Sequence[int],
    cells: int | None,
    direction: int,
    columns: slice,
    batch_sizes: Tensor | None,
    lengths: Tensor | None,
    order: Tensor | None,
    grads: Sequence[Tensor | None],
) -> tuple[Tensor, Tensor | None]:
    """What came to a run's output and last states, by state: (B, T, P) hidden, and (B, T, H) where there are cells."""
    dtype = next((grad.dtype for grad in grads if grad is not None), torch.float32)
    batch, steps, _ = shape
    hidden = torch.zeros(shape, dtype=dtype)
    cell = None if cells is None else torch.zeros(batch, steps, cells, dtype=dtype)
    if grads[0] is not None:
        output = grads[0].transpose(0, 1) if batch_sizes is None else _padded(grads[0], batch_sizes, order)[0]
        hidden += output[..., columns]
    last = (torch.full((batch,), steps) if lengths is None else lengths) - 1
    at = (torch.arange(batch), torch.zeros_like(last) if direction else last)
    for values, grad in zip((hidden, cell), grads[1:], strict=False):
        if values is not None and grad is not None:
            values[at] += _ordered(grad[direction], order)
    return hidden, cell


def _step_grads(after: Sequence[Tensor], grads: Sequence[Tensor | None]) -> tuple[Tensor, Tensor | None]:
    """What came to the states that a Cell gave back, as one step: (B, 1, H) hidden, and for an LSTM cell."""
    found = [torch.zeros_like(state) if grad is None else grad for state, grad in zip(after, grads, strict=True)]
    return found[0][:, None], found[1][:, None] if len(found) > 1 else None


def _trace(name: str, layer: _Layer) -> LayerTrace:
    weights, parts = layer.weights, layer.parts
    if len(parts) > 1:
        parts[:] = [{key: torch.cat([part[key] for part in parts], dim=1) for key in parts[0]}]
    (joined,) = parts
    hidden, start = joined["hidden"], layer.start
    if start is None:
        sizes = (weights.output_size, weights.hidden_size)
        start = tuple(hidden.new_zeros(len(hidden), size) for size in sizes)
    hidden_prev = joined.get("hidden_prev")
    if hidden_prev is None:
        hidden_prev = shifted(hidden, start[0], layer.reverse, layer.lengths)
    recording = Recording(
        input=joined["input"],
        hidden=hidden,
        hidden_prev=hidden_prev,
        initial_cell=start[1] if weights.kind == "LSTM" else None,
        known={key: joined[key] for key in ("cell", "cell_prev") if key in joined},
        lengths=layer.lengths,
        dropout=joined.get("dropout"),
        arrivals=Arrivals(list(layer.calls)),
    )
    return LayerTrace(name, weights, recording, layer.reverse)
