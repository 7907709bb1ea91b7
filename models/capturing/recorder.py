"""Keep what recurrent layers read and put out, and join it into traces.

Everything is copied the moment it is seen, so that what happens to the network or to its inputs later changes nothing.
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

from models.core.gate_evaluation import shifted
from models.core.layer_run import Recording
from models.core.output_gradients import Arrivals, Call, Flow, Listener
from models.core.stepwise_modules import named
from models.core.trace import LayerTrace
from models.core.weights import LayerWeights


class Run(NamedTuple):
    """One call of a fused kernel for one layer in all its directions, batch first: (B, T, units), or packed.

    Attributes:
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        options: of ``LayerWeights``, such as an RNN's nonlinearity.
        layer: which layer of the stack.
        directions: 1, or 2 for a bidirectional layer.
        biases: whether the weights hold biases.
        weights: in the order of torch's flat weights, for each direction.
        input: (B, T, D), or (sum of lengths, D) where packed.
        states: before the first step, (directions, B, P) hidden and, LSTM, (directions, B, H) cell; None for zeros.
        output: (B, T, directions * P), or packed.
        ends: the states after the last step, as ``states``.
        batch_sizes: how many sequences are left at each step where packed, else None.
        dropout: what the output was multiplied by on its way up, as ``output``, or None.
        flows: the output and the states after the last step as they go on into the network, shaped as those above; empty
            where no gradient can come to them.
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
    flows: tuple[Flow, ...] = ()
    reverse: bool = False


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


DEAF = Listener(())
"""Where no gradient can come."""


@dataclass(eq=False)
class _Layer:
    """One run of one layer in one direction, which further calls may continue."""

    weights: LayerWeights
    reverse: bool
    parts: list[dict[str, np.ndarray]]
    """Consecutive parts of the run, each (B, T, units) by quantity."""
    start: tuple[np.ndarray, ...] | None
    """The states before the first step: (B, P) hidden, and for an LSTM (B, H) cell; None for zeros."""
    ends: tuple[np.ndarray, ...]
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

    def __contains__(self, name: object) -> bool:
        return name in self._layers

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def close(self) -> None:
        """Listen to no more gradients."""
        while self._listeners:
            self._listeners.pop().stop()

    def _listen(self, flows: tuple[Flow, ...]) -> Listener:
        if not flows:
            return DEAF
        listener = Listener(flows)
        self._listeners.append(listener)
        return listener

    def record(self, module: str, run: Run, order: Tensor | None) -> None:
        """Keep one run of a fused module; ``order`` puts a packed batch back into the order it was given in."""
        x, lengths = _by_batch(run.input, run.batch_sizes, order)
        out, _ = _by_batch(run.output, run.batch_sizes, order)
        kept = {"input": x.copy()}
        listener = self._listen(run.flows)
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
            part = kept | _hidden(out[..., columns], start, reverse, lengths)
            if run.dropout is not None:
                part["dropout"] = _by_batch(run.dropout, run.batch_sizes, order)[0][..., columns].copy()
            joinable = run.directions == 1 and lengths is None and not reverse
            ends = (part["hidden"][:, -1], *(_array(state)[0].copy() for state in run.ends[1:])) if joinable else ()
            back = partial(
                _run_grads, weights, part["hidden"].shape, direction, reverse, columns, run.batch_sizes, lengths, order
            )
            calls = [Call(listener, back)]
            layer = _Layer(weights, reverse, [part], start, ends, lengths, self.forward, calls)
            self._add(name, layer, joinable and start is not None)

    def record_step(self, module: str, step: Step, fresh: bool) -> None:
        """Keep one call of a Cell; ``fresh`` where it was given no state."""
        name = f"{module}.l0" if module else "l0"
        weights = self._weights(name, step.kind, step.options, len(step.weights) == 4, step.weights)
        start = tuple(_array(state).copy() for state in step.before)
        ends = tuple(_array(state).copy() for state in step.after)
        part = {"input": _array(step.input).copy(), "hidden": ends[0], "hidden_prev": start[0]}
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
        if last is not None and all(unchanged(last.weights.tensors[key], values) for key, values in own.items()):
            return last.weights
        return LayerWeights.of(kind, {key: _array(weight).copy() for key, weight in own.items()}, **options)


