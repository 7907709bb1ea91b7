"""The functions of answers on training, against the recorded run, torch's own module and counts by hand."""

import json

import pytest

from models import load_network
from models.core.messages import Problem
from models.runs.open_run import open_run
from models.training.sequence_models import build_sequence_model
from models.training.training_loop import train
from models.training.training_options import TrainingOptions
from models.training.training_tasks import task_data
from viz.lessons.answer_expression import evaluate
from viz.lessons.lesson import QuestionPlace

POEM = "one two three four five six seven eight nine ten " * 4
SETTINGS = {
    "task": "text", "data": POEM, "units": 6, "embedding": 4, "batch": 4, "sequence_length": 8, "steps": 6,
    "validate_every": 2, "validation_share": 0.3,
}  # fmt: skip


def answer(expression: str, **changes: object) -> object:
    look = "training:" + json.dumps(SETTINGS | changes)
    return evaluate(expression, QuestionPlace(look=look))


@pytest.mark.slow
def test_the_losses_are_those_of_the_recorded_run(tmp_path):
    train(TrainingOptions(**SETTINGS, record_every=1), tmp_path / "run")
    recording = open_run(tmp_path / "run")
    for of in ("validation", "training"):
        _steps, recorded = recording.scalar(f"loss/{of.removesuffix('ing')}")
        assert answer(f'training_losses("{of}")') == pytest.approx(list(recorded), rel=1e-6)


def test_parameters_are_those_of_the_module():
    for changes in ({}, {"embedding": 6, "tied": True}, {"cell": "GRU", "layers": 2}):
        options = TrainingOptions(**SETTINGS | changes)
        module = build_sequence_model(options, task_data(options))
        assert answer("trained_parameters()", **changes) == sum(each.numel() for each in module.parameters())
    assert answer("trained_parameters(tied=true, embedding=6)") == answer(
        "trained_parameters()", embedding=6, tied=True
    )


def test_masks():
    variational = answer('kept_at_all_steps("time", time_dropout=0.5)')
    assert variational == pytest.approx(1 - answer('dropped_share("time", time_dropout=0.5)'))
    assert answer('has_one_mask("time", time_dropout=0.5)') is True
    assert answer('has_one_mask("time", time_dropout=0.5, time_mask="fresh")') is False
    assert answer('dropout_factor("input", input_dropout=0.2)') == pytest.approx(1 / 0.8)
    with pytest.raises(Problem, match="no dropout there"):
        answer('dropped_share("time")')


def test_early_stopping():
    assert answer("early_stop([3, 2, 2.5, 2.4, 2.3], 2)") == 3
    assert answer("early_stop([3, 2, 1], 2)") == 2
    assert answer("early_stop([3, 2.9, 2.85, 2.8], 2, 0.5)") == 2


def test_too_long_a_run_is_refused():
    with pytest.raises(Problem, match="takes too long"):
        answer("training_losses(steps=1000000)")
    with pytest.raises(Problem, match="at most 1000"):
        answer('trained_parameters(task="recall")')
    with pytest.raises(Problem, match="needs settings"):
        evaluate("training_losses()", QuestionPlace())


def test_sizes():
    network = load_network("dates-fixed")
    place = QuestionPlace(net="dates-fixed", text="4 Aug 2024")
    assert evaluate('unit_count(layer="encoder.l0")', place) == network.module.encoder.hidden_size
    assert evaluate('unit_count(layer="decoder.l0")', place) == network.module.decoder.hidden_size
    assert evaluate('sequential_steps("recurrent", 30)', place) == 30
    assert evaluate('sequential_steps("transformer", 30)', place) == 2
    assert evaluate('sequential_steps("transformer", 30, layers=6)', place) == 6
