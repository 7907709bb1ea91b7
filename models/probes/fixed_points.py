"""Fixed and slow points of a recurrent layer under a constant input, and the linear dynamics around them.

Sussillo and Barak (2013), "Opening the black box: low-dimensional dynamics in high-dimensional recurrent neural networks".
The points have a small q(s) = |F(s) - s|^2 / 2, half of the squared speed; they are reached from states of the layer's
trajectories.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from models.core.messages import Problem, Sentence
from models.core.weights import LayerWeights
from models.probes.layer_dynamics import LayerMap
from models.probes.speed_minima import MAX_ITERATIONS, refine_minima, slow_down
from models.states.pca import PrincipalPlane, principal_plane
from models.training.cancelled_calls import end_if_cancelled

MAX_STARTS = 64
MAX_POINTS = 64
MAX_JACOBIAN_NUMBERS = 1 << 22
"""The largest number of elements of all points' Jacobians: of large layers fewer points are refined, of 768 numbers 7."""
TOLERANCE = 1e-12
"""The q below which a point is fixed."""
SLOW_SHARE = 0.05
"""The share of the trajectories' median speed under this input below which a point is slow."""
RUN_ON_STEPS = 300
"""The number of steps that every second start runs on under the input, towards a stable point, before q is minimized."""
MERGE_SHARE = 0.01
"""The distance, as a share of the root mean square distance of the states from their mean, below which points are one."""
DISTANCE_BLOCK = 1024
UNIT_CIRCLE = 1e-6
"""How near to 1 the magnitude of an eigenvalue counts as 1."""

Stability = Literal["stable", "saddle", "unstable", "marginal"]


@dataclass(frozen=True, eq=False)
class FixedPoints:
    """K fixed and slow points, the fixed ones first, and each by falling number of starts that led to it.

    Attributes:
        points: (K, S) float64, the states; of an LSTM the hidden state followed by the cell state.
        speed_energy: (K), q = |F(s) - s|^2 / 2.
        fixed: (K) bool, whether q is below the tolerance; the others are slow points, where the speed is at most 5 % of the
            median speed of the trajectories' states under this input.
        starts: (K) int, the number of states from which the minimization ended there.
        distance: (K), from the nearest state of the trajectories. A far point may play no part in them.
        jacobians: (K, S, S), dF/ds.
        eigenvalues: (K, S) complex, of the Jacobian, largest magnitude first.
        directions: (K, S), the real part of the eigenvector of the first eigenvalue, of length 1.
        stability: for each point "stable" (all eigenvalues inside the unit circle), "unstable" (all outside), "saddle"
            (both), or "marginal" (none outside, some on it).
        plane: the principal plane of the states; ``plane.points`` are the trajectories in it.
        coordinates: (K, 2), the points in this plane.
        start_count: the number of states from which q was minimized.
        left_out: how many of these ended at no fixed or slow point, or at one beyond the largest number of points.
        verdict: the sentence that counts the points, or says that there are none.
    """

    points: np.ndarray
    speed_energy: np.ndarray
    fixed: np.ndarray
    starts: np.ndarray
    distance: np.ndarray
    jacobians: np.ndarray
    eigenvalues: np.ndarray
    directions: np.ndarray
    stability: tuple[Stability, ...]
    plane: PrincipalPlane
    coordinates: np.ndarray
    start_count: int
    left_out: int
    verdict: Sentence

    @property
    def time_constants(self) -> np.ndarray:
        """(K, S), the steps after which each mode has decayed or grown by e, -1 / ln |eigenvalue|: negative if it grows."""
        with np.errstate(divide="ignore"):
            return -1 / np.log(np.abs(self.eigenvalues))

    @property
    def periods(self) -> np.ndarray:
        """(K, S), the steps in which each mode turns once, 2 pi / |angle of the eigenvalue|; infinite if it does not."""
        with np.errstate(divide="ignore"):
            return 2 * np.pi / np.abs(np.angle(self.eigenvalues))


