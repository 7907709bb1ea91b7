"""Small neural language models of the sentences of a corpus: a fixed window of words (Bengio et al. 2003), RNN, and LSTM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from models.architectures.language_model import LanguageModel
from models.language.corpus import END, START, UNKNOWN, Corpus

ModelKind = Literal["window", "RNN", "LSTM"]
MODEL_KINDS: tuple[ModelKind, ...] = get_args(ModelKind)

WINDOW = 3
"""Words before the predicted one that the model of a fixed window takes as input."""

EMBEDDING, HIDDEN = 24, 48
"""D and H of all models."""


class WindowModel(nn.Module):
    """The feed-forward language model of Bengio et al. (2003), without direct connections: ``embedding -> hidden -> head``.

    Args:
        symbols: V.
        window: words that it takes as input; those further back have no effect.
    """

    def __init__(self, symbols: int, window: int = WINDOW) -> None:
        super().__init__()
        self.window = window
        self.embedding = nn.Embedding(symbols, EMBEDDING)
        self.hidden = nn.Linear(window * EMBEDDING, HIDDEN)
        self.head = nn.Linear(HIDDEN, symbols)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits (B, T, V) of the symbol after each of ``ids`` (B, T); start symbols fill the first windows."""
        before = ids.new_full((len(ids), self.window - 1), START)
        windows = torch.cat([before, ids], 1).unfold(1, self.window, 1)
        return self.head(torch.tanh(self.hidden(self.embedding(windows).flatten(2))))


def build_language_model(kind: ModelKind, symbols: int, seed: int = 0) -> nn.Module:
    """Return a model with initial weights that depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return WindowModel(symbols) if kind == "window" else LanguageModel(symbols, kind, HIDDEN, embedding=EMBEDDING)


@dataclass(frozen=True, eq=False)
class TrainedLanguageModel:
    """A trained model.

    Attributes:
        kind: the model.
        symbols: V.
        state: its weights by name, trained on all sentences.
        training_bits, held_out_bits: mean of -log2 p by epoch, when the held-out sentences were left out.
        epochs: with the lowest held-out bits, and of the training on all sentences.
        parameters: numbers that were trained.
        seconds: processor time of both trainings.
        was_cut_short: whether the time limit ended the training.
    """

    kind: ModelKind
    symbols: int
    state: dict[str, np.ndarray]
    training_bits: tuple[float, ...]
    held_out_bits: tuple[float, ...]
    epochs: int
    parameters: int
    seconds: float
    was_cut_short: bool

    @property
    def held_out_perplexity(self) -> float:
        """Of the best epoch."""
        return float(2.0 ** self.held_out_bits[self.epochs - 1])

    def module(self) -> nn.Module:
        """Return the model with its weights."""
        module = build_language_model(self.kind, self.symbols)
        module.load_state_dict({name: torch.from_numpy(values) for name, values in self.state.items()})
        return module.eval()


def network_probabilities(model: TrainedLanguageModel, corpus: Corpus, words: list[str]) -> np.ndarray:
    """Return the probability of each word of a sentence and of its end (T + 1), each given all words before it.

    The distribution is over all symbols that may come next: the start symbol is left out.
    """
    ids = torch.tensor([[START, *corpus.encode(words)]])
    with torch.no_grad():
        logits = model.module()(ids)[0].double()
    found = next_log_probabilities(logits).exp()
    targets = torch.tensor([*ids[0, 1:].tolist(), END])
    return found[torch.arange(len(targets)), targets].numpy()


def next_log_probabilities(logits: Tensor) -> Tensor:
    """Return the log probabilities (..., V) of the next symbol; the start symbol never comes next."""
    blocked = torch.zeros(logits.shape[-1], dtype=logits.dtype, device=logits.device)
    blocked[START] = -torch.inf
    return (logits + blocked).log_softmax(-1)


def padded_sentences(corpus: Corpus, numbers: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return the inputs and targets (B, T) of some sentences; targets of the padding are -100."""
    sentences = [corpus.sentence_words(number).tolist() for number in numbers.tolist()]
    length = max(map(len, sentences)) + 1
    inputs = torch.zeros(len(sentences), length, dtype=torch.long)
    targets = torch.full((len(sentences), length), -100)
    for row, words in enumerate(sentences):
        inputs[row, 1 : len(words) + 1] = torch.tensor(words)
        targets[row, : len(words) + 1] = torch.tensor([*words, END])
    return inputs, targets


def words_seen_once(corpus: Corpus) -> Tensor:
    """Return which words (V bools) occur a single time, so that training may take them for the unknown word."""
    once = np.bincount(corpus.tokens, minlength=len(corpus.words)) == 1
    once[: UNKNOWN + 1] = False
    return torch.from_numpy(once)
