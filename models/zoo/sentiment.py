"""``sentiment``: classify short everyday reviews in English and Korean, with negations, as positive or negative."""

from collections.abc import Sequence
from functools import cache
from random import Random
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
    Review,
    particles,
    sample_review,
    sample_reviews,
    split_review,
    vocabulary,
)
from models.zoo.training import fit

HIDDEN = 32
EMBEDDING = 24
BATCH = 128
LEARNING_RATE = 5e-3
REVIEWS = 160_000
"""Reviews of the training set, about half of them Korean."""

SIMILAR = 3000
"""Reviews of similar length among which a batch is drawn, so that it has little padding."""

UNKNOWN_SHARE = 0.03
"""Share of the words that are replaced with the unknown symbol in training, for robustness to unknown words."""

LABEL_SMOOTHING = 0.02
BAG_REVIEWS, BAG_EPOCHS = 20_000, 8
"""Of the baseline's training."""

PADDING_COUNTS = (0, 1, 2, 5, 10, 20, 50)
EXAMPLES = (
    ("The story was not boring at all, and we laughed the whole time.", "en"),
    ("영화가 하나도 지루하지 않았고 끝까지 정말 재미있었어요.", "ko"),
    ("The room was small but clean, and the staff were very kind.", "en"),
    ("이 영화 정말 재미없고 돈이 아까웠어요.", "ko"),
    ("I waited an hour for my order and the soup was cold.", "en"),
    ("배송은 빨랐지만 며칠 만에 고장이 나서 실망했어요.", "ko"),
    ("I expected more. The actors were good, but the plot made no sense.", "en"),
    ("식당이 작지만 음식이 맛있고 직원분들이 친절했어요.", "ko"),
)
"""Texts and languages of the example reviews."""


@cache
def _ids() -> dict[str, int]:
    return {word: index for index, word in enumerate(vocabulary())}


