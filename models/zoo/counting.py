"""``counter``: predict the next symbol of a^n b^n, which requires counting (Gers and Schmidhuber 2001).

Strings are separated by full stops, as in ``.aaabbb.ab.``: n times ``a``, then n times ``b``, then a stop. After an ``a`` the
next symbol is uncertain; from the first ``b`` on it is determined, and so is the ``a`` after a stop.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.capturing.capture import capture
from models.zoo.recipe import Recipe
from models.zoo.training import fit

VOCABULARY = (".", "a", "b")
MAX_TRAINED_N = 12
MAX_TESTED_N = 200
STOP_PROBABILITY = 0.15
BATCH = 32
LENGTH = 80


def determined_symbols(text: str) -> list[str | None]:
    """Return the symbol that must follow each symbol of ``text`` (a prefix of ``.a^n b^n.a^n b^n...``), None if uncertain."""
    expected: list[str | None] = []
    left = 0
    for symbol in text:
        left = {".": 0, "a": left + 1, "b": left - 1}[symbol]
        expected.append({".": "a", "a": None, "b": "b" if left > 0 else "."}[symbol])
    return expected


def encode_counting_text(text: str) -> Tensor:
    """Return the ids (1, T) of a text of the three symbols."""
    return torch.tensor([[VOCABULARY.index(symbol) for symbol in text]])


def predicts_correctly(module: nn.Module, text: str) -> bool:
    """Return whether the most probable symbol is the right one at every step of ``text`` at which it is determined."""
    with torch.no_grad():
        best = module(encode_counting_text(text))[0].argmax(-1).tolist()
    return all(e is None or VOCABULARY[b] == e for b, e in zip(best, determined_symbols(text), strict=True))


def sample_counting_batch(random: np.random.Generator) -> Tensor:
    """Sample ids (BATCH, LENGTH + 1) of concatenated strings; half of the rows begin with a stop, half with an ``a``.

    n is geometric, truncated at ``MAX_TRAINED_N``: short strings are common, and the number of ``a`` so far hardly predicts
    how many follow. With uniform n, most networks learned that 12 is the end and counted little further.
    """
    rows = []
    for _ in range(BATCH):
        text = "." if random.random() < 0.5 else ""
        while len(text) <= LENGTH:
            n = MAX_TRAINED_N + 1
            while n > MAX_TRAINED_N:
                n = int(random.geometric(STOP_PROBABILITY))
            text += "a" * n + "b" * n + "."
        rows.append(encode_counting_text(text[: LENGTH + 1])[0])
    return torch.stack(rows)


def train(module: nn.Module, steps: int, seed: int) -> float:
    """Train on new strings at every step. Returns seconds."""
    random = np.random.default_rng(seed)

    def loss_at(step: int) -> Tensor:
        ids = sample_counting_batch(random)
        return F.cross_entropy(module(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())

    return fit(module, loss_at, steps, rate=0.02)


def measure(module: nn.Module) -> dict[str, Any]:
    """Measure up to which n the network counts correctly, for one string and with other strings before it."""
    alone = [predicts_correctly(module, "." + "a" * n + "b" * n + ".") for n in range(1, MAX_TESTED_N + 1)]
    random = np.random.default_rng(1)
    rows = []
    for _ in range(200):
        ns = random.integers(1, 31, size=8)
        rows.append(predicts_correctly(module, "." + "".join("a" * n + "b" * n + "." for n in ns)))
    return {
        "trained_up_to_n": MAX_TRAINED_N,
        "tested_up_to_n": MAX_TESTED_N,
        "right_up_to_n": next((n for n, ok in enumerate(alone) if not ok), MAX_TESTED_N),
        "share_right_8_strings_n_1_to_30": float(np.mean(rows)),
    }


def counting_default_view(module: nn.Module) -> dict[str, Any]:
    """Return a view of the unit whose cell state correlates most with the count, at a string's last ``b``."""
    n = 8
    text = "." + "a" * n + "b" * n + "."
    count = np.cumsum([{".": 0, "a": 1, "b": -1}[symbol] for symbol in text])
    with torch.no_grad(), capture(module) as trace:
        module(encode_counting_text(text))
    r = np.abs(np.corrcoef(trace.layers["rnn.l0"].cell[0].T, count)[-1, :-1])
    unit = int(r.argmax())
    why = (
        f"The cell state of unit {unit} counts: it moves in one direction with every a and back with every b. Its "
        f"correlation with the number of a's without a matching b is |r| = {r[unit]:.3f} in this text. At this last b "
        "the count is back where it began.",
        f"유닛 {unit}의 셀 상태가 개수를 세요. a마다 한쪽으로, b마다 반대쪽으로 움직여요. 이 텍스트에서 아직 짝이 없는 a의 "
        f"개수와의 상관계수는 |r| = {r[unit]:.3f} 정도예요. 여기는 마지막 b이고, 센 수가 처음 값으로 돌아왔어요.",
    )
    return {
        "text": text,
        "layer": "rnn.l0",
        "unit": unit,
        "step": 2 * n,
        "quantity": "cell",
        "why": {"en": why[0], "ko": why[1]},
    }


def recipe(hidden: int) -> Recipe:
    """Return the recipe of a counter with ``hidden`` units."""
    return Recipe(
        title={"en": "Counter (aⁿbⁿ)", "ko": "개수 세기 (aⁿbⁿ)"},
        task={
            "en": "Predicts the next character of strings aⁿbⁿ (n a's, then n b's), separated by full stops.",
            "ko": "a가 n번, b가 n번 나오는 문자열 aⁿbⁿ(마침표로 구분)에서 다음 글자를 예측해요.",
        },
        kind="characters",
        scored="all",
        architecture={"class": "LanguageModel", "symbols": len(VOCABULARY), "cell": "LSTM", "hidden": hidden},
        data={
            "source": "made by models/zoo/counting.py",
            "licence": "the project's own",
            "split": f"trained on n = 1 to {MAX_TRAINED_N}; tested up to n = {MAX_TESTED_N}",
        },
        settings={
            "batch": BATCH,
            "length": LENGTH,
            "optimizer": "Adam, cosine, rate 0.02, clip 1.0",
            "seed_chosen": "of seeds 0 to 9, the one that counts furthest; the others stop between n = 12 and n = 39",
        },
        examples=tuple(
            {"text": text}
            for text in ("." + "a" * 8 + "b" * 8 + ".", "." + "a" * 30 + "b" * 30 + ".", ".aabb.aaaabbbb.ab.aaabbb.")
        ),
        steps=4000,
        seed=3,
        train=train,
        measure=measure,
        default_view=counting_default_view,
        vocabulary=VOCABULARY,
    )


RECIPES = {"counter": recipe(2)}
