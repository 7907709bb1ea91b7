"""Traces: every gate and state of every recurrent layer over a sequence, immutable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch

from models.core.archive import ArchiveError, checked_name, read_archive, write_archive
from models.core.attention import AttentionTrace, AttentionTraces, attention_from_arrays, attention_to_arrays
from models.core.cells import WEIGHT_NAMES
from models.core.custom_cell import CustomTrace
from models.core.html_representation import NotebookHtml
from models.core.labelled_arrays import arrays_to_xarray, layer_to_pandas
from models.core.layer_gradients import GradientError, LayerGradients, no_gradient
from models.core.layer_run import LayerRun
from models.core.messages import Problem
from models.core.output_gradients import OutputGradientCollector, OutputGradients
from models.core.recording import Recording
from models.core.saved_cell import SavedCell, cell_from_arrays, cell_to_arrays
from models.core.weights import LayerWeights, read_only

if TYPE_CHECKING:
    import pandas
    import xarray


class LayerTrace(LayerRun):
    """One layer in one direction over one run, with its gradients; gates and states as in ``LayerRun``.

    Example:
        >>> with capture(net) as trace:
        ...     loss = criterion(net(x), y)
        ...     loss.backward()
        >>> trace.layers["rnn.l0"].forget_gate.mean(axis=(0, 1))  # mean forget gate of each unit
        >>> trace.layers["rnn.l0"].hidden_grad  # dL/dh_t, (B, T, H)
    """

    @property
    def gradients(self) -> LayerGradients:
        """The gradients of the loss in this layer, after ``loss.backward()`` inside the block; several passes add up.

        The sum of all steps' shares of each weight's gradient is compared with the gradient that reached the weight.

        Raises:
            GradientError: no gradient has reached this layer, or one was differentiated a second time (gradient penalty).
        Warns:
            GradientWarning: the sums differ, as also where a weight is used outside the recorded layers.
        """
        recorded = self.recording.output_gradients
        output_gradients = self.recording.gathered_gradients
        if output_gradients is None:
            raise no_gradient(self.name)
        if isinstance(recorded, OutputGradientCollector) and recorded.proof is not None:
            recorded.proof.check()
        return self.gradients_of(output_gradients)

    def gradients_of(self, output_gradients: OutputGradients) -> LayerGradients:
        """Return the gradients in this layer that follow from those by its outputs."""
        cached = vars(self).get("_gradients")
        if cached is None or cached.output_gradients is not output_gradients:
            cached = vars(self)["_gradients"] = LayerGradients(self, output_gradients)
        return cached

    @property
    def hidden_grad(self) -> np.ndarray:
        """Gradient dL/dh_t, including the path through later steps, (B, T, P): see ``gradients``."""
        return self.gradients.hidden

    @property
    def cell_grad(self) -> np.ndarray:
        """Gradient dL/dc_t of an LSTM, including the path through later steps, (B, T, H): see ``gradients``."""
        return self.gradients.cell


class LayerTraces(Mapping[str, LayerTrace]):
    """Layer traces by name; a module's own name is short for its first layer (``"decoder"`` for ``"decoder.l0"``)."""

    def __init__(self, layers: Mapping[str, LayerTrace], missing: Callable[[], str] | None = None) -> None:
        """Wrap ``layers``, a mapping that may still grow; ``missing()`` says in one sentence what was not recorded."""
        self._layers, self._missing = layers, missing

    def __getitem__(self, name: str) -> LayerTrace:
        for full_name in (name, f"{name}.l0"):
            if full_name in self._layers:
                return self._layers[full_name]
        missing = "" if self._missing is None else self._missing()
        known = ", ".join(self._layers) or ("none" if missing else "none (nothing has run yet)")
        raise KeyError(f"no layer {name!r}; there are {known}" + (f"; {missing}" if missing else ""))

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)


