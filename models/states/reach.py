"""How far one input reaches: the size of its influence on every later state, by forward-mode differentiation.

These are the columns of what ``models.states.survival`` gives row by row; Williams and Zipser (1989) carry the same
derivatives forwards in real-time recurrent learning.
"""

from __future__ import annotations

import numpy as np
import torch

from models.gradients.adjoints import faint
from models.gradients.derivatives import slopes_of
from models.gradients.transitions import Transitions
from models.problem import Problem
from models.states.survival import Survival
from models.trace import LayerTrace


def reach(layer: LayerTrace, step: int, row: int = 0) -> Survival:
    """How much of the input at ``step`` is in every state of ``layer``.

    It takes about as long as one state's ``survival``, and no more memory for a long sequence than for a short one.

    Args:
        layer: what ran; ``step`` is an input of its own.
        step: k, a position in the sequence.
        row: which sequence of the batch.

    Returns:
        ``steps`` are all T positions, ``whole`` and ``along`` are (T); 0 where the input has faded below 1e-31 (float32).

    Raises:
        Problem: there is no such step.
    """
    length, units = int(layer.lengths[row]), layer.weights.hidden_size
    if not 0 <= step < length:
        raise Problem("The sequence has {steps} steps; the input at another step was asked for.", steps=length)
    slopes, project = slopes_of(layer), layer.weights.tensors.get("weight_hr")
    to_hidden = Transitions(layer.weights, slopes, row, "hh")
    entering = Transitions(layer.weights, slopes, row, "ih")(slice(step, step + 1))[:, 0]
    read, cell = entering[:units].clone(), entering[units:].clone()  # d (o tanh c) / d x_k, d c / d x_k; (H, D) each
    hidden = read if project is None else project @ read
    written = (cell if slopes.read is not None else read).numpy().astype(np.float64)
    whole = np.zeros(length, layer.hidden.dtype)
    along = None if slopes.keep is None else whole.copy()
    left = np.ones(units)
    for position in range(step, -1, -1) if layer.reverse else range(step, length):
        if position != step:
            matrix = to_hidden(slice(position, position + 1))[:, 0]
            read = matrix[:units] @ hidden
            if slopes.read is not None and slopes.keep is not None:
                kept = torch.tensor(slopes.keep[row, position])[:, None] * cell
                read += torch.tensor(slopes.read[row, position])[:, None] * kept
                cell = kept + matrix[units:] @ hidden
            hidden = read if project is None else project @ read
        whole[position] = torch.linalg.vector_norm(hidden, dtype=torch.float64)
        if along is not None and slopes.keep is not None:
            left = left if position == step else left * slopes.keep[row, position]
            through = left if slopes.read is None else left * slopes.read[row, position]
            handed = through[:, None] * written
            along[position] = np.linalg.norm(handed if project is None else project.numpy() @ handed)
        if max(whole[position], float(torch.linalg.vector_norm(cell))) < faint(layer.hidden.dtype):
            break
    return Survival(np.arange(length), whole, along)
