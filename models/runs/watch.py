"""Record a training loop: ``with watch(net, "runs/a") as run: ...; loss.backward(); run.step(loss=loss.item()); ...``.

Every n-th training step is recorded; between them no hook is on the recurrent layers, and nothing is copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from os import PathLike
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from models.capturing.capture import CaptureError, HasModule, recurrent_modules
from models.core.messages import Problem
from models.core.trace import LayerTrace
from models.runs.layer_statistics import layer_statistics, map_quantities
from models.runs.map_store import MapRow
from models.runs.nonfinite_place import nonfinite_place
from models.runs.parameter_statistics import layers_of, to_floats, total_norm, vector_norm, weight_statistics
from models.runs.probe_pass import ProbeLoss, record_probes, with_probe
from models.runs.run_folder import ENDED
from models.runs.run_writer import RunWriter
from models.runs.snapshots import snapshot_bytes
from models.runs.step_hooks import StepHooks
from models.runs.time_bins import bin_means, bin_width
from models.runs.update_statistics import UpdateStatistics

CONFIRM_EVERY = 100
"""Gradients by time step are compared with those of the weights at each recorded step of so many."""


class Watcher:
    """The recording of a training loop, made by ``watch``; a context manager.

    Attributes:
        training_step: the number of calls of ``step``, which is that of the optimizer's updates.
        writer: of the run folder.
    """

    def __init__(
        self,
        module: nn.Module,
        writer: RunWriter,
        modules: Mapping[str, nn.Module],
        probes: Sequence[Any] | None,
        loss: ProbeLoss | None,
        optimizer: torch.optim.Optimizer | None,
        log: Any,
        first: int,
    ) -> None:
        """Prepare the recording; ``__enter__`` begins it."""
        self.training_step, self.writer = first, writer
        self._module, self._modules, self._log = module, dict(modules), log
        self._layers = layers_of(modules)
        self._probes, self._loss, self._optimizer = probes, loss and with_probe(loss), optimizer
        self._parameters = dict(module.named_parameters())
        self._names = {id(parameter): name for name, parameter in self._parameters.items()}
        self._handles: list[Any] = []
        self._armed: StepHooks | None = None
        self._waiting: tuple[int, UpdateStatistics] | None = None
        self._early: UpdateStatistics | None = None
        self._updated, self._after_update = False, False
        self._recorded, self._nonfinite = 0, False
        self._status: str | None = None

    def __enter__(self) -> Watcher:
        self._handles = [
            register_optimizer_step_pre_hook(self._before_optimizer),
            register_optimizer_step_post_hook(self._after_optimizer),
        ]
        self._snapshot(self.training_step)
        self._arm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._disarm()
        while self._handles:
            self._handles.pop().remove()
        if self._status is None:
            stopped = kind is not None and issubclass(kind, KeyboardInterrupt | GeneratorExit | SystemExit)
            self._status = "stopped" if stopped else "finished" if kind is None else "failed"
        self.store_weights()
        self.writer.close(self._status)

    def store_weights(self) -> None:
        """Write a snapshot of the weights as they are between two training steps, and the number of their updates."""
        made = self.training_step if self._updated or self._after_update else self.training_step - 1
        if made >= 0 and not self.writer.snapshots.has(made):
            self._write_snapshot(made)
        self.writer.describe(updates=max(0, made))

    def end(self, status: str, **about: Any) -> None:
        """Set how the run ends, ``"finished"``, ``"stopped"`` or ``"failed"``, and further entries of ``run.json``.

        The loop has to end by its own code; without this call, leaving the block decides.
        """
        if status not in ENDED:
            raise ValueError(f"A run ends as one of {', '.join(ENDED)}, not as {status!r}.")
        self._status = status
        self.writer.describe(**about)

    def step(self, loss: float | Tensor | None = None, **scalars: float | Tensor) -> None:
        """Record a training step: to be called once for each update, after ``backward()``, best before ``optimizer.step()``.

        Clipping may come before or after the call: gradients are measured when the backward pass ends and again when the
        optimizer begins its step.

        Args:
            loss: the training loss, stored as ``"loss/train"``. Of a number, or a tensor on the CPU, a NaN is noted at the
                step at which it appears, also if that step is not recorded.
            scalars: others: ``accuracy=0.9`` is stored as ``"accuracy/train"``, a name with ``/`` as it is.
        """
        armed, step = self._armed, self.training_step
        self._armed, self._waiting, early, self._early = None, None, self._early, None
        try:
            if armed is not None:
                self._after_update = early is not None
                self._waiting = None if early is not None else (step, UpdateStatistics(self._names))
                self._record(step, armed, named_scalars(loss, scalars), early)
            elif not self._nonfinite and _surely_nonfinite(loss):
                self._find_nonfinite(step, {}, named_scalars(loss, {})["loss/train"])
        finally:
            if armed is not None:
                armed.remove()
            self.training_step, self._updated = step + 1, False
        self._snapshot(self.training_step if self._after_update else step)
        self._arm()

    @property
    def records(self) -> bool:
        """Whether the next call of ``step`` records its scalars."""
        return self._armed is not None

    def record(self, **scalars: float | Tensor) -> None:
        """Store scalars of the network as it is now, at any step: ``run.record(**{"loss/validation": 0.7})``."""
        self._write_scalars(self.training_step, named_scalars(None, scalars))

    def sample(self, text: str) -> None:
        """Store a text that the network as it is now has written."""
        self.writer.write_sample(self.training_step, text)

    def _arm(self) -> None:
        """Register the hooks of the next step if it is to be recorded."""
        self._disarm()
        if self.training_step % self.writer.every == 0 and self.writer.failure is None:
            self._armed = StepHooks(self._module, {} if self._probes else self._modules, self._parameters)

    def _disarm(self) -> None:
        if self._armed is not None:
            self._armed.remove()
            self._armed = None

    def _snapshot(self, step: int) -> None:
        """Write a snapshot of the weights after ``step`` updates, if one is due."""
        if self.writer.snapshots.due(step) and self.writer.failure is None:
            self._write_snapshot(step)

    def _write_snapshot(self, step: int) -> None:
        if self.writer.snapshots.most:
            self.writer.write_snapshot(step, snapshot_bytes(self._module, self._layers, self.writer.settings))

    def _record(self, step: int, armed: StepHooks, scalars: dict[str, float], early: UpdateStatistics | None) -> None:
        """Write everything that is known of a step between its backward pass and its update."""
        first, self._recorded = self._recorded, self._recorded + 1
        norms = dict(armed.norms)
        for name, parameter in self._parameters.items():
            if name not in norms and parameter.grad is not None:
                norms[name] = vector_norm(parameter.grad)
        sizes = to_floats(norms)
        values = scalars | {f"gradient_norm/{name}": size for name, size in sizes.items()}
        if sizes:
            values["gradient_norm/total"] = total_norm(sizes.values())
        values |= weight_statistics(self._layers, first)
        layers = self._layer_runs(armed) if self._modules else {}
        rows = {}
        for name, layer in layers.items():
            rows[name], own = self._layer_row(step, name, layer, confirm=first % CONFIRM_EVERY == 0)
            values |= own
        if early is not None:
            values |= early.scalars()
        self.writer.write_step(step, values, rows)
        self._pass_on(step, values)
        bad = any(
            not isfinite(each) for name, each in values.items() if name.startswith(("loss/train", "grad", "mean/"))
        )
        if bad and not self._nonfinite:
            self._find_nonfinite(step, {} if self._probes else layers, scalars.get("loss/train"))

    def _layer_runs(self, armed: StepHooks) -> dict[str, LayerTrace]:
        """Return the recorded run of each layer: on the probes if there are any, else of the step's own batch."""
        ran = armed
        if self._probes:
            assert self._loss is not None
            ran = record_probes(self._module, self._modules, self._probes, self._loss)
        self._note_missing(ran)
        found = ran.trained_layers()
        return {layer.name: found[layer.name] for layer in self._layers if layer.name in found}

    def _note_missing(self, ran: StepHooks) -> None:
        """Store in ``run.json`` why layers are not recorded, the first time."""
        missing = ran.recorder.missing()
        if missing and self._recorded == 1:
            self.writer.describe(unrecorded=missing)

    def _layer_row(self, step: int, name: str, layer: LayerTrace, confirm: bool) -> tuple[MapRow, dict[str, float]]:
        """Return one layer's row of maps and its scalars."""
        found = layer_statistics(layer, confirm)
        if found.unconfirmed is not None:
            self.writer.describe(unconfirmed=found.unconfirmed)
        width = bin_width(found.steps)
        row = MapRow(step, found.steps, width, bin_means(found.maps, width).float().numpy())
        scalars = {}
        for key, value in found.scalars.items():
            statistic, gate = key.split("/")
            scalars[f"{statistic}/{name}/{gate}"] = value
        return row, scalars

    def _find_nonfinite(self, step: int, layers: Mapping[str, LayerTrace], loss: float | None) -> None:
        """Store where NaN or infinity first appears in this step."""
        place = nonfinite_place(self._parameters, layers, loss)
        if place is not None:
            self._nonfinite = True
            self.writer.write_nonfinite(step, place)

    def _write_scalars(self, step: int, values: dict[str, float]) -> None:
        self.writer.write_scalars(step, values)
        self._pass_on(step, values)

    def _pass_on(self, step: int, values: dict[str, float]) -> None:
        """Log scalars to the user's own object: a ``SummaryWriter``, or anything with ``log(values, step=...)``."""
        if self._log is None or not values:
            return
        if hasattr(self._log, "add_scalar"):
            for name, value in values.items():
                self._log.add_scalar(name, value, step)
        else:
            self._log.log(values, step=step)

    def _before_optimizer(self, optimizer: torch.optim.Optimizer, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Measure the gradients that an optimizer is about to use, if the step is recorded.

        Where the optimizer itself calls forward and backward, as with a closure in Lightning, they are measured after that.
        """
        if not self._concerns(optimizer):
            return None
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if closure is None:
            self._measure_before(optimizer)
            return None

        def measured() -> Any:
            result = closure()
            self._measure_before(optimizer)
            return result

        return ((args[0], measured, *args[2:]), kwargs) if len(args) > 1 else (args, kwargs | {"closure": measured})

    def _measure_before(self, optimizer: torch.optim.Optimizer) -> None:
        statistics = self._current_update()
        if statistics is not None:
            statistics.before(optimizer)

    def _after_optimizer(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Measure the update that an optimizer has made, and write it."""
        if not self._concerns(optimizer):
            return
        self._updated = True
        statistics = self._current_update()
        if statistics is not None and statistics.after(optimizer) and self._waiting is not None:
            self._write_scalars(self._waiting[0], statistics.scalars())

    def _current_update(self) -> UpdateStatistics | None:
        """Return the statistics that the current call of an optimizer belongs to; None if its step is not recorded."""
        begun = self._armed is not None and bool(self._armed.norms)
        if begun:  # the backward pass of the step that comes next has run: this is its update, before the call of step
            self._waiting = None
            if self._early is None:
                self._early = UpdateStatistics(self._names)
            return self._early
        return None if self._waiting is None else self._waiting[1]

    def _concerns(self, optimizer: torch.optim.Optimizer) -> bool:
        """Return whether the updates of an optimizer count: the chosen one's, or those of the module's parameters."""
        if self._optimizer is not None:
            return optimizer is self._optimizer
        return any(id(each) in self._names for group in optimizer.param_groups for each in group["params"][:1])


def named_scalars(loss: float | Tensor | None, scalars: Mapping[str, float | Tensor]) -> dict[str, float]:
    """Return scalars under their full names: those without a ``/`` are of training."""
    found = {} if loss is None else {"loss/train": _number(loss)}
    return found | {name if "/" in name else f"{name}/train": _number(value) for name, value in scalars.items()}


def _number(value: float | Tensor) -> float:
    return value.item() if isinstance(value, Tensor) else float(value)


def _surely_nonfinite(loss: float | Tensor | None) -> bool:
    """Return whether a loss is NaN or infinite, as far as that is known without waiting for another device."""
    if isinstance(loss, Tensor):
        return loss.is_cpu and not isfinite(loss.item())
    return loss is not None and not isfinite(loss)


def watch(
    module: nn.Module | HasModule,
    folder: str | PathLike[str],
    every: int = 10,
    *,
    probes: Sequence[Any] | None = None,
    loss: ProbeLoss | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    snapshots: int = 20,
    settings: Mapping[str, Any] | None = None,
    log: Any = None,
    resume_at: int | None = None,
) -> Watcher:
    """Record a training loop into a run folder, which ``open_run`` and the app's Train page open, also while it is written.

    At every n-th training step, counted from 0: the loss and other scalars, the gradient's norm of each parameter and of all
    (when the backward pass ends, and when the optimizer begins its step: clipping is between them), the relative size of the
    update, ||dL/dh_t|| and ||dL/dc_t|| of each recurrent layer by time step, mean and saturation of every gate, the norm and
    at times the spectral radius of W_hh, forget bias, learning rate; and the first place of a NaN or an infinity. At fewer
    steps, the weights. Under activation checkpointing, in 16 bits or with loss scaling, gradients are as autograd has them:
    those at the end of the backward pass include the scale of a ``GradScaler``.

    Args:
        module: the network as it is trained; of a layer that runs several times in a step, its first
            run that gradients reach is recorded.
        folder: new, or empty.
        every: the number of training steps from one recorded one to the next.
        probes: inputs of the module; if given, the maps by time step and the gates are of these, in evaluation mode, instead
            of the step's own batch, so that they are comparable over the training.
        loss: of the module's output, or of the output and the probe; needed with ``probes``.
        optimizer: if only its updates count; otherwise those of every optimizer of the module's parameters do.
        snapshots: the number of snapshots of the weights to keep.
        settings: of the training, JSON values; stored in ``run.json``.
        log: a TensorBoard ``SummaryWriter``, or an object with ``log(values, step=...)``, which gets the scalars too.
        resume_at: the training step at which an interrupted run in ``folder`` continues.

    Returns:
        a context manager: ``with watch(...) as run``; call ``run.step(loss=...)`` after ``loss.backward()``.

    Example:
        >>> with watch(net, "runs/lstm-a", every=10) as run:
        ...     for x, y in loader:
        ...         optimizer.zero_grad()
        ...         loss = criterion(net(x), y)
        ...         loss.backward()
        ...         run.step(loss=loss.item())
        ...         optimizer.step()

    Raises:
        Problem: an argument cannot be used, the folder contains a run, or it cannot be written.
    """
    module = module if isinstance(module, nn.Module) else module.module
    if every < 1:
        raise Problem("The recording interval must be 1 or more, not {every}.", every=every)
    if snapshots < 0:
        raise Problem("The number of snapshots must be 0 or more, not {count}.", count=snapshots)
    if probes is not None and (loss is None or not len(probes)):
        raise Problem(
            "Probes need a loss and at least one input. Pass loss=..., a function of the output and the probe."
        )
    about: dict[str, Any] = {"maps_of": "probes" if probes is not None else "batch"}
    try:
        modules = recurrent_modules(module)
    except CaptureError as error:
        modules, about["unrecorded"] = {}, str(error)
    layers = layers_of(modules)
    writer = RunWriter(
        folder,
        every,
        {layer.name: layer.description() for layer in layers},
        {layer.name: map_quantities(layer.cell) for layer in layers},
        snapshots,
        settings,
        about | {"parameters": sum(each.numel() for each in module.parameters())},
        resume_at,
    )
    return Watcher(module, writer, modules, probes, loss, optimizer, log, resume_at or 0)
