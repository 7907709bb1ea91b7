"""Gradient clipping by the global norm (Pascanu, Mikolov and Bengio 2013, section 3.2), and its effect on each step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np
import torch
from torch import Tensor, nn

from models.core.layer_gradients import GradientError
from models.core.trace import Trace

EPSILON = 1e-6
"""The number that torch adds to the norm before it divides by it."""


@dataclass(frozen=True, eq=False)
class Clipping:
    """The effect that ``torch.nn.utils.clip_grad_norm_(parameters, threshold)`` would have; no gradient is changed.

    Attributes:
        threshold: the largest norm that is not clipped.
        before: the L2 norm of all gradients together.
        after: their norm after clipping.
        coefficient: the factor of every gradient, at most 1.
        parameters: the norm of each parameter's gradient before clipping, by name.
        steps: by layer, (T), the part of ``before`` that each step's contributions to the layer's weights account for;
            clipping takes ``1 - coefficient`` of it. Negative where a step's contribution opposes the sum. Together with
            the parameters outside the layers they add up to ``before``. Empty without a trace.
    """

    threshold: float
    before: float
    after: float
    coefficient: float
    parameters: Mapping[str, float]
    steps: Mapping[str, np.ndarray]

    @property
    def clips(self) -> bool:
        """Return whether anything is clipped."""
        return not self.coefficient >= 1


def clip_coefficient(before: float, threshold: float) -> float:
    """Return torch's factor for gradients of the norm ``before``: min(1, threshold / (before + 1e-6)); NaN for NaN."""
    if before == inf:
        return 0.0
    return min(1.0, threshold / (before + EPSILON)) if isfinite(before) else before


def clipping(module: nn.Module, threshold: float, trace: Trace | None = None) -> Clipping:
    """Compute what clipping would do to the current gradients of ``module``, without clipping them.

    Args:
        module: after ``loss.backward()``.
        threshold: ``max_norm``, above 0.
        trace: of the captured forward and backward that made these gradients, for the share of each step.

    Raises:
        GradientError: no parameter has a gradient.
        ValueError: the threshold is not above 0.
    """
    if not threshold > 0:
        raise ValueError(f"The threshold must be above 0, not {threshold}.")
    grads = {name: weight.grad for name, weight in module.named_parameters() if weight.grad is not None}
    if not grads:
        raise GradientError("No parameter has a gradient; call loss.backward() first.")
    norms = {name: _norm([grad]) for name, grad in grads.items()}
    before = _norm(grads.values())
    coefficient = clip_coefficient(before, threshold)
    steps = {} if trace is None else _step_shares(trace, grads, before)
    after = before * coefficient
    return Clipping(threshold, before, after, coefficient, norms, steps)


def _norm(grads: Iterable[Tensor]) -> float:
    """Return the L2 norm of several tensors together, from the norm of each, as torch's own function computes it."""
    each = [torch.linalg.vector_norm(grad.detach().float() if grad.dtype.itemsize < 4 else grad) for grad in grads]
    return float(torch.linalg.vector_norm(torch.stack([norm.cpu().double() for norm in each])))


def _step_shares(trace: Trace, grads: Mapping[str, Tensor], before: float) -> dict[str, np.ndarray]:
    """Return <a step's contribution, the total gradient> / ``before``, summed over the parameters of each layer."""
    found = {}
    for name, layer in trace.layers.items():
        try:
            gradients = layer.gradients
        except GradientError:
            continue
        module, _, suffix = name.partition("#")[0].rpartition(".")
        total = np.zeros(layer.shape[1])
        for parameter in gradients.parameter_names:
            plain, fused = (f"{module}.{part}".lstrip(".") for part in (parameter, f"{parameter}_{suffix}"))
            grad = grads.get(fused, grads.get(plain))
            if grad is not None:
                total += gradients.per_step_inner_products(parameter, grad.detach().cpu().double().numpy()).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            found[name] = total / before
    return found