def fixed_points(
    weights: LayerWeights,
    states: np.ndarray,
    given: np.ndarray,
    *,
    max_starts: int = MAX_STARTS,
    max_points: int = MAX_POINTS,
    max_iterations: int = MAX_ITERATIONS,
    tolerance: float = TOLERANCE,
    merge_share: float = MERGE_SHARE,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> FixedPoints:
    """Return the fixed and slow points that minimization reaches from states of a layer's trajectories.

    Args:
        weights: of the layer.
        states: (N, S), states of its trajectories; of an LSTM the hidden state followed by the cell state.
        given: (D), the constant input: the embedding of a token, zeros, or the mean input.
        max_starts: the largest number of states to start from, drawn at random, every second one after
            ``RUN_ON_STEPS`` steps under the input; the mean state and zero are added.
        max_points: the largest number of points.
        max_iterations: of the gradient descent; the refinement takes at most a tenth of it.
        tolerance: the q below which a point is fixed.
        merge_share: the distance below which points are one, as a share of the root mean square distance of the states from
            their mean.
        seed: of the choice of the starts.
        progress: called with the share of the work that is done.

    Raises:
        Problem: there are no states, they have another size or are not finite, or so are weights or the input.
        CancelledError: the task was cancelled.
    """
    step = LayerMap(weights, given)
    if states.ndim != 2 or not len(states):
        raise Problem("There are no states to start from. Choose a text or corpus with at least one step.")
    if states.shape[1] != step.state_size:
        raise Problem(
            "The states have {given} values; those of this layer have {size}: of an LSTM the hidden and the cell state. "
            "Keep both states of the layer in the corpus's index.",
            given=states.shape[1],
            size=step.state_size,
        )
    plane = principal_plane(states)
    spread = float(np.sqrt(plane.variance)) or 1.0
    chosen = np.random.default_rng(seed).permutation(len(states))[:max_starts]
    starts = torch.tensor(
        np.concatenate([states[chosen], plane.mean[None], np.zeros((1, step.state_size))]), dtype=torch.float64
    )
    with torch.no_grad():
        usual_speed = float((step(starts[: len(chosen)]) - starts[: len(chosen)]).norm(dim=1).median())

    def done(share: float) -> None:
        if progress is not None:
            progress(share)

    rough = LayerMap(weights, given, torch.float32)
    starts[: len(chosen) : 2] = _run_on(rough, starts[: len(chosen) : 2])
    ends = slow_down(rough, starts.float(), spread, max_iterations, lambda share: done(0.6 * share)).double()
    most = max(1, min(max_points, MAX_JACOBIAN_NUMBERS // step.state_size**2))
    places, owners = merge_near(ends, _energies(step, ends), merge_share * spread)
    counts = torch.bincount(owners, minlength=len(places))
    kept = places[:most]
    refined = refine_minima(step, ends[kept], spread, max_iterations // 10, lambda share: done(0.6 + 0.4 * share))
    energies = _energies(step, refined)
    good = (energies < tolerance) | ((2 * energies).sqrt() <= SLOW_SHARE * usual_speed)
    refined, energies, counts = refined[good], energies[good], counts[: len(kept)][good]
    places, owners = merge_near(refined, energies, merge_share * spread)
    totals = torch.zeros(len(places), dtype=torch.int64).index_add_(0, owners, counts)
    points, energies = refined[places], energies[places]
    fixed = energies < tolerance
    order = np.lexsort((-totals.numpy(), ~fixed.numpy()))
    points, energies, fixed, totals = (each[order] for each in (points, energies, fixed, totals))
    jacobians = step.jacobians(points) if len(points) else torch.zeros(0, step.state_size, step.state_size)
    eigenvalues, directions = _modes(jacobians)
    stability = tuple(_stability(each) for each in np.abs(eigenvalues))
    start_count = len(starts)
    left_out = start_count - int(totals.sum())
    return FixedPoints(
        points=points.numpy(),
        speed_energy=energies.numpy(),
        fixed=fixed.numpy(),
        starts=totals.numpy(),
        distance=_distances(points.numpy(), states),
        jacobians=jacobians.numpy(),
        eigenvalues=eigenvalues,
        directions=directions,
        stability=stability,
        plane=plane,
        coordinates=plane.project(points.numpy()),
        start_count=start_count,
        left_out=left_out,
        verdict=_verdict(fixed.numpy(), stability, start_count, left_out),
    )


def merge_near(points: Tensor, energies: Tensor, distance: float) -> tuple[Tensor, Tensor]:
    """Return the indices of points that are apart, lowest q first, and for every point the place of its own among them.

    Args:
        points: (B, S).
        energies: (B), q of each.
        distance: the distance up to which a point is the same as one with a lower q.
    """
    order = energies.argsort(stable=True)
    kept: list[int] = []
    owners = torch.zeros(len(points), dtype=torch.int64)
    for index in order.tolist():
        gaps = (points[kept] - points[index]).norm(dim=1) if kept else torch.full((1,), torch.inf)
        nearest = int(gaps.argmin())
        if float(gaps[nearest]) > distance:
            nearest = len(kept)
            kept.append(index)
        owners[index] = nearest
    return torch.tensor(kept, dtype=torch.int64), owners


def _run_on(step: LayerMap, states: Tensor) -> Tensor:
    """Return the states (B, S) after ``RUN_ON_STEPS`` steps; a start that leaves the finite numbers stays where it was."""
    after = states.float()
    with torch.inference_mode():
        for index in range(RUN_ON_STEPS):
            if index % 10 == 0:
                end_if_cancelled()
            after = step(after)
    return torch.where(after.isfinite().all(dim=1, keepdim=True), after.double(), states)


def _energies(step: LayerMap, states: Tensor) -> Tensor:
    """Return q (B) of states (B, S)."""
    with torch.no_grad():
        return (step(states) - states).square().sum(dim=1) / 2


def _modes(jacobians: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvalues (K, S), largest magnitude first, and the first one's direction (K, S), real."""
    values, vectors = torch.linalg.eig(jacobians)
    order = values.abs().argsort(dim=1, descending=True, stable=True)
    sorted_values = values.gather(1, order).numpy()
    if not len(values):
        return sorted_values, np.zeros(sorted_values.shape)
    first = vectors.gather(2, order[:, None, :1].expand(-1, values.shape[1], -1))[:, :, 0]
    # the phase of an eigenvector is arbitrary: its largest element becomes real and positive
    largest = first.gather(1, first.abs().argmax(dim=1, keepdim=True))
    real = (first * largest.conj() / largest.abs()).real
    return sorted_values, (real / real.norm(dim=1, keepdim=True)).numpy()


def _stability(magnitudes: np.ndarray) -> Stability:
    """Return the kind of a point from the magnitudes of its eigenvalues."""
    outside, inside = magnitudes > 1 + UNIT_CIRCLE, magnitudes < 1 - UNIT_CIRCLE
    if inside.all():
        return "stable"
    if outside.all():
        return "unstable"
    return "saddle" if outside.any() else "marginal"


def _distances(points: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Return the distance (K) of each point from the nearest of the states (N, S)."""
    nearest = np.full(len(points), np.inf)
    for first in range(0, len(states), DISTANCE_BLOCK):
        block = states[first : first + DISTANCE_BLOCK].astype(np.float64)
        here = [np.square(block - point).sum(axis=1).min() for point in points]
        nearest = np.minimum(nearest, here)
    return np.sqrt(nearest)


def _verdict(fixed: np.ndarray, stability: tuple[Stability, ...], starts: int, left_out: int) -> Sentence:
    """Return the sentence that counts the points."""
    if not len(fixed):
        return Sentence("No fixed or slow point was found under this input from {starts} states.", starts=starts)
    kinds = [kind for kind, is_fixed in zip(stability, fixed, strict=True) if is_fixed]
    return Sentence(
        "Found under this input, from {starts} states: fixed points: {fixed} (stable: {stable}, saddles: {saddle}, unstable: "
        "{unstable}, marginal: {marginal}); slow points: {slow}. States from which none of them was reached: {left_out}.",
        starts=starts,
        left_out=left_out,
        fixed=len(kinds),
        slow=len(fixed) - len(kinds),
        stable=kinds.count("stable"),
        saddle=kinds.count("saddle"),
        unstable=kinds.count("unstable"),
        marginal=kinds.count("marginal"),
    )
