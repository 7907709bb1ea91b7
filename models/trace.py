"""What a network did with a sequence: every gate and state of every recurrent layer, immutable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from models.archive import ArchiveError, read_archive, write_archive
from models.attention import Attentions, AttentionTrace, packed, unpacked
from models.capturing.arrivals import Arrivals, Arrived
from models.cells import Cell
from models.evaluate import Steps, shifted
from models.gradients.layer import GradientError, LayerGradients
from models.weights import NAMES, LayerWeights, frozen


@dataclass(frozen=True, eq=False)
class Recording:
    """What was kept of a layer's run, from which every other quantity follows. Tensors of its own, on the CPU.

    Attributes:
        input: (B, T, D), what the layer read.
        hidden: (B, T, P), its hidden states, by position in the sequence.
        hidden_prev: (B, T, P), the hidden state that each step started from.
        initial_cell: (B, H), an LSTM's cell state before the first step; None for zeros.
        known: further quantities that were recorded rather than computed, (B, T, H) each.
        lengths: (B), where sequences of several lengths were packed together.
        dropout: (B, T, P), what the layer's output was multiplied by on its way to the next layer in training
            (0 where dropped, 1 / (1 - p) elsewhere), or None where nothing was dropped.
        arrivals: what backward passes brought to its outputs, or None.
        held: by quantity, (T, units) bool, where an edit put a value in the place of the computed one: nothing that the
            step read has moved it.
    """

    input: Tensor
    hidden: Tensor
    hidden_prev: Tensor
    initial_cell: Tensor | None = None
    known: dict[str, Tensor] = field(default_factory=dict)
    lengths: Tensor | None = None
    dropout: Tensor | None = None
    arrivals: Arrivals | Arrived | None = None
    held: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class LayerTrace:
    """One layer in one direction over one run: ``layer.forget_gate``, ``layer.cell``, ``layer.hidden``, ...

    Every quantity is a read-only float32 array (float64 for a float64 network), (batch, time, unit), by position in
    the sequence also where the layer reads backwards; positions past a packed sequence's length are 0. Gates are
    computed when they are first asked for.

    Attributes:
        name: the layer's name, such as ``"encoder.rnn.l0_reverse"``.
        weights: the weights it ran with.
        recording: what was kept of the run.
        reverse: whether it reads from the last position to the first.

    Example:
        >>> with capture(net) as trace:
        ...     net(x)
        >>> trace.layers["rnn.l0"].forget_gate.mean(axis=(0, 1))  # how open is each unit's forget gate?
    """

    name: str
    weights: LayerWeights
    recording: Recording
    reverse: bool = False

    @property
    def cell_equations(self) -> Cell:
        """The equations of its cell."""
        return self.weights.cell

    @property
    def kind(self) -> str:
        """``"RNN"``, ``"LSTM"`` or ``"GRU"``."""
        return self.weights.kind

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of its gates and states, in the order of computation."""
        return self.weights.cell.quantities

    @property
    def shape(self) -> tuple[int, int, int]:
        """(B, T, H)."""
        return (*self.recording.hidden.shape[:2], self.weights.hidden_size)

    @cached_property
    def _steps(self) -> Steps:
        kept = self.recording
        return Steps(
            self.weights, kept.input, kept.hidden, kept.hidden_prev,
            kept.initial_cell, self.reverse, kept.lengths, **kept.known,
        )  # fmt: skip

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_") or name not in self.quantities:
            raise AttributeError(f"{self.kind} has no {name}; it has {', '.join(self.quantities)}")
        values = vars(self)[name] = getattr(self._steps, name)
        return values

    def __getitem__(self, quantity: str) -> np.ndarray:
        """A gate or state by name, (B, T, units)."""
        if quantity not in self.quantities:
            raise KeyError(f"{self.kind} has no {quantity}; it has {', '.join(self.quantities)}")
        return getattr(self, quantity)

    def __iter__(self) -> Iterator[str]:
        return iter(self.quantities)

    @cached_property
    def input(self) -> np.ndarray:
        """What the layer read, (B, T, D)."""
        return frozen(self.recording.input)

    @cached_property
    def hidden_prev(self) -> np.ndarray:
        """The hidden state that each step started from, (B, T, P)."""
        return frozen(self.recording.hidden_prev)

    @cached_property
    def cell_prev(self) -> np.ndarray:
        """The cell state that each step of an LSTM started from, (B, T, H)."""
        kept = self.recording
        if "cell_prev" in kept.known:
            return frozen(kept.known["cell_prev"])
        first = torch.tensor(self.initial_cell)
        return frozen(shifted(torch.tensor(self.cell), first, self.reverse, kept.lengths))

    @cached_property
    def initial_hidden(self) -> np.ndarray:
        """The hidden state before the first step, (B, P)."""
        return frozen(self._first(self.recording.hidden_prev))

    @cached_property
    def initial_cell(self) -> np.ndarray:
        """The cell state of an LSTM before the first step, (B, H)."""
        if self.kind != "LSTM":
            raise AttributeError(f"{self.kind} has no cell state.")
        if self.recording.initial_cell is None:
            return frozen(np.zeros((self.shape[0], self.shape[2]), self.hidden.dtype))
        return frozen(self.recording.initial_cell)

    @cached_property
    def lengths(self) -> np.ndarray:
        """How many positions each sequence of the batch has, (B)."""
        batch, steps, _ = self.shape
        kept = self.recording.lengths
        return frozen(torch.full((batch,), steps) if kept is None else kept)

    @cached_property
    def dropout(self) -> np.ndarray | None:
        """What its output was multiplied by on the way to the next layer, (B, T, P), or None: see Recording."""
        return None if self.recording.dropout is None else frozen(self.recording.dropout)

    def recurrent_product(self, gate: str) -> np.ndarray:
        """What one gate's recurrent weights made of the previous hidden state, ``W_h? h_{t-1} + b_h?``, (B, T, H)."""
        return frozen(self._steps.h(gate))

    @property
    def gradients(self) -> LayerGradients:
        """The gradients of the loss in this layer, after ``loss.backward()`` inside the block; more passes add up.

        Raises:
            GradientError: no gradient has come to this layer.
        """
        arrived = None if self.recording.arrivals is None else self.recording.arrivals.gather()
        if arrived is None:
            raise GradientError(f"No gradient has come to {self.name}; call loss.backward() inside the capture block.")
        known = vars(self).get("_gradients")
        if known is None or known.arrived is not arrived:
            known = vars(self)["_gradients"] = LayerGradients(self, arrived)
        return known

    @property
    def hidden_grad(self) -> np.ndarray:
        """dL/dh_t with the recurrent flow included, (B, T, P): see ``gradients``."""
        return self.gradients.hidden

    @property
    def cell_grad(self) -> np.ndarray:
        """dL/dc_t of an LSTM with the recurrent flow included, (B, T, H): see ``gradients``."""
        return self.gradients.cell

    def _first(self, values: Tensor) -> Tensor:
        if not self.reverse:
            return values[:, 0]
        if self.recording.lengths is None:
            return values[:, -1]
        return values[torch.arange(len(values)), self.recording.lengths - 1]

    def __reduce__(self) -> tuple:  # without what was computed: it follows from the recording
        return LayerTrace, (self.name, self.weights, self.recording, self.reverse)

    def __repr__(self) -> str:
        batch, steps, units = self.shape
        return f"<{self.kind} {self.name}: batch {batch}, {steps} steps, {units} units>"


