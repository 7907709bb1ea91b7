"""Small untrained networks that generate a sequence, and a reference decoder that computes their equations step by step."""

from dataclasses import replace

import torch
from torch import nn

from models import load_network
from models.architectures.transformer import TransformerTranslator
from models.architectures.translator import END, START, Translator
from models.networks.network import Network

KINDS = ("fixed", "dot", "general", "additive")
TEXT = "2024년 8월"
SIZE, LONGEST = 6, 7


def random_translator(kind: str, seed: int = 0, targets: int = 14, longest: int = LONGEST) -> Network:
    """Return a small network with random weights, large enough for its output to depend on its input."""
    like = load_network("dates-dot")
    torch.manual_seed(seed)
    symbols = len(like.vocabulary)
    module: nn.Module
    if kind == "transformer":
        module = TransformerTranslator(symbols, targets, 8, 2, 2, 12, longest)
    else:
        module = Translator(symbols, targets, None if kind == "fixed" else kind, SIZE // 2, 4, longest)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "norm" not in name:
                parameter.normal_(std=0.6)
        module.embedding.weight[0] = 0.0
    card = replace(
        like.card,
        target_vocabulary=like.card.target_vocabulary[:targets],
        architecture=like.card.architecture | {"longest": longest},
    )
    return replace(like, name=f"untrained {kind}", module=module.eval(), card=card)


# The reference


def gru_step(cell, suffix, x, h):
    """Return the next hidden state of a GRU (Cho et al. 2014, in PyTorch's form)."""
    w, u, b, c = (getattr(cell, f"{name}_{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    x, h_ = (w @ x + b).chunk(3), (u @ h + c).chunk(3)
    r, z = (x[0] + h_[0]).sigmoid(), (x[1] + h_[1]).sigmoid()
    return (1 - z) * (x[2] + r * h_[2]).tanh() + z * h


class ReferenceTranslator:
    """A ``Translator`` run step by step, position by position; ``change(step, scores)`` may replace the scores."""

    def __init__(self, module, ids):
        self.m = module
        size, count = module.encoder.hidden_size, len(ids)
        x = module.embedding.weight[ids]
        onward, back = [torch.zeros(size)], [torch.zeros(size)]
        for t in range(count):
            onward.append(gru_step(module.encoder, "l0", x[t], onward[-1]))
            back.append(gru_step(module.encoder, "l0_reverse", x[count - 1 - t], back[-1]))
        self.memory = torch.stack([torch.cat([onward[t + 1], back[count - t]]) for t in range(count)])
        self.summary = torch.cat([onward[-1], back[-1]])
        self.state = (module.bridge.weight @ self.summary + module.bridge.bias).tanh()

    def score(self, state, h):
        attention = self.m.attention
        if attention.score == "dot":
            return state @ h
        if attention.score == "general":
            return state @ attention.key.weight @ h
        return attention.energy @ (attention.query.weight @ state + attention.key.weight @ h).tanh()

    def step(self, symbol, step=0, change=None):
        self.state = gru_step(self.m.decoder, "l0", self.m.target_embedding.weight[symbol], self.state)
        if self.m.attention is None:
            weights, context = None, self.summary
        else:
            scores = torch.stack([self.score(self.state, h) for h in self.memory])
            weights = (scores if change is None else change(step, scores)).softmax(0)
            context = sum(w * h for w, h in zip(weights, self.memory, strict=True))
        joined = (self.m.join.weight @ torch.cat([context, self.state]) + self.m.join.bias).tanh()
        return (self.m.head.weight @ joined + self.m.head.bias).softmax(0), weights, context


def reference_decode(network, text, change=None, forced=None):
    """Return symbols, probabilities (Tt, V'), attention weights and contexts, computed by the equations."""
    with torch.no_grad():
        of, symbol, found = ReferenceTranslator(network.module, network.encode(text)[0]), START, []
        for step in range(network.module.longest):
            probability, weights, context = of.step(symbol, step, change)
            symbol = (forced or {}).get(step, int(probability.argmax()))
            found.append((symbol, probability, weights, context))
            if symbol == END:
                break
    symbols, *rest = zip(*found, strict=True)
    return list(symbols), *(None if each[0] is None else torch.stack(each).numpy() for each in rest)
