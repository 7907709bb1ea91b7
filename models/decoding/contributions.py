"""The contribution of each source symbol to each symbol of the answer: by weighted values, and by gradients.

Attention weights alone are not an explanation: different weights may result in the same answer (Jain and Wallace 2019), and
the value at a position with a large weight may be close to 0 (Kobayashi et al. 2020). So there are two measures.
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
"""The largest number of pairs of source symbols in one backward pass: a Transformer stores a number for each pair."""


@dataclass(frozen=True, eq=False)
class Contributions:
    """The contributions of each of Ts source symbols to each of Tt output symbols.

    Attributes:
        weighted: by the name of each attention over the text: (Tt, Ts) float32, the norm of the vector that the source's
            value adds to the decoder's context, ``|w_j W h_j|`` (Kobayashi et al. 2020); empty without attention.
        gradient: (Tt, Ts) float32, gradient times input: the derivative of the output symbol's log-probability (natural
            logarithm) by the source symbol's vector, times that vector. Signed: positive where the source symbol raises
            the output symbol's probability. Scores of another network count as constants.
    """

    weighted: Mapping[str, np.ndarray]
    gradient: np.ndarray


def contributions(network: Network, text: str, decoding: Decoding) -> Contributions:
    """Return the contribution of each symbol of ``text`` to ``decoding`` of it, with the same interventions.

    Costs one forward and one backward pass of Tt copies of the text. The network's own ``.grad`` are not changed.
    """
    weighted = {name: weight_times_value(network.module, name, each) for name, each in decoding.attention.items()}
    return Contributions(weighted, gradient_times_input(network, text, decoding))


def weight_times_value(module: Any, name: str, attention: Any) -> np.ndarray:
    """Return (Tt, Ts), the norm of each weighted value after the output matrix of the attention.

    That matrix is the part of ``join`` that multiplies the context, or each head's part of a Transformer's ``out_proj``.
    """
    if isinstance(module, Translator):
        matrices = module.join.weight[None, :, : module.join.in_features // 2]
    else:
        heads = attention.shape[1]
        matrices = module.get_submodule(name).out_proj.weight.unflatten(1, (heads, -1)).transpose(0, 1)
    given = torch.einsum("hjv,hov->hjo", torch.tensor(attention.value[0]), matrices.detach())
    weights = torch.tensor(attention.weights[0])
    # all heads add to the same vector: their parts are summed before the norm
    added = torch.einsum("hij,hjo->ijo", weights, given)
    return added.norm(dim=-1).numpy()


def gradient_times_input(network: Network, text: str, decoding: Decoding) -> np.ndarray:
    """Return (Tt, Ts), ``Contributions.gradient``."""
    module = copy.deepcopy(module_at_temperature(network, decoding.interventions))
    symbols, ids = torch.tensor(decoding.symbols), network.encode(text)
    inputs = torch.cat([torch.tensor([START]), symbols[:-1]])
    vectors: list[Tensor] = []

    def detach_embeddings(_: Any, __: Any, output: Tensor) -> Tensor:
        vectors.append(output.detach().requires_grad_())
        return vectors[-1]

    module.embedding.register_forward_hook(detach_embeddings)
    found = []
    for steps in torch.arange(len(symbols)).split(max(1, MAX_SOURCE_PAIRS // ids.shape[1] ** 2)):
        # one copy of the text for each step, to keep the steps apart in a single backward pass
        rows = len(steps)
        with torch.enable_grad():
            decoder = make_decoder(module, ids.expand(rows, -1), decoding.interventions)
            logits, _ = decoder.step(inputs.expand(rows, -1), decoder.initial_state(), 0)
            total = logits.log_softmax(-1)[torch.arange(rows), steps, symbols[steps]].sum()
        (grad,) = torch.autograd.grad(total, vectors[-1])
        found.append((grad * vectors[-1]).sum(-1).detach())
    return torch.cat(found).numpy()
