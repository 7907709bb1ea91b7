"""The sensitivity of a layer's states to each earlier input.

The influence of input k on the state h_t is the Jacobian d h_t / d x_k, measured by its Frobenius norm; Graves (2012,
"Supervised Sequence Labelling", figures 4.1 and 4.4) draws its decay as shades of grey. The part through the carry path
alone, where only the forget (or update) gates multiply it, is computed too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.core.local_derivatives import local_derivatives
from models.core.messages import Problem
from models.core.trace import LayerTrace
from models.gradients.adjoints import IncomingGradients, adjoints
from models.gradients.transitions import transitions_of

MAX_JACOBIAN_NUMBERS, MAX_CARRY_NUMBERS = 1 << 23, 1 << 18
"""The largest number of elements of the Jacobians of one backward pass (32 MB), and of those of the carry path (1 MB)."""


@dataclass(frozen=True, eq=False)
class InputSensitivity:
    """The sensitivity of some of a layer's states to each input.

    Attributes:
        steps: (R) the positions t of the states.
        total: (R, T), ||d h_t / d x_k|| (Frobenius) along all paths; 0 where h_t does not depend on x_k.
        carry_path: (R, T), the part of it that enters the carried state at k, stays there by the gates and enters h_t from
            it at t; None for an RNN, which has no carried state, and where a layer norm follows the gate.
    """

    steps: np.ndarray
    total: np.ndarray
    carry_path: np.ndarray | None


class _IdentityGradients(IncomingGradients):
    """The derivative of each chosen state with respect to the same state: P rows for each, the identity."""

    @classmethod
    def of(cls, steps: np.ndarray, width: int, layer: LayerTrace) -> _IdentityGradients:
        """Return that of the states at ``steps`` (ascending), each with ``width`` values."""
        positions = np.arange(layer.shape[1])
        arriving = np.stack([np.searchsorted(steps, positions, side) for side in ("left", "right")], axis=1)
        active = arriving.copy()
        active[:, 0 if layer.reverse else 1] = 0 if layer.reverse else len(steps)
        return cls(active * width, arriving * width, np.eye(width, dtype=layer.hidden.dtype), once=False)

    def at(self, position: int) -> tuple[slice, np.ndarray]:
        """Return the rows of the state at ``position``, and the identity matrix."""
        rows = slice(*self.arriving[position].tolist())
        return rows, self.values[: rows.stop - rows.start]  # one state at a position, or none


def input_sensitivity(
    layer: LayerTrace,
    steps: Sequence[int] | None = None,
    row: int = 0,
    progress: Callable[[float], None] | None = None,
) -> InputSensitivity:
    """Return the sensitivity of ``layer``'s states at ``steps`` to each of its inputs.

    x_k is the input of this layer: in a stacked network, the output of the layer below. The states go back through the
    layer together, P rows each, at most ``MAX_JACOBIAN_NUMBERS`` at a time; one state of 128 units over 2,000 steps takes
    about half a second.

    Args:
        layer: the layer's run.
        steps: the positions of the states, R of them; None for all T, which takes T times as long as one.
        row: the index in the batch.
        progress: called with the completed share, from 0 to 1; an exception that it raises cancels the computation.

    Raises:
        Problem: there is no such step.

    Example:
        >>> input_sensitivity(trace.layers["rnn.l0"], [40]).total[0, 0]  # of the 41st state to the first input
    """
    length = int(layer.lengths[row])
    requested = np.arange(length) if steps is None else np.asarray(steps, dtype=int)
    if requested.size and not (requested.min() >= 0 and requested.max() < length):
        wrong = int(requested[(requested < 0) | (requested >= length)][0])
        raise Problem("Time step {step} has no state. Choose one from 1 to {steps}.", step=wrong + 1, steps=length)
    chosen, places = np.unique(requested, return_inverse=True)
    width = layer.weights.output_size
    together = max(1, MAX_JACOBIAN_NUMBERS // (width * layer.weights.hidden_size))
    total = np.zeros((len(chosen), layer.shape[1]), layer.hidden.dtype)
    for start in range(0, len(chosen), together):
        part = slice(start, start + together)
        source = _IdentityGradients.of(chosen[part], width, layer)
        every = slice(0, len(chosen[part]) * width)
        for count, step in enumerate(adjoints(layer, row, source, inputs=True)):
            assert step.to_input is not None
            if count % 16 == 15 and step.rows == every and not step.state.any():
                break  # all of them have vanished, and no other row will become active
            by_input = (step.state @ step.to_input).numpy()
            square = np.einsum("nd,nd->n", by_input, by_input, dtype=np.float64).reshape(-1, width).sum(axis=1)
            first, last = step.rows.start // width, step.rows.stop // width
            total[part][first:last, step.position] = np.sqrt(square)
            if progress is not None and count % 16 == 0:
                progress((start + (count / layer.shape[1]) * together) / max(len(chosen), together))
    if progress is not None:
        progress(1.0)
    carried = carry_path_sensitivity(layer, chosen, row)
    return InputSensitivity(requested, total[places, :length], None if carried is None else carried[places, :length])


def carry_path_sensitivity(layer: LayerTrace, steps: np.ndarray, row: int = 0) -> np.ndarray | None:
    """Return (R, T), the norms of d h_t / d x_k at ``steps`` along the carry path alone; None without one."""
    weights, count = layer.weights, layer.shape[1]
    if weights.cell.carry is None:
        return None
    project = weights.tensors.get("weight_hr")
    norms = np.zeros((len(steps), count), layer.hidden.dtype)
    retained = np.empty(
        (len(steps), weights.hidden_size)
    )  # h_t's derivative by the carried state before the next block
    size = max(1, MAX_CARRY_NUMBERS // (2 * weights.hidden_size * weights.input_size))
    starts = range(0, count, size)
    for start in starts if layer.reverse else reversed(starts):
        positions = np.arange(start, min(start + size, count))[:: 1 if layer.reverse else -1]
        derivatives = local_derivatives(layer.select(row, slice(start, start + size)))
        assert derivatives.kept is not None
        added = transitions_of(weights, derivatives, 0, "ih")(slice(None))[-weights.hidden_size :].numpy()
        added_norms = np.sqrt(np.einsum("hsd,hsd->sh", added, added, dtype=np.float64))
        for place, step in enumerate(steps):
            known = positions[positions >= step] if layer.reverse else positions[positions <= step]
            if not len(known):
                continue
            at = known - start
            if known[0] == step:
                retained[place] = 1.0 if derivatives.cell_to_hidden is None else derivatives.cell_to_hidden[0, at[0]]
            products = np.cumprod(np.concatenate([retained[place][None], derivatives.kept[0, at]]), axis=0)
            factors, retained[place] = products[:-1], products[-1]
            if project is None:
                norms[place, known] = np.sqrt(np.square(factors * added_norms[at]).sum(axis=1))
            else:
                jacobians = np.einsum("ph,sh,hsd->spd", project.numpy(), factors, added[:, at], optimize=True)
                norms[place, known] = np.sqrt(np.square(jacobians).sum(axis=(1, 2)))
    return norms
