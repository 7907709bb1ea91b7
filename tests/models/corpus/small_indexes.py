"""Indexes of small corpora for the tests, and networks with weights made for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from models.corpus.build_index import IndexOptions, build_index
from models.corpus.read_sources import Document
from models.networks.network import DefaultView, ModelCard, Network

LETTERS = tuple('ab" .\n')


class Letters(nn.Module):
    """A recurrent layer over one-hot letters, with a readout."""

    def __init__(self, hidden: int = 5, symbols: int = len(LETTERS), seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.symbols = symbols
        self.rnn = nn.LSTM(symbols, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, symbols)

    def forward(self, ids):
        return self.readout(self.rnn(nn.functional.one_hot(ids, self.symbols).float())[0])


def letter_network(module=None, vocabulary=LETTERS, unknown=None):
    """Return a network of letters."""
    module = (Letters() if module is None else module).eval()
    view = DefaultView("ab", "rnn.l0", 0, 0, "hidden", {"en": ""})
    card = ModelCard(
        name="letters", title={"en": "Letters"}, task={"en": ""}, kind="characters", scored="all", predicts="next",
        classes=None, architecture={"class": "Letters"}, vocabulary=vocabulary, unknown=unknown, padding=None, particles=(),
        columns=0, parameters=0, data={}, training={}, metrics={}, examples=(), default=view,
    )  # fmt: skip
    return Network("letters", module, vocabulary, card)


def quote_network():
    """Return a network whose first unit is 0.76 from an opening quote to the token before the closing one, else 0.

    A letter other than the quote keeps the cell; the quote forgets it, and writes 1 if the unit was off. The other three
    units are random.
    """
    module = Letters(hidden=4)
    with torch.no_grad():
        for each in module.rnn.parameters():
            each.mul_(0.3)
        gates = {name: slice(4 * place, 4 * place + 4) for place, name in enumerate("ifgo")}
        x, h = module.rnn.weight_ih_l0, module.rnn.weight_hh_l0
        bias = module.rnn.bias_ih_l0
        module.rnn.bias_hh_l0.zero_()
        x[gates["i"]][0], x[gates["f"]][0], x[gates["g"]][0], x[gates["o"]][0] = 0, 0, 0, 0
        for name in "ifgo":
            h[gates[name]][0] = 0
        quote = LETTERS.index('"')
        bias[gates["f"]][0], bias[gates["i"]][0], bias[gates["g"]][0], bias[gates["o"]][0] = 20, -20, 20, 20
        x[gates["f"]][0, quote], x[gates["i"]][0, quote] = -40, 40
        h[gates["i"]][0, 0] = -60  # what is 0.76 within quotes
    return letter_network(module)


def build(network, texts, folder, scheduler="here", **options):
    """Build an index of texts."""
    options = {"shard_steps": 512} | options
    documents = [each if isinstance(each, Document) else Document(f"d{k}", each) for k, each in enumerate(texts)]
    return build_index(network, documents, folder, IndexOptions(**options), scheduler=scheduler)


def letter_texts(seed, count, longest, letters=LETTERS):
    """Return random texts."""
    random = np.random.default_rng(seed)
    return ["".join(random.choice(list(letters), random.integers(1, longest))) for _ in range(count)]


def chunk_bytes(folder: Path):
    """Return the bytes of every file of an index, by its path."""
    files = [
        each for each in Path(folder).rglob("*") if each.is_file() and "work" not in each.relative_to(folder).parts
    ]
    return {str(each.relative_to(folder)): each.read_bytes() for each in files}
