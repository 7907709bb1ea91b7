"""Beam search: the most probable beginnings of an answer are extended at once (Lowerre 1976, Sutskever et al. 2014)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from models.architectures.translator import END, START
from models.core.messages import Problem
from models.decoding.attention_interventions import Intervention, check_interventions, forced_token
from models.decoding.decode import encode_source
from models.decoding.decoders import make_decoder, module_at_temperature
from models.networks.generation import check_scores
from models.networks.network import Network

MAX_WIDTH = 16
"""The largest beam width."""


@dataclass(frozen=True)
class BeamNode:
    """One symbol of one answer.

    Attributes:
        parent: the index of the symbol before; -1 for the root.
        symbol: the symbol.
        step: its step, from 0; -1 for the root.
        probability: of the symbol given those before it.
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
    """All hypotheses of a beam search as a tree: the root first, then step by step, the most probable first in each.

    Attributes:
        nodes: parents before their children.
        best: the index of the last symbol of the most probable answer.
        width: the beam width.
    """

    nodes: tuple[BeamNode, ...]
    best: int
    width: int

    def path(self, node: int) -> tuple[int, ...]:
        """Return the nodes from the first symbol to ``node``."""
        found: list[int] = []
        while node > 0:
            found.append(node)
            node = self.nodes[node].parent
        return tuple(reversed(found))

    def answer(self, node: int | None = None) -> str:
        """Return the answer up to ``node`` (the best if None), without the end symbol."""
        path = self.path(self.best if node is None else node)
        return "".join(self.nodes[each].symbol for each in path if not self.nodes[each].finished)

    @property
    def leaves(self) -> tuple[int, ...]:
        """The last symbols of all answers that stayed in the beam to the end, the most probable first."""
        parents = {node.parent for node in self.nodes}
        deepest = self.nodes[-1].step
        last = [
            at for at, node in enumerate(self.nodes) if node.finished or (at not in parents and node.step == deepest)
        ]
        return tuple(sorted(last, key=lambda at: -self.nodes[at].log_probability))


def beam_search(network: Network, text: str, width: int, interventions: Iterable[Intervention] = ()) -> BeamTree:
    """Search for the most probable answer to ``text``, keeping the ``width`` most probable beginnings of each length.

    The search ends when no unfinished answer can become more probable than the best finished one, or at the maximum number
    of steps of an answer. With ``width`` 1 it is ``decode``.

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
            inputs = torch.tensor([[symbols.index(nodes[node].symbol)] for node in alive])
            logits, state = decoder.step(inputs, state, step)
            check_scores(logits[:, -1], network.name, step)
            logs = logits[:, -1].double().log_softmax(-1)
            if (forced := forced_token(interventions, step)) is not None:
                logs[:, [at for at in range(len(symbols)) if at != symbols.index(forced)]] = -torch.inf
            totals = logs + torch.tensor([nodes[node].log_probability for node in alive], dtype=torch.float64)[:, None]
            before, alive, rows = alive, [], []
            for flat in totals.flatten().argsort(descending=True, stable=True)[:width].tolist():
                row, symbol = divmod(flat, len(symbols))
                if totals[row, symbol].isneginf():
                    break
                probability, total = float(logs[row, symbol].exp()), float(totals[row, symbol])
                nodes.append(BeamNode(before[row], symbols[symbol], step, probability, total, symbol == END))
                if symbol == END:
                    ended.append(len(nodes) - 1)
                else:
                    alive.append(len(nodes) - 1)
                    rows.append(row)
            best_ended = max((nodes[node].log_probability for node in ended), default=-torch.inf)
            if not alive or nodes[alive[0]].log_probability <= best_ended:
                break
            state = decoder.select_rows(state, torch.tensor(rows))
    best = max(ended + alive, key=lambda node: nodes[node].log_probability)
    return BeamTree(tuple(nodes), best, width)
