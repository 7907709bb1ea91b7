"""The settings of a training run: what is refused, in one sentence, and their JSON."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.core.messages import Problem
from models.training.check_options import count_parameters
from models.training.setting_titles import SETTING_TITLES
from models.training.training_options import CHOICES, TrainingOptions
from models.training.training_tasks import task_data

ROWS = "\n".join(f"{0.1 * step:.2f},{0.2 * step:.2f}" for step in range(40))


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"task": "text", "data": " \n "}, "empty"),
        ({"task": "text", "data": "aaaaaaaaaaaaaaaa" * 20}, "only one symbol"),
        ({"task": "text", "data": "to be " * 3}, "at least 81"),
        ({"task": "text", "data": "!!! !!! !!!" * 30, "level": "words"}, "only one symbol"),
        ({"task": "series", "data": "a,b\n1,2\n\n3,\n5,6"}, "row 4, column 2"),
        ({"task": "series", "data": "a,b\n1,2\n3"}, "is 1 in row 3"),
        ({"task": "series", "data": "0.1\n" * 200}, "the same in all rows"),
        ({"task": "series", "data": "1,2\n3,NaN\n5,6"}, "row 2, column 2"),
        ({"task": "series", "data": "1,2\n3\n5,6"}, "in row 2"),
        ({"task": "series", "data": "a,b,c\n1,2\n3,4"}, "heading"),
        ({"task": "series", "data": "1,2\n3,x\n5,6"}, "“x”"),
        ({"task": "series", "data": "year,value"}, "no numbers"),
        ({"task": "series", "data": "1e39,1\n1,2"}, "float32"),
        ({"units": 4096, "layers": 8, "batch": 1}, "parameters"),
        ({"units": 10**9}, "units per layer"),
        ({"rate": 1e9}, "learning rate"),
        ({"rate": float("nan")}, "learning rate"),
        ({"rate": 0.0}, "learning rate"),
        ({"cell": "Transformer"}, "cell type"),
        ({"cell": "GRU", "forget_bias": 1.0}, "forget gate"),
        ({"cell": "RNN", "zoneout_cell": 0.1}, "cell state"),
        ({"depth_dropout": 0.5}, "two or more"),
        ({"tied": True, "embedding": 8, "units": 16}, "as large as"),
        ({"tied": True, "task": "sentiment"}, "next token"),
        ({"optimizer": "Adam", "momentum": 0.9}, "momentum"),
        ({"task": "counting", "batch": 4096, "sequence_length": 2000}, "GB"),
        ({"task": "counting", "batch": 300, "units": 512, "layers": 3}, "GB"),
        ({"units": 512, "batch": 4096, "examples": 40}, "GB"),
        ({"seed": -1}, "random seed"),
        ({"time_dropout": 1.0}, "dropout along time"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(options, part):
    with pytest.raises(Problem) as refused:
        task_data(TrainingOptions(**{"examples": 20} | options))
    sentences = re.split(r"(?<=[.!?]) (?=[A-Z])", str(refused.value))
    assert part in str(refused.value) and len(sentences) == 2 and sentences[1].endswith(".")


def test_every_setting_has_a_title():
    assert SETTING_TITLES.keys() == TrainingOptions().to_dict().keys()


@given(
    st.fixed_dictionaries(
        {name: st.sampled_from(values) for name, values in CHOICES.items()}
        | {
            "units": st.integers(1, 500),
            "rate": st.floats(1e-6, 10),
            "forget_bias": st.none() | st.floats(-3, 3),
            "data": st.text(max_size=20),
            "tied": st.booleans(),
        }
    )
)
def test_json_restores_the_settings(values):
    options = TrainingOptions(**values)
    assert TrainingOptions.from_json(options.to_json()) == options


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", "null", "[" * 100_000, '{"unknown": 1}', '{"units": "32"}', '{"units": true}', '{"units": 1.5}',
        '{"tied": 1}', '{"data": 3}', '{"cell": null}', "{" + '"a":1,' * 10,
    ],
)  # fmt: skip
def test_json_of_a_stranger_is_refused_in_one_sentence(text):
    with pytest.raises(Problem, match="Choose the folder"):
        TrainingOptions.from_json(text)


def test_a_sweep_has_every_combination():
    found = TrainingOptions(units=9).sweep(cell=("RNN", "GRU"), seed=range(3))
    assert [(each.cell, each.seed) for each in found] == [(c, s) for c in ("RNN", "GRU") for s in range(3)]
    assert {each.units for each in found} == {9}


def test_settings_that_a_json_lacks_have_their_default():
    assert TrainingOptions.from_json(json.dumps({"rate": 1})) == TrainingOptions(rate=1.0)


@pytest.mark.parametrize("cell", CHOICES["cell"])
@pytest.mark.parametrize("further", [{}, {"layers": 3}, {"embedding": 0}, {"tied": True, "embedding": 12, "units": 12}])
def test_parameters_are_counted_without_building_the_network(cell, further):
    from models.training.sequence_models import build_sequence_model

    options = TrainingOptions(**{"task": "counting", "examples": 4, "cell": cell, "units": 12} | further)
    data = task_data(options)
    module = build_sequence_model(options, data)
    trained = sum(each.numel() for each in module.parameters() if each.requires_grad)
    assert count_parameters(options, data.inputs, data.outputs) == trained
