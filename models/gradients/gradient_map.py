"""The norms of the gradients of every step's loss by every step's hidden state: all T x T of them in one backward scan.

Backpropagation through time multiplies by the step's Jacobian at every step (Hochreiter 1991; Bengio, Simard and Frasconi
1994). One backward pass per loss would repeat the same products; here all losses go back together, as rows of one matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from models.gradients.adjoints import BackwardStep, underflow_threshold
from models.gradients.module_backward import (
    LayerPass,
    LayerStack,
    Progress,
    gradient_scales,
    module_backward,
    run_module,
    sorted_losses,
)


def gradient_map(
    module: nn.RNNBase,
    x: Tensor,
    loss_grad: Tensor,
    rows: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Return the L2 norms of d l_t / d h_k for every loss t and every step k, by layer name.

    The loss l_t at step t enters only by ``loss_grad[:, t]``, its derivative by the module's output at that step:
    l_t = <loss_grad[b, t], output[b, t]>. The derivative by h_k is autograd's, by the tensor that is passed at step k
    both to the layer's own next step and to the layer's output, all paths included.

    Args:
        module: an ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``: stacked, bidirectional or projected too. It runs once, from zeros.
        x: (B, T, D), whether or not the module is ``batch_first``.
        loss_grad: (B, T, H_out).
        rows: the steps of the losses to compute, R of them; None for all T. A picture of 60 rows needs no more.
        progress: called with the completed share, from 0 to 1; an exception that it raises cancels the computation.

    Returns:
        By layer name (``"l0"``, ``"l0_reverse"``, ``"l1"``, ...), (B, T, T), or (B, R, T) of the ``rows``: [b, t, k] is the
        norm, 0 where no path leads from h_k to l_t and where it is below 1e-30 (1e-150 in a float64 network).
        Beside the result it takes at most some hundred megabytes.

    Raises:
        ValueError: the shapes do not fit the module, or a row is not a step of the sequence.

    Example:
        >>> lstm = nn.LSTM(8, 64, batch_first=True)
        >>> maps = gradient_map(lstm, torch.randn(1, 100, 8), torch.ones(1, 100, 64))
        >>> maps["l0"][0, 99, 0]  # the norm of the gradient of the last step's loss by the first hidden state
    """
    return gradient_map_of(run_module(module, x), loss_grad, rows, progress)


def gradient_map_of(
    stack: LayerStack, loss_grad: Tensor, rows: Sequence[int] | None = None, progress: Progress | None = None
) -> dict[str, np.ndarray]:
    """Return ``gradient_map`` of a recorded run: ``layer_stack(trace.layers, "decoder.rnn")``."""
    losses, places = sorted_losses(rows, stack[0][0].shape[1])
    for scale in gradient_scales(stack):
        observer = GradientNorms(len(losses), scale)
        with np.errstate(over="ignore"):  # numbers too large for float32 become infinite
            module_backward(stack, loss_grad, losses, observer, progress, scale)
        if all(np.isfinite(values).all() for values in observer.maps.values()):
            break
    names = [layer.name.rpartition(".")[2] for level in stack for layer in level]
    for values in observer.maps.values():
        values[values < underflow_threshold(values.dtype, scale != 1) / scale] = 0
    return {name: observer.maps[name] if rows is None else observer.maps[name][:, places] for name in names}


class GradientNorms:
    """Observer that collects the norms of d l_t / d h_k: ``maps`` by layer name, (B, R, T)."""

    def __init__(self, losses: int, scale: float) -> None:
        """Collect those of ``losses`` losses (R), whose gradients were multiplied by ``scale``."""
        self.losses, self.scale = losses, scale
        self.maps: dict[str, np.ndarray] = {}

    def begin(self, layer_pass: LayerPass) -> None:
        """Allocate the layer's map."""
        batch, steps, _ = layer_pass.layer.shape
        if layer_pass.name not in self.maps:
            self.maps[layer_pass.name] = np.zeros((batch, self.losses, steps), layer_pass.layer.hidden.dtype)
        self._columns = self.maps[layer_pass.name][layer_pass.sequence, layer_pass.part].T

    def step(self, step: BackwardStep) -> None:
        """Store one column."""
        self._columns[step.position, step.rows] = step.norms / self.scale
