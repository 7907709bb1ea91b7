"""Training of a small neural language model on a corpus, in one process and for a limited time."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import nn
from torch.nn.functional import nll_loss

from models.core.messages import Problem
from models.language.corpus import UNKNOWN, Corpus
from models.language.held_out import split_corpus
from models.language.neural_models import (
    ModelKind,
    TrainedLanguageModel,
    build_language_model,
    next_log_probabilities,
    padded_sentences,
    words_seen_once,
)
from models.training.cancelled_calls import end_if_cancelled
from models.training.training_loop import one_thread

MAX_WORDS, MAX_LENGTH = 50_000, 100
"""Words of a corpus that is trained on, and of a sentence of it, at most."""

MAX_EPOCHS, PATIENCE, BATCH, RATE = 80, 8, 16, 0.01
SECONDS = 60.0
"""The most processor time of both trainings together."""

UNKNOWN_SHARE = 0.5
"""The share of the words that occur once which training replaces by the unknown word, drawn anew for each batch."""


def check_trainable(corpus: Corpus) -> None:
    """Check that the networks can be trained on a corpus.

    Raises:
        Problem: it is too long, a sentence is, or there are too few sentences.
    """
    if corpus.word_count > MAX_WORDS:
        raise Problem(
            "The networks are trained on at most {most:,} words, but the corpus has {count:,}. Use a part of it.",
            most=MAX_WORDS,
            count=corpus.word_count,
        )
    if corpus.lengths.max() > MAX_LENGTH:
        raise Problem(
            "The networks are trained on sentences of at most {most} words, but the corpus has a longer one. Split it.",
            most=MAX_LENGTH,
        )
    split_corpus(corpus)


def train_language_model(corpus: Corpus, kind: ModelKind, seconds: float = SECONDS) -> TrainedLanguageModel:
    """Train a model: first without the held-out sentences, to find the number of epochs, then on all for as many.

    Raises:
        Problem: as ``check_trainable``.
    """
    with one_thread():
        return _train_twice(corpus, kind, seconds)


def _train_twice(corpus: Corpus, kind: ModelKind, seconds: float) -> TrainedLanguageModel:
    """Train as ``train_language_model`` does."""
    check_trainable(corpus)
    began = time.thread_time()
    counted, held = split_corpus(corpus)
    first = _train(counted, kind, MAX_EPOCHS, began + seconds / 2, held)
    epochs = int(np.argmin(first.held_out)) + 1
    second = _train(corpus, kind, epochs, began + seconds, None)
    return TrainedLanguageModel(
        kind,
        len(corpus.words),
        {name: values.detach().numpy() for name, values in second.module.state_dict().items()},
        tuple(first.training),
        tuple(first.held_out),
        epochs,
        sum(each.numel() for each in second.module.parameters()),
        time.thread_time() - began,
        first.was_cut_short or second.was_cut_short,
    )


class _Training:
    """A model, the mean bits of its epochs, and whether the time limit ended its training."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.training: list[float] = []
        self.held_out: list[float] = []
        self.was_cut_short = False


def _train(corpus: Corpus, kind: ModelKind, epochs: int, end: float, held: Corpus | None) -> _Training:
    """Train for a number of epochs, until the held-out bits have not improved for ``PATIENCE``, or until ``end``."""
    done = _Training(build_language_model(kind, len(corpus.words)))
    optimizer = torch.optim.Adam(done.module.parameters(), lr=RATE)
    generator = torch.Generator().manual_seed(0)
    once, count = words_seen_once(corpus), len(corpus.starts)
    for _epoch in range(epochs):
        done.module.train()
        bits = total = 0.0
        for numbers in torch.randperm(count, generator=generator).split(BATCH):
            end_if_cancelled()
            inputs, targets = padded_sentences(corpus, numbers.numpy())
            unknown = once & (torch.rand(len(corpus.words), generator=generator) < UNKNOWN_SHARE)
            inputs[unknown[inputs]] = UNKNOWN
            real = targets >= 0
            targets[real] = torch.where(unknown[targets[real]], UNKNOWN, targets[real])
            loss = _loss(done.module, inputs, targets)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(done.module.parameters(), 1.0)
            optimizer.step()
            bits, total = bits + loss.item() * int(real.sum()), total + int(real.sum())
            if time.thread_time() > end and total and (done.training or held is None):
                done.was_cut_short = True
                return done
        done.training.append(bits / total / float(np.log(2)))
        if held is not None:
            done.held_out.append(mean_bits(done.module, held))
            if len(done.held_out) - int(np.argmin(done.held_out)) > PATIENCE:
                break
    return done


def _loss(module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean of -ln p of the targets (B, T) that are not -100."""
    logits = module(inputs).flatten(0, 1)
    return nll_loss(next_log_probabilities(logits), targets.flatten(), ignore_index=-100)


def mean_bits(module: nn.Module, corpus: Corpus) -> float:
    """Return the mean of -log2 p over the words and sentence ends of a corpus."""
    module.eval()
    bits = total = 0.0
    with torch.no_grad():
        for start in range(0, len(corpus.starts), 64):
            inputs, targets = padded_sentences(corpus, np.arange(start, min(start + 64, len(corpus.starts))))
            real = int((targets >= 0).sum())
            bits, total = bits + float(_loss(module, inputs, targets)) * real, total + real
    return bits / total / float(np.log(2))
