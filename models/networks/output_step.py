"""The output layer at one time step: logits from a hidden state, and probabilities from logits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import nn

from models.core.messages import Problem
from models.networks.forward_run import ClassPrediction, ForwardRun, SymbolPrediction, TagPrediction, ValuePrediction

TOLERANCE = 1e-4
"""The largest difference to the network's own output, of a probability or relative to the largest value."""


@dataclass(frozen=True, eq=False)
class OutputStep:
    """A linear output layer at one time step, with K outputs and an input of size H.

    Attributes:
        module: the layer's name in the network.
        weight: (K, H). bias: (K), zeros if the layer has none.
        hidden: (H), the hidden state that it takes as input.
        layers: the recurrent layers whose states ``hidden`` is, one beside the other.
        at_end: whether these are the states after the last step of each layer, not those of the time step.
        has_softmax: whether the outputs are logits of probabilities.
    """

    module: str
    weight: np.ndarray
    bias: np.ndarray
    hidden: np.ndarray
    layers: tuple[str, ...]
    at_end: bool
    has_softmax: bool

    @property
    def logits(self) -> np.ndarray:
        """W h + b, (K) float64."""
        return self.weight @ self.hidden + self.bias

    @property
    def exponentials(self) -> np.ndarray:
        """e^(z - max z), (K): the terms of the softmax."""
        return np.exp(self.logits - self.logits.max())

    @property
    def probability(self) -> np.ndarray:
        """The softmax of the logits, (K)."""
        return self.exponentials / self.exponentials.sum()


def output_step(run: ForwardRun, module: nn.Module, step: int) -> OutputStep | None:
    """Return the output layer at one time step.

    It is the ``nn.Linear`` of the module that computes the run's prediction from a hidden state of the run: others, as after
    attention, are not found.

    Args:
        run: the run.
        module: of the network, with the edits of the run.
        step: the time step; the prediction of a class does not depend on it.

    Returns:
        The layer, or None if there is none.

    Raises:
        Problem: the output is NaN or infinite.
    """
    expected, has_softmax = _expected(run, step)
    if expected is None:
        return None
    if not np.isfinite(expected).all():
        raise Problem("The output at this time step is not finite. Choose an earlier time step, or another network.")
    for name, layer in module.named_modules():
        if not isinstance(layer, nn.Linear) or layer.out_features != len(expected):
            continue
        weight = layer.weight.detach().double().numpy()
        bias = np.zeros(len(weight)) if layer.bias is None else layer.bias.detach().double().numpy()
        for layers, hidden, at_end in _states(run, step, layer.in_features):
            found = OutputStep(name, weight, bias, hidden, layers, at_end, has_softmax)
            values = found.probability if has_softmax else found.logits
            bound = TOLERANCE * (1 if has_softmax else max(1.0, float(np.abs(expected).max())))
            if np.abs(values - expected).max() <= bound:
                return found
    return None


def _expected(run: ForwardRun, step: int) -> tuple[np.ndarray | None, bool]:
    """Return the network's own output, (K), and whether it is probabilities."""
    match run.prediction:
        case ClassPrediction(probability=probability):
            return probability, True
        case SymbolPrediction(probability=probability) | TagPrediction(probability=probability):
            return (probability[step] if step < len(probability) else None), True
        case ValuePrediction(value=value):
            return (value[step] if step < len(value) else None), False
    return None, False


def _states(run: ForwardRun, step: int, size: int) -> Iterator[tuple[tuple[str, ...], np.ndarray, bool]]:
    """Yield the hidden states of this size: of one layer, and of the two directions of one, the last layer first."""
    layers = run.trace.layers
    for name in reversed(list(layers)):
        pair = (name.removesuffix("_reverse"), name)
        group = pair if name.endswith("_reverse") and pair[0] in layers else (name,)
        for at_end in (False, True):
            parts = []
            for each in group:
                hidden = layers[each].hidden[run.row]
                last = 0 if layers[each].reverse else int(layers[each].lengths[run.row]) - 1
                at = last if at_end else step
                if at < len(hidden):
                    parts.append(hidden[at].astype(np.float64))
            if len(parts) == len(group) and sum(map(len, parts)) == size:
                yield group, np.concatenate(parts), at_end
