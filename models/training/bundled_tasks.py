"""The tasks whose sequences are generated, or come with Python: recall, counting, characters, sentiment, dates."""

from __future__ import annotations

from random import Random

import numpy as np
import torch

from models.core.tokenize_text import UNKNOWN
from models.training.training_data import (
    TaskData,
    next_step_sequences,
    pad_sequences,
    split_sequences,
    validation_count,
)
from models.training.training_options import TrainingOptions
from models.zoo import counting, python_text, recall, reviews, written_dates

DEFAULT_EXAMPLES: dict[str, int] = {
    "recall": 10_000,
    "counting": 2_000,
    "characters": 4_000,
    "sentiment": 8_000,
    "dates": 6_000,
}
"""Sequences of a generated task where their number is not set."""

RECALL_LANGUAGE: recall.Language = "en"


def _count(options: TrainingOptions) -> int:
    return max(2, options.examples or DEFAULT_EXAMPLES[options.task])


def recall_task(options: TrainingOptions) -> TaskData:
    """Return English texts with 5 to ``distance`` words after their city, short ones most often, and the city as answer.

    As for the bundled recall networks, the loss is that of the answer plus a tenth of that of the other next words.
    """
    random = np.random.default_rng((options.seed, 0))
    vocabulary = recall.vocabulary()
    ids = {word: index for index, word in enumerate(vocabulary)}
    inputs, targets, weights, judged = [], [], [], []
    for _ in range(_count(options)):
        distance = 5 + int((options.distance - 4) * random.random() ** 3)
        tokens, city = recall.sample_text(random, distance, RECALL_LANGUAGE)
        row = torch.tensor([ids[token] for token in (*tokens, city)])
        weight = torch.full((len(row) - 1,), recall.NEXT_WORD_WEIGHT / (len(row) - 2))
        weight[-1] = 1.0
        last = torch.zeros(len(row) - 1, dtype=torch.bool)
        last[-1] = True
        inputs.append(row[:-1])
        targets.append(row[1:])
        weights.append(weight)
        judged.append(last)
    training, validation = split_sequences(
        pad_sequences(inputs, targets, weights, judged), options.validation_share, options.seed
    )
    probe = recall.readable_recall_text(options.distance, RECALL_LANGUAGE, 69)
    examples = tuple(
        (recall.readable_recall_text(distance, RECALL_LANGUAGE, 49), "en")
        for distance in dict.fromkeys((options.distance, max(5, options.distance // 2), 8))
    )
    return TaskData(
        training,
        validation,
        vocabulary,
        outputs=len(vocabulary),
        predicts="next",
        kind="words",
        scored="last",
        examples=examples,
        probe=probe,
        source="made from the templates in models/zoo/recall.py",
        prompt=probe,
        sampled=1,
        unknown=UNKNOWN,
        particles=recall.PARTICLES,
        answer_step=0,
    )


def recall_accuracy_by_distance(
    module: torch.nn.Module, distances: tuple[int, ...], count: int = 200
) -> dict[int, float]:
    """Return the share of new texts whose city a module of the task ``recall`` predicts, by distance.

    Args:
        module: in evaluation mode.
        distances: words between the city and the end.
        count: texts for each distance; they are generated with another seed than those of training.
    """
    found = {}
    with torch.inference_mode():
        for distance in distances:
            random = np.random.default_rng((10**6, distance))
            ids = recall.sample_recall_batch(random, distance, count, RECALL_LANGUAGE)
            best = module(ids[:, :-1])[:, -1].argmax(-1)
            found[distance] = float((best == ids[:, -1]).float().mean())
    return found


def counting_task(options: TrainingOptions) -> TaskData:
    """Return strings of aⁿbⁿ; judged is each symbol that the string before it determines."""
    random = np.random.default_rng((options.seed, 0))
    texts = []
    for _ in range(_count(options)):
        text = "." if random.random() < 0.5 else ""
        while len(text) <= options.sequence_length:
            n = counting.MAX_TRAINED_N + 1
            while n > counting.MAX_TRAINED_N:
                n = int(random.geometric(counting.STOP_PROBABILITY))
            text += "a" * n + "b" * n + "."
        texts.append(text[: options.sequence_length + 1])
    sequences = next_step_sequences(torch.cat([counting.encode_counting_text(text) for text in texts]))
    for row, text in enumerate(texts):
        expected = counting.determined_symbols(text)[: options.sequence_length]
        sequences.judged[row] = torch.tensor([symbol is not None for symbol in expected])
    training, validation = split_sequences(sequences, options.validation_share, options.seed)
    probe = "." + "a" * 12 + "b" * 12 + "."
    return TaskData(
        training,
        validation,
        counting.VOCABULARY,
        outputs=len(counting.VOCABULARY),
        predicts="next",
        kind="characters",
        scored="all",
        examples=((probe, None), (".aabb.aaaabbbb.ab.aaabbb.", None), ("." + "a" * 30 + "b" * 30 + ".", None)),
        probe=probe,
        source="made as by models/zoo/counting.py",
        prompt=".aaaaaa",
        sampled=30,
    )


def characters_task(options: TrainingOptions) -> TaskData:
    """Return pieces of the source of Python's standard library; those of validation are of other files."""
    random = np.random.default_rng((options.seed, 0))
    total = _count(options)
    validated = validation_count(options.validation_share, total)
    length = options.sequence_length + 1

    def pieces(split: python_text.Split, count: int) -> torch.Tensor:
        files = [text for text in python_text.source_files(split).values() if len(text) > length]
        rows = []
        for _ in range(count):
            text = files[int(random.integers(len(files)))]
            start = int(random.integers(len(text) - length))
            rows.append(python_text.encode_python_source(text[start : start + length]).astype(np.int64))
        return torch.from_numpy(np.stack(rows))

    prompt = "def mean(values):\n"
    return TaskData(
        next_step_sequences(pieces("train", total - validated)),
        next_step_sequences(pieces("validation", validated)),
        python_text.VOCABULARY,
        outputs=len(python_text.VOCABULARY),
        predicts="next",
        kind="characters",
        scored="all",
        examples=((python_text.DEFAULT_TEXT, None), (prompt, None)),
        probe=python_text.DEFAULT_TEXT[: options.sequence_length],
        source="the source of Python's standard library",
        prompt=prompt,
        sampled=120,
        unknown=UNKNOWN,
    )


def sentiment_task(options: TrainingOptions) -> TaskData:
    """Return everyday reviews in English and Korean, and their class after the last word."""
    random = Random(options.seed)
    ids = {word: index for index, word in enumerate(reviews.vocabulary())}
    inputs, targets, weights, judged = [], [], [], []
    for _ in range(_count(options)):
        review = reviews.sample_review(random)
        row = torch.tensor([ids.get(token, ids[UNKNOWN]) for token in review.tokens])
        last = torch.zeros(len(row), dtype=torch.bool)
        last[-1] = True
        inputs.append(row)
        targets.append(torch.where(last, review.label, -1))
        weights.append(last.float())
        judged.append(last)
    training, validation = split_sequences(
        pad_sequences(inputs, targets, weights, judged), options.validation_share, options.seed
    )
    return TaskData(
        training,
        validation,
        reviews.vocabulary(),
        outputs=2,
        predicts="class",
        kind="words",
        scored="last",
        examples=(
            ("The story was not boring at all, and we laughed the whole time.", "en"),
            ("이 영화 정말 재미없고 돈이 아까웠어요.", "ko"),
        ),
        probe="The story was not boring at all, and we laughed the whole time.",
        source="sampled as by models/zoo/reviews.py",
        classes=reviews.CLASSES,
        unknown=UNKNOWN,
        padding=reviews.PADDING,
        particles=reviews.particles(),
    )


def dates_task(options: TrainingOptions) -> TaskData:
    """Return texts with a date, then ``⊢``, the date in ISO 8601 and ``⊣``: input and output of one network.

    Scored and judged are the characters of the answer. Days of validation are never those of training.
    """
    random = np.random.default_rng((options.seed, 0))
    start, end = written_dates.START, written_dates.END
    symbols = dict.fromkeys((*written_dates.vocabulary(), *written_dates.TARGETS))
    ids = {symbol: index for index, symbol in enumerate(symbols)}
    total = _count(options)
    validated = validation_count(options.validation_share, total)

    def part(count: int, held_out: bool) -> list[list[torch.Tensor]]:
        columns: list[list[torch.Tensor]] = [[], [], [], []]
        for _ in range(count):
            each = written_dates.sample_date_text(random, int(random.integers(8, 31)), held_out, interval=False)
            row = torch.tensor([ids[symbol] for symbol in (*each.text, start, *each.answer, end)])
            place = torch.arange(len(row) - 1)
            answer = place >= len(each.text)
            for column, values in zip(
                columns, (row[:-1], torch.where(answer, row[1:], -1), answer / answer.sum(), answer), strict=True
            ):
                column.append(values)
        return columns

    texts = ("4 Aug 2024", "2024년 8월 4일 일요일", "the fourth of August, 2024")
    return TaskData(
        pad_sequences(*part(total - validated, False)),
        pad_sequences(*part(validated, True)),
        tuple(symbols),
        outputs=len(symbols),
        predicts="next",
        kind="characters",
        scored="all",
        examples=tuple((f"{text}{start}2024-08-04{end}", None) for text in texts),
        probe=f"{texts[2]}{start}2024-08-04{end}",
        source="made from the templates in models/zoo/written_dates.py",
        prompt=f"{texts[0]}{start}",
        sampled=11,
        unknown=UNKNOWN if UNKNOWN in symbols else None,
    )
