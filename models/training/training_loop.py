"""Train a network by its options, recorded in a run folder; pause, stop, and go on from the last checkpoint.

    result = train(TrainingOptions(task="recall", cell="GRU"), "runs/gru")
    result = resume("runs/gru")  # after it was stopped or interrupted

A resumed run continues bit for bit as one that was not interrupted: the batch, the masks and the samples of a training step
depend on the seed and the step alone. Training runs in the caller's thread, with one thread of torch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.core.messages import Problem
from models.networks.generation import generate
from models.runs.run_folder import is_plain_file, is_run_folder
from models.runs.run_writer import disk_reason
from models.runs.watch import Watcher, watch
from models.training.bundled_tasks import recall_accuracy_by_distance
from models.training.early_stopping import EarlyStopping
from models.training.sequence_models import SequenceModel, SeriesModel, build_sequence_model
from models.training.trained_network import network_in_training, probe_of, read_options, training_card, write_settings
from models.training.training_checkpoint import CHECKPOINT, LoopState, load_checkpoint_state, save_checkpoint
from models.training.training_control import CommandReader, send_command
from models.training.training_data import (
    Sequences,
    TaskData,
    batch_rows,
    judged_correct,
    normalize_series,
    sequence_loss,
    steps_per_epoch,
)
from models.training.training_options import OWN_DATA, TrainingOptions
from models.training.training_tasks import task_data

VALIDATION_BATCH = 256
MAX_VALIDATED = 2000
"""Sequences of a validation."""

FEW = 4
"""Sequences of a generated task from which the card of a run is made."""

DISTANCES = (5, 10, 20, 30, 40, 60)
"""Words between city and end at which a run of the task ``recall`` is measured when it ends."""

PAUSE_SECONDS, MAX_PAUSE = 0.1, 600.0
"""Seconds after which a paused run reads its command again, and after which it stops, so that other runs can begin."""

SAMPLE_TEMPERATURE = 0.8
Reason = Literal["finished", "early stopping", "stopped", "time", "not finite"]
"""Why training ended: all steps done, early stopping, a command, the longest duration, or a loss of NaN or infinity."""

OPTIMIZERS: dict[str, Any] = {
    "SGD": torch.optim.SGD,
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "RMSprop": torch.optim.RMSprop,
    "Adagrad": torch.optim.Adagrad,
}


@dataclass(frozen=True)
class TrainingResult:
    """The end of a run.

    Attributes:
        reason: why.
        step: finished training steps.
        seconds: of training, all parts of the run together.
    """

    reason: Reason
    step: int
    seconds: float


def make_optimizer(module: nn.Module, options: TrainingOptions) -> torch.optim.Optimizer:
    """Return the optimizer of the trained parameters."""
    own = {"momentum": options.momentum} if options.optimizer in ("SGD", "RMSprop") else {}
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return OPTIMIZERS[options.optimizer](trained, lr=options.rate, weight_decay=options.weight_decay, **own)


def clip_gradients(module: nn.Module, options: TrainingOptions) -> None:
    """Clip the gradients in place as the options say."""
    if options.clipping == "norm":
        nn.utils.clip_grad_norm_(module.parameters(), options.clip_threshold)
    elif options.clipping == "value":
        nn.utils.clip_grad_value_(module.parameters(), options.clip_threshold)


def total_steps(options: TrainingOptions, data: TaskData) -> int:
    """Return the number of training steps of a whole run."""
    return options.steps or options.epochs * steps_per_epoch(len(data.training), options.batch)


def validation_interval(options: TrainingOptions, data: TaskData) -> int:
    """Return the number of training steps from one validation to the next."""
    return options.validate_every or steps_per_epoch(len(data.training), options.batch)


def step_seed(seed: int, step: int) -> int:
    """Return the seed of torch's generator for one training step, from which its masks are drawn."""
    return (seed * 1_000_003 + step * 7_919 + 12_345) % 2**63


def step_batch(options: TrainingOptions, data: TaskData, step: int) -> Sequences:
    """Return the sequences of one training step."""
    return data.training.take(batch_rows(len(data.training), options.seed, options.batch, step))


def batch_loss(module: SequenceModel, batch: Sequences, bptt_length: int = 0) -> tuple[Tensor, Tensor]:
    """Return the loss () and the outputs of a batch; without ``bptt_length`` the gradient passes through all time steps."""
    outputs, _ = module.step_outputs(batch.inputs, bptt_length=bptt_length)
    if isinstance(module, SeriesModel):
        batch = normalize_series(batch, module.mean, module.scale)
    return sequence_loss(outputs, batch), outputs


