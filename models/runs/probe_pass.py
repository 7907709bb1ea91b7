"""A forward and a backward pass on fixed probe sequences, which changes neither the module nor its training."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from models.runs.step_hooks import StepHooks

ProbeLoss = Callable[..., Tensor]
"""A loss of the module's output, or of the output and the probe that it was computed from: a tensor of one number."""


def with_probe(loss: ProbeLoss) -> Callable[[Any, Any], Tensor]:
    """Return a loss as a function of the output and the probe."""
    try:
        inspect.signature(loss).bind(None, None)
    except TypeError:
        return lambda output, probe: loss(output)
    except ValueError:  # a function without a signature
        pass
    return loss


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Run a block with a module in evaluation mode, and restore each part's mode and the random numbers afterwards."""
    modes = {part: part.training for part in module.modules()}
    devices = sorted(
        {each.device.index for each in module.parameters() if each.is_cuda and each.device.index is not None}
    )
    with torch.random.fork_rng(devices=devices):
        module.eval()
        try:
            yield
        finally:
            for part, training in modes.items():
                part.training = training


def record_probes(
    module: nn.Module, modules: Mapping[str, nn.Module], probes: Sequence[Any], loss: Callable[[Any, Any], Tensor]
) -> StepHooks:
    """Record the run of each recurrent layer on the probes, with the gradients of the sum of their losses.

    No parameter's ``.grad`` changes.

    Args:
        module: the whole module, called with each probe in evaluation mode.
        modules: its recurrent modules, by name.
        probes: inputs of the module. If there are several, the run is that of the first one.
        loss: of an output and its probe.
    """
    hooks = StepHooks(module, modules, {})
    weights = [each for each in module.parameters() if each.requires_grad]
    try:
        # cuDNN has no backward pass in evaluation mode.
        with evaluation_mode(module), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            total = torch.stack([loss(module(probe), probe).sum() for probe in probes]).sum()
            if total.requires_grad:
                torch.autograd.grad(total, weights, allow_unused=True)
    finally:
        hooks.remove()
    return hooks
