"""Minima of half the squared speed, q(s) = |F(s) - s|^2 / 2: gradient descent from many states at once, then refinement."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from models.probes.layer_dynamics import LayerMap
from models.training.cancelled_calls import end_if_cancelled

MAX_ITERATIONS = 300
FIRST_STEP, LAST_STEP = 0.02, 0.0002
"""The first and the last learning rate, as shares of the states' root mean square distance from their mean in one unit."""


def slow_down(
    step: LayerMap, starts: Tensor, spread: float, iterations: int, progress: Callable[[float], None]
) -> Tensor:
    """Return the states (B, S) that Adam reaches from ``starts`` (B, S) by minimizing each one's q.

    A start that leaves the finite numbers, as under a growing relu layer, stays where it was last finite.

    Args:
        step: the map.
        starts: (B, S).
        spread: the root mean square distance of the trajectories' states from their mean.
        iterations: their number.
        progress: called with the share that is done.

    Raises:
        CancelledError: the task was cancelled.
    """
    states = starts.clone().requires_grad_()
    unit = spread / starts.shape[1] ** 0.5
    optimizer = torch.optim.Adam([states], lr=FIRST_STEP * unit)
    best, lowest = starts.clone(), torch.full((len(starts),), torch.inf, dtype=starts.dtype)
    for iteration in range(iterations + 1):
        if iteration % 10 == 0:
            end_if_cancelled()
            progress(iteration / max(iterations, 1))
        optimizer.param_groups[0]["lr"] = (
            unit * FIRST_STEP * (LAST_STEP / FIRST_STEP) ** (iteration / max(iterations, 1))
        )
        with torch.enable_grad():
            energies = (step(states) - states).square().sum(dim=1) / 2
        with torch.no_grad():
            lower = energies < lowest
            best[lower], lowest[lower] = states[lower], energies[lower]
        if iteration == iterations:
            break
        # of the logarithm: near a minimum the gradient of q vanishes with q, and Adam's epsilon would hide it
        (slopes,) = torch.autograd.grad((energies + 1e-30).log().sum(), states)
        states.grad = slopes.nan_to_num(0.0, 0.0, 0.0)
        optimizer.step()
    return best


def refine_minima(
    step: LayerMap, states: Tensor, spread: float, iterations: int, progress: Callable[[float], None]
) -> Tensor:
    """Return states (B, S) with a smaller q near ``states`` (B, S), its minima if the iterations suffice.

    Newton's method with the exact Jacobian; where its step does not lower q, that of Levenberg (1944) and Marquardt (1963).

    Args:
        step: the map.
        states: (B, S).
        spread: the root mean square distance of the trajectories' states from their mean, the longest step.
        iterations: their largest number.
        progress: called with the share that is done.

    Raises:
        CancelledError: the task was cancelled.
    """
    eye = torch.eye(step.state_size, dtype=states.dtype)
    states = states.clone()
    damping = torch.zeros(len(states), dtype=states.dtype)  # 0: Newton's method
    moving = torch.arange(len(states))
    with torch.no_grad():
        for iteration in range(max(iterations, 1)):
            end_if_cancelled()
            progress(iteration / max(iterations, 1))
            here = states[moving]
            speeds = step(here) - here
            slopes = step.jacobians(here) - eye
            gradient = (slopes.transpose(1, 2) @ speeds[:, :, None])[:, :, 0]
            size = slopes.square().sum(dim=(1, 2))
            exact = speeds.norm(dim=1) <= 1e-15 * (1 + here.norm(dim=1))
            moves = torch.zeros_like(here)
            damped = damping[moving] > 0
            if not damped.all():
                newton, _ = torch.linalg.solve_ex(slopes[~damped], speeds[~damped])
                moves[~damped] = -newton.nan_to_num(0.0, 0.0, 0.0)
            if damped.any():
                part = slopes[damped]
                scale = damping[moving][damped] * size[damped] / step.state_size
                products = part.transpose(1, 2) @ part + scale[:, None, None] * eye
                moves[damped] = -torch.linalg.solve_ex(products, gradient[damped])[0].nan_to_num(0.0, 0.0, 0.0)
            moves *= (spread / moves.norm(dim=1, keepdim=True).clamp(min=1e-300)).clamp(max=1)
            tried = here + moves
            better = (step(tried) - tried).norm(dim=1) < speeds.norm(dim=1)
            states[moving[better]] = tried[better]
            harder = torch.where(damped, damping[moving] * 5, 1e-3)
            damping[moving] = torch.where(better, damping[moving] / 5, harder)
            still = moves.norm(dim=1) <= 1e-12 * (1 + here.norm(dim=1))
            moving = moving[~(exact | (still & ~better & damped) | (damping[moving] >= 1e8))]
            if not len(moving):
                break
    progress(1.0)
    return states
