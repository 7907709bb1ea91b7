"""Gradient clipping by the global norm (Pascanu, Mikolov and Bengio 2013, section 3.2), and which steps pay for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np
import torch
from torch import Tensor, nn

from models.core.layer_gradients import GradientError
from models.core.trace import Trace

TINY = 1e-6
"""What torch adds to the norm that it divides by."""


@dataclass(frozen=True, eq=False)
class Clipping:
    """What ``torch.nn.utils.clip_grad_norm_(parameters, threshold)`` would do; nothing is changed by looking.

    Attributes:
        threshold: the largest norm that is let through.
        before: the L2 norm of all gradients together.
        after: their norm afterwards.
        coefficient: what every gradient is multiplied by, at most 1.
        parameters: the norm of each parameter's gradient before, by name.
        steps: by layer, (T), which steps pay: the part of ``before`` that each step's contributions to the layer's weights
            account for, of which they lose ``1 - coefficient``; negative where a step pulls the other way. Together with
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
        """Whether anything is clipped."""
        return not self.coefficient >= 1


def clip_coefficient(before: float, threshold: float) -> float:
    """What torch multiplies gradients of the norm ``before`` by: min(1, threshold / (before + 1e-6)); NaN for NaN."""
    if before == inf:
        return 0.0
    return min(1.0, threshold / (before + TINY)) if isfinite(before) else before


def clipping(module: nn.Module, threshold: float, trace: Trace | None = None) -> Clipping:
    """Clip the gradients that ``module`` has now, on paper.

    Args:
        module: after ``loss.backward()``.
        threshold: ``max_norm``, above 0.
        trace: of the captured forward and backward that made these gradients, to tell which steps pay.

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
    steps = {} if trace is None else _steps(trace, grads, before)
    after = before * coefficient
    return Clipping(threshold, before, after, coefficient, norms, steps)


def _norm(grads: Iterable[Tensor]) -> float:
    """The L2 norm of several tensors together, from the norms of each as torch's own function does it."""
    each = [torch.linalg.vector_norm(grad.detach().float() if grad.dtype.itemsize < 4 else grad) for grad in grads]
    return float(torch.linalg.vector_norm(torch.stack([norm.cpu().double() for norm in each])))


def _steps(trace: Trace, grads: Mapping[str, Tensor], before: float) -> dict[str, np.ndarray]:
    """<what a step added, the whole gradient> / ``before``, summed over the parameters of each layer."""
    found = {}
    for name, layer in trace.layers.items():
        try:
            gradients = layer.gradients
        except GradientError:
            continue
        module, _, suffix = name.partition("#")[0].rpartition(".")
        total = np.zeros(layer.shape[1])
        for parameter in gradients.parameters:
            plain, fused = (f"{module}.{part}".lstrip(".") for part in (parameter, f"{parameter}_{suffix}"))
            grad = grads.get(fused, grads.get(plain))
            if grad is not None:
                total += gradients.inner(parameter, grad.detach().cpu().double().numpy()).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            found[name] = total / before
    return found
