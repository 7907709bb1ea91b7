"""Fixed and slow points of a layer, reached from the states of a corpus's index, and the trajectories around them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.core.messages import Problem, Sentence
from models.core.weights import LayerWeights
from models.corpus.corpus_index import CorpusIndex
from models.probes.fixed_points import FixedPoints, fixed_points
from models.probes.probe_index import CheckedRows, single_threaded
from models.probes.probed_steps import probed_steps
from models.probes.state_rows import states_at
from models.training.call_progress import report_progress

MAX_STEPS = 6000
"""Steps of the corpus whose states are taken."""
MAX_STARTS = 32
MAX_POINTS = 24


@dataclass(frozen=True, eq=False)
class CorpusFixedPoints:
    """The points with the trajectories of a part of the corpus.

    Attributes:
        found: the points, without their Jacobians, which are large; ``plane.points`` are the trajectories in the plane.
        texts: (n), the text of each of these states; a new one begins where it changes.
        steps: the number of steps that were used, and that of the corpus.
    """

    found: FixedPoints
    texts: np.ndarray
    steps: tuple[int, int]


def corpus_fixed_points(weights: LayerWeights, folder: str, layer: str, given: np.ndarray) -> CorpusFixedPoints:
    """Find the fixed and slow points of a layer under a constant input; as a call in a worker it reports its progress.

    Args:
        weights: of the layer.
        folder: of an index, with all states of the layer.
        layer: its name.
        given: (D), the input.

    Raises:
        Problem: the index lacks a state of the layer, a state is not finite, or there is nothing to start from.
    """
    told = Sentence("speeds are minimized")
    with single_threaded():
        index = CorpusIndex(folder)
        lacking = [each for each in weights.cell.states if f"states/{layer}/{each}" not in index.group]
        if lacking:
            raise Problem(
                "The index has no {quantity} states of {layer}, which its dynamics need. Build it with them.",
                quantity=", ".join(lacking),
                layer=layer,
            )
        rows, texts = _rows(index)
        names = [each for each in ("hidden", "cell") if each in weights.cell.states]
        states = np.concatenate([states_at(CheckedRows(index.states(layer, each)), rows) for each in names], axis=1)
        found = fixed_points(
            weights,
            states,
            given,
            max_starts=MAX_STARTS,
            max_points=MAX_POINTS,
            progress=lambda share: report_progress(share, told),
        )
    empty = np.zeros((0, 0, 0))
    return CorpusFixedPoints(replace(found, jacobians=empty), texts, (len(rows), index.steps))


def _rows(index: CorpusIndex) -> tuple[np.ndarray, np.ndarray]:
    """Return steps of the index and their texts: of a small index all, else of some texts."""
    if index.steps <= MAX_STEPS:
        rows = np.arange(index.steps)
        return rows, index.document_numbers(rows)
    chosen = probed_steps(index, np.ones(index.steps, dtype=bool), MAX_STEPS)
    return chosen.rows, index.document_numbers(chosen.rows)
