"""``python-lm``: a character-level language model of the standard library's source, which every Python installation has.

``python -m models.zoo.train python-lm --device cuda`` trains it in the same way as the weights that are stored: five minutes
on a GPU that trained five other networks at the same time. Strong decoupled weight decay makes single units follow properties
of the text, at the cost of some bits per character: with it, the cell state of one unit follows "inside a docstring".
"""

import math
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.architectures.language_model import LanguageModel, State, init_forget_bias
from models.core.tokenize_text import UNKNOWN
from models.zoo import ngram
from models.zoo.python_text import DEFAULT_TEXT, VOCABULARY, encode_python_source, source_files
from models.zoo.python_units import python_default_view, tracking_units
from models.zoo.recipe import Recipe
from models.zoo.training import fit


class Streams:
    """Batches of the training text for truncated back-propagation through time, from several streams in parallel.

    A stream continues where its last piece ended and keeps its state. With probability 1/8 it jumps to the start of a random
    file or line and restarts from a zero state, as a text typed into the app does.

    Args:
        text: the files' text by path.
        streams: B, the number of streams.
        length: T, characters of a piece.
        seed: seed of the jumps.
        device: where the text is kept and the batches are made.
    """

    def __init__(
        self, text: dict[str, str], streams: int, length: int, seed: int, device: torch.device | None = None
    ) -> None:
        self._random = np.random.default_rng(seed)
        pieces = [encode_python_source(each) for each in text.values()]
        ids = np.concatenate(pieces)
        self._ids = torch.from_numpy(ids).to(device)
        self._files = np.cumsum([0] + [len(piece) for piece in pieces[:-1]])
        self._lines = np.flatnonzero(ids[:-1] == VOCABULARY.index("\n")) + 1
        self._length = length
        self._span = torch.arange(length + 1, device=device)
        self._last = len(ids) - length - 1
        self._at = np.array([self._start() for _ in range(streams)])

    def _start(self) -> int:
        return int(self._random.choice(self._files if self._random.random() < 0.5 else self._lines))

    def next_batch(self) -> tuple[Tensor, Tensor]:
        """Return ids (B, T + 1) int64, and (B) float32: 1 for the streams that continue their last piece, else 0."""
        jumps = (self._random.random(len(self._at)) < 1 / 8) | (self._at > self._last)
        for stream in np.flatnonzero(jumps):
            self._at[stream] = min(self._start(), self._last)
        at, continues = (torch.from_numpy(each).to(self._ids.device) for each in (self._at.copy(), ~jumps))
        self._at += self._length
        return self._ids[at[:, None] + self._span].long(), continues.float()


EXAMPLES = (
    DEFAULT_TEXT,
    '''class Stack:
    """A list that gives back what came last."""

    def __init__(self):
        self.items = []

    def pop(self):
        if not self.items:
            raise IndexError("pop from an empty stack")
        return self.items.pop()
''',
    """import os

with open(os.path.join("data", "log.txt"), encoding="utf-8") as f:
    for line in f:
        if line.startswith("#"):
            continue
        key, value = line.split("=")
""",
    "x = f(g(a[0], b[1]), {'one': 1, \"two\": [2, (3, 4)]})\n",
)

BATCH = 256
LENGTH = 128
RATE = 4e-3
DECAY = 1.0
STEPS, SECOND_STEPS = 7169, 1048
"""Optimizer steps of the two phases of the training."""


CELL_LIMIT = 4.0
"""Cell states beyond this magnitude are penalized in the second phase of the training."""


def train(
    module: LanguageModel, steps: int, seed: int, *, batch: int = BATCH, rate: float = RATE, decay: float = DECAY
) -> float:
    """Train by back-propagation through time, truncated to ``LENGTH`` characters, with the state carried over.

    The first phase minimizes the prediction loss. The second, about a seventh as long, also penalizes cell states far beyond
    ``CELL_LIMIT``: without it, a few cells that do not affect the loss grow by one with every character, until float32 loses
    precision for small changes and a heatmap has no color range left for the other cells.

    Args:
        module: trained in place, on the device where its parameters are.
        steps: optimizer steps of the first phase.
        seed: seed of the batches.
        batch: B, streams read in parallel.
        rate: the peak learning rate of the first phase; that of the second is 0.001.
        decay: decoupled weight decay. A strong one concentrates properties such as "inside a docstring" in single units.

    Returns:
        The duration in seconds.
    """
    init_forget_bias(module)
    source = source_files("train")
    device = next(module.parameters()).device
    seconds = 0.0
    second = max(1, round(steps * SECOND_STEPS / STEPS))
    for phase, count, peak, penalty in ((0, steps, rate, 0.0), (1, second, 1e-3, 3e-2)):
        streams = Streams(source, batch, LENGTH, seed + phase, device)
        seconds += fit(module, _loss(module, streams, penalty), count, rate=peak, decay=decay)
    return seconds


