"""A callback of Keras 3 that records what Keras gives of the training in a run folder, with any backend."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.core.cells import GATE_COUNTS
from models.core.messages import Problem
from models.runs.parameter_statistics import MAX_EXACT_UNITS, spectral_radius_of, total_norm, vector_norm
from models.runs.run_writer import RunWriter

KINDS = {"LSTMCell": "LSTM", "GRUCell": "GRU", "SimpleRNNCell": "RNN"}
RUNNING_MEAN = "loss/train is Keras's mean over the epoch so far, not the loss of one batch."


def keras_module() -> Any:
    """Return the package ``keras``.

    Raises:
        Problem: it is not installed, or its backend is not.
    """
    try:
        return importlib.import_module("keras")
    except ModuleNotFoundError as missing:
        if missing.name == "keras":
            raise Problem("Keras is not installed. Install it: pip install keras.") from None
        raise Problem(
            "Keras's backend needs “{name}”, which is not installed. Install it, or set the environment variable "
            "KERAS_BACKEND to the name of an installed one, such as torch.",
            name=str(missing.name),
        ) from None


keras = keras_module()
Callback: Any = keras.callbacks.Callback


class RunCallback(Callback):
    """``model.fit(..., callbacks=[RunCallback("runs/a", every=10)])``.

    At every n-th batch, counted from 0: the losses and metrics that Keras reports, which are means over the epoch so far; the
    learning rate; norm, spectral radius and forget bias of each recurrent layer; the relative size of each update;
    and with the torch backend the norm of each gradient before Keras clips it. Keras has no hook for states, so that the run
    has no maps by time step. Snapshots are ``.keras`` files.
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        every: int = 10,
        *,
        snapshots: int = 20,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Store the folder, the number of batches between recorded ones, and the other arguments as of ``watch``."""
        super().__init__()
        self._folder, self._every, self._snapshots, self._settings = folder, every, snapshots, settings
        self._writer: RunWriter | None = None
        self._step = 0
        self._before: dict[str, np.ndarray] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin the run."""
        self._cells = dict(recurrent_cells(self.model))
        layers = {name: description(cell) for name, cell in self._cells.items()}
        self._writer = RunWriter(
            self._folder,
            self._every,
            layers,
            dict.fromkeys(layers, ()),
            self._snapshots,
            self._settings,
            {"maps_of": "batch", "unconfirmed": RUNNING_MEAN, "parameters": int(self.model.count_params())},
        )
        self._step = 0
        self._snapshot()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Copy the weights before a recorded update."""
        if self._writer is not None and self._step % self._every == 0:
            self._before = {each.path: values_of(each) for each in self.model.trainable_variables}

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Record a batch."""
        if self._writer is None:
            return
        step, self._step = self._step, self._step + 1
        if step % self._every == 0:
            values = {f"{name}/train": float(value) for name, value in (logs or {}).items()}
            values |= self._gradients() | self._weights(step)
            values["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            self._writer.write_scalars(step, values)
        self._snapshot()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Store the losses and metrics of the validation data."""
        if self._writer is not None:
            found = {name: float(value) for name, value in (logs or {}).items() if name.startswith("val_")}
            values = {f"{name.removeprefix('val_')}/validation": value for name, value in found.items()}
            self._writer.write_scalars(self._step, values)

    def on_train_end(self, logs: Any = None) -> None:
        """End the run, as stopped if a callback stopped the training."""
        writer, self._writer = self._writer, None
        if writer is not None:
            if not writer.snapshots.has(self._step) and writer.snapshots.most:
                writer.write_snapshot(self._step, model_bytes(self.model), "keras")
            writer.close("stopped" if self.model.stop_training else "finished")

    def _gradients(self) -> dict[str, float]:
        """Return the norms of the gradients, which only the torch backend stores."""
        if keras.backend.backend() != "torch":
            return {}
        found = {}
        for each in self.model.trainable_variables:
            if each.value.grad is not None:
                found[f"gradient_norm/{each.path}"] = float(vector_norm(each.value.grad))
        return found | ({"gradient_norm/total": total_norm(found.values())} if found else {})

    def _weights(self, step: int) -> dict[str, float]:
        """Return the size of the update, and the scalars of the recurrent weights before it."""
        found = {}
        for each in self.model.trainable_variables:
            before = self._before.get(each.path)
            if before is not None and (size := size_of(before)) > 0:
                found[f"update_ratio/{each.path}"] = size_of(values_of(each) - before) / size
        for name, cell in self._cells.items():
            kind, kernel = KINDS[type(cell).__name__], self._before[cell.recurrent_kernel.path]
            found[f"weight_norm/{name}"] = size_of(kernel)
            if kind == "LSTM" and cell.use_bias:
                units = kernel.shape[0]
                found[f"forget_bias/{name}"] = float(self._before[cell.bias.path][units : 2 * units].mean())
            if kernel.shape[0] <= MAX_EXACT_UNITS and step % (10 * self._every) == 0:
                blocks = np.split(kernel, GATE_COUNTS[kind], axis=1)
                radii = [float(spectral_radius_of(torch.tensor(block))) for block in blocks]
                found[f"spectral_radius/{name}"] = max(radii)
        return found

    def _snapshot(self) -> None:
        if self._writer is not None and self._writer.snapshots.due(self._step):
            self._writer.write_snapshot(self._step, model_bytes(self.model), "keras")


def values_of(variable: Any) -> np.ndarray:
    """Return a copy of a Keras variable as float32 or float64."""
    values = np.array(keras.ops.convert_to_numpy(variable))
    return values if values.dtype.itemsize >= 4 else values.astype(np.float32)


def size_of(values: np.ndarray) -> float:
    """Return the L2 norm of an array."""
    return float(vector_norm(torch.from_numpy(values)))


def model_bytes(model: Any) -> bytes:
    """Return a model as a ``.keras`` file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()


def recurrent_cells(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield the cells of a model's recurrent layers, by the layer's name."""
    for layer in model._flatten_layers(include_self=False, recursive=True):
        cell = getattr(layer, "cell", None)
        if type(cell).__name__ in KINDS:
            yield layer.name, cell


def description(cell: Any) -> dict[str, Any]:
    """Return what ``run.json`` stores about a recurrent layer."""
    kernel, recurrent = cell.kernel.shape, cell.recurrent_kernel.shape
    kind = KINDS[type(cell).__name__]
    return {"kind": kind, "options": {}, "inputs": kernel[0], "units": recurrent[0], "outputs": recurrent[0]}
