"""``python-lm``: a character-level language model of the standard library's source, which every Python installation has."""

import hashlib
import math
import platform
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.architectures.language_model import LanguageModel, State, init_forget_bias
from models.capturing.capture import capture
from models.core.tokenize_text import UNKNOWN, normalize_whitespace
from models.states.python_features import FEATURES, features
from models.zoo import ngram
from models.zoo.recipe import Recipe
from models.zoo.training import fit

Split = Literal["train", "validation", "held-out"]

VOCABULARY = (UNKNOWN, "\n", *map(chr, range(32, 127)))
"""The unknown symbol, newline and printable ASCII. Tabs are expanded to four spaces before the text is encoded."""

EXCLUDED_FOLDERS = frozenset(
    {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "encodings", "pydoc_data", "__pycache__"}
)
"""Folders that are not part of the library, or contain tables and text rather than code."""


def split_of(path: str) -> Split:
    """Return the split of the file at ``path`` (inside the library, with forward slashes): 90 % train, 5 % and 5 %.

    A hash of the path decides so that the split is the same on every machine and in every order.
    """
    bucket = hashlib.sha256(path.encode()).digest()[0] % 20
    return "held-out" if bucket == 0 else "validation" if bucket == 1 else "train"


@cache
def source_files(split: Split) -> dict[str, str]:
    """Return the library's files of one split: text, tidied, by path inside the library, sorted by path."""
    root = Path(sysconfig.get_path("stdlib"))
    found = {}
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        # _sysconfigdata_*.py is written when Python is built: settings of one machine, not source
        if EXCLUDED_FOLDERS & set(inside.parts) or inside.name.startswith("_sysconfigdata"):
            continue
        if split_of(inside.as_posix()) == split:
            text = normalize_whitespace(path.read_text(encoding="utf-8", errors="replace"))
            if len(text) > 1:
                found[inside.as_posix()] = text
    if not found:
        raise FileNotFoundError(
            f"No source of the standard library was found under {root}; python-lm is trained on it."
        )
    return found


def encode_python_source(text: str) -> np.ndarray:
    """Return the ids (T,) uint8 of the characters of ``text``; those outside the vocabulary become the unknown symbol."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    table = np.zeros(128, dtype=np.uint8)
    for index, symbol in enumerate(VOCABULARY[1:], start=1):
        table[ord(symbol)] = index
    return np.where(codes < 128, table[np.minimum(codes, 127)], 0).astype(np.uint8)


class Streams:
    """Batches of the training text for truncated back-propagation through time, from several streams in parallel.

    A stream continues where its last piece ended and keeps its state. With probability 1/8 it jumps to the start of a random
    file or line and restarts from a zero state, as a text typed into the app does.
    """

    def __init__(self, text: dict[str, str], streams: int, length: int, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        pieces = [encode_python_source(each) for each in text.values()]
        self._ids = np.concatenate(pieces)
        self._files = np.cumsum([0] + [len(piece) for piece in pieces[:-1]])
        self._lines = np.flatnonzero(self._ids[:-1] == VOCABULARY.index("\n")) + 1
        self._length = length
        self._last = len(self._ids) - length - 1
        self._at = np.array([self._start() for _ in range(streams)])

    def _start(self) -> int:
        return int(self._random.choice(self._files if self._random.random() < 0.5 else self._lines))

    def next_batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Return ids (streams, length + 1) int64, and a mask (streams,) of the streams that continue their last piece."""
        jumps = (self._random.random(len(self._at)) < 1 / 8) | (self._at > self._last)
        for stream in np.flatnonzero(jumps):
            self._at[stream] = min(self._start(), self._last)
        pieces = np.stack([self._ids[at : at + self._length + 1] for at in self._at]).astype(np.int64)
        self._at += self._length
        return pieces, ~jumps


DEFAULT_TEXT = '''def greet(name, times=2):
    """Say hello more than once."""
    words = ["hello", name]
    for i in range(times):
        print(" ".join(words))
    return len(words)
'''

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

BATCH = 32
LENGTH = 128


CELL_LIMIT = 4.0
"""Cell states beyond this magnitude are penalized in the second phase of the training."""


