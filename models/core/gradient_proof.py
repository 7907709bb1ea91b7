"""Comparison of a layer's gradients with the gradients that reached its weights.

Every step's share of a weight's gradient follows from the recorded states and from the gradients by the layer's outputs.
Their sum over all steps and runs has to be the gradient that autograd computed for the weight in the same backward pass.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from models.core.layer_gradients import GradientError, twice_differentiated
from models.core.output_gradients import GradientHook, HookedOutput

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}
"""The largest difference, relative to the gradient or to the sum of the steps' absolute values, by the gradient's type."""
LOW_PRECISION = 0.05
"""The same in 16 bits."""


class GradientWarning(UserWarning):
    """Gradients that were not confirmed by those of the weights; one sentence says which."""


@dataclass(eq=False)
class WeightGradient:
    """The gradient that reaches one weight, and the runs of layers that use it.

    Attributes:
        weight: the tensor.
        low_precision: whether a run computed with 16 bits.
        hook: on it; before any hook of the user's, which may change the gradient.
        uses: the runs' names, each with the name of the weight in it.
    """

    weight: Tensor
    low_precision: bool = False
    hook: GradientHook = field(init=False)
    uses: dict[tuple[str, str], None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Register the hook."""
        self.hook = GradientHook((HookedOutput(self.weight),))
        hooks: Any = self.weight._backward_hooks
        if hooks and len(hooks) > 1:  # autograd calls them in the order of insertion
            *before, own = hooks.items()
            hooks.clear()
            hooks.update([own, *before])


@dataclass(eq=False)
class GradientProof:
    """The check of one layer's run.

    Attributes:
        name: of the run.
        layers: all runs by name.
        used: the gradients that reach its weights, by the weight's name.
        ambiguous: whether gradients of activation checkpointing could belong to another call with the same input.
    """

    name: str
    layers: Mapping[str, Any]
    used: Mapping[str, list[WeightGradient]]
    ambiguous: bool = False
    _checked: tuple[int, ...] = ()

    def check(self) -> None:
        """Compare the sums of all weights in every backward pass.

        Raises:
            GradientError: a gradient was differentiated again, or cannot be assigned to a call.
        Warns:
            GradientWarning: they differ otherwise, which is so too where a weight has uses outside the recorded layers.
        """
        if self.ambiguous:
            raise GradientError(
                f"The gradients of {self.name} cannot be separated: activation checkpointing repeated several calls with the "
                "same input; capture one of them at a time."
            )
        collector = self.layers[self.name].recording.output_gradients
        if collector.differentiated:
            raise twice_differentiated(self.name)
        state = collector.count, *(used.hook.count for several in self.used.values() for used in several)
        if state == self._checked:
            return
        wrong = [
            name
            for name, several in self.used.items()
            if not all(self._agrees(used, number) for used in several for number in used.hook.passes)
        ]
        self._checked = state
        if wrong:
            warnings.warn(
                f"The time steps' shares of {', '.join(wrong)} in {self.name} do not add up to the gradients that reached "
                "them: these weights are also used elsewhere (a penalty on weights, tied layers), or not all calls were "
                "recorded.",
                GradientWarning,
                stacklevel=4,
            )

    def _agrees(self, used: WeightGradient, number: int) -> bool:
        reached = used.hook.passes[number][0]
        shares = []
        for run, name in used.uses:
            layer = self.layers[run]
            collector = layer.recording.output_gradients
            if number not in collector.passes:
                continue
            whole = collector.gather() if len(collector.passes) == 1 else collector.of_pass(number)
            shares.append((layer.gradients_of(whole), name))
        total = torch.zeros_like(reached)
        for gradients, name in shares:
            total += gradients.total(name)
        if not total.isfinite().all() or not reached.isfinite().all():
            return not reached.isfinite().all()  # 16-bit gradients overflow earlier
        tolerance = LOW_PRECISION if used.low_precision else TOLERANCE[reached.dtype]
        difference = (total - reached).norm()
        if difference <= tolerance * reached.norm():
            return True
        # steps may cancel each other
        return bool(difference <= tolerance * sum(gradients.magnitude(name) for gradients, name in shares))
