"""``sentiment``: classify short reviews in English and Korean, with negations, as positive or negative."""

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.architectures.classifier import Classifier
from models.architectures.language_model import init_forget_bias
from models.capturing.capture import capture
from models.core.tokenize_text import UNKNOWN
from models.states.text_properties import after_negation
from models.zoo.recipe import Recipe
from models.zoo.reviews import (
    CLASSES,
    PADDING,
    PARTICLES,
    Review,
    readable_review,
    sample_review,
    sample_reviews,
    vocabulary,
)
from models.zoo.training import fit

HIDDEN = 32
EMBEDDING = 24
BATCH = 64
LEARNING_RATE = 5e-3
UNKNOWN_SHARE = 0.02
"""Share of the words that are replaced with the unknown symbol in training, for robustness to unknown words."""

PADDING_COUNTS = (0, 1, 2, 5, 10, 20, 50)
EXAMPLES = (("en", True, 6), ("ko", True, 6), ("en", False, 13), ("ko", False, 9), ("en", True, 8), ("ko", True, 2))
"""Language, whether negated, and seed of the example reviews."""


@cache
def _ids() -> dict[str, int]:
    return {word: index for index, word in enumerate(vocabulary())}


def encode_reviews(of: list[Review], padding: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids (B, T) padded to the longest and by ``padding`` more, lengths (B), labels (B)."""
    longest = max(len(each.tokens) for each in of) + padding
    fill = _ids()[PADDING]
    rows = [[_ids()[token] for token in each.tokens] for each in of]
    ids = torch.tensor([row + [fill] * (longest - len(row)) for row in rows])
    return ids, torch.tensor([len(row) for row in rows]), torch.tensor([each.label for each in of])


def train(module: Classifier, steps: int, seed: int) -> float:
    """Train on new reviews as packed sequences, without padding. Returns seconds."""
    init_forget_bias(module)
    random = np.random.default_rng(seed)

    def loss_at(step: int) -> Tensor:
        ids, lengths, labels = encode_reviews([sample_review(random) for _ in range(BATCH)])
        ids[torch.from_numpy(random.random(ids.shape) < UNKNOWN_SHARE)] = _ids()[UNKNOWN]
        return F.cross_entropy(module(ids, lengths), labels)

    return fit(module, loss_at, steps, rate=LEARNING_RATE)


def sentiment_accuracy(module: nn.Module, of: list[Review], padding: int = 0, masked: bool = True) -> float:
    """Return the accuracy on reviews, each followed by ``padding`` symbols, which are masked or given as input."""
    correct = []
    with torch.no_grad():
        for start in range(0, len(of), 500):
            part = of[start : start + 500]
            if masked:
                ids, lengths, labels = encode_reviews(part, padding)
                correct.append(module(ids, lengths).argmax(-1) == labels)
            else:  # one at a time so that each has exactly ``padding`` symbols of padding
                correct += [
                    module(ids).argmax(-1) == label for ids, _, label in (encode_reviews([r], padding) for r in part)
                ]
    return round(float(torch.cat(correct).float().mean()), 4)


def train_bag_of_words(train_on: list[Review]) -> nn.Linear:
    """Train logistic regression on word counts, a baseline that ignores word order and thus what a negation applies to."""
    counts, labels = _word_counts(train_on), torch.tensor([each.label for each in train_on])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        linear = nn.Linear(counts.shape[1], 2)
    optimizer = torch.optim.Adam(linear.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        F.cross_entropy(linear(counts), labels).backward()
        optimizer.step()
    return linear


def _word_counts(of: list[Review]) -> Tensor:
    ids, lengths, _ = encode_reviews(of)
    own = torch.arange(ids.shape[1]) < lengths[:, None]
    return torch.zeros(len(of), len(vocabulary())).scatter_add_(1, ids, own.float())


def measure(module: Classifier) -> dict[str, Any]:
    """Measure accuracy on reviews of other seeds, and the effect of padding that is not masked."""
    plain, negated, unseen = (
        sample_reviews(seed, 1000, negated=is_negated, unseen=pairs)
        for seed, (is_negated, pairs) in enumerate(((False, None), (True, False), (True, True)), start=10**6)
    )
    words = train_bag_of_words(sample_reviews(10**6 + 5, 4000))
    padded = sample_reviews(10**6 + 6, 500, unseen=None)

    def by_words(of: list[Review]) -> float:
        right = words(_word_counts(of)).argmax(-1) == torch.tensor([each.label for each in of])
        return round(float(right.float().mean()), 4)

    groups = {"plain": plain, "negated": negated, "negated_pairs_never_seen": unseen}
    languages = {key: [each for each in (*negated, *unseen) if each.language == key] for key in ("en", "ko")}
    return {
        "guessing": 0.5,
        "accuracy": {key: sentiment_accuracy(module, of) for key, of in groups.items()},
        "accuracy_of_bag_of_words": {key: by_words(of) for key, of in groups.items()},
        "accuracy_negated_by_language": {key: sentiment_accuracy(module, of) for key, of in languages.items()},
        "accuracy_by_padding": {
            "masked": {str(count): sentiment_accuracy(module, padded, count) for count in PADDING_COUNTS},
            "read": {str(count): sentiment_accuracy(module, padded, count, masked=False) for count in PADDING_COUNTS},
        },
        "reviews": 1000,
    }


def sentiment_default_view(module: Classifier) -> dict[str, Any]:
    """Return a view of the forward layer's state that correlates most with being after a negation, at the first negation."""
    of = sample_reviews(10**6 + 7, 400, language="en", unseen=None)
    states, targets = [], []
    for each in of:
        with torch.no_grad(), capture(module) as trace:
            module(encode_reviews([each])[0])
        layer = trace.layers["rnn.l0"]
        states.append(np.concatenate([layer.cell[0], layer.hidden[0]], axis=1))
        targets.append(after_negation(each.tokens))
    x, y = np.concatenate(states).astype(np.float64), np.concatenate(targets)
    x, y = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()
    r = y @ x / len(y)
    best = int(np.abs(r).argmax())
    unit, quantity = best % HIDDEN, ("cell", "hidden")[best // HIDDEN]
    name = {"cell": ("cell state", "셀 상태"), "hidden": ("hidden state", "은닉 상태")}[quantity]
    example = make_sentiment_examples()[0]
    tokens = example_tokens(*EXAMPLES[0])
    return {
        "text": example["text"],
        "layer": "rnn.l0",
        "unit": unit,
        "step": int(np.flatnonzero(after_negation(tokens))[0]),
        "quantity": quantity,
        "why": {
            "en": f"Of all states of the forward direction, the {name[0]} of unit {unit} correlates most strongly with the "
            f"text being after a negation (r = {r[best]:.2f} over {len(of)} reviews). Watch it change here, at the negation, "
            "and change back at the full stop.",
            "ko": f"정방향 상태 중 유닛 {unit}의 {name[1]}가 부정 표현 뒤인지와 상관이 가장 커요(리뷰 {len(of)}개에서 "
            f"r = {r[best]:.2f}). 여기 부정 표현에서 값이 바뀌고 마침표에서 되돌아오는지 보세요.",
        },
    }


def example_tokens(language: Any, negated: bool, seed: int) -> tuple[str, ...]:
    """Return the tokens of one of ``EXAMPLES``."""
    return sample_review(np.random.default_rng((7, seed)), language=language, negated=negated, unseen=None).tokens


def make_sentiment_examples() -> tuple[dict[str, str], ...]:
    """Return the example reviews."""
    return tuple({"text": readable_review(example_tokens(*each)), "language": str(each[0])} for each in EXAMPLES)


RECIPES = {
    "sentiment": Recipe(
        title={"en": "Sentiment analysis of a review", "ko": "리뷰의 감성 분석"},
        task={
            "en": "Classifies a short review as positive or negative with a bidirectional LSTM; reviews may contain "
            f"negations. {PADDING} is padding: add some at the end to see its effect.",
            "ko": "양방향 LSTM으로 짧은 리뷰를 긍정이나 부정으로 분류해요. 부정 표현이 있는 문장도 분류해요. "
            f"{PADDING} 기호는 패딩이에요. 끝에 몇 개 붙여서 결과가 어떻게 바뀌는지 보세요.",
        },
        kind="words",
        scored="last",
        predicts="class",
        classes=CLASSES,
        architecture={
            "class": "Classifier",
            "symbols": len(vocabulary()),
            "classes": 2,
            "cell": "LSTM",
            "hidden": HIDDEN,
            "embedding": EMBEDDING,
            "padding": vocabulary().index(PADDING),
        },
        data={
            "source": "made from the templates in models/zoo/reviews.py",
            "licence": "the project's own",
            "split": "trained on fresh reviews at every step without one pair in five of negation and adjective; "
            "tested on reviews from other seeds, and on those pairs",
        },
        settings={
            "batch": BATCH,
            "optimizer": f"Adam, cosine, rate {LEARNING_RATE}, clip 1.0",
            "padding": "masked (packed sequences)",
            "words_shown_as_unknown": UNKNOWN_SHARE,
            "initial_forget_gate_bias": 1.0,
        },
        examples=make_sentiment_examples(),
        steps=2000,
        train=train,
        measure=measure,
        default_view=sentiment_default_view,
        vocabulary=vocabulary(),
        unknown=UNKNOWN,
        padding=PADDING,
        particles=PARTICLES,
    )
}