def _continues(last: _Layer, layer: _Layer, step: bool) -> bool:
    """Whether ``layer`` goes on where ``last`` ended."""
    begun = layer.start
    assert begun is not None
    if last.weights is not layer.weights or [s.shape for s in last.ends] != [s.shape for s in begun]:
        return False
    if all(map(np.array_equal, last.ends, begun)):
        return True
    # A loop over a Cell may change the state between steps (dropout, masks); a state of zeros, or the very state that
    # the run began with, is a new beginning.
    if not step or last.forward != layer.forward or not begun[0].any():
        return False
    return last.start is None or not np.array_equal(last.start[0], begun[0])


def copied(values: Tensor) -> Tensor:
    """``values`` in memory of its own, without history, on the CPU, float32 or float64."""
    return torch.from_numpy(_array(values).copy())


def _array(values: Tensor) -> np.ndarray:
    """``values`` without history, on the CPU, float32 or float64: in the memory where they are, if they are all that."""
    if values.dtype not in (torch.float32, torch.float64):
        values = values.float()
    return values.numpy(force=True)


def unchanged(copy: Tensor, values: Tensor) -> bool:
    """Whether ``values`` still hold what was copied, bit for bit (NaN too)."""
    bits = torch.int64 if copy.dtype == torch.float64 else torch.int32
    plain = values.detach().to(copy.device, copy.dtype)
    return torch.equal(copy.view(bits), plain.view(bits))


def _ordered(values: Any, order: Tensor | None) -> Any:
    return values if order is None else values[order.numpy(force=True)]


def _by_batch(values: Tensor, batch_sizes: Tensor | None, order: Tensor | None) -> tuple[np.ndarray, Tensor | None]:
    """A run's values as (B, T, units), maybe in the memory where they are, and the sequences' lengths if they were packed."""
    if batch_sizes is None:
        return _array(values), None
    packed = PackedSequence(torch.from_numpy(_array(values)), batch_sizes.cpu())
    padded, lengths = pad_packed_sequence(packed, batch_first=True)
    return _ordered(padded, order).numpy(), _ordered(lengths, order)


def _hidden(
    states: np.ndarray, start: tuple[np.ndarray, ...] | None, reverse: bool, lengths: Tensor | None
) -> dict[str, np.ndarray]:
    """Copies of a run's hidden states (B, T, P) and of those one step earlier, by quantity."""
    batch, steps, size = states.shape
    if lengths is not None:
        first = np.zeros((batch, size), states.dtype) if start is None else start[0]
        hidden = torch.from_numpy(states.copy())
        previous = shifted(hidden, torch.from_numpy(first), reverse, lengths)
        return {"hidden": hidden.numpy(), "hidden_prev": previous.numpy()}
    # One memory: what a step makes is what the next one starts from.
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
    """What came to a run's output and last states, by state: (B, T, P) hidden, and (B, T, H) where there are cells."""
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
    """What came to the states that a Cell gave back, as one step: (B, 1, H) hidden, and for an LSTM cell."""
    found = [
        grads[index][:, None] if index in grads else torch.from_numpy(np.zeros_like(state[:, None]))
        for index, state in enumerate(after)
    ]
    return found[0], found[1] if len(found) > 1 else None


def _trace(name: str, layer: _Layer) -> LayerTrace:
    weights, parts = layer.weights, layer.parts
    if len(parts) > 1:
        parts[:] = [{key: np.concatenate([part[key] for part in parts], axis=1) for key in parts[0]}]
    kept = {key: torch.from_numpy(values) for key, values in parts[0].items()}
    recording = Recording(
        input=kept["input"],
        hidden=kept["hidden"],
        hidden_prev=kept["hidden_prev"],
        initial_cell=None if weights.kind != "LSTM" or layer.start is None else torch.from_numpy(layer.start[1]),
        known={key: kept[key] for key in ("cell", "cell_prev") if key in kept},
        lengths=layer.lengths,
        dropout=kept.get("dropout"),
        arrivals=Arrivals(list(layer.calls)),
    )
    return LayerTrace(name, weights, recording, layer.reverse)
