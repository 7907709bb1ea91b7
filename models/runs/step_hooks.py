"""Hooks of one training step that is recorded: the runs of recurrent layers, and the gradients as the backward pass ends.

They are removed after the step, so that the steps that are not recorded run as they would without them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from models.capturing.hooks import CELL_MODULES, CellHooks, ForwardCounter, FusedHooks
from models.capturing.recordable import in_backward
from models.capturing.recorder import Recorder
from models.core.trace import LayerTraces
from models.runs.parameter_statistics import vector_norm


@dataclass(eq=False)
class StepRecorder(Recorder):
    """The layers recorded in one training step.

    Attributes:
        complete: whether the backward pass has begun: later forward passes do not belong to the recorded one.
    """

    complete: bool = False

    def records(self) -> bool:
        """Return whether a call that runs now belongs to the recorded forward pass."""
        return in_backward() or (torch.is_grad_enabled() and not self.complete)


class StepFusedHooks(FusedHooks):
    """Hooks on an ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU`` for the forward pass of a training step."""

    recorder: StepRecorder

    def concerned(self) -> bool:
        """Return whether the current call may be recorded: not in validation under ``no_grad``."""
        return self.recorder.records() and super().concerned()


class StepCellHooks(CellHooks):
    """Hooks on a Cell for the forward pass of a training step."""

    recorder: StepRecorder

    def concerned(self) -> bool:
        """Return whether the current call may be recorded: not in validation under ``no_grad``."""
        return self.recorder.records() and super().concerned()


class StepHooks:
    """Hooks on the recurrent modules and the parameters of a module, until ``remove``.

    Attributes:
        recorder: of the layers.
        layers: the recorded runs, by name.
        norms: of each parameter's gradient as the backward pass ended, by name, where the gradient is.
    """

    def __init__(
        self, root: nn.Module, modules: Mapping[str, nn.Module], parameters: Mapping[str, nn.Parameter]
    ) -> None:
        """Register the hooks.

        Args:
            root: the whole module.
            modules: the recurrent modules to record, by name; possibly none.
            parameters: whose gradients are measured, by name.
        """
        self.recorder, self.norms = StepRecorder(), dict[str, Tensor]()
        thread = threading.get_ident()
        self._hooks: list[Any] = []
        cells = any(isinstance(each, CELL_MODULES) for each in modules.values())
        if cells and "" not in modules:
            self._hooks.append(ForwardCounter(root, self.recorder, thread))
        for name, module in modules.items():
            kind = StepCellHooks if isinstance(module, CELL_MODULES) else StepFusedHooks
            self._hooks.append(kind(name, module, self.recorder, thread))
        self._hooks += [
            parameter.register_post_accumulate_grad_hook(partial(self._measure, name))
            for name, parameter in parameters.items()
            if parameter.requires_grad and parameter.is_leaf
        ]
        self.layers = LayerTraces(self.recorder, self.recorder.missing)

    def _measure(self, name: str, parameter: Tensor) -> None:
        """Measure a gradient that the backward pass has just added to."""
        self.recorder.complete = True
        if parameter.grad is not None:
            self.norms[name] = vector_norm(parameter.grad)

    def remove(self) -> None:
        """Remove all hooks."""
        while self._hooks:
            self._hooks.pop().remove()
        self.recorder.close()