def train(options: TrainingOptions, folder: str | Path) -> TrainingResult:
    """Train a network from its initial weights and record the run in a new folder.

    Raises:
        Problem: a setting or the data are invalid, there is a run in the folder already, or it cannot be written.
    """
    prepare(options, folder)
    return start(folder)


def prepare(options: TrainingOptions, folder: str | Path) -> None:
    """Check the options and write the settings of a new run into its folder; ``start`` trains it, in this process or another.

    Quick: of a generated task only a few sequences are made.

    Raises:
        Problem: as ``train``.
    """
    folder = Path(folder)
    data = task_data(options if options.task in OWN_DATA else options.with_changes(examples=FEW))
    if is_run_folder(folder):
        raise Problem("{folder} already contains a run. Choose another folder.", folder=str(folder))
    card = training_card(options, data, build_sequence_model(options, data))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_settings(folder, options, card)
    except OSError as error:
        raise _unwritable(disk_reason(error)) from error


def start(folder: str | Path) -> TrainingResult:
    """Train a run that ``prepare`` has prepared.

    Raises:
        Problem: as ``train``.
    """
    return _loop_of(Path(folder)).run()


def resume(folder: str | Path) -> TrainingResult:
    """Go on with a run from its last checkpoint.

    Raises:
        Problem: there is no such run, it is being written by another process, or it cannot be read.
    """
    read_options(folder)
    send_command(folder, "run")
    return continue_run(folder)


def continue_run(folder: str | Path) -> TrainingResult:
    """Go on with a run as ``resume`` does, but follow its last command, which may be to stop.

    Raises:
        Problem: as ``resume``.
    """
    loop = _loop_of(Path(folder))
    loop.load_checkpoint()
    return loop.run()


def _loop_of(folder: Path) -> TrainingLoop:
    """Return the training of the run whose settings are in a folder, with initial weights."""
    options = read_options(folder)
    data = task_data(options)
    return TrainingLoop(folder, options, data, build_sequence_model(options, data))


