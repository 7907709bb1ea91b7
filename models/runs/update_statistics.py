"""Statistics of one update of an optimizer: the gradients that it uses, the learning rate, and the change of the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from models.runs.parameter_statistics import to_floats, total_norm, vector_norm


class UpdateStatistics:
    """Statistics of the update of one training step, by one optimizer or several.

    ``gradient_norm/total_clipped`` and ``gradient_norm_clipped/PARAMETER``: of the gradients when the optimizer begins.
    ``update_ratio/PARAMETER``: the norm of the parameter's change, divided by the parameter's norm before it; absent where
    that is 0. ``learning_rate``: of the parameters' first group; of further groups ``learning_rate/INDEX``.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        """Store the parameters' names by the id of the tensor."""
        self._names = names
        self._norms: dict[str, Tensor] = {}
        self._weights: dict[str, Tensor] = {}
        self._sizes: dict[str, Tensor] = {}
        self._changes: dict[str, Tensor] = {}
        self._rates: dict[str, float] = {}

    def _parameters(self, optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Any, dict[str, Any]]]:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and id(parameter) in self._names:
                    yield self._names[id(parameter)], parameter, group

    @torch.no_grad()
    def before(self, optimizer: torch.optim.Optimizer) -> None:
        """Measure the gradients, and copy the weights."""
        for name, parameter, group in self._parameters(optimizer):
            self._norms[name] = vector_norm(parameter.grad)
            self._weights[name] = parameter.detach().clone()
            index = next(place for place, each in enumerate(optimizer.param_groups) if each is group)
            self._rates.setdefault("learning_rate" if not index else f"learning_rate/{index}", float(group["lr"]))

    @torch.no_grad()
    def after(self, optimizer: torch.optim.Optimizer) -> bool:
        """Measure the change of the weights; return whether there is something to write."""
        for name, parameter, _ in self._parameters(optimizer):
            before = self._weights.pop(name, None)
            if before is not None:
                self._sizes[name] = vector_norm(before)
                self._changes[name] = vector_norm(parameter.detach() - before)
        self._weights.clear()
        return bool(self._norms)

    def scalars(self) -> dict[str, float]:
        """Return everything measured so far."""
        norms, sizes, changes = to_floats(self._norms), to_floats(self._sizes), to_floats(self._changes)
        found = {f"gradient_norm_clipped/{name}": norm for name, norm in norms.items()}
        if norms:
            found["gradient_norm/total_clipped"] = total_norm(norms.values())
        ratios = {f"update_ratio/{name}": changes[name] / size for name, size in sizes.items() if size != 0}
        return found | ratios | self._rates
