"""The masks of dropout and zoneout that a training step of a run used, to draw them over the unrolled network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from models.capturing.capture import capture
from models.core.seeded_random import seeded_random
from models.training.masked_layers import MaskedModule
from models.training.sequence_models import build_sequence_model
from models.training.training_data import TaskData
from models.training.training_loop import step_batch, step_seed
from models.training.training_options import TrainingOptions

MaskPlace = Literal["input", "hidden", "keep_hidden", "keep_cell"]
"""Where a mask acts: on a layer's input, on h_{t-1} in the recurrent product, or on its new states (zoneout)."""


@dataclass(frozen=True, eq=False)
class StepMask:
    """A mask of one sequence.

    Attributes:
        layer: of the mask, such as ``"rnn.l0"``.
        place: where it acts.
        values: (T, G, units) float32: factors, 0 where a value is dropped; of zoneout, 1 where a unit keeps its state. G is
            the number of gates where each has its own mask, else 1.
    """

    layer: str
    place: MaskPlace
    values: np.ndarray


def step_masks(options: TrainingOptions, data: TaskData, training_step: int, sequence: int = 0) -> list[StepMask]:
    """Return the masks that a run used at a training step for one sequence of its batch; [] without dropout and zoneout.

    They are drawn again: they depend on the seed, the step and the shape of the batch, not on the weights.

    Args:
        options: of the run. data: of its task.
        training_step: counted from 0.
        sequence: index in the batch.
    """
    module, batch = build_sequence_model(options, data).train(), step_batch(options, data, training_step)
    size, steps = batch.inputs.shape[:2]
    length = int(batch.lengths[sequence])
    with seeded_random(step_seed(options.seed, training_step)), torch.no_grad():
        if isinstance(module.rnn, MaskedModule) or module.rnn.dropout == 0:
            masks = module.draw_masks(size, steps)
            found: list[tuple[str, MaskPlace, Tensor | None]] = [("rnn.l0", "input", masks.input)]
            for level, layer in enumerate(masks.layers):
                name = f"rnn.l{level}"
                found += [(name, "input", layer.input), (name, "hidden", layer.hidden)]
                found += [(name, "keep_hidden", layer.keep_hidden), (name, "keep_cell", layer.keep_cell)]
        else:  # torch's kernels draw the masks between the layers
            found = []
            with capture(module) as trace:
                module.step_outputs(batch.inputs, bptt_length=options.bptt_length)
            torch.manual_seed(step_seed(options.seed, training_step))
            found.append(("rnn.l0", "input", module.draw_masks(size, steps).input))
            for level in range(1, options.layers):
                dropout = trace.layers[f"rnn.l{level - 1}"].dropout
                found.append((f"rnn.l{level}", "input", None if dropout is None else torch.tensor(dropout)))
    return [StepMask(layer, place, _of_sequence(values, sequence, length)) for layer, place, values in _drawn(found)]


def _drawn(found: list[tuple[str, MaskPlace, Tensor | None]]) -> Iterator[tuple[str, MaskPlace, Tensor]]:
    """Yield the masks that exist."""
    for layer, place, values in found:
        if values is not None:
            yield layer, place, values


def _of_sequence(values: Tensor, sequence: int, length: int) -> np.ndarray:
    """Return (T, G, units) of a mask (B, T, units) or (B, T, G, units)."""
    of = values[sequence, :length].float()
    return (of[:, None] if of.dim() == 2 else of).numpy().copy()
