"""The training loop of all bundled networks, with learning-rate schedule and a progress bar on stderr."""

import math
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn


def fit(
    module: nn.Module,
    loss_at: Callable[[int], Tensor],
    steps: int,
    *,
    rate: float,
    warmup: float = 0.02,
    clip: float = 1.0,
    decay: float = 0.0,
) -> float:
    """Train ``module`` with AdamW, linear warm-up, cosine decay to 1 % of ``rate``, gradients clipped to norm ``clip``.

    Args:
        module: the network, trained in place, on the device where its parameters are.
        loss_at: returns the loss of one step (0 .. steps - 1) on a batch that it samples itself.
        steps: optimizer steps.
        rate: the peak learning rate.
        warmup: share of the steps over which the learning rate rises.
        clip: the maximum norm of the gradient.
        decay: decoupled weight decay (Loshchilov and Hutter 2019): each step multiplies the parameters by 1 - rate * decay.

    Returns:
        The duration in seconds.
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=decay)
    rising = max(1, round(warmup * steps))
    module.train()
    started = time.perf_counter()
    smooth: Tensor | None = None  # stays on the device: a number per step would wait for the GPU at each step
    for step in range(steps):
        fraction = min(1.0, (step + 1) / rising) * (0.505 + 0.495 * math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = rate * fraction
        loss = loss_at(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, clip)
        optimizer.step()
        smooth = loss.detach() if smooth is None else smooth.lerp(loss.detach(), 0.02)
        if (step + 1) % max(1, steps // 200) == 0 or step + 1 == steps:
            _bar(step + 1, steps, float(smooth), time.perf_counter() - started)
    module.eval()
    return time.perf_counter() - started


def _bar(done: int, steps: int, loss: float, seconds: float, width: int = 32) -> None:
    """Redraw the progress bar."""
    full = width * done // steps
    left = seconds / done * (steps - done)
    end = "\n" if done == steps else ""
    line = f"\r[{'#' * full}{'.' * (width - full)}] {done}/{steps}  loss {loss:.4f}  {left:4.0f} s left "
    print(line, end=end, file=sys.stderr, flush=True)
