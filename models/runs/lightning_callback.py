"""A callback of PyTorch Lightning that records the training in a run folder."""

from __future__ import annotations

import importlib
import sys
from os import PathLike
from typing import Any

from torch import Tensor

from models.core.messages import Problem
from models.runs.watch import Watcher, watch

PACKAGES = ("lightning.pytorch", "pytorch_lightning")
"""The names under which Lightning is installed; a trainer takes the callbacks of its own package alone."""


def callback_class() -> Any:
    """Return Lightning's base class of callbacks, of the package that is already imported if one is.

    Raises:
        Problem: Lightning is not installed.
    """
    for name in sorted(PACKAGES, key=lambda name: name not in sys.modules):
        try:
            return importlib.import_module(f"{name}.callbacks").Callback
        except ImportError:
            continue
    raise Problem("Lightning is not installed. Install it: pip install lightning.")


Callback: Any = callback_class()


class RunCallback(Callback):
    """``Trainer(callbacks=[RunCallback("runs/a", every=10)])``; the arguments are those of ``watch``.

    In distributed training the first process writes what it sees of its own batches. Metrics that the module logs in
    validation as ``val_NAME`` or ``val/NAME`` are stored as ``NAME/validation``.
    """

    def __init__(self, folder: str | PathLike[str], every: int = 10, **options: Any) -> None:
        """Store the arguments of ``watch``."""
        super().__init__()
        self._folder, self._every, self._options = folder, every, options
        self._run: Watcher | None = None
        self._loss: Tensor | None = None
        self._first: Any = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin the run."""
        if trainer.global_rank == 0:
            self._run = watch(pl_module, self._folder, self._every, **self._options).__enter__()

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Tensor) -> None:
        """Store the loss of the step."""
        self._loss = loss.detach()

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Record the step, once for each batch if there are several optimizers."""
        self._first = optimizer if self._first is None else self._first
        if self._run is not None and optimizer is self._first:
            loss = self._loss
            scale = trainer.accumulate_grad_batches
            self._run.step(loss=None if loss is None else loss * scale)

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Store what validation has logged."""
        if self._run is not None and not trainer.sanity_checking:
            found = {}
            for name, value in trainer.callback_metrics.items():
                if name.startswith(("val_", "val/")):
                    found[f"{name[4:]}/validation"] = value
            self._run.record(**found)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """End the run."""
        self._close(None)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """End the run as stopped or failed."""
        self._close(exception)

    def _close(self, error: BaseException | None) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.__exit__(None if error is None else type(error), error, None)
