"""Keep what recurrent layers read and put out, and join it into traces.

Everything is copied the moment it is seen, so that what happens to the network or to its inputs later changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from models.evaluate import shifted
from models.trace import LayerTrace, Recording
from models.weights import LayerWeights


@dataclass(frozen=True, eq=False)
class Run:
    """One call of a fused kernel for one layer in all its directions, time first: (T, B, units), or packed.

    Attributes:
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        nonlinearity: of an RNN.
        layer: which layer of the stack.
        directions: 1, or 2 for a bidirectional layer.
        biases: whether the weights hold biases.
        weights: in the order of torch's flat weights, for each direction.
        input: (T, B, D), or (sum of lengths, D) where packed.
        states: (directions, B, P) hidden, and for an LSTM (directions, B, H) cell, before the first step; None for zeros.
        output: (T, B, directions * P), or packed.
        batch_sizes: how many sequences are left at each step where packed, else None.
        dropout: what the output was multiplied by on its way up, as ``output``, or None.
    """

    kind: str
    nonlinearity: str
    layer: int
    directions: int
    biases: bool
    weights: tuple[Tensor, ...]
    input: Tensor
    states: tuple[Tensor, ...] | None
    output: Tensor
    batch_sizes: Tensor | None
    dropout: Tensor | None = None


@dataclass(eq=False)
class _Layer:
    """One run of one layer in one direction, which further calls may continue."""

    weights: LayerWeights
    reverse: bool
    parts: list[dict[str, Tensor]]
    """Consecutive parts of the run, each (B, T, units) by quantity."""
    start: tuple[Tensor, ...] | None
    """The states before the first step: (B, P) hidden, and for an LSTM (B, H) cell; None for zeros."""
    lengths: Tensor | None
    forward: int
    """In which call of the whole network it ran."""
    trace: LayerTrace | None = None


@dataclass
class Recorder(Mapping[str, LayerTrace]):
    """The layers recorded so far, as traces by name."""

    forward: int = 0
    """How many times the whole network has been called."""
    _layers: dict[str, _Layer] = field(default_factory=dict)
    _runs: dict[str, int] = field(default_factory=dict)
    _snapshots: dict[tuple, LayerWeights] = field(default_factory=dict)

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
        """Nothing more will come: let go of what only served to recognise weights."""
        self._snapshots.clear()

    def record(self, module: str, run: Run, order: Tensor | None) -> None:
        """Keep one run of a fused module; ``order`` puts a packed batch back into the order it was given in."""
        per_direction = len(run.weights) // run.directions
        width = run.output.shape[-1] // run.directions
        sequences, lengths = _by_batch(run, order)
        for direction in range(run.directions):
            own = run.weights[direction * per_direction : (direction + 1) * per_direction]
            weights = self._snapshot(run.kind, run.nonlinearity, run.biases, own)
            columns = slice(direction * width, (direction + 1) * width)
            part = {"input": sequences["input"], "hidden": sequences["output"][..., columns]}
            if "dropout" in sequences:
                part["dropout"] = sequences["dropout"][..., columns]
            start = None
            if run.states is not None:
                start = tuple(_ordered(_copy(state[direction]), order) for state in run.states)
            layer = _Layer(weights, direction == 1, [part], start, lengths, self.forward)
            suffix = f"l{run.layer}" + ("_reverse" if direction else "")
            joinable = run.directions == 1 and lengths is None
            self._add(f"{module}.{suffix}" if module else suffix, layer, joinable)

    def record_step(
        self,
        module: str,
        kind: str,
        nonlinearity: str,
        weights: Sequence[Tensor],
        x: Tensor,
        before: Sequence[Tensor],
        after: Sequence[Tensor],
        fresh: bool,
    ) -> None:
        """Keep one call of a Cell: ``x`` (B, D), states ``before`` and ``after``; ``fresh`` where none was given."""
        start = tuple(_copy(state) for state in before)
        end = tuple(_copy(state) for state in after)
        part = {"input": _copy(x)[:, None], "hidden": end[0][:, None], "hidden_prev": start[0][:, None]}
        if kind == "LSTM":
            part |= {"cell": end[1][:, None], "cell_prev": start[1][:, None]}
        snapshot = self._snapshot(kind, nonlinearity, len(weights) == 4, weights)
        layer = _Layer(snapshot, False, [part], start, None, self.forward)
        self._add(f"{module}.l0" if module else "l0", layer, joinable=not fresh, step=True)

    def _add(self, name: str, layer: _Layer, joinable: bool, step: bool = False) -> None:
        """Continue the run that ``layer`` goes on from, or begin a new one."""
        count = self._runs.get(name, 0)
        last = self._layers.get(f"{name}#{count}" if count > 1 else name)
        if last is not None and joinable and _continues(last, layer, step):
            last.parts += layer.parts
            last.trace = None
            return
        self._runs[name] = count = count + 1
        self._layers[f"{name}#{count}" if count > 1 else name] = layer

    def _snapshot(
        self, kind: str, nonlinearity: str, biases: bool, weights: Sequence[Tensor]
    ) -> LayerWeights:
        """A copy of the weights; the one already made where nothing was written to them since."""
        inference = any(weight.is_inference() for weight in weights)
        key = None if inference else tuple((weight.data_ptr(), weight._version) for weight in weights)
        if key is not None and key in self._snapshots:
            return self._snapshots[key]
        names = ["weight_ih", "weight_hh"] + (["bias_ih", "bias_hh"] if biases else [])
        names += ["weight_hr"] * (len(weights) - len(names))
        tensors = {name: _copy(weight) for name, weight in zip(names, weights, strict=True)}
        snapshot = LayerWeights.of(kind, tensors, nonlinearity)
        if key is not None:
            self._snapshots[key] = snapshot
        return snapshot


def _continues(last: _Layer, layer: _Layer, step: bool) -> bool:
    """Whether ``layer`` goes on where ``last`` ended."""
    if layer.start is None or last.weights is not layer.weights:
        return False
    ended, begun = last.parts[-1]["hidden"][:, -1], layer.start[0]
    if ended.shape != begun.shape:
        return False
    if torch.equal(ended, begun):
        return True
    # A loop over a Cell may change the state between steps (dropout, masks); a state of zeros is a new beginning.
    return step and last.forward == layer.forward and bool(begun.any())


def _copy(values: Tensor) -> Tensor:
    values = values.detach()
    if values.dtype in (torch.float32, torch.float64) and values.device.type == "cpu":
        return values.clone()
    return values.to(device="cpu", dtype=torch.float64 if values.dtype == torch.float64 else torch.float32)


def _ordered(values: Tensor, order: Tensor | None) -> Tensor:
    return values if order is None else values[order.to(values.device)]


def _by_batch(run: Run, order: Tensor | None) -> tuple[dict[str, Tensor], Tensor | None]:
    """Copies of what the run read and wrote as (B, T, units), and the sequences' lengths where they were packed."""
    tensors = {"input": run.input, "output": run.output}
    if run.dropout is not None:
        tensors["dropout"] = run.dropout
    if run.batch_sizes is None:
        return {name: _copy(values.transpose(0, 1)) for name, values in tensors.items()}, None
    padded, lengths = {}, None
    for name, values in tensors.items():
        packed = PackedSequence(_copy(values), run.batch_sizes.cpu())
        padded[name], lengths = pad_packed_sequence(packed, batch_first=True)
        padded[name] = _ordered(padded[name], order)
    assert lengths is not None
    return padded, _ordered(lengths, order)


def _trace(name: str, layer: _Layer) -> LayerTrace:
    weights, parts = layer.weights, layer.parts
    joined = parts[0]
    if len(parts) > 1:
        joined = {key: torch.cat([part[key] for part in parts], dim=1) for key in joined}
    hidden = joined["hidden"]
    start = layer.start
    if start is None:
        start = tuple(
            hidden.new_zeros(len(hidden), size) for size in (weights.output_size, weights.hidden_size)
        )
    recording = Recording(
        input=joined["input"],
        hidden=hidden,
        hidden_prev=joined.get("hidden_prev", shifted(hidden, start[0], layer.reverse, layer.lengths)),
        initial_cell=start[1] if weights.kind == "LSTM" else None,
        known={key: joined[key] for key in ("cell", "cell_prev") if key in joined},
        lengths=layer.lengths,
        dropout=joined.get("dropout"),
    )
    return LayerTrace(name, weights, recording, layer.reverse)