@dataclass(frozen=True, eq=False)
class Trace(NotebookHtml):
    """The recorded run of a network's recurrent layers and attentions: ``trace.layers["rnn.l0"].forget_gate`` is (B, T, H).

    Attributes:
        layers: by name, in the order in which they first ran. If a module ran several times, each run that does not continue
            the one before it has a separate name: ``"rnn.l0"``, ``"rnn.l0#2"``, ...
        tokens: a label for each step, or None.
        attention: by module name, in the order in which they first ran; further runs likewise as ``"name#2"``.
    """

    layers: Mapping[str, LayerTrace]
    tokens: tuple[str, ...] | None = None
    attention: Mapping[str, AttentionTrace] = field(default_factory=lambda: AttentionTraces({}))

    def with_tokens(self, tokens: Any) -> Trace:
        """Return the same trace with a label for each step, such as the token or its id.

        Raises:
            Problem: there are not as many labels as time steps in a layer.
        """
        try:
            labels = tuple(map(_label, tokens))
        except (TypeError, ValueError, RuntimeError):  # no sequence, or one of arrays
            raise Problem(
                "The labels must be a sequence of texts or ids, not of the type {kind}.", kind=type(tokens).__name__
            ) from None
        counts = {layer.shape[1] for layer in self.layers.values()}
        counts |= {int(steps) for layer in self.layers.values() for steps in layer.lengths}
        if counts and len(labels) not in counts:
            raise Problem(
                "There are {count} labels, but the layers have {steps} time steps. Give a label for each time step.",
                count=len(labels),
                steps=", ".join(map(str, sorted(counts))) if len(counts) < 9 else f"{min(counts)}–{max(counts)}",
            )
        return replace(self, tokens=labels)

    def __reduce__(self) -> tuple:  # a copy does not grow
        return Trace, (LayerTraces(dict(self.layers)), self.tokens, AttentionTraces(dict(self.attention)))

    def to_xarray(self) -> xarray.DataTree:
        """Return the gates, states, gradients and attention weights as labelled arrays: see ``arrays_to_xarray``.

        Example:
            >>> trace.to_xarray()["layers/rnn.l0"]["forget_gate"].mean(["batch", "time"])
        """
        return arrays_to_xarray(self.layers, self.attention, self.tokens)

    def to_pandas(self, layer: str) -> pandas.DataFrame:
        """Return the gates, states and gradients of a layer as a table: see ``layer_to_pandas``.

        Raises:
            Problem: there is no such layer, or pandas is not installed.

        Example:
            >>> trace.to_pandas("rnn.l0").groupby("unit")["forget_gate"].mean()
        """
        if layer not in self.layers:
            raise Problem(
                "There is no layer “{name}”. Choose one of these: {names}.", name=layer, names=", ".join(self.layers)
            )
        return layer_to_pandas(self.layers[layer], self.tokens)

    def save(self, path: str | PathLike[str] | BinaryIO) -> None:
        """Save everything to an ``.npz`` of plain arrays (no pickle); ``load_trace`` loads it bit for bit.

        Of a cell of the user's own it contains the values, the gradients and the equations as formulas, not its code.

        Raises:
            ValueError: equations of a cell of the user's own do not compute its states.
        """
        header: dict[str, Any] = {"format": FORMAT, "tokens": self.tokens, "layers": []}
        arrays: dict[str, np.ndarray] = {}
        for name, layer in self.layers.items():
            if isinstance(layer, CustomTrace | SavedCell):
                entry, own = cell_to_arrays(layer)
                header["layers"].append(entry)
                arrays |= {f"{name}/{key}": values for key, values in own.items()}
                continue
            weights = layer.weights
            header["layers"].append(
                {
                    "name": name,
                    "kind": weights.kind,
                    "nonlinearity": weights.nonlinearity,
                    "reset_after": weights.reset_after,
                    "activation": weights.activation,
                    "recurrent_activation": weights.recurrent_activation,
                    "peepholes": weights.peepholes,
                    "clip": weights.clip,
                    "norm": weights.norm,
                    "cell_norm": weights.cell_norm,
                    "coupled": weights.coupled,
                    "multiplicative": weights.multiplicative,
                    "reverse": layer.reverse,
                }
            )
            saved = {quantity: layer[quantity] for quantity in layer.quantities}
            saved |= {"input": layer.input, "hidden_prev": layer.hidden_prev, "lengths": layer.lengths}
            if layer.kind == "LSTM":
                saved |= {"cell_prev": layer.cell_prev, "initial_cell": layer.initial_cell}
            if layer.dropout is not None:
                saved["dropout"] = layer.dropout
            with suppress(GradientError):  # without gradients, or with some that are not the network's
                saved |= layer.gradients.output_gradients.to_arrays()
            arrays |= {f"{name}/{key}": values for key, values in (saved | weights.arrays()).items()}
        header["attention"], more = attention_to_arrays(self.attention)
        write_archive(path, header, arrays | more)


def _label(token: Any) -> str:
    """Return the label of a step: a text as it is, an id, also one in an array or a tensor, as its number."""
    return token if isinstance(token, str) else str(token.item() if hasattr(token, "item") else token)


FORMAT = "unrolled trace 1"


