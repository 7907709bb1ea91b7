"""Records of the runs of recurrent layers, and the traces that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from weakref import ref

import torch
from torch import Tensor

from models.capturing.recorded_arrays import stays_on_device
from models.core.gradient_proof import GradientProof, WeightGradient
from models.core.output_gradients import CallGradients, OutputGradientCollector
from models.core.recorded_weights import RecordedWeights
from models.core.recording import DeviceRecording, Recording
from models.core.trace import LayerTrace

Part = dict[str, Tensor | Callable[[], Tensor]]
"""Consecutive steps of a run, each (B, T, units) by quantity, or a function that computes it."""


@dataclass(eq=False)
class LayerRecord:
    """One run of one layer in one direction, which further calls may continue.

    Attributes:
        weights: of the layer.
        reverse: whether it runs from the last position to the first.
        parts: consecutive parts of the run.
        start: the states before the first step: (B, P) hidden, and for an LSTM (B, H) cell; None for zeros.
        ends: the states after the last step, likewise; empty if no call can continue from them.
        lengths: (B), if the sequences were packed.
        forward_index: the number of the network's call in which it ran.
        calls: the gradients by the outputs of each call.
        given: the input of each call, (B, S, D) or a function that computes it, to find the call that activation
            checkpointing repeats.
        low_precision: whether it computed with 16 bits.
        used: the gradients that reach each weight, by name.
        changed: whether the states were changed between two of its calls.
        ambiguous: whether activation checkpointing repeated a call that has the same input as another one.
    """

    weights: RecordedWeights
    reverse: bool
    parts: list[Part]
    start: tuple[Tensor, ...] | None
    ends: tuple[Tensor, ...]
    lengths: Tensor | None
    forward_index: int
    calls: list[CallGradients]
    given: list[Tensor | Callable[[], Tensor]]
    low_precision: bool
    used: dict[str, list[WeightGradient]] = field(default_factory=dict)
    changed: bool = False
    ambiguous: bool = False


class RecordedTraces(Mapping[str, LayerTrace]):
    """The traces of recorded runs, by name.

    A trace refers to them, to compare its gradients with those of other runs. They refer to no trace, so that a trace is
    freed at once when nothing else refers to it, without a pass of the garbage collector.

    Attributes:
        records: of the runs, by name.
    """

    def __init__(self) -> None:
        """Start without runs."""
        self.records: dict[str, LayerRecord] = {}
        self._used: dict[str, ref[LayerTrace]] = {}
        self._streams: dict[torch.device, torch.cuda.Stream] = {}

    def __getitem__(self, name: str) -> LayerTrace:
        used = self._used.get(name)
        trace = None if used is None else used()
        if trace is None:
            trace = _trace(name, self.records[name], self)
            self._used[name] = ref(trace)
        return trace

    def __iter__(self) -> Iterator[str]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def order_streams(self, values: Tensor) -> bool:
        """Let a GPU's current stream wait for the last one that recorded or read; return whether that is another one."""
        if not values.is_cuda:
            return False
        current = torch.cuda.current_stream(values.device)
        last = self._streams.setdefault(values.device, current)
        if last == current:
            return False
        current.wait_stream(last)
        self._streams[values.device] = current
        return True

    def forget(self, name: str) -> None:
        """Make a new trace of a run when it is next read, since more of it was recorded."""
        self._used.pop(name, None)


def computed(values: Tensor | Callable[[], Tensor]) -> Tensor:
    """Return ``values``, or what they compute."""
    return values() if callable(values) else values


def _trace(name: str, layer: LayerRecord, layers: RecordedTraces) -> LayerTrace:
    """Return the trace of a run; ``layers`` are those of all runs."""
    gradients = OutputGradientCollector(list(layer.calls), GradientProof(name, layers, layer.used, layer.ambiguous))
    weights = layer.weights
    if stays_on_device(weights.copies["weight_hh"]):
        parts = list(layer.parts)  # a call that continues the run adds to them

        def make() -> Recording:
            other = layers.order_streams(weights.copies["weight_hh"])
            found = _recording(layer, parts, gradients)
            if other:
                _use_on_current_stream(found, weights)
            return found

        recording: Recording = DeviceRecording.of(make, gradients)
    else:
        layer.parts = [{**_joined(layer.parts)}]
        recording = _recording(layer, layer.parts, gradients)
    return LayerTrace(name, weights, recording, layer.reverse)


def _use_on_current_stream(run: Recording, weights: RecordedWeights) -> None:
    """Let the memory of a recording and its weights be used again only after the current stream has read it."""
    fields = (run.input, run.hidden, run.hidden_prev, run.initial_cell, run.lengths, run.dropout)
    for values in (*fields, *run.recorded.values(), *weights.copies.values()):
        if values is not None and values.is_cuda:
            values.record_stream(torch.cuda.current_stream(values.device))


def _recording(layer: LayerRecord, parts: list[Part], gradients: OutputGradientCollector) -> Recording:
    """Return a run's recording of the given parts."""
    tensors = _joined(parts)
    return Recording(
        input=tensors["input"],
        hidden=tensors["hidden"],
        hidden_prev=tensors["hidden_prev"],
        initial_cell=None if layer.weights.kind != "LSTM" or layer.start is None else layer.start[1],
        recorded={key: tensors[key] for key in ("cell", "cell_prev") if key in tensors},
        lengths=layer.lengths,
        dropout=tensors.get("dropout"),
        output_gradients=gradients,
    )


def _joined(parts: list[Part]) -> dict[str, Tensor]:
    """Return the steps of all ``parts``, (B, T, units), by the quantities that every one of them has."""
    found = [{key: computed(values) for key, values in part.items()} for part in parts]
    if len(found) == 1:
        return found[0]
    return {key: torch.cat([part[key] for part in found], 1) for key in found[0] if all(key in part for part in found)}
