"""How much the loss at every step teaches every earlier step: all T x T gradients in one scan.

Backpropagation through time multiplies by the step's Jacobian again and again (Hochreiter 1991; Bengio, Simard and Frasconi
1994). One backward pass per loss would repeat the same products; here the losses go back together, as rows of one matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from models.gradients.adjoints import Moment, faint
from models.gradients.module_backward import Progress, Stack, Visit, ascending, run, scales, sweep


def gradient_map(
    module: nn.RNNBase,
    x: Tensor,
    loss_grad: Tensor,
    rows: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """The L2 norms of d l_t / d h_k for every loss t and every step k, by layer name.

    Of the loss l_t at step t only ``loss_grad[:, t]`` is needed, its derivative by the module's output at that step:
    l_t = <loss_grad[b, t], output[b, t]>. The derivative by h_k is autograd's by the tensor that the layer hands at step k
    both to its own next step and to whatever reads its output, all paths included.

    Args:
        module: an ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``: stacked, bidirectional or projected too. It runs once, from zeros.
        x: (B, T, D), whether or not the module is ``batch_first``.
        loss_grad: (B, T, H_out).
        rows: the losses to follow, R of them, where not all are wanted: a picture of 60 rows needs no more.
        progress: is told how much is done, from 0 to 1; an exception that it raises ends the work.

    Returns:
        By layer name (``"l0"``, ``"l0_reverse"``, ``"l1"``, ...), (B, T, T), or (B, R, T) of the ``rows``: [b, t, k] is the
        norm, 0 where no path leads from h_k to l_t and where it has faded below 1e-30 (1e-150 in a float64 network).
        Beside the result it takes at most some hundred megabytes.

    Raises:
        ValueError: the shapes do not fit the module, or a row is not a step of the sequence.

    Example:
        >>> lstm = nn.LSTM(8, 64, batch_first=True)
        >>> maps = gradient_map(lstm, torch.randn(1, 100, 8), torch.ones(1, 100, 64))
        >>> maps["l0"][0, 99, 0]  # how strongly the last step's loss still moves the first hidden state
    """
    return map_of(run(module, x), loss_grad, rows, progress)


def map_of(
    stack: Stack, loss_grad: Tensor, rows: Sequence[int] | None = None, progress: Progress | None = None
) -> dict[str, np.ndarray]:
    """``gradient_map`` of what has run already: ``stack_of(trace.layers, "decoder.rnn")``."""
    losses, places = ascending(rows, stack[0][0].shape[1])
    for scale in scales(stack):
        keeper = Norms(len(losses), scale)
        with np.errstate(over="ignore"):  # what a float32 network cannot hold is infinite
            sweep(stack, loss_grad, losses, keeper, progress, scale)
        if all(np.isfinite(values).all() for values in keeper.maps.values()):
            break
    names = [layer.name.rpartition(".")[2] for level in stack for layer in level]
    for values in keeper.maps.values():
        values[values < faint(values.dtype, scale != 1) / scale] = 0
    return {name: keeper.maps[name] if rows is None else keeper.maps[name][:, places] for name in names}


class Norms:
    """Keeps the norms of d l_t / d h_k: ``maps`` by layer name, (B, R, T)."""

    def __init__(self, losses: int, scale: float) -> None:
        """Of ``losses`` losses, R, whose gradients were multiplied by ``scale``."""
        self.losses, self.scale = losses, scale
        self.maps: dict[str, np.ndarray] = {}

    def begin(self, visit: Visit) -> None:
        """Make room for the layer."""
        batch, steps, _ = visit.layer.shape
        if visit.name not in self.maps:
            self.maps[visit.name] = np.zeros((batch, self.losses, steps), visit.layer.hidden.dtype)
        self._columns = self.maps[visit.name][visit.sequence, visit.part].T

    def step(self, moment: Moment) -> None:
        """Keep a column."""
        self._columns[moment.position, moment.rows] = moment.norms / self.scale