def encode_reviews(of: list[Review], padding: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids (B, T) padded to the longest and by ``padding`` more, lengths (B), labels (B)."""
    return _batch([_row(each.tokens) for each in of], [each.label for each in of], padding)


def _row(tokens: Sequence[str]) -> Tensor:
    ids = _ids()
    return torch.tensor([ids.get(token, ids[UNKNOWN]) for token in tokens])


def _batch(rows: list[Tensor], labels: list[int], padding: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=_ids()[PADDING])
    return (
        F.pad(ids, (0, padding), value=_ids()[PADDING]),
        torch.tensor([len(row) for row in rows]),
        torch.tensor(labels),
    )


def train(module: Classifier, steps: int, seed: int) -> float:
    """Train on ``REVIEWS`` reviews as packed sequences, without padding. Returns seconds, without those of sampling."""
    init_forget_bias(module)
    random = Random(seed)
    reviews = (sample_review(random) for _ in range(min(REVIEWS, steps * BATCH)))
    sampled = ((_row(each.tokens), each.label) for each in reviews)
    training = sorted(sampled, key=lambda each: len(each[0]))
    draw = torch.Generator().manual_seed(seed)

    def loss_at(step: int) -> Tensor:
        similar = min(SIMILAR, len(training))
        first = random.randrange(len(training) - similar + 1)
        part = [training[first + random.randrange(similar)] for _ in range(BATCH)]
        ids, lengths, labels = _batch([row for row, _ in part], [label for _, label in part])
        unknown = (torch.rand(ids.shape, generator=draw) < UNKNOWN_SHARE) & (ids != _ids()[PADDING])
        return F.cross_entropy(
            module(ids.masked_fill(unknown, _ids()[UNKNOWN]), lengths), labels, label_smoothing=LABEL_SMOOTHING
        )

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


def train_bag_of_words(train_on: list[Review]) -> nn.EmbeddingBag:
    """Train logistic regression on word counts, a baseline that ignores word order and thus what a negation applies to."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        words = nn.EmbeddingBag(len(vocabulary()), 2, mode="sum", padding_idx=_ids()[PADDING])
    optimizer = torch.optim.Adam(words.parameters(), lr=0.02)
    for _ in range(BAG_EPOCHS):
        for start in range(0, len(train_on), 500):
            ids, _, labels = encode_reviews(train_on[start : start + 500])
            optimizer.zero_grad()
            F.cross_entropy(words(ids), labels).backward()
            optimizer.step()
    return words


def measure(module: Classifier) -> dict[str, Any]:
    """Measure accuracy on reviews of other seeds, and the effect of padding that is not masked."""
    plain, negated, unseen = (
        sample_reviews(seed, 1000, negated=is_negated, unseen=pairs)
        for seed, (is_negated, pairs) in enumerate(((False, None), (True, False), (True, True)), start=10**6)
    )
    words = train_bag_of_words(sample_reviews(10**6 + 5, BAG_REVIEWS))
    padded = sample_reviews(10**6 + 6, 500, unseen=None)

    def by_words(of: list[Review]) -> float:
        right = words(encode_reviews(of)[0]).argmax(-1) == torch.tensor([each.label for each in of])
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
    text, _ = EXAMPLES[0]
    return {
        "text": text,
        "layer": "rnn.l0",
        "unit": unit,
        "step": int(np.flatnonzero(after_negation(split_review(text)))[0]),
        "quantity": quantity,
        "why": {
            "en": f"Of all states of the forward direction, the {name[0]} of unit {unit} correlates most strongly with the "
            f"text being after a negation (r = {r[best]:.2f} over {len(of)} reviews). Watch it change here, at the negation, "
            "and change back at the full stop.",
            "ko": f"정방향 상태 중 유닛 {unit}의 {name[1]}가 부정 표현 뒤인지와 상관이 가장 커요(리뷰 {len(of)}개에서 "
            f"r = {r[best]:.2f}). 여기 부정 표현에서 값이 바뀌고 마침표에서 되돌아오는지 보세요.",
        },
    }


RECIPES = {
    "sentiment": Recipe(
        title={"en": "Sentiment analysis of a review", "ko": "리뷰의 감성 분석"},
        task={
            "en": "Classifies an everyday English or Korean sentence as positive or negative with a bidirectional LSTM. A "
            "Korean word is split into its stem and its endings, each one token. Sentences may contain negations. "
            f"{PADDING} is padding: add some at the end to see what changes.",
            "ko": "양방향 LSTM으로 일상적인 한국어나 영어 문장을 긍정이나 부정으로 분류해요. "
            "한국어 단어는 어간과 어미로 나뉘고 각각이 토큰 하나예요. 부정 표현이 있는 문장도 분류해요. "
            f"{PADDING} 기호는 패딩이에요. 끝에 몇 개 붙여서 무엇이 바뀌는지 보세요.",
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
            "source": "sampled from the words, clauses and templates in models/zoo/everyday, english_reviews.py and "
            "korean_reviews.py; with frequent words of wordfreq 3.1.1 and English words of vaderSentiment 3.3.2",
            "licence": "the project's own; wordfreq's words CC BY-SA 4.0, VADER's MIT",
            "split": f"trained on {REVIEWS:,} reviews without one pair in five of negation and rarer adjective; "
            "tested on reviews from other seeds, and on those pairs",
        },
        settings={
            "batch": BATCH,
            "optimizer": f"Adam, cosine, rate {LEARNING_RATE}, clip 1.0",
            "padding": "masked (packed sequences)",
            "reviews": REVIEWS,
            "label_smoothing": LABEL_SMOOTHING,
            "words_shown_as_unknown": UNKNOWN_SHARE,
            "initial_forget_gate_bias": 1.0,
        },
        examples=tuple({"text": text, "language": language} for text, language in EXAMPLES),
        steps=6000,
        train=train,
        measure=measure,
        default_view=sentiment_default_view,
        vocabulary=vocabulary(),
        unknown=UNKNOWN,
        padding=PADDING,
        particles=particles(),
        store="float16",
    )
}
