"""The sensitivity of every later state to one input, by forward-mode differentiation.

These are the columns of the matrix that ``models.states.input_sensitivity`` computes row by row; Williams and Zipser (1989)
propagate the same derivatives forwards in real-time recurrent learning.
"""

from __future__ import annotations

import numpy as np
import torch

from models.core.local_derivatives import local_derivatives
from models.core.messages import Problem
from models.core.trace import LayerTrace
from models.gradients.adjoints import underflow_threshold
from models.gradients.transitions import transitions_of
from models.states.input_sensitivity import MAX_CARRY_NUMBERS, InputSensitivity


def forward_sensitivity(layer: LayerTrace, step: int, row: int = 0) -> InputSensitivity:
    """Return the sensitivity of every state of ``layer`` to its input at ``step``.

    It takes about as long as ``input_sensitivity`` of one state; its memory does not grow with the sequence.

    Args:
        layer: the layer's run.
        step: k, the position of the input in the sequence.
        row: the index in the batch.

    Returns:
        ``steps`` are all T positions, ``total`` and ``carry_path`` are (T); 0 once the norm is below 1e-31 (float32).

    Raises:
        Problem: there is no such step.
    """
    length, units = int(layer.lengths[row]), layer.weights.hidden_size
    if not 0 <= step < length:
        raise Problem("Time step {step} has no input. Choose one from 1 to {steps}.", step=step + 1, steps=length)
    weights, project = layer.weights, layer.weights.tensors.get("weight_hr")
    total = np.zeros(length, layer.hidden.dtype)
    carry_path = None if weights.cell.carry is None else total.copy()
    derivatives = local_derivatives(layer.select(row, slice(step, step + 1)))
    entering = transitions_of(weights, derivatives, 0, "ih")(slice(1))[:, 0]
    before, cell = entering[:units].clone(), entering[units:].clone()  # d (o tanh c) / d x_k, d c / d x_k; (H, D) each
    added = (before if derivatives.cell_to_hidden is None else cell).numpy().astype(np.float64)
    retained = np.ones(units)

    def record(position: int, cell_to_hidden: np.ndarray | float) -> bool:
        """Record the sensitivity at a position, and return whether it is above the underflow threshold, or NaN."""
        total[position] = torch.linalg.vector_norm(hidden, dtype=torch.float64)
        if carry_path is not None:
            carried = (retained * cell_to_hidden)[:, None] * added
            carry_path[position] = np.linalg.norm(carried if project is None else project.numpy() @ carried)
        return not max(total[position], float(torch.linalg.vector_norm(cell))) < underflow_threshold(layer.hidden.dtype)

    hidden = before if project is None else project @ before
    alive = record(step, 1.0 if derivatives.cell_to_hidden is None else derivatives.cell_to_hidden[0, 0])
    later = range(step - 1, -1, -1) if layer.reverse else range(step + 1, length)
    size = max(1, MAX_CARRY_NUMBERS // (2 * units * weights.output_size))
    for start in range(0, len(later), size):
        block = later[start : start + size]
        derivatives = local_derivatives(layer.select(row, slice(min(block), max(block) + 1)))
        transitions = transitions_of(weights, derivatives, 0)
        matrices = transitions(slice(None)).unbind(1)
        carries = transitions.carry(slice(None)).unbind(1) if weights.cell.cell_norm else ()
        for position in block:
            if not alive:
                return InputSensitivity(np.arange(length), total, carry_path)
            at = position - min(block)
            before = matrices[at][:units] @ hidden
            if carries:
                before += carries[at][:units] @ cell
                cell = carries[at][units:] @ cell + matrices[at][units:] @ hidden
            elif derivatives.cell_to_hidden is not None and derivatives.carry is not None:
                carried = torch.tensor(derivatives.carry[0, at])[:, None] * cell
                before += torch.tensor(derivatives.cell_to_hidden[0, at])[:, None] * carried
                cell = carried + matrices[at][units:] @ hidden
            hidden = before if project is None else project @ before
            if derivatives.kept is not None:
                retained = retained * derivatives.kept[0, at]
            alive = record(position, 1.0 if derivatives.cell_to_hidden is None else derivatives.cell_to_hidden[0, at])
    return InputSensitivity(np.arange(length), total, carry_path)
