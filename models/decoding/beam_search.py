"""Beam search: several answers are followed at once, the most probable ones so far (Lowerre 1976, Sutskever et al. 2014)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from models.architectures.translator import END, START
from models.core.messages import Problem
from models.decoding.attention_interventions import Intervention, check_interventions, forced_token
from models.decoding.decode import encode_source
from models.decoding.decoders import make_decoder, module_at_temperature
from models.networks.network import Network

MAX_WIDTH = 16
"""Answers that are followed at once at most."""


@dataclass(frozen=True)
class BeamNode:
    """One symbol of one answer.

    Attributes:
        parent: the index of the symbol before; -1 for the first of all.
        symbol: what is written.
        step: at which step, from 0; -1 for the beginning.
        probability: of the symbol after those before it.
        log_probability: the natural logarithm of the probability of the answer so far.
        finished: whether it ends the answer.
    """

    parent: int
    symbol: str
    step: int
    probability: float
    log_probability: float
    finished: bool


@dataclass(frozen=True)
class BeamTree:
    """Everything that a beam search kept, the beginning first, then step by step, the most probable first in each.

    Attributes:
        nodes: parents before their children.
        best: the index of the last symbol of the answer that was chosen.
        width: how many answers were followed at once.
    """

    nodes: tuple[BeamNode, ...]
    best: int
    width: int

    def path(self, node: int) -> tuple[int, ...]:
        """The nodes from the first symbol to ``node``."""
        found: list[int] = []
        while node > 0:
            found.append(node)
            node = self.nodes[node].parent
        return tuple(reversed(found))

    def answer(self, node: int | None = None) -> str:
        """What is written up to ``node`` (the best if None), without its end."""
        path = self.path(self.best if node is None else node)
        return "".join(self.nodes[each].symbol for each in path if not self.nodes[each].finished)

    @property
    def ends(self) -> tuple[int, ...]:
        """The last symbols of all answers that were kept to their end, the most probable first."""
        parents = {node.parent for node in self.nodes}
        deepest = self.nodes[-1].step
        last = [
            at for at, node in enumerate(self.nodes) if node.finished or (at not in parents and node.step == deepest)
        ]
        return tuple(sorted(last, key=lambda at: -self.nodes[at].log_probability))


def beam_search(network: Network, text: str, width: int, interventions: Iterable[Intervention] = ()) -> BeamTree:
    """Search the most probable answer to ``text`` among the ``width`` most probable beginnings of each length.

    The search ends when none that goes on can still become more probable than the best that has ended, or at the most
    steps that an answer may have. With ``width`` 1 it is ``decode``.

    Raises:
        Problem: as ``decode``, or the width is not from 1 to 16.
    """
    if not 1 <= width <= MAX_WIDTH:
        raise Problem("The beam width must be between 1 and {most}, not {width}.", most=MAX_WIDTH, width=width)
    ids, interventions = encode_source(network, text), tuple(interventions)
    check_interventions(network, ids.shape[1], interventions)
    symbols = network.card.target_vocabulary or ()
    nodes = [BeamNode(-1, symbols[START], -1, 1.0, 0.0, False)]
    ended: list[int] = []
    with torch.inference_mode():
        decoder = make_decoder(module_at_temperature(network, interventions), ids, interventions)
        state, alive = decoder.initial_state(), [0]
        for step in range(decoder.module.longest):
            read = torch.tensor([[symbols.index(nodes[node].symbol)] for node in alive])
            logits, state = decoder.step(read, state, step)
            logs = logits[:, -1].double().log_softmax(-1)
            if (forced := forced_token(interventions, step)) is not None:
                logs[:, [at for at in range(len(symbols)) if at != symbols.index(forced)]] = -torch.inf
            totals = logs + torch.tensor([nodes[node].log_probability for node in alive], dtype=torch.float64)[:, None]
            before, alive, rows = alive, [], []
            for flat in totals.flatten().argsort(descending=True, stable=True)[:width].tolist():
                row, symbol = divmod(flat, len(symbols))
                if totals[row, symbol].isneginf():
                    break
                chance, total = float(logs[row, symbol].exp()), float(totals[row, symbol])
                nodes.append(BeamNode(before[row], symbols[symbol], step, chance, total, symbol == END))
                if symbol == END:
                    ended.append(len(nodes) - 1)
                else:
                    alive.append(len(nodes) - 1)
                    rows.append(row)
            likeliest = max((nodes[node].log_probability for node in ended), default=-torch.inf)
            if not alive or nodes[alive[0]].log_probability <= likeliest:
                break
            state = decoder.select_rows(state, torch.tensor(rows))
    best = max(ended + alive, key=lambda node: nodes[node].log_probability)
    return BeamTree(tuple(nodes), best, width)
