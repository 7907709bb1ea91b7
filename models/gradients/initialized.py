"""Networks before any training, with the few settings that decide whether their gradients vanish or explode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from models.capturing.capture import capture
from models.core.cells import GATE_COUNTS, Kind
from models.core.layer_gradients import LayerGradients
from models.core.output_gradients import OutputGradients
from models.core.weights import TORCH_MODULES
from models.gradients.losses import DifferentiatedRun


@dataclass(frozen=True)
class InitConfig:
    """The settings of an untrained layer and of its input.

    Attributes:
        radius: the spectral radius to which every gate's recurrent weights are scaled.
        memory_bias: the initial bias of an LSTM's forget gate and a GRU's update gate (Jozefowicz, Zaremba and Sutskever
            2015 recommend 1 for the forget gate).
        activation: of the RNN.
        steps: T, the length of the sequence.
        hidden: H. inputs: D.
        seed: of the weights and of the sequence.
    """

    radius: float = 0.9
    memory_bias: float = 0.0
    activation: Literal["tanh", "relu"] = "tanh"
    steps: int = 40
    hidden: int = 64
    inputs: int = 32
    seed: int = 0


def initialized_layer(kind: Kind, config: InitConfig) -> nn.RNNBase:
    """Return one layer of ``kind``: every weight uniform within 1 / sqrt(H), as torch initializes it, then set by ``config``.

    With the same seed the three kinds share their first numbers: an RNN's matrix is an LSTM's first block.
    """
    options = {"nonlinearity": config.activation} if kind == "RNN" else {}
    module = TORCH_MODULES[kind](config.inputs, config.hidden, batch_first=True, **options)
    limit, size = config.hidden**-0.5, config.hidden
    with torch.no_grad():
        for index, name in enumerate(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")):
            random = torch.Generator().manual_seed(4 * config.seed + index)
            values = getattr(module, name)
            values.copy_(torch.rand(values.shape, generator=random) * 2 * limit - limit)
        for gate in range(GATE_COUNTS[kind]):
            block = module.weight_hh_l0[gate * size : (gate + 1) * size]
            block *= config.radius / spectral_radius(block.numpy())
        if kind != "RNN":  # the forget gate and the update gate are both the second block
            module.bias_ih_l0[size : 2 * size] = config.memory_bias
            module.bias_hh_l0[size : 2 * size] = 0.0
    return module


def spectral_radius(matrix: np.ndarray) -> float:
    """Return the largest magnitude of an eigenvalue of a square matrix."""
    return float(np.abs(np.linalg.eigvals(matrix.astype(np.float64))).max())


def random_sequence(config: InitConfig) -> Tensor:
    """Return (1, T, D) standard normal numbers; a longer sequence begins with the shorter one."""
    random = torch.Generator().manual_seed(config.seed + 10_000)
    return torch.stack([torch.randn(config.inputs, generator=random) for _ in range(config.steps)])[None]


def loss_direction(config: InitConfig) -> Tensor:
    """Return a unit vector (H): the loss <direction, h_T> has a gradient of norm 1 at the last step, whatever the cell."""
    random = torch.Generator().manual_seed(config.seed + 20_000)
    values = torch.randn(config.hidden, generator=random)
    return values / values.norm()


def initialized_gradients(kind: Kind, config: InitConfig) -> LayerGradients:
    """Return the gradients of <direction, h_T> in an untrained layer, with ``random_sequence`` as its input."""
    module = initialized_layer(kind, config)
    with torch.no_grad(), capture(module) as trace:
        module(random_sequence(config))
    layer = trace.layers["l0"]
    hidden = torch.zeros_like(layer.recording.hidden)
    hidden[:, -1] = loss_direction(config)
    cell = torch.zeros_like(hidden) if kind == "LSTM" else None
    return LayerGradients(layer, OutputGradients(hidden, cell, (False,) * config.steps))


EXPLODING_CONFIG = InitConfig(radius=2.2, steps=60)
"""A simple RNN whose gradients explode."""


def exploding_example(config: InitConfig = EXPLODING_CONFIG) -> DifferentiatedRun:
    """Return an example of an exploding gradient: the backward pass of <direction, h_T> through an untrained RNN."""
    module = initialized_layer("RNN", config)
    with torch.enable_grad(), capture(module) as trace:
        value = module(random_sequence(config))[0][0, -1] @ loss_direction(config)
        value.backward()
    return DifferentiatedRun(trace, float(value.detach()), module, None)