def _loss(module: LanguageModel, streams: Streams, cell_penalty: float) -> Callable[[int], Tensor]:
    """Return the loss of a step; ``cell_penalty`` weighs the squared excess over ``CELL_LIMIT``, in nats."""
    state: State | None = None

    def loss_at(step: int) -> Tensor:
        nonlocal state
        ids, continues = streams.next_batch()
        if state is not None:
            keep = continues[None, :, None]
            hidden, cell = state
            state = hidden.detach() * keep, cell.detach() * keep
        logits, state = module.resume(ids[:, :-1], state)
        loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        if cell_penalty:
            loss = loss + cell_penalty * (state[1].abs() - CELL_LIMIT).relu().square().mean()
        return loss

    return loss_at


def bits_of_characters(module: nn.Module, text: str) -> Tensor:
    """Return the bits (T - 1,) of each character of ``text`` but the first, from a zero initial state."""
    ids = torch.from_numpy(encode_python_source(text).astype(np.int64))[None]
    with torch.no_grad():
        return F.cross_entropy(module(ids[:, :-1])[0], ids[0, 1:], reduction="none") / math.log(2)


def count_closing_brackets(module: nn.Module, text: str) -> tuple[int, int]:
    """Return the number of closing brackets in ``text``, and at how many of them the right kind is the most probable."""
    closing = torch.tensor([VOCABULARY.index(each) for each in ")]}"])
    ids = torch.from_numpy(encode_python_source(text).astype(np.int64))
    with torch.no_grad():
        best = closing[module(ids[None, :-1])[0][:, closing].argmax(-1)]
    is_closing = torch.isin(ids[1:], closing)
    return int(is_closing.sum()), int((is_closing & (best == ids[1:])).sum())


def measure(module: LanguageModel) -> dict[str, Any]:
    """Measure bits per character on the held-out files, with n-gram models of the same training files as baselines."""
    held_out = source_files("held-out")
    cost = torch.cat([bits_of_characters(module, text) for text in held_out.values()])
    closing = np.sum([count_closing_brackets(module, text) for text in held_out.values()], axis=0)
    arrays = {
        part: [encode_python_source(text) for text in source_files(part).values()]
        for part in ("train", "validation", "held-out")
    }
    tables = ngram.bits_by_order(
        arrays["train"], arrays["validation"], arrays["held-out"], base=len(VOCABULARY), pad=VOCABULARY.index("\n")
    )
    return {
        "bits_per_character": round(float(cost.mean()), 4),
        "ngram_bits_per_character": {str(n): round(value, 4) for n, value in tables.items()},
        "default_text_bits_per_character": round(float(bits_of_characters(module, DEFAULT_TEXT).mean()), 4),
        "right_closing_bracket": round(float(closing[1] / closing[0]), 4),
        "train_characters": sum(map(len, arrays["train"])),
        "validation_characters": sum(map(len, arrays["validation"])),
        "held_out_characters": sum(map(len, arrays["held-out"])),
        "held_out_files": list(held_out),
        "units": tracking_units(module),
    }


RECIPES = {
    "python-lm": Recipe(
        title={"en": "Python source, character by character", "ko": "파이썬 소스 코드 (글자 단위)"},
        task={
            "en": "Predicts the next character of Python source code.",
            "ko": "파이썬 소스 코드에서 다음 글자를 예측해요.",
        },
        kind="characters",
        scored="all",
        architecture={
            "class": "LanguageModel",
            "symbols": len(VOCABULARY),
            "cell": "LSTM",
            "hidden": 384,
            "layers": 1,
            "embedding": 64,
        },
        data={
            "source": f"the standard library of Python {platform.python_version()}, tests and tables left out",
            "licence": "Python Software Foundation License Version 2",
            "split": "by a hash of each file's path: about 90 % train, 5 % validation (n-gram weights), 5 % held out",
            "text": "tabs expanded to four spaces, every line end a newline, all beyond ASCII the unknown symbol",
        },
        settings={
            "batch": BATCH,
            "length": LENGTH,
            "optimizer": "AdamW, cosine, clip 1.0",
            "rate": RATE,
            "decay": DECAY,
            "precision": "float32; on a GPU, products in TF32",
            "second_part": f"{SECOND_STEPS} steps more for {STEPS}, at rate 0.001, that also penalize cell states beyond 4",
            "initial_forget_gate_bias": 1.0,
            "state": "goes on from piece to piece; one time in eight a new start from zeros at a file or line",
        },
        examples=tuple({"text": text} for text in EXAMPLES),
        steps=STEPS,
        train=train,
        measure=measure,
        default_view=python_default_view,
        vocabulary=VOCABULARY,
        unknown=UNKNOWN,
        options=("batch", "rate", "decay"),
        on_gpu=True,
        store="float16",
    )
}
