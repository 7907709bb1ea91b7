"""How far one input reaches: the size of its influence on every later state, by forward-mode differentiation.

These are the columns of what ``models.states.input_sensitivity`` gives row by row; Williams and Zipser (1989) carry the same
derivatives forwards in real-time recurrent learning.
"""

from __future__ import annotations

import numpy as np
import torch

from models.core.messages import Problem
from models.core.trace import LayerTrace
from models.gradients.adjoints import faint
from models.gradients.local_derivatives import slopes_of
from models.gradients.transitions import Transitions
from models.states.input_sensitivity import BLOCK, Survival


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
    weights, project = layer.weights, layer.weights.tensors.get("weight_hr")
    whole = np.zeros(length, layer.hidden.dtype)
    along = None if weights.cell.carry is None else whole.copy()
    slopes = slopes_of(layer.part(row, slice(step, step + 1)))
    entering = Transitions(weights, slopes, 0, "ih")(slice(1))[:, 0]
    read, cell = entering[:units].clone(), entering[units:].clone()  # d (o tanh c) / d x_k, d c / d x_k; (H, D) each
    written = (read if slopes.read is None else cell).numpy().astype(np.float64)
    left = np.ones(units)

    def tell(position: int, lets_out: np.ndarray | float) -> bool:
        """Note what is in the state at a position, and whether anything is."""
        whole[position] = torch.linalg.vector_norm(hidden, dtype=torch.float64)
        if along is not None:
            handed = (left * lets_out)[:, None] * written
            along[position] = np.linalg.norm(handed if project is None else project.numpy() @ handed)
        return not max(whole[position], float(torch.linalg.vector_norm(cell))) < faint(
            layer.hidden.dtype
        )  # NaN goes on

    hidden = read if project is None else project @ read
    lives = tell(step, 1.0 if slopes.read is None else slopes.read[0, 0])
    later = range(step - 1, -1, -1) if layer.reverse else range(step + 1, length)
    size = max(1, BLOCK // (2 * units * weights.output_size))
    for start in range(0, len(later), size):
        block = later[start : start + size]
        slopes = slopes_of(layer.part(row, slice(min(block), max(block) + 1)))
        matrices = Transitions(weights, slopes, 0, "hh")(slice(None)).unbind(1)
        for position in block:
            if not lives:
                return Survival(np.arange(length), whole, along)
            at = position - min(block)
            read = matrices[at][:units] @ hidden
            if slopes.read is not None and slopes.keep is not None:
                kept = torch.tensor(slopes.keep[0, at])[:, None] * cell
                read += torch.tensor(slopes.read[0, at])[:, None] * kept
                cell = kept + matrices[at][units:] @ hidden
            hidden = read if project is None else project @ read
            if slopes.keep is not None:
                left = left * slopes.keep[0, at]
            lives = tell(position, 1.0 if slopes.read is None else slopes.read[0, at])
    return Survival(np.arange(length), whole, along)
