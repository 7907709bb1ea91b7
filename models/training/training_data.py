"""The sequences of a task: inputs, targets, and what of the output is scored and judged.

Every task becomes one form: inputs at T time steps, a target at some of them with a weight in the loss, and the positions at
which the accuracy is measured. Sequences of different lengths are padded on the right; the padding has no target, and what
follows a sequence's end has no influence on what comes before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class Sequences:
    """N sequences of a task, padded to T time steps.

    Attributes:
        inputs: ids (N, T) int64, or values (N, T, D) float32.
        targets: ids of tokens or classes (N, T) int64, -1 where none is scored; or values (N, T, D).
        weights: (N, T) float32, of each position in the loss; the loss of a sequence is their weighted sum.
        judged: (N, T) bool, where the accuracy is measured.
        lengths: (N) int64.
    """

    inputs: Tensor
    targets: Tensor
    weights: Tensor
    judged: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: Any) -> Sequences:
        """Return some of the sequences, no longer than the longest of them."""
        lengths = self.lengths[rows]
        most = int(lengths.max())
        cut = {each.name: getattr(self, each.name)[rows] for each in fields(self) if each.name != "lengths"}
        return Sequences(**{name: values[:, :most] for name, values in cut.items()}, lengths=lengths)


@dataclass(frozen=True, eq=False)
class TaskData:
    """The sequences of a task, and how the network's inputs and outputs are named.

    Attributes:
        training, validation: the sequences.
        vocabulary: V symbols in the order of their ids; None for a series.
        outputs: number of outputs at each time step: V, C classes, or D.
        predicts: ``"next"`` token or value, or a ``"class"``.
        kind: what one time step is, as on a card.
        scored: where the prediction counts, as on a card.
        columns: D of a series, else 0.
        mean, scale: (D) of a series' training data, which the network normalizes by; empty otherwise.
        classes: names of the classes, by language.
        examples: inputs to try the network on, each with its language or None.
        prompt: the text that samples continue; "" for a task without samples.
        sampled: number of symbols of a sample.
        unknown, padding: the symbols, or None.
        particles: as on a card.
        answer_step: as on a card.
        probe: the text of the fixed sequence that is recorded.
        source: of the data, in one line.
    """

    training: Sequences
    validation: Sequences
    vocabulary: tuple[str, ...] | None
    outputs: int
    predicts: Literal["next", "class"]
    kind: Literal["characters", "words", "numbers"]
    scored: Literal["all", "last"]
    examples: tuple[tuple[str, str | None], ...]
    probe: str
    source: str
    columns: int = 0
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    classes: dict[str, tuple[str, ...]] | None = None
    prompt: str = ""
    sampled: int = 80
    unknown: str | None = None
    padding: str | None = None
    particles: tuple[str, ...] = field(default=())
    answer_step: int | None = None

    @property
    def inputs(self) -> int:
        """V symbols, or D values."""
        return self.columns if self.vocabulary is None else len(self.vocabulary)


def pad_sequences(
    inputs: Sequence[Tensor], targets: Sequence[Tensor], weights: Sequence[Tensor], judged: Sequence[Tensor]
) -> Sequences:
    """Return sequences of ids, of their own lengths, padded on the right; each argument has N tensors (T_n)."""

    def padded(values: Sequence[Tensor], filler: float) -> Tensor:
        return torch.nn.utils.rnn.pad_sequence(list(values), batch_first=True, padding_value=filler)

    lengths = torch.tensor([len(each) for each in inputs])
    return Sequences(padded(inputs, 0), padded(targets, -1), padded(weights, 0.0), padded(judged, False), lengths)


def next_step_sequences(steps: Tensor) -> Sequences:
    """Return sequences (N, T, ...) of steps (N, T + 1, ...) whose target is the next step everywhere, with weight 1 / T.

    Judged are all positions of ids (N, T + 1), none of values (N, T + 1, D).
    """
    inputs, targets = steps[:, :-1], steps[:, 1:]
    shape = targets.shape[:2]
    judged, lengths = torch.full(shape, not steps.is_floating_point()), torch.full((len(steps),), shape[1])
    return Sequences(inputs, targets, torch.full(shape, 1.0 / shape[1]), judged, lengths)


def validation_count(share: float, total: int) -> int:
    """Return how many of ``total`` sequences are for validation: ``share`` of them, but at least one, and not all."""
    return min(max(1, round(share * total)), total - 1)


def split_sequences(sequences: Sequences, share: float, seed: int) -> tuple[Sequences, Sequences]:
    """Return the sequences for training and, drawn at random, ``share`` of them for validation; at least one of each."""
    count = validation_count(share, len(sequences))
    order = torch.from_numpy(np.random.default_rng((seed, 1)).permutation(len(sequences)))
    return sequences.take(order[count:].sort().values), sequences.take(order[:count].sort().values)


def sequence_loss(outputs: Tensor, batch: Sequences) -> Tensor:
    """Return the mean loss () of B sequences.

    Args:
        outputs: logits (B, T, V or C) at every step; of a series the normalized prediction (B, T, D).
        batch: of a series, with normalized targets.
    """
    if batch.inputs.is_floating_point():
        errors = (outputs - batch.targets).square().mean(-1)
    else:
        known = batch.targets.clamp(min=0)
        errors = F.cross_entropy(outputs.flatten(0, 1), known.flatten(), reduction="none").view_as(batch.weights)
    # a padded position may be infinite where training diverges: 0 times infinity would be NaN
    return torch.where(batch.weights > 0, errors, 0.0).mul(batch.weights).sum() / len(batch)


def judged_correct(outputs: Tensor, batch: Sequences) -> tuple[int, int]:
    """Return how many judged positions have their target as the most probable output, and how many are judged."""
    right = (outputs.argmax(-1) == batch.targets) & batch.judged
    return int(right.sum()), int(batch.judged.sum())


def batch_rows(count: int, options_seed: int, size: int, step: int) -> Tensor:
    """Return the rows of the batch of one training step: each epoch is a new permutation of the ``count`` sequences.

    The rows depend on the seed and the step alone, so that a run can be resumed at any step. The last batch of an epoch has
    the sequences that remain.
    """
    per_epoch = steps_per_epoch(count, size)
    epoch, place = divmod(step, per_epoch)
    return torch.from_numpy(_epoch_order(count, options_seed, epoch)[place * size : (place + 1) * size].copy())


@lru_cache(maxsize=4)
def _epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the permutation of an epoch, which all its training steps use."""
    return np.random.default_rng((seed, 2, epoch)).permutation(count)


def steps_per_epoch(count: int, size: int) -> int:
    """Return the training steps of one epoch over ``count`` sequences in batches of ``size``."""
    return -(-count // size)


def normalize_series(batch: Sequences, mean: Tensor, scale: Tensor) -> Sequences:
    """Return the sequences with targets (B, T, D) minus the mean, divided by the scale; the network normalizes its inputs."""
    return replace(batch, targets=(batch.targets - mean) / scale)