def train(module: LanguageModel, steps: int, seed: int) -> float:
    """Train by back-propagation through time, truncated to ``LENGTH`` characters, with the state carried over.

    The first phase minimizes the prediction loss. The second, a seventh as long, also penalizes cell states far beyond
    ``CELL_LIMIT``: without it, a few cells that do not affect the loss grow by one with every character, until float32 loses
    precision for small changes and a heatmap has no color range left for the other cells. Returns seconds.
    """
    init_forget_bias(module)
    seconds = _train_phase(module, steps, seed, rate=5e-3, cell_penalty=0.0)
    return seconds + _train_phase(module, max(1, steps // 7), seed + 1, rate=1e-3, cell_penalty=3e-2)


def _train_phase(module: LanguageModel, steps: int, seed: int, rate: float, cell_penalty: float) -> float:
    """Run one training phase; ``cell_penalty`` weighs the squared excess over ``CELL_LIMIT``, in nats. Returns seconds."""
    streams = Streams(source_files("train"), BATCH, LENGTH, seed)
    state: State | None = None

    def loss_at(step: int) -> Tensor:
        nonlocal state
        ids, continues = (torch.from_numpy(each) for each in streams.next_batch())
        if state is not None:
            keep = continues.float()[None, :, None]
            hidden, cell = state
            state = hidden.detach() * keep, cell.detach() * keep
        logits, state = module.resume(ids[:, :-1], state)
        loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        if cell_penalty:
            loss = loss + cell_penalty * (state[1].abs() - CELL_LIMIT).relu().square().mean()
        return loss

    return fit(module, loss_at, steps, rate=rate)


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
        "units": dict(zip(FEATURES, tracking_units(module), strict=True)),
    }


def tracking_units(module: LanguageModel, limit: int = 8000) -> list[dict[str, Any]]:
    """Return the state that correlates most with each of ``FEATURES``, over the first ``limit`` characters of each file."""
    names: list[tuple[str, int, str]] = []
    states, targets = [], []
    for text in source_files("held-out").values():
        ids = torch.from_numpy(encode_python_source(text[:limit]).astype(np.int64))[None]
        with torch.no_grad(), capture(module) as trace:
            module(ids)
        layers = [(name, quantity) for name in trace.layers for quantity in ("cell", "hidden")]
        states.append(np.concatenate([trace.layers[name][quantity][0] for name, quantity in layers], axis=1))
        names = [(name, unit, quantity) for name, quantity in layers for unit in range(module.rnn.hidden_size)]
        targets.append(np.stack(list(features(text[:limit]).values()), axis=1))
    x, y = (_standard(np.concatenate(part)) for part in (states, targets))
    found = []
    for column in (x.T @ y / len(x)).T:
        best = int(np.abs(column).argmax())
        layer, unit, quantity = names[best]
        found.append({"layer": layer, "unit": unit, "quantity": quantity, "correlation": round(float(column[best]), 3)})
    return found


def _standard(columns: np.ndarray) -> np.ndarray:
    return (columns - columns.mean(0)) / np.maximum(columns.std(0), 1e-9)


def python_default_view(module: LanguageModel) -> dict[str, Any]:
    """Return a view of the state that correlates most with being inside a string, at the end of a string of the text."""
    best = tracking_units(module)[FEATURES.index("inside_string")]
    inside = '["hello'
    state = {"cell": ("cell state", "셀 상태"), "hidden": ("hidden state", "은닉 상태")}[best["quantity"]]
    why = (
        f"The {state[0]} of unit {best['unit']} correlates with being inside quotes (r = {best['correlation']:.2f} on "
        "held-out source code). Here a string is open and its closing quote has not come yet.",
        f"유닛 {best['unit']}의 {state[1]}는 따옴표 안에 있는지와 상관이 있어요(학습에 쓰지 않은 소스 코드에서 r = "
        f"{best['correlation']:.2f}). 여기서는 문자열이 열려 있고 닫는 따옴표가 아직 나오지 않았어요.",
    )
    return {
        "text": DEFAULT_TEXT,
        "layer": best["layer"],
        "unit": best["unit"],
        "step": DEFAULT_TEXT.index(inside) + len(inside) - 1,
        "quantity": best["quantity"],
        "why": {"en": why[0], "ko": why[1]},
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
            "hidden": 128,
            "layers": 2,
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
            "optimizer": "Adam, cosine, rate 0.005, clip 1.0",
            "second_part": "a seventh as many steps at rate 0.001 that draw cells beyond 4 back",
            "initial_forget_gate_bias": 1.0,
            "state": "goes on from piece to piece; one time in eight a new start from zeros at a file or line",
        },
        examples=tuple({"text": text} for text in EXAMPLES),
        steps=14000,
        train=train,
        measure=measure,
        default_view=python_default_view,
        vocabulary=VOCABULARY,
        unknown=UNKNOWN,
    )
}
