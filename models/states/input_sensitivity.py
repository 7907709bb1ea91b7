"""How much of each input is still in a later state: the fading ink of the textbook picture, from real numbers.

The influence of input k on the state h_t is the Jacobian d h_t / d x_k, and its size the Frobenius norm; how it fades is
what Graves (2012, "Supervised Sequence Labelling", figures 4.1 and 4.4) draws as shades of grey. Beside the whole of it
stands what travels along the cell line alone, where nothing but the forget (or update) gates multiplies it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.core.local_derivatives import local_derivatives
from models.core.messages import Problem
from models.core.trace import LayerTrace
from models.gradients.adjoints import IncomingGradients, adjoints
from models.gradients.transitions import Transitions

MAX_JACOBIAN_NUMBERS, MAX_CARRY_NUMBERS = 1 << 23, 1 << 18
"""How many numbers the Jacobians that go back together may have, 32 MB, and those of the steps along the cell line, 1 MB."""


@dataclass(frozen=True, eq=False)
class InputSensitivity:
    """How much of each input is in some of a layer's states.

    Attributes:
        steps: (R) the positions t of the states.
        whole: (R, T), ||d h_t / d x_k|| (Frobenius) by every way there is; 0 where h_t cannot know x_k.
        along: (R, T), the part of it that is written to the carried state at k, kept there by the gates and read from it
            at t; None in an RNN, which has no such line.
    """

    steps: np.ndarray
    whole: np.ndarray
    along: np.ndarray | None


class _IdentityGradients(IncomingGradients):
    """The derivative of each chosen state by itself: P rows for each, the identity."""

    @classmethod
    def of(cls, steps: np.ndarray, width: int, layer: LayerTrace) -> _IdentityGradients:
        """States at ``steps`` (ascending), each with ``width`` values."""
        positions = np.arange(layer.shape[1])
        touched = np.stack([np.searchsorted(steps, positions, side) for side in ("left", "right")], axis=1)
        reached = touched.copy()
        reached[:, 0 if layer.reverse else 1] = 0 if layer.reverse else len(steps)
        return cls(reached * width, touched * width, np.eye(width, dtype=layer.hidden.dtype), once=False)

    def at(self, position: int) -> tuple[slice, np.ndarray]:
        """Every state begins as itself."""
        rows = slice(*self.arriving[position].tolist())
        return rows, self.values[: rows.stop - rows.start]  # one state at a position, or none


def input_sensitivity(
    layer: LayerTrace,
    steps: Sequence[int] | None = None,
    row: int = 0,
    progress: Callable[[float], None] | None = None,
) -> InputSensitivity:
    """How much of every input of ``layer`` is in its states at ``steps``.

    x_k is what this layer reads: in a stacked network, what the layer below hands up. The states go back through the layer
    together, P rows each, but no more at a time than ``MAX_JACOBIAN_NUMBERS`` allows; one state of 128 units over 2,000 steps takes about
    half a second.

    Args:
        layer: what ran.
        steps: the positions of the states, R of them; all T where none are given, which takes T times as long as one.
        row: which sequence of the batch.
        progress: is told how much is done, from 0 to 1; an exception that it raises ends the work.

    Raises:
        Problem: there is no such step.

    Example:
        >>> survival(trace.layers["rnn.l0"], [40]).whole[0, 0]  # how much of the first input is in the 41st state
    """
    length = int(layer.lengths[row])
    asked = np.arange(length) if steps is None else np.asarray(steps, dtype=int)
    if asked.size and not (asked.min() >= 0 and asked.max() < length):
        raise Problem("This time step has no state. Choose one from 1 to {steps}.", steps=length)
    chosen, places = np.unique(asked, return_inverse=True)
    width = layer.weights.output_size
    together = max(1, MAX_JACOBIAN_NUMBERS // (width * layer.weights.hidden_size))
    whole = np.zeros((len(chosen), layer.shape[1]), layer.hidden.dtype)
    for start in range(0, len(chosen), together):
        part = slice(start, start + together)
        source = _IdentityGradients.of(chosen[part], width, layer)
        every = slice(0, len(chosen[part]) * width)
        for count, step in enumerate(adjoints(layer, row, source, inputs=True)):
            assert step.to_input is not None
            if count % 16 == 15 and step.rows == every and not step.state.any():
                break  # all of them have faded to nothing, and nothing else is to come
            by_input = (step.state @ step.to_input).numpy()
            square = np.einsum("nd,nd->n", by_input, by_input, dtype=np.float64).reshape(-1, width).sum(axis=1)
            first, last = step.rows.start // width, step.rows.stop // width
            whole[part][first:last, step.position] = np.sqrt(square)
            if progress is not None and count % 16 == 0:
                progress((start + (count / layer.shape[1]) * together) / max(len(chosen), together))
    if progress is not None:
        progress(1.0)
    along = carry_path_sensitivity(layer, chosen, row)
    return InputSensitivity(asked, whole[places, :length], None if along is None else along[places, :length])


def carry_path_sensitivity(layer: LayerTrace, steps: np.ndarray, row: int = 0) -> np.ndarray | None:
    """(R, T), the norms of what x_k writes to the carried state, the gates keep and h_t reads, at ``steps``."""
    weights, count = layer.weights, layer.shape[1]
    if weights.cell.carry is None:
        return None
    project = weights.tensors.get("weight_hr")
    along = np.zeros((len(steps), count), layer.hidden.dtype)
    left = np.empty((len(steps), weights.hidden_size))  # of the state carried on from what is not yet gone through
    size = max(1, MAX_CARRY_NUMBERS // (2 * weights.hidden_size * weights.input_size))
    starts = range(0, count, size)
    for start in starts if layer.reverse else reversed(starts):
        positions = np.arange(start, min(start + size, count))[:: 1 if layer.reverse else -1]
        derivatives = local_derivatives(layer.part(row, slice(start, start + size)))
        assert derivatives.carry is not None
        written = Transitions(weights, derivatives, 0, "ih")(slice(None))[-weights.hidden_size :].numpy()
        norms = np.sqrt(np.einsum("hsd,hsd->sh", written, written, dtype=np.float64))
        for place, step in enumerate(steps):
            known = positions[positions >= step] if layer.reverse else positions[positions <= step]
            if not len(known):
                continue
            here = known - start
            if known[0] == step:
                left[place] = 1.0 if derivatives.cell_to_hidden is None else derivatives.cell_to_hidden[0, here[0]]
            factors = np.cumprod(np.concatenate([left[place][None], derivatives.carry[0, here]]), axis=0)
            kept, left[place] = factors[:-1], factors[-1]
            if project is None:
                along[place, known] = np.sqrt(np.square(kept * norms[here]).sum(axis=1))
            else:
                handed = np.einsum("ph,sh,hsd->spd", project.numpy(), kept, written[:, here], optimize=True)
                along[place, known] = np.sqrt(np.square(handed).sum(axis=(1, 2)))
    return along
