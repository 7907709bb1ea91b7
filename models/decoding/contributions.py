"""How much each symbol of the text contributed to each symbol of the answer: by its weight, and by its gradient.

An attention weight is no explanation: other weights may give the same answer (Jain and Wallace 2019), and a position with a
large weight may have next to nothing to give (Kobayashi et al. 2020). So there are two measures beside each other.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.architectures.translator import START, Translator
from models.decoding.decode import Decoding
from models.decoding.decoders import make_decoder, module_at_temperature
from models.networks.network import Network

MAX_SOURCE_PAIRS = 1 << 24
"""Pairs of source symbols in all copies of a text that go backwards together: a Transformer keeps a number for each pair."""


@dataclass(frozen=True, eq=False)
class Contributions:
    """Of each of Ts source symbols to each of Tt output symbols.

    Attributes:
        weighted: by the name of each attention that reads the text: (Tt, Ts) float32, the length of what the source's value
            adds to what the decoder goes on with, ``|w_j W h_j|`` (Kobayashi et al. 2020); empty without attention.
        gradient: (Tt, Ts) float32, gradient times input: the derivative of the natural logarithm of the probability of the
            symbol that was written by the source symbol's vector, times that vector. Signed: positive where the symbol spoke
            for what was written. Scores of another network are taken as given.
    """

    weighted: Mapping[str, np.ndarray]
    gradient: np.ndarray


def contributions(network: Network, text: str, decoding: Decoding) -> Contributions:
    """What each symbol of ``text`` contributed to ``decoding`` of it, with the same interventions.

    Costs one forward and one backward pass of Tt copies of the text. The network's own ``.grad`` stay as they are.
    """
    weighted = {name: weight_times_value(network.module, name, each) for name, each in decoding.attention.items()}
    return Contributions(weighted, gradient_times_input(network, text, decoding))


def weight_times_value(module: Any, name: str, attention: Any) -> np.ndarray:
    """(Tt, Ts), the length of each weighted value after the matrix that takes it to what the decoder goes on with.

    That matrix is the part of ``join`` that reads the context, or each head's part of a Transformer's ``out_proj``.
    """
    if isinstance(module, Translator):
        matrices = module.join.weight[None, :, : module.join.in_features // 2]
    else:
        heads = attention.shape[1]
        matrices = module.get_submodule(name).out_proj.weight.unflatten(1, (heads, -1)).transpose(0, 1)
    given = torch.einsum("hjv,hov->hjo", torch.tensor(attention.value[0]), matrices.detach())
    weights = torch.tensor(attention.weights[0])
    # all heads add to the same vector: their parts of it are added before its length is taken
    added = torch.einsum("hij,hjo->ijo", weights, given)
    return added.norm(dim=-1).numpy()


def gradient_times_input(network: Network, text: str, decoding: Decoding) -> np.ndarray:
    """(Tt, Ts): see ``Contributions``."""
    module = copy.deepcopy(module_at_temperature(network, decoding.interventions))
    symbols, ids = torch.tensor(decoding.symbols), network.encode(text)
    read = torch.cat([torch.tensor([START]), symbols[:-1]])
    vectors: list[Tensor] = []

    def keep(_: Any, __: Any, output: Tensor) -> Tensor:
        vectors.append(output.detach().requires_grad_())
        return vectors[-1]

    module.embedding.register_forward_hook(keep)
    found = []
    for steps in torch.arange(len(symbols)).split(max(1, MAX_SOURCE_PAIRS // ids.shape[1] ** 2)):
        # one copy of the text for each step, so that one backward pass keeps the steps apart
        rows = len(steps)
        with torch.enable_grad():
            decoder = make_decoder(module, ids.expand(rows, -1), decoding.interventions)
            logits, _ = decoder.step(read.expand(rows, -1), decoder.initial_state(), 0)
            asked = logits.log_softmax(-1)[torch.arange(rows), steps, symbols[steps]].sum()
        (grad,) = torch.autograd.grad(asked, vectors[-1])
        found.append((grad * vectors[-1]).sum(-1).detach())
    return torch.cat(found).numpy()
