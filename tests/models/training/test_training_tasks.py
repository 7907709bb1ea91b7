"""The sequences of each task: right targets, disjoint validation, the same for the same seed."""

import numpy as np
import pytest
import torch

from models.training.training_data import (
    batch_rows,
    judged_correct,
    next_step_sequences,
    sequence_loss,
    steps_per_epoch,
)
from models.training.training_options import CHOICES, TrainingOptions
from models.training.training_tasks import task_data
from models.zoo import counting

TEXT = "the cat sat on the mat. the dog sat on the log. " * 12
SERIES = "value,other\n" + "\n".join(f"{np.sin(step / 3):.4f};{100 + step}".replace(";", ",") for step in range(260))


def options_of(task, **further):
    data = {"text": TEXT, "series": SERIES}.get(task, "")
    return TrainingOptions(**{"task": task, "data": data, "examples": 12, "sequence_length": 20} | further)


@pytest.mark.parametrize("task", CHOICES["task"])
def test_sequences_have_targets_where_they_are_scored(task):
    data, again = task_data(options_of(task)), task_data(options_of(task))
    for part, same in ((data.training, again.training), (data.validation, again.validation)):
        assert torch.equal(part.inputs, same.inputs) and torch.equal(part.targets, same.targets)
        scored = part.weights > 0
        assert torch.allclose(part.weights.sum(1), torch.ones(len(part)) * (1.1 if task == "recall" else 1.0))
        assert (torch.arange(part.inputs.shape[1]) < part.lengths[:, None])[scored].all()
        if part.targets.dim() == 2:
            assert ((part.targets >= 0) & (part.targets < data.outputs))[scored].all()
            assert (part.inputs < data.inputs).all() and part.judged.any(1).all() and scored[part.judged].all()
    assert len(data.training) + len(data.validation) == 12


def test_the_validation_shares_no_sequence_with_training():
    data = task_data(options_of("recall", examples=60, distance=20))
    rows = [{tuple(row.tolist()) for row in part.inputs} for part in (data.training, data.validation)]
    assert not rows[0] & rows[1]


def test_recall_asks_for_the_first_word_at_the_end():
    data = task_data(options_of("recall", distance=15))
    last = data.training.lengths - 1
    rows = torch.arange(len(data.training))
    assert torch.equal(data.training.targets[rows, last], data.training.inputs[:, 0])
    assert torch.equal(data.training.judged.sum(1), torch.ones(len(rows), dtype=torch.int64))
    assert int(data.training.lengths.max()) <= 16


def test_counting_is_judged_where_the_next_symbol_is_determined():
    data = task_data(options_of("counting"))
    for row in range(3):
        text = "".join(counting.VOCABULARY[index] for index in data.training.inputs[row])
        expected = counting.determined_symbols(text)
        for symbol, target, judged in zip(expected, data.training.targets[row], data.training.judged[row], strict=True):
            assert bool(judged) == (symbol is not None)
            assert symbol is None or counting.VOCABULARY[target] == symbol


def test_a_date_is_answered_after_its_text():
    data = task_data(options_of("dates"))
    text = "".join(data.vocabulary[index] for index in data.training.inputs[0, : data.training.lengths[0]])
    answer = "".join(data.vocabulary[index] for index in data.training.targets[0][data.training.judged[0]])
    assert answer.endswith("⊣") and len(answer) == 11 and text.split("⊢")[1] == answer[:-1]


def test_own_text_covers_every_step_once():
    data = task_data(options_of("text", examples=0))
    ids = {symbol: index for index, symbol in enumerate(data.vocabulary)}
    stream = torch.tensor([ids[symbol] for symbol in TEXT])
    targets = torch.cat([data.training.targets, data.validation.targets]).flatten()
    assert torch.equal(targets, stream[1 : len(targets) + 1]) and len(stream) - len(targets) <= 20


def test_words_are_split_as_the_network_splits_them():
    data = task_data(options_of("text", level="words", sequence_length=4))
    assert {"cat", ".", "the"} <= set(data.vocabulary)
    assert [data.vocabulary[index] for index in data.training.inputs[0]] == ["the", "cat", "sat", "on"]


def test_a_series_is_normalized_by_its_training_part():
    data = task_data(options_of("series", examples=0, validation_share=0.5))
    rows = data.training.targets.flatten(0, 1)
    assert np.allclose(data.mean, rows.mean(0), rtol=1e-5) and np.allclose(
        data.scale, rows.std(0, correction=0), rtol=1e-5
    )
    constant = task_data(options_of("series", data="\n".join(f"0.1,{step}" for step in range(60))))
    assert constant.scale[0] == 1.0 < constant.scale[1]  # though rounding gives 0.1 a deviation


@pytest.mark.parametrize(("count", "size"), [(1, 3), (7, 3), (12, 4)])
def test_every_epoch_has_each_sequence_once(count, size):
    per_epoch = steps_per_epoch(count, size)
    epochs = [
        torch.cat([batch_rows(count, 5, size, epoch * per_epoch + step) for step in range(per_epoch)])
        for epoch in range(3)
    ]
    for rows in epochs:
        assert sorted(rows.tolist()) == list(range(count))
    assert count < 4 or not torch.equal(epochs[0], epochs[1])


def test_the_loss_is_torchs_cross_entropy():
    torch.manual_seed(0)
    batch, logits = next_step_sequences(torch.randint(0, 5, (3, 7))), torch.randn(3, 6, 5)
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())
    assert torch.allclose(sequence_loss(logits, batch), expected)
    assert judged_correct(logits, batch) == (int((logits.argmax(-1) == batch.targets).sum()), 18)


def test_padding_has_no_part_in_the_loss_even_if_it_is_infinite():
    data = task_data(options_of("sentiment"))
    torch.manual_seed(0)
    logits = torch.randn(*data.training.inputs.shape, 2)
    rows = torch.arange(len(data.training))
    last = data.training.lengths - 1
    expected = torch.nn.functional.cross_entropy(logits[rows, last], data.training.targets[rows, last])
    logits[data.training.weights == 0] = torch.inf
    assert torch.allclose(sequence_loss(logits, data.training), expected)