def load_trace(source: str | PathLike[str] | BinaryIO) -> Trace:
    """Load a trace that ``Trace.save`` saved.

    Raises:
        ArchiveError: the file is something else, damaged, or too large; one sentence says which.
    """
    header, arrays = read_archive(source)
    if header.get("format") != FORMAT:
        raise ArchiveError("This .npz file was not written by trace.save(...). Open a saved run.")
    try:
        layers: dict[str, Any] = {}
        of_layer = _arrays_by_layer(arrays)
        below: dict[tuple, torch.Tensor] = {}
        for entry in header["layers"]:
            name = checked_name(entry["name"])
            if name in layers:  # else a small file could name one layer, and its arrays, any number of times
                raise ValueError("it names a layer twice")
            if "formulas" in entry:
                layers[name] = cell_from_arrays(entry, arrays)
                continue
            layer = layers[name] = _load_layer(entry, of_layer.get(name, {}), below)
            below[_bits(layer.recording.hidden)] = layer.recording.hidden
        tokens = header["tokens"]
        if not isinstance(tokens, list | None):
            raise TypeError("its tokens are not a list")
        attention = attention_from_arrays(header.get("attention", ()), arrays)
        return Trace(LayerTraces(layers), None if tokens is None else tuple(map(str, tokens)), attention)
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


def _share_memory(tensors: dict[str, torch.Tensor], state: str) -> dict[str, torch.Tensor]:
    """Return a state and the one a step earlier (B, T, U) as views of one tensor, if they differ by the shift alone."""
    later, earlier = tensors.get(state), tensors.get(f"{state}_prev")
    if later is None or earlier is None or not _same_bits(later[:, :-1], earlier[:, 1:]):
        return {}
    both = torch.cat([earlier[:, :1], later], dim=1)
    return {state: both[:, 1:], f"{state}_prev": both[:, :-1]}


def _same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether all bits are equal: NaN equals NaN, and 0 does not equal -0."""
    bits = torch.int64 if one.dtype == torch.float64 else torch.int32
    return one.dtype == other.dtype and torch.equal(one.view(bits), other.view(bits))


def _arrays_by_layer(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Return the arrays of an archive by the name of their layer and their own name."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        layer, _, name = key.rpartition("/")
        found.setdefault(layer, {})[name] = array
    return found


def _bits(tensor: torch.Tensor) -> tuple:
    """Return a key that is equal for tensors of equal bits, however many of them are compared."""
    digest = blake2b(np.ascontiguousarray(tensor.numpy()).reshape(-1).view(np.uint8).data).digest()
    return tensor.dtype, tensor.shape, digest


def _load_layer(entry: dict[str, Any], own: dict[str, np.ndarray], below: Mapping[tuple, torch.Tensor]) -> LayerTrace:
    """Return a layer of the file.

    Args:
        entry: its entry in the header.
        own: its arrays by name.
        below: the hidden states of the layers before it, one of which may be its input, by ``_bits``.
    """
    name = entry["name"]
    matrices: dict[str, Any] = {key: read_only(own.pop(key)) for key in WEIGHT_NAMES if key in own}
    for key in {"weight_ih", "weight_hh"} - set(matrices):
        raise KeyError(f"{name}/{key}")
    weights = LayerWeights(
        entry["kind"],
        **matrices,
        nonlinearity=entry["nonlinearity"],
        reset_after=entry["reset_after"],
        activation=entry.get("activation", "tanh"),  # older files lack it
        recurrent_activation=entry.get("recurrent_activation", "sigmoid"),
        peepholes=entry.get("peepholes", False),
        clip=entry.get("clip"),
        norm=entry.get("norm"),
        cell_norm=entry.get("cell_norm", False),
        coupled=entry.get("coupled", False),
        multiplicative=entry.get("multiplicative", False),
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
            tensors |= _share_memory(tensors, state)
    recording = Recording(
        input=below.get(_bits(tensors["input"]), tensors["input"]),
        hidden=tensors["hidden"],
        hidden_prev=tensors["hidden_prev"],
        initial_cell=tensors["initial_cell"] if states else None,
        recorded={
            key: tensors[key] for key in (*weights.cell.quantities, "cell_prev") if key in tensors and key != "hidden"
        },
        lengths=None if (lengths == steps).all() else lengths,
        dropout=tensors.get("dropout"),
        output_gradients=OutputGradients.from_tensors(tensors) if "hidden_arrived" in tensors else None,
    )
    return LayerTrace(name, weights, recording, bool(entry["reverse"]))
