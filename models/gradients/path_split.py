"""A gradient split by its path: the carry path, through the gate that carries the state on, and all other paths.

In an LSTM the carry path runs through the cell: from c_t back to c_k it is f_{k+1} ... f_t, unit by unit, with no weights on
it (the constant error carousel of Hochreiter and Schmidhuber 1997). In a GRU it runs through the hidden state, by the update
gates. A simple RNN has no carry path; there everything but the loss's own step takes other paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from models.gradients.adjoints import BackwardStep
from models.gradients.module_backward import (
    LayerPass,
    LayerStack,
    Progress,
    gradient_scales,
    module_backward,
    run_module,
    sorted_losses,
)


@dataclass(frozen=True, eq=False)
class PathMap:
    """The norms of d l_t / d s_k, with s the carried state (an LSTM's cell, otherwise the hidden state); (B, R, T) each.

    Attributes:
        total: of the whole derivative.
        carry_path: of the part that entered the layer from above, at any step, and from there on followed the carry path.
        other_paths: of all the rest. The three vectors obey total = carry_path + other_paths; their norms need not add up.
    """

    total: np.ndarray
    carry_path: np.ndarray
    other_paths: np.ndarray


@dataclass(frozen=True, eq=False)
class PathVectors:
    """d l_t / d s_k of one loss for every step k and unit, (B, T, H) each; total = carry_path + other_paths."""

    total: np.ndarray
    carry_path: np.ndarray
    other_paths: np.ndarray


def path_map(
    module: nn.RNNBase,
    x: Tensor,
    loss_grad: Tensor,
    rows: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> dict[str, PathMap]:
    """Return the path split for every loss t and step k, by layer name; arguments and errors as in ``gradient_map``."""
    return path_map_of(run_module(module, x), loss_grad, rows, progress)


def path_map_of(
    stack: LayerStack, loss_grad: Tensor, rows: Sequence[int] | None = None, progress: Progress | None = None
) -> dict[str, PathMap]:
    """Return ``path_map`` of a recorded run: ``layer_stack(trace.layers, "decoder.rnn")``."""
    losses, places = sorted_losses(rows, stack[0][0].shape[1])
    found = _split(stack, loss_grad, losses, False, progress)
    return {name: PathMap(*(part[:, places] for part in parts)) for name, parts in found.items()}


def path_vectors(module: nn.RNNBase, x: Tensor, loss_grad: Tensor, row: int) -> dict[str, PathVectors]:
    """Return the path split of the one loss at step ``row``, unit by unit; the other arguments as in ``gradient_map``."""
    return path_vectors_of(run_module(module, x), loss_grad, row)


def path_vectors_of(stack: LayerStack, loss_grad: Tensor, row: int) -> dict[str, PathVectors]:
    """Return ``path_vectors`` of a recorded run."""
    losses, _ = sorted_losses([row], stack[0][0].shape[1])
    return {name: PathVectors(*parts) for name, parts in _split(stack, loss_grad, losses, True, None).items()}


def _split(
    stack: LayerStack, loss_grad: Tensor, losses: np.ndarray, vectors: bool, progress: Progress | None
) -> dict[str, np.ndarray]:
    """Return total, carry path and other paths, stacked, by layer, lowest first."""
    for scale in gradient_scales(stack):
        observer = _PathSplitter(len(losses), vectors, scale)
        with np.errstate(over="ignore"):
            module_backward(stack, loss_grad, losses, observer, progress, scale)
        if all(np.isfinite(found).all() for found in observer.found.values()):
            break
    names = [layer.name.rpartition(".")[2] for level in stack for layer in level]
    return {name: observer.found[name] for name in names}


class _PathSplitter:
    """Observer that computes the carry path beside the total, and stores norms or vectors of both and of their difference."""

    def __init__(self, losses: int, vectors: bool, scale: float) -> None:
        self._losses, self._vectors, self._scale = losses, vectors, scale
        self.found: dict[str, np.ndarray] = {}

    def begin(self, layer_pass: LayerPass) -> None:
        layer, part = layer_pass.layer, layer_pass.part
        batch, steps, size = layer.shape
        shape = (3, batch, steps, size) if self._vectors else (3, batch, self._losses, steps)
        found = self.found.setdefault(layer_pass.name, np.zeros(shape, layer.hidden.dtype))
        self._found = found[:, layer_pass.sequence] if self._vectors else found[:, layer_pass.sequence, part]
        self._layer_pass, self._project = layer_pass, layer.weights.tensors.get("weight_hr")
        self._carry_path = torch.zeros(part.stop - part.start, size, dtype=layer.weights.tensors["weight_hh"].dtype)
        self._later: int | None = None

    def step(self, step: BackwardStep) -> None:
        derivatives, k = self._layer_pass.derivatives, step.position
        size = self._carry_path.shape[1]
        total = step.state[:, :size]
        if derivatives.cell_to_hidden is not None:  # by the cell: through this step's hidden state too
            total = step.state[:, size:] + total * self._at(derivatives.cell_to_hidden, k)
        if self._later is not None:
            self._carry_path *= 0 if derivatives.kept is None else self._at(derivatives.kept, self._later)
        self._later = k
        rows, values = self._layer_pass.source.at(k)
        entered = torch.from_numpy(values)
        if self._project is not None:
            entered = entered @ self._project
        self._carry_path[rows] += (
            entered if derivatives.cell_to_hidden is None else entered * self._at(derivatives.cell_to_hidden, k)
        )
        carry_path = self._carry_path[step.rows]
        for found, part in zip(self._found, (total, carry_path, total - carry_path), strict=True):
            if self._vectors:
                found[k] = part[0] / self._scale if len(part) else 0
            else:
                found[step.rows, k] = torch.linalg.vector_norm(part, dim=1, dtype=torch.float64) / self._scale

    def _at(self, slope: np.ndarray, position: int) -> Tensor:
        return torch.tensor(slope[self._layer_pass.sequence, position])
