"""Hooks on cells of the user's own, whose equations the user gives: each call is one step."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models.capturing.hooks import ModuleHooks, as_tuple
from models.capturing.recordable import failure_of, obstacle
from models.capturing.recorded_arrays import copy_to_cpu, same_bits
from models.capturing.recorder import Recorder
from models.core.custom_cell import CellEquations, CustomRecording, CustomTrace
from models.core.output_gradients import GradientHook, HookedOutput


class CustomHooks(ModuleHooks, Mapping[str, CustomTrace]):
    """Hooks on one cell; a mapping from the names of its runs to their traces."""

    def __init__(
        self, name: str, module: nn.Module, definition: CellEquations, recorder: Recorder, thread: int
    ) -> None:
        """Register the hook."""
        super().__init__(name, module, recorder, thread)
        self.definition = definition
        self.runs: list[list[tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...], GradientHook, bool]]] = []
        self.weights: list[dict[str, Tensor]] = []
        self.forwards: list[int] = []
        self.parameters: dict[str, GradientHook] = {}
        self.after_call(self.record)

    def remove(self) -> None:
        """Remove the hooks, also those of gradients."""
        super().remove()
        for hook in [*self.parameters.values(), *(step[3] for run in self.runs for step in run)]:
            hook.remove()

    def record(self, args: tuple, kwargs: dict, output: Any) -> None:
        """Record one call, or note why it was not recorded."""
        outputs = as_tuple(output) or ()
        reason = obstacle(*args, *outputs, *self.module.parameters())
        if reason is None and threading.get_ident() == self.thread:
            reason = failure_of(lambda: self._record((*args, *kwargs.values()), outputs))
        if reason is not None:
            self.recorder.skip(self.name, reason)

    @torch.no_grad()
    def _record(self, given: tuple, outputs: tuple[Tensor, ...]) -> None:
        count = len(self.definition.states)
        states = as_tuple(given[1]) if len(given) > 1 else None
        if len(outputs) != count or (states is not None and len(states) != count) or outputs[0].dim() != 2:
            raise ValueError(
                f"the equations have {count} states, which are to be given and returned as (B, units) each"
            )
        fresh = states is None
        states = tuple(map(torch.zeros_like, outputs)) if states is None else states
        before, after = tuple(map(copy_to_cpu, states)), tuple(map(copy_to_cpu, outputs))
        own = {**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}
        if not self.weights or not all(same_bits(self.weights[-1][name], each) for name, each in own.items()):
            self.weights.append({name: copy_to_cpu(each) for name, each in own.items()})
            fresh = True
        nodes = {each.grad_fn for each in outputs}
        step = (
            copy_to_cpu(given[0]),
            before,
            after,
            GradientHook(tuple(map(HookedOutput, outputs))),
            len(nodes) == count,
        )
        for name, each in self.module.named_parameters():
            if each.requires_grad and name not in self.parameters and outputs[0].requires_grad:
                self.parameters[name] = GradientHook((HookedOutput(each),))
        if not self.runs or fresh or not self._continues(before):
            self.runs.append([])
            self.weights[len(self.runs) - 1 :] = [self.weights[-1]]
            self.forwards.append(self.recorder.forward_count)
        self.runs[-1].append(step)

    def _continues(self, before: tuple[Tensor, ...]) -> bool:
        last = self.runs[-1][-1][2]
        if all(map(torch.equal, last, before)):
            return True
        same = self.forwards[-1] == self.recorder.forward_count and self.recorder.forward_count > 0
        return same and bool(before[0].any()) and not torch.equal(before[0], self.runs[-1][0][1][0])

    def __getitem__(self, name: str) -> CustomTrace:
        index = list(self).index(name) if name in self else -1
        if index < 0:
            raise KeyError(name)
        run, states = self.runs[index], self.definition.states
        recording = CustomRecording(
            module=self.module,
            weights=self.weights[index],
            input=torch.stack([step[0] for step in run], dim=1),
            before={s: torch.stack([step[1][i] for step in run], dim=1) for i, s in enumerate(states)},
            after={s: torch.stack([step[2][i] for step in run], dim=1) for i, s in enumerate(states)},
            hooks=[step[3] for step in run],
            separate=all(step[4] for step in run),
            parameter_hooks=self.parameters if len(self.runs) == 1 else {},
        )
        return CustomTrace(name, type(self.module).__name__, self.definition, recording)

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __iter__(self) -> Iterator[str]:
        base = f"{self.name}.l0" if self.name else "l0"
        return iter([base if i == 0 else f"{base}#{i + 1}" for i in range(len(self.runs))])

    def __len__(self) -> int:
        return len(self.runs)