class TrainingLoop:
    """The training of one run, from a state to its end.

    Attributes:
        folder: of the run.
        options: likewise. data: of its task.
        module: the network, trained in place. optimizer: of its parameters.
        state: what is counted.
        resume_at: the step from which an earlier recording in the folder continues; None for a new one.
    """

    def __init__(self, folder: Path, options: TrainingOptions, data: TaskData, module: SequenceModel) -> None:
        """Make the optimizer; ``run`` trains."""
        self.folder, self.options, self.data, self.module, self.state = folder, options, data, module, LoopState()
        self.optimizer = make_optimizer(module, options)
        self.resume_at: int | None = None
        self._network = network_in_training(module, training_card(options, data, module))
        self._total, self._interval = total_steps(options, data), validation_interval(options, data)
        self._commands, self._recorded = CommandReader(folder), -1

    def load_checkpoint(self) -> None:
        """Restore the last checkpoint of the run in the folder; a run that was interrupted before its first starts again."""
        if is_run_folder(self.folder):
            if is_plain_file(self.folder / CHECKPOINT):
                self.state = load_checkpoint_state(self.folder, self.module, self.optimizer)
            self.resume_at = self.state.step

    def run(self) -> TrainingResult:
        """Train to the end, or until a command, early stopping, the time limit or a loss that is not finite.

        Raises:
            Problem: the folder cannot be written.
        """
        options = self.options
        settings = {name: value for name, value in options.to_dict().items() if name != "data"}
        settings |= {"total_steps": self._total, "validation_interval": self._interval}
        with one_thread(), torch.random.fork_rng(devices=[]), torch.enable_grad():
            probe, probe_loss = probe_of(self._network)
            with watch(
                self.module,
                self.folder,
                every=options.record_every,
                probes=[probe],
                loss=probe_loss,
                snapshots=options.snapshots,
                settings=settings,
                optimizer=self.optimizer,
                resume_at=self.resume_at,
            ) as run:
                try:
                    reason = self._train(run)
                    self._save()
                except OSError as error:
                    raise _unwritable(disk_reason(error)) from error
                about = {"reason": reason, "seconds": round(self.state.seconds, 3)} | self.measure()
                run.end("finished" if reason in ("finished", "early stopping") else "stopped", **about)
        return TrainingResult(reason, self.state.step, self.state.seconds)

    def measure(self) -> dict[str, Any]:
        """Return what is measured at the end of a run: of the task ``recall``, the accuracy by distance."""
        if self.options.task != "recall":
            return {}
        found = recall_accuracy_by_distance(self.module.eval(), DISTANCES)
        return {"accuracy_by_distance": {str(distance): value for distance, value in found.items()}}

    def _train(self, run: Watcher) -> Reason:
        """Train step by step; return why it ended."""
        state, started, before = self.state, time.monotonic(), self.state.seconds
        stopping = EarlyStopping(
            self.options.patience, self.options.min_delta, state.best, state.wait, state.validations
        )
        while True:
            state.seconds = before + time.monotonic() - started
            if self._due():
                stop = self._validate(run, stopping)
                if stop or state.step >= self._total:
                    return "early stopping" if stop else "finished"
            if (command := self._commands.current()) != "run":
                self._save()
                if command == "stop":
                    return "stopped"
                run.store_weights()
                paused = time.monotonic()
                while self._commands.current() == "pause":
                    if time.monotonic() - paused > MAX_PAUSE:
                        return "stopped"
                    time.sleep(PAUSE_SECONDS)
                started += time.monotonic() - paused
                continue
            if state.seconds > 60 * self.options.minutes:
                return "time"
            if not math.isfinite(self._step(run)):
                return "not finite"

    def _due(self) -> bool:
        """Return whether a validation comes before the next step; a resumed recording lacks that of its first step."""
        step = self.state.step
        resumed = step == self.resume_at and step == self.state.validated
        return (step % self._interval == 0 or step >= self._total or resumed) and self._recorded < step

    def _step(self, run: Watcher) -> float:
        """Make one training step; return its loss."""
        state, module = self.state, self.module
        loss, outputs, batch = differentiate_step(module, self.optimizer, self.options, self.data, state.step)
        correct, judged = judged_correct(outputs, batch) if run.records and batch.targets.dim() == 2 else (0, 0)
        value = float(loss.detach())
        further = {"accuracy": correct / judged} if judged else {}
        run.step(loss=value, **further)
        if run.writer.failure is not None:
            raise _unwritable(run.writer.failure.values["reason"])
        clip_gradients(module, self.options)
        self.optimizer.step()
        state.step += 1
        return value

    def _validate(self, run: Watcher, stopping: EarlyStopping) -> bool:
        """Measure the loss on the validation data, write a sample and a checkpoint; return whether to stop early."""
        state = self.state
        loss, accuracy = validate(self.module, self.data.validation)
        run.record(**{"loss/validation": loss} | ({} if accuracy is None else {"accuracy/validation": accuracy}))
        sample = self._sample()
        if sample:
            run.sample(sample)
        # epochs begin after the first step, and a resumed run has counted the validation of its first step
        stop = stopping.update(loss) if state.step > max(0, state.validated) else False
        self._recorded = state.step
        state.best, state.wait, state.validations = stopping.best, stopping.wait, stopping.count
        state.validated = state.step
        self._save()
        return stop

    def _sample(self) -> str:
        """Return a text by the network as it is; "" if the task has none, or its scores are not finite."""
        data = self.data
        if not data.prompt:
            return ""
        self.module.eval()
        temperature = SAMPLE_TEMPERATURE if self.options.task in ("characters", "text") else 0.0
        try:
            found = generate(self._network, data.prompt, data.sampled, temperature, self.options.seed)
        except Problem:
            return ""
        return found.text if data.kind == "characters" else " ".join((data.prompt, *found.symbols))

    def _save(self) -> None:
        save_checkpoint(self.folder, self.module, self.optimizer, self.state)


def differentiate_step(
    module: SequenceModel, optimizer: torch.optim.Optimizer, options: TrainingOptions, data: TaskData, step: int
) -> tuple[Tensor, Tensor, Sequences]:
    """Compute the gradients of a training step, before clipping; return its loss, the outputs, and the batch."""
    batch = step_batch(options, data, step)
    torch.manual_seed(step_seed(options.seed, step))
    module.train()
    loss, outputs = batch_loss(module, batch, options.bptt_length)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    return loss, outputs, batch


def validate(module: SequenceModel, sequences: Sequences) -> tuple[float, float | None]:
    """Return the mean loss and the accuracy on the first ``MAX_VALIDATED`` sequences; no accuracy of a series."""
    module.eval()
    count, loss, correct, judged = min(len(sequences), MAX_VALIDATED), 0.0, 0, 0
    with torch.no_grad():
        for first in range(0, count, VALIDATION_BATCH):
            batch = sequences.take(slice(first, min(count, first + VALIDATION_BATCH)))
            value, outputs = batch_loss(module, batch)
            loss += float(value) * len(batch)
            if batch.targets.dim() == 2:
                right, of = judged_correct(outputs, batch)
                correct, judged = correct + right, judged + of
    return loss / count, correct / judged if judged else None


@contextmanager
def one_thread() -> Iterator[None]:
    """Run a block with one thread of torch: layers this small gain nothing from a second, and results do not depend on it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _unwritable(reason: str) -> Problem:
    """Return the sentence for a folder that cannot be written."""
    return Problem(
        "The run cannot be written: {reason}. Free space on the disk, or choose another folder.", reason=reason
    )
