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
from models.core.output_gradients import OutputGradientCollector
from models.core.trace import LayerTrace, LayerTraces
from models.runs.parameter_statistics import vector_norm

MAX_RUNS = 16
"""The most runs of a layer that are recorded before the backward pass, as in a validation with gradients enabled."""


@dataclass(eq=False)
class StepRecorder(Recorder):
    """The layers recorded in one training step.

    Attributes:
        complete: whether the backward pass has begun: later forward passes do not belong to the recorded one.
    """

    complete: bool = False

    def records(self) -> bool:
        """Return whether a call that runs now belongs to the recorded forward pass: not in validation under ``no_grad``."""
        return in_backward() or (torch.is_grad_enabled() and not self.complete and not self.full)

    @property
    def full(self) -> bool:
        """Whether a layer has so many runs that they are unlikely to be those of one step."""
        return any(count > MAX_RUNS for count in self._runs.values())


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
            kind = CellHooks if isinstance(module, CELL_MODULES) else FusedHooks
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

    def trained_layers(self) -> dict[str, LayerTrace]:
        """Return each layer's first run that gradients have reached, by the layer's name.

        Of a layer that no gradient has reached it is the first run, unless the runs of the step may have been too many.
        """
        found: dict[str, LayerTrace] = {}
        reached = set()
        for name, run in self.layers.items():
            layer = name.partition("#")[0]
            gradients = run.recording.output_gradients
            has = isinstance(gradients, OutputGradientCollector) and gradients.count > 0
            if (has and layer not in reached) or (layer not in found and not self.recorder.full):
                found[layer] = run
            reached |= {layer} if has else set()
        return found

    def remove(self) -> None:
        """Remove all hooks."""
        while self._hooks:
            self._hooks.pop().remove()
        self.recorder.close()
