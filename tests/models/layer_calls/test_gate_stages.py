"""The stages of an LSTM against a loop by their formulas, and the last one against ``torch.nn.LSTM``."""

import numpy as np
import torch

from models.layer_calls.call_options import CallOptions
from models.layer_calls.call_run import run_call
from models.layer_calls.gate_stages import GATE_STAGES, run_stage


def by_formula(number, weights, x):
    """Cell and hidden states of a stage, counted from 1."""
    h, c, found = np.zeros(weights.hidden_size), np.zeros(weights.hidden_size), []
    for row in x.astype(np.float64):
        sums = weights.weight_ih @ row + weights.weight_hh @ h + weights.bias_ih + weights.bias_hh
        i, f, g, o = np.split(sums, 4)
        i, f, g, o = 1 / (1 + np.exp(-i)), 1 / (1 + np.exp(-f)), np.tanh(g), 1 / (1 + np.exp(-o))
        c = {1: g, 2: c + g, 3: c + g, 4: f * c + g, 5: f * c + i * g}[number]
        h = np.tanh(c) if number < 3 else o * np.tanh(c)
        found.append((c, h))
    return [np.stack(each) for each in zip(*found, strict=True)]


def test_every_stage_computes_its_formula():
    run = run_call(CallOptions(initialization="pytorch", merge=""))
    weights, x = run.levels[0][0].weights, run.x[0]
    for number, stage in enumerate(GATE_STAGES, start=1):
        states = run_stage(stage, weights, x)
        cell, hidden = by_formula(number, weights, x)
        np.testing.assert_allclose(states["cell"], cell, atol=1e-6)
        np.testing.assert_allclose(states["hidden"], hidden, atol=1e-6)
    output, _ = weights.to_module()(torch.tensor(run.x))
    np.testing.assert_allclose(states["hidden"], output[0].detach(), atol=1e-6)
