"""An LSTM built up gate by gate: each stage runs on the same input with the same weights, the gates that it lacks fixed.

Stages: c_t = g_t; c_t = c_{t-1} + g_t; then the output gate, the forget gate and the input gate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from models.core.messages import Sentence
from models.core.stepwise import ClampSchedule, run_layer
from models.core.weights import LayerWeights


@dataclass(frozen=True)
class GateStage:
    """One stage.

    Attributes:
        title: what the stage adds.
        formula: of the cell state and of the hidden state.
        fixed: the value of each gate that the stage lacks.
    """

    title: Sentence
    formula: str
    fixed: dict[str, float]


GATE_STAGES = (
    GateStage(
        Sentence("The candidate alone: an RNN with a second tanh"),
        "cₜ = gₜ,  hₜ = tanh(cₜ)",
        {"forget_gate": 0.0, "input_gate": 1.0, "output_gate": 1.0},
    ),
    GateStage(
        Sentence("A memory: the cell state is kept, the candidate is added"),
        "cₜ = cₜ₋₁ + gₜ,  hₜ = tanh(cₜ)",
        {"forget_gate": 1.0, "input_gate": 1.0, "output_gate": 1.0},
    ),
    GateStage(
        Sentence("Output gate: how much of tanh(c) becomes the hidden state"),
        "cₜ = cₜ₋₁ + gₜ,  hₜ = oₜ ⊙ tanh(cₜ)",
        {"forget_gate": 1.0, "input_gate": 1.0},
    ),
    GateStage(
        Sentence("Forget gate: how much of the cell state is kept"),
        "cₜ = fₜ ⊙ cₜ₋₁ + gₜ,  hₜ = oₜ ⊙ tanh(cₜ)",
        {"input_gate": 1.0},
    ),
    GateStage(
        Sentence("Input gate: how much of the candidate is added. This is the whole LSTM"),
        "cₜ = fₜ ⊙ cₜ₋₁ + iₜ ⊙ gₜ,  hₜ = oₜ ⊙ tanh(cₜ)",
        {},
    ),
)
"""From the candidate to the whole LSTM."""


def run_stage(stage: GateStage, weights: LayerWeights, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return the cell and the hidden states, (T, H) float32 each, of an LSTM on one sequence (T, D)."""
    schedule = ClampSchedule()
    for step in range(len(x)):
        for gate, value in stage.fixed.items():
            schedule.clamp(step, gate, None, value)
    begin = {name: torch.zeros(1, weights.hidden_size) for name in weights.cell.states}
    with torch.inference_mode():
        rows, _ = run_layer(weights.cell, weights.tensors, torch.tensor(x)[None], begin, schedule, False)
    return {name: torch.cat(rows[name]).numpy() for name in weights.cell.states}
