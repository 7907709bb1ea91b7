"""How far one input reaches: the size of its influence on every later state, by forward-mode differentiation.

These are the columns of what ``models.states.input_sensitivity`` gives row by row; Williams and Zipser (1989) carry the same
derivatives forwards in real-time recurrent learning.
"""

from __future__ import annotations

import numpy as np
import torch

from models.core.local_derivatives import local_derivatives
from models.core.messages import Problem
from models.core.trace import LayerTrace
from models.gradients.adjoints import underflow_threshold
from models.gradients.transitions import Transitions
from models.states.input_sensitivity import MAX_CARRY_NUMBERS, InputSensitivity


def forward_sensitivity(layer: LayerTrace, step: int, row: int = 0) -> InputSensitivity:
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
        raise Problem("This time step has no input. Choose one from 1 to {steps}.", steps=length)
    weights, project = layer.weights, layer.weights.tensors.get("weight_hr")
    whole = np.zeros(length, layer.hidden.dtype)
    along = None if weights.cell.carry is None else whole.copy()
    derivatives = local_derivatives(layer.part(row, slice(step, step + 1)))
    entering = Transitions(weights, derivatives, 0, "ih")(slice(1))[:, 0]
    read, cell = entering[:units].clone(), entering[units:].clone()  # d (o tanh c) / d x_k, d c / d x_k; (H, D) each
    written = (read if derivatives.cell_to_hidden is None else cell).numpy().astype(np.float64)
    left = np.ones(units)

    def tell(position: int, lets_out: np.ndarray | float) -> bool:
        """Note what is in the state at a position, and whether anything is."""
        whole[position] = torch.linalg.vector_norm(hidden, dtype=torch.float64)
        if along is not None:
            handed = (left * lets_out)[:, None] * written
            along[position] = np.linalg.norm(handed if project is None else project.numpy() @ handed)
        return not max(whole[position], float(torch.linalg.vector_norm(cell))) < underflow_threshold(
            layer.hidden.dtype
        )  # NaN goes on

    hidden = read if project is None else project @ read
    lives = tell(step, 1.0 if derivatives.cell_to_hidden is None else derivatives.cell_to_hidden[0, 0])
    later = range(step - 1, -1, -1) if layer.reverse else range(step + 1, length)
    size = max(1, MAX_CARRY_NUMBERS // (2 * units * weights.output_size))
    for start in range(0, len(later), size):
        block = later[start : start + size]
        derivatives = local_derivatives(layer.part(row, slice(min(block), max(block) + 1)))
        matrices = Transitions(weights, derivatives, 0, "hh")(slice(None)).unbind(1)
        for position in block:
            if not lives:
                return InputSensitivity(np.arange(length), whole, along)
            at = position - min(block)
            read = matrices[at][:units] @ hidden
            if derivatives.cell_to_hidden is not None and derivatives.carry is not None:
                kept = torch.tensor(derivatives.carry[0, at])[:, None] * cell
                read += torch.tensor(derivatives.cell_to_hidden[0, at])[:, None] * kept
                cell = kept + matrices[at][units:] @ hidden
            hidden = read if project is None else project @ read
            if derivatives.carry is not None:
                left = left * derivatives.carry[0, at]
            lives = tell(position, 1.0 if derivatives.cell_to_hidden is None else derivatives.cell_to_hidden[0, at])
    return InputSensitivity(np.arange(length), whole, along)
