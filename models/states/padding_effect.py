"""The effect of padding on a network that answers after the last step: one text with masked and with unmasked padding."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from models.capturing.capture import capture
from models.core.messages import Problem
from models.core.tokenize_text import display
from models.networks.forward_run import ForwardRun, prediction_of
from models.networks.network import Network


@dataclass(frozen=True, eq=False)
class PaddingEffect:
    """Two runs on one text followed by padding.

    Attributes:
        masked: with the mask: every layer stops at the text's last step, as if there were no padding.
        unmasked: without it: padding is input like any other symbol. Its labels end with the padding's.
        steps: the number of steps of the text without the padding.
    """

    masked: ForwardRun
    unmasked: ForwardRun
    steps: int


def padding_effect(network: Network, text: str, count: int) -> PaddingEffect:
    """Run ``network`` on ``text`` followed by ``count`` symbols of padding, with and without the mask.

    Raises:
        Problem: the text cannot be encoded, the network has no padding symbol, or the count is negative.
    """
    symbol = network.card.padding
    if symbol is None or network.vocabulary is None:
        raise Problem("{name} has no padding symbol. Choose a network that outputs a class.", name=network.titled_name)
    if count < 0:
        raise Problem("The number of padding steps must be 0 or more, not {count}.", count=count)
    own = network.encode(text)
    fill = torch.full((1, count), network.vocabulary.index(symbol))
    ids, steps = torch.cat([own, fill], dim=1), own.shape[1]
    labels = (*network.labels(text), *([symbol] * count))

    def run(lengths: torch.Tensor | None, shown: tuple[str, ...]) -> ForwardRun:
        with torch.inference_mode(), capture(network.module) as trace:
            output = network.module(ids, lengths)[0]
        prediction = prediction_of(network, ids[0], output)
        return ForwardRun(trace.with_tokens(shown), shown, prediction, tuple(map(display, network.unknown(text))))

    return PaddingEffect(run(torch.tensor([steps]), labels[:steps]), run(None, labels), steps)
