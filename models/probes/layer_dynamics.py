"""One step of a recurrent layer under a constant input as a map of its state, and the Jacobian of this map.

The state s of S numbers is the hidden state; of an LSTM the hidden state followed by the cell state.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.capturing.capture import capture
from models.core.messages import Problem
from models.core.stepwise import StepEvaluation, StepwiseLayer
from models.core.weights import LayerWeights
from models.gradients.jacobian import step_jacobians


class LayerMap:
    """The map F of a layer's state to its next state; autograd differentiates it.

    Attributes:
        hidden_size: P, the size of the hidden state.
        state_size: S, the size of the joined state.
    """

    def __init__(self, weights: LayerWeights, given: np.ndarray, dtype: torch.dtype = torch.float64) -> None:
        """Store the equations and weights of a layer, and the products of its weights with the input ``given`` (D).

        The map computes in ``dtype``.

        Raises:
            Problem: the input has another size than the layer's, or a weight or the input is not finite.
        """
        if given.shape != (weights.input_size,):
            raise Problem(
                "The input has {given} values; the layer takes {size}. Choose an input of that size.",
                given=given.size,
                size=weights.input_size,
            )
        tensors = {name: values.to(dtype) for name, values in weights.tensors.items()}
        if not np.isfinite(given).all() or not all(bool(values.isfinite().all()) for values in tensors.values()):
            raise Problem(
                "A weight of the layer or a value of the input is not finite, so the layer has no fixed points. Choose "
                "another layer or input."
            )
        self._names = weights.cell.states
        self._cell = weights.cell
        self._given = torch.tensor(given, dtype=dtype)[None, None]
        self._layer = StepwiseLayer(weights.cell, tensors, self._given)
        exact: dict[str, Any] = {name: values.double().numpy() for name, values in tensors.items()}
        self._module = replace(weights, **exact).to_module()
        self.hidden_size = weights.output_size
        self.state_size = self.hidden_size + (weights.hidden_size if "cell" in self._names else 0)

    def __call__(self, states: Tensor) -> Tensor:
        """Return the states (B, S) after one step from ``states`` (B, S)."""
        hidden, cell = states[:, : self.hidden_size], states[:, self.hidden_size :]
        step = StepEvaluation(
            self._layer, 0, {"hidden": hidden, "cell": cell} if "cell" in self._names else {"hidden": hidden}
        )
        for name, equation in self._cell.equations.items():
            setattr(step, name, equation(step))
        return torch.cat([getattr(step, name) for name in ("hidden", "cell") if name in self._names], dim=1)

    def jacobians(self, states: Tensor) -> Tensor:
        """Return dF/ds at ``states`` (B, S), (B, S, S): [b, i, j] is the derivative of element i by element j."""
        hidden, cell = (
            part.detach()[None].double()
            for part in states.split([self.hidden_size, states.shape[1] - self.hidden_size], 1)
        )
        given = self._given.double().expand(len(states), 1, -1)
        with torch.inference_mode(), capture(self._module) as trace:
            self._module(given, (hidden, cell) if "cell" in self._names else hidden)
        layer = trace.layers["l0"]
        found = [step_jacobians(layer, sequence, joint=True)[0] for sequence in range(len(states))]
        return torch.tensor(np.stack(found))
