"""Untrained copies of a network, and their states at steps of an index."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from models.core.seeded_random import seeded_random
from models.corpus.corpus_index import CorpusIndex
from models.corpus.network_hash import network_hash
from models.corpus.read_states import StateReader
from models.networks.network import Network

BATCH_TOKENS, MAX_BATCH = 1 << 14, 64
"""Tokens, padding included, and documents that are run at a time."""


def untrained_copy(network: Network, seed: int) -> Network | None:
    """Return the network with new random weights, or None if a part of it cannot be initialized anew."""
    module = copy.deepcopy(network.module)
    with seeded_random(seed):
        for part in module.modules():
            reset = getattr(part, "reset_parameters", None)
            if callable(reset):
                reset()
    changed = replace(network, module=module.eval())
    kept = dict(network.module.named_parameters())
    same = any(bool((each == kept[name]).all()) and each.numel() > 1 for name, each in module.named_parameters())
    return None if same or network_hash(changed) == network_hash(network) else changed


def untrained_states(
    copies: Sequence[Network],
    index: CorpusIndex,
    layer: str,
    quantity: str,
    rows: np.ndarray,
    progress: Callable[[float], None] = lambda share: None,
) -> list[np.ndarray]:
    """Return the states (n, H) float32 of networks at some steps of an index, rounded as those of the index are.

    Args:
        copies: the networks.
        index: of the corpus, whose tokens they read, each document from its start.
        layer, quantity: whose states.
        rows: (n) int64, steps of the index, ascending.
        progress: called with the share of the work that is done.
    """
    used, first = np.unique(index.document_numbers(rows), return_index=True)
    begins, ends = index.document_starts[used], index.document_starts[used + 1]
    last = rows[np.append(first[1:], len(rows)) - 1]
    tokens = _tokens(index, used)
    found = []
    for number, network in enumerate(copies):
        reader = StateReader(network, [layer], [quantity])
        lengths = (last + 1 if reader.can_pad else ends) - begins
        states = np.empty((len(rows), index.layers[layer]), np.float16)
        done = 0
        for batch in _batches(lengths, reader.can_pad):
            given = np.zeros((len(batch), lengths[batch[0]], *tokens[0].shape[1:]), tokens[0].dtype)
            for row, place in enumerate(batch):
                given[row, : lengths[place]] = tokens[place][: lengths[place]]
            values = reader.states(torch.from_numpy(given))[layer, quantity].numpy()
            for row, place in enumerate(batch):
                low, high = np.searchsorted(rows, [begins[place], ends[place]])
                with np.errstate(over="ignore"):
                    states[low:high] = values[row, rows[low:high] - begins[place]]
            done += int(lengths[batch].sum())
            progress((number + done / int(lengths.sum())) / len(copies))
        found.append(states.astype(np.float32))
    return found


def _tokens(index: CorpusIndex, documents: np.ndarray) -> list[np.ndarray]:
    """Return the tokens of documents, ascending, as a network takes them."""
    found = []
    for run in np.split(documents, np.flatnonzero(np.diff(documents) != 1) + 1):
        edges = index.document_starts[run[0] : run[-1] + 2]
        tokens = index.read("tokens", slice(int(edges[0]), int(edges[-1])))
        found += np.split(tokens if tokens.ndim == 2 else tokens.astype(np.int64), edges[1:-1] - edges[0])
    return found


def _batches(lengths: np.ndarray, can_pad: bool) -> Iterator[np.ndarray]:
    """Yield the places of sequences that are run together, the longest first: of one length unless they can be padded."""
    order = np.argsort(-lengths, kind="stable")
    while len(order):
        longest = lengths[order[0]]
        chosen = order[: max(1, min(MAX_BATCH, BATCH_TOKENS // longest))]
        if not can_pad:
            chosen = chosen[lengths[chosen] == longest]
        order = order[len(chosen) :]
        yield chosen
