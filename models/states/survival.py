"""How much of each input is still in a later state: the fading ink of the textbook picture, from real numbers.

The influence of input k on the state h_t is the Jacobian d h_t / d x_k, and its size the Frobenius norm; how it fades is
what Graves (2012, "Supervised Sequence Labelling", figures 4.1 and 4.4) draws as shades of grey. Beside the whole of it
stands what travels along the cell line alone, where nothing but the forget (or update) gates multiplies it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.gradients.adjoints import Source, adjoints
from models.gradients.derivatives import Slopes, slopes_of
from models.gradients.transitions import Transitions
from models.problem import Problem
from models.trace import LayerTrace

PART, BLOCK = 1 << 23, 1 << 19
"""How many numbers the Jacobians that go back together may have, 32 MB, and those of the steps along the cell line, 2 MB."""


@dataclass(frozen=True, eq=False)
class Survival:
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


class _States(Source):
    """The derivative of each chosen state by itself: P rows for each, the identity."""

    @classmethod
    def of(cls, steps: np.ndarray, width: int, layer: LayerTrace) -> _States:
        """States at ``steps`` (ascending), each with ``width`` values."""
        positions = np.arange(layer.shape[1])
        touched = np.stack([np.searchsorted(steps, positions, side) for side in ("left", "right")], axis=1)
        reached = touched.copy()
        reached[:, 0 if layer.reverse else 1] = 0 if layer.reverse else len(steps)
        return cls(reached * width, touched * width, np.eye(width, dtype=layer.hidden.dtype), once=False)

    def at(self, position: int) -> tuple[slice, np.ndarray]:
        """Every state begins as itself."""
        rows = slice(*self.touched[position].tolist())
        return rows, self.values[: rows.stop - rows.start]  # one state at a position, or none


def survival(
    layer: LayerTrace,
    steps: Sequence[int] | None = None,
    row: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Survival:
    """How much of every input of ``layer`` is in its states at ``steps``.

    x_k is what this layer reads: in a stacked network, what the layer below hands up. The states go back through the layer
    together, P rows each, but no more at a time than ``PART`` allows; one state of 128 units over 2,000 steps takes about
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
        raise Problem("The sequence has {steps} steps; the state after another step was asked for.", steps=length)
    chosen, places = np.unique(asked, return_inverse=True)
    slopes, width = slopes_of(layer), layer.weights.output_size
    together = max(1, PART // (width * layer.weights.hidden_size))
    whole = np.zeros((len(chosen), layer.shape[1]), layer.hidden.dtype)
    for start in range(0, len(chosen), together):
        part = slice(start, start + together)
        source = _States.of(chosen[part], width, layer)
        every = slice(0, len(chosen[part]) * width)
        for count, moment in enumerate(adjoints(layer, slopes, row, source, inputs=True)):
            assert moment.inputs is not None
            if count % 16 == 15 and moment.rows == every and not moment.state.any():
                break  # all of them have faded to nothing, and nothing else is to come
            by_input = (moment.state @ moment.inputs).numpy()
            square = np.einsum("nd,nd->n", by_input, by_input, dtype=np.float64).reshape(-1, width).sum(axis=1)
            first, last = moment.rows.start // width, moment.rows.stop // width
            whole[part][first:last, moment.position] = np.sqrt(square)
            if progress is not None and count % 16 == 0:
                progress((start + (count / layer.shape[1]) * together) / max(len(chosen), together))
    if progress is not None:
        progress(1.0)
    along = along_the_cell_line(layer, slopes, chosen, row)
    return Survival(asked, whole[places, :length], None if along is None else along[places, :length])


def along_the_cell_line(layer: LayerTrace, slopes: Slopes, steps: np.ndarray, row: int = 0) -> np.ndarray | None:
    """(R, T), the norms of what x_k writes to the carried state, the gates keep and h_t reads, at ``steps``."""
    if slopes.keep is None:
        return None
    project = layer.weights.tensors.get("weight_hr")
    keep = slopes.keep[row].astype(np.float64)
    read = np.ones_like(keep) if slopes.read is None else slopes.read[row]
    along = np.zeros((len(steps), layer.shape[1]), layer.hidden.dtype)
    size = max(1, BLOCK // (2 * layer.weights.hidden_size * layer.weights.input_size))
    matrices = Transitions(layer.weights, slopes, row, "ih")
    for start in range(0, layer.shape[1], size):
        block = slice(start, min(start + size, layer.shape[1]))
        written = matrices(block)[-layer.weights.hidden_size :].numpy()
        norms = np.sqrt(np.einsum("hsd,hsd->sh", written, written, dtype=np.float64))
        for place, step in enumerate(steps):
            left = _kept(keep, step, block, layer.reverse) * read[step]
            if project is None:
                along[place, block] = np.sqrt(np.square(left * norms).sum(axis=1))
            else:
                handed = np.einsum("ph,sh,hsd->spd", project.numpy(), left, written, optimize=True)
                along[place, block] = np.sqrt(np.square(handed).sum(axis=(1, 2)))
    return along


def _kept(keep: np.ndarray, step: int, block: slice, reverse: bool) -> np.ndarray:
    """(S, H), what is left at ``step`` of the carried state at each position of ``block``; 0 where that comes later."""
    if reverse:  # the same, seen from the other end
        last = len(keep) - 1
        turned = slice(last - block.stop + 1, last - block.start + 1)
        return _kept(keep[::-1], last - step, turned, False)[::-1]
    result = np.zeros((block.stop - block.start, keep.shape[1]))
    stop = min(block.stop, step + 1)
    if stop > block.start:
        after = keep[stop : step + 1].prod(axis=0)
        factors = np.concatenate([keep[block.start + 1 : stop], after[None]])
        result[: stop - block.start] = np.cumprod(factors[::-1], axis=0)[::-1]
    return result
