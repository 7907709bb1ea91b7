"""What a network did with a sequence: every gate and state of every recurrent layer, immutable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any, BinaryIO

import numpy as np
import torch

from models.core.archive import ArchiveError, read_archive, write_archive
from models.core.attention import Attentions, AttentionTrace, packed, unpacked
from models.core.layer_gradients import GradientError, LayerGradients
from models.core.layer_run import LayerRun, Recording
from models.core.output_gradients import Arrived
from models.core.weights import NAMES, LayerWeights, frozen


class LayerTrace(LayerRun):
    """One layer in one direction over one run, and the gradients that came to it: see LayerRun.

    Example:
        >>> with capture(net) as trace:
        ...     loss = criterion(net(x), y)
        ...     loss.backward()
        >>> trace.layers["rnn.l0"].forget_gate.mean(axis=(0, 1))  # how open is each unit's forget gate?
        >>> trace.layers["rnn.l0"].hidden_grad  # dL/dh_t, (B, T, H)
    """

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
    attention: Mapping[str, AttentionTrace] = field(default_factory=lambda: Attentions({}))

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
        raise ArchiveError("This .npz file was not written by trace.save(...). Open a saved run.")
    try:
        layers: dict[str, LayerTrace] = {}
        for entry in header["layers"]:
            layers[entry["name"]] = _layer(entry, arrays, [below.recording.hidden for below in layers.values()])
        tokens = header["tokens"]
        attention = unpacked(header.get("attention", ()), arrays)
        return Trace(Layers(layers), None if tokens is None else tuple(map(str, tokens)), attention)
    except KeyError as error:
        raise ArchiveError("This saved run is damaged: {part} is missing. Save the run again.", part=error) from error
    except ValueError as error:
        raise ArchiveError(
            "This saved run is damaged: {reason}. Save the run again.", reason=str(error).rstrip(".")
        ) from error
    except (TypeError, IndexError, AttributeError, RuntimeError) as error:
        raise ArchiveError(
            "This saved run is damaged: its header does not match its arrays. Save the run again."
        ) from error


def _in_one_memory(tensors: dict[str, torch.Tensor], state: str) -> dict[str, torch.Tensor]:
    """A state and the one a step earlier (B, T, U), which are the same numbers where nothing was changed in between."""
    later, earlier = tensors.get(state), tensors.get(f"{state}_prev")
    if later is None or earlier is None or not _same(later[:, :-1], earlier[:, 1:]):
        return {}
    both = torch.cat([earlier[:, :1], later], dim=1)
    return {state: both[:, 1:], f"{state}_prev": both[:, :-1]}


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether the bits are: NaN is NaN, and 0 is not -0."""
    bits = torch.int64 if one.dtype == torch.float64 else torch.int32
    return one.dtype == other.dtype and torch.equal(one.view(bits), other.view(bits))


def _layer(entry: dict[str, Any], arrays: dict[str, np.ndarray], read: Sequence[torch.Tensor]) -> LayerTrace:
    """A layer of the file; ``read`` are the states of those before it, of which one may be what it reads."""
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
    if not entry["reverse"]:
        for state in weights.cell.states:
            tensors |= _in_one_memory(tensors, state)
    recording = Recording(
        input=next((states for states in read if _same(states, tensors["input"])), tensors["input"]),
        hidden=tensors["hidden"],
        hidden_prev=tensors["hidden_prev"],
        initial_cell=tensors["initial_cell"] if states else None,
        known={key: tensors[key] for key in (*weights.cell.gates, "cell", "cell_prev") if key in tensors},
        lengths=None if (lengths == steps).all() else lengths,
        dropout=tensors.get("dropout"),
        arrivals=Arrived.of(tensors) if "hidden_arrived" in tensors else None,
    )
    return LayerTrace(name, weights, recording, bool(entry["reverse"]))