class Layers(Mapping[str, LayerTrace]):
    """Layers by name; a module's own name stands for its first layer (``"decoder"`` for ``"decoder.l0"``)."""

    def __init__(self, layers: Mapping[str, LayerTrace]) -> None:
        """Show ``layers``, which may still be growing."""
        self._layers = layers

    def __getitem__(self, name: str) -> LayerTrace:
        for known in (name, f"{name}.l0"):
            if known in self._layers:
                return self._layers[known]
        raise KeyError(f"no layer {name!r}; there are {', '.join(self._layers) or 'none (nothing has run yet)'}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)


@dataclass(frozen=True, eq=False)
class Trace:
    """What a network's recurrent layers did: ``trace.layers["rnn.l0"].forget_gate`` is (B, T, H).

    Attributes:
        layers: by name, in the order in which they first ran. Where one module ran several times, each run that does
            not go on from the one before it has a name of its own: ``"rnn.l0"``, ``"rnn.l0#2"``, ...
        tokens: a label for each step, or None.
        attention: by module name, in the order in which they first ran; further runs likewise as ``"name#2"``.
    """

    layers: Mapping[str, LayerTrace]
    tokens: tuple[str, ...] | None = None
    attention: Mapping[str, AttentionTrace] = field(default_factory=dict)

    def with_tokens(self, tokens: Any) -> Trace:
        """The same trace with a label for each step."""
        return replace(self, tokens=tuple(tokens))

    def __reduce__(self) -> tuple:  # with the layers as they are now
        return Trace, (Layers(dict(self.layers)), self.tokens, Attentions(dict(self.attention)))

    def save(self, path: str | PathLike[str] | BinaryIO) -> None:
        """Write everything to an ``.npz`` of plain arrays (no pickle); ``load_trace`` reads it back bit for bit."""
        header: dict[str, Any] = {"format": FORMAT, "tokens": self.tokens, "layers": []}
        arrays: dict[str, np.ndarray] = {}
        for name, layer in self.layers.items():
            weights = layer.weights
            header["layers"].append(
                {
                    "name": name,
                    "kind": weights.kind,
                    "nonlinearity": weights.nonlinearity,
                    "reset_after": weights.reset_after,
                    "activation": weights.activation,
                    "recurrent_activation": weights.recurrent_activation,
                    "reverse": layer.reverse,
                }
            )
            kept = {quantity: layer[quantity] for quantity in layer.quantities}
            kept |= {"input": layer.input, "hidden_prev": layer.hidden_prev, "lengths": layer.lengths}
            if layer.kind == "LSTM":
                kept |= {"cell_prev": layer.cell_prev, "initial_cell": layer.initial_cell}
            if layer.dropout is not None:
                kept["dropout"] = layer.dropout
            if layer.recording.arrivals is not None and (arrived := layer.recording.arrivals.gather()) is not None:
                kept |= arrived.arrays()
            arrays |= {f"{name}/{key}": values for key, values in (kept | weights.arrays()).items()}
        header["attention"], more = packed(self.attention)
        write_archive(path, header, arrays | more)


FORMAT = "unrolled trace 1"


def load_trace(source: str | PathLike[str] | BinaryIO) -> Trace:
    """Read a trace that ``Trace.save`` wrote.

    Raises:
        ArchiveError: the file is something else, damaged, or too large; one sentence says which.
    """
    header, arrays = read_archive(source)
    if header.get("format") != FORMAT:
        raise ArchiveError("This .npz was not written by trace.save(...).")
    try:
        layers = {entry["name"]: _layer(entry, arrays) for entry in header["layers"]}
        tokens = header["tokens"]
        attention = unpacked(header.get("attention", ()), arrays)
        return Trace(Layers(layers), None if tokens is None else tuple(map(str, tokens)), attention)
    except KeyError as error:
        raise ArchiveError("This saved run is damaged: it has no {part}.", part=error) from error
    except ValueError as error:
        raise ArchiveError("This saved run is damaged: {reason}.", reason=str(error).rstrip(".")) from error
    except (TypeError, IndexError, AttributeError, RuntimeError) as error:
        raise ArchiveError("This saved run is damaged: its header does not describe its arrays.") from error


def _layer(entry: dict[str, Any], arrays: dict[str, np.ndarray]) -> LayerTrace:
    name = entry["name"]
    own = {key.removeprefix(f"{name}/"): array for key, array in arrays.items() if key.startswith(f"{name}/")}
    matrices: dict[str, Any] = {key: frozen(own.pop(key)) for key in NAMES if key in own}
    for key in {"weight_ih", "weight_hh"} - set(matrices):
        raise KeyError(f"{name}/{key}")
    weights = LayerWeights(
        entry["kind"],
        **matrices,
        nonlinearity=entry["nonlinearity"],
        reset_after=entry["reset_after"],
        activation=entry.get("activation", "tanh"),  # not told by older files
        recurrent_activation=entry.get("recurrent_activation", "sigmoid"),
    )
    batch, steps, _ = own["input"].shape
    states = ("cell_prev", "initial_cell") if weights.kind == "LSTM" else ()
    optional = [key for key in ("dropout", "hidden_arrived", "cell_arrived") if key in own]
    for key in (*weights.cell.quantities, "input", "hidden_prev", *states, *optional):
        width = weights.hidden_size
        if key == "input":
            width = weights.input_size
        elif key in ("hidden", "hidden_prev", "dropout", "hidden_arrived"):
            width = weights.output_size
        expected = (batch, width) if key == "initial_cell" else (batch, steps, width)
        if own[key].shape != expected or own[key].dtype not in (np.float32, np.float64):
            raise ValueError(f"{name}/{key} is {own[key].dtype} {own[key].shape}, not float {expected}.")
    tensors = {key: torch.from_numpy(array) for key, array in own.items()}
    lengths = tensors["lengths"]
    if lengths.shape != (batch,) or lengths.dtype != torch.int64 or not ((lengths >= 1) & (lengths <= steps)).all():
        raise ValueError(f"{name}/lengths does not fit {batch} sequences of at most {steps} steps.")
    recording = Recording(
        input=tensors["input"],
        hidden=tensors["hidden"],
        hidden_prev=tensors["hidden_prev"],
        initial_cell=tensors["initial_cell"] if states else None,
        known={key: tensors[key] for key in (*weights.cell.gates, "cell", "cell_prev") if key in tensors},
        lengths=None if (lengths == steps).all() else lengths,
        dropout=tensors.get("dropout"),
        arrivals=Arrived.of(tensors) if "hidden_arrived" in tensors else None,
    )
    return LayerTrace(name, weights, recording, bool(entry["reverse"]))
