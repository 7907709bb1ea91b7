"""Which unit tracks what: a planted unit is found, nothing in what has learned nothing, and this is said in words."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models import capture, load_network, run_network
from models.architectures.language_model import LanguageModel
from models.networks.forward_run import run_of_trace
from models.networks.network import Network
from models.states.text_properties import PROPERTIES, after_negation, informative_properties, text_properties
from models.states.tracked_units import tracked_in_halves, tracked_units
from models.states.unit_tracking import NONE_TRACKS, NOTHING_CHANGES, RULE, Ranking, Sample, rank_units
from models.zoo.catalogue import recall_batches

PLANTED = 5


@pytest.fixture(scope="module")
def python() -> Network:
    return load_network("python-lm")


def untrained(network: Network, seed: int, cell: str = "LSTM", hidden: int = 64, layers: int = 1) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = LanguageModel(len(network.vocabulary), cell, hidden, layers)
    return replace(network, module=module.eval())


def with_a_bracket_counter(network: Network) -> Network:
    """An untrained network, but for one unit whose cell is higher by the same amount for every open bracket."""
    network = untrained(network, seed=0, hidden=16)
    rnn, units = network.module.rnn, 16
    with torch.no_grad():
        rnn.weight_hh_l0[:, PLANTED] = 0.0  # the others do not depend on it
        gates = [rnn.weight_ih_l0[gate * units + PLANTED] for gate in range(4)]
        for gate, (row, bias) in enumerate(zip(gates, (-20.0, 20.0, 0.0, 20.0), strict=True)):
            row.zero_()
            rnn.weight_hh_l0[gate * units + PLANTED].zero_()
            rnn.bias_ih_l0[gate * units + PLANTED], rnn.bias_hh_l0[gate * units + PLANTED] = bias, 0.0
        for brackets, sign in (("([{", 0.5), (")]}", -0.5)):
            for bracket in brackets:
                gates[0][network.vocabulary.index(bracket)] = 40.0
                gates[2][network.vocabulary.index(bracket)] = sign
    return network


# Properties of a text


def test_properties_of_source_code():
    text = "if a:\n  f(\"x\", [b])  # 'c'\n"
    found = text_properties(list(text))
    assert tuple(found) == PROPERTIES and all(values.shape == (len(text),) for values in found.values())
    assert found["position"].tolist() == list(range(1, len(text) + 1))
    assert found["line_position"][5:9].tolist() == [0, 1, 2, 3]
    assert found["line_length"][5:9].tolist() == [0, 0, 0, 1]
    assert found["indentation"][5:10].tolist() == [0, 1, 2, 2, 2]
    inside = "".join(letter for letter, is_in in zip(text, found["inside_quotes"], strict=True) if is_in)
    assert inside == '"x'
    assert found["bracket_depth"].max() == 2 and found["inside_brackets"].max() == 1
    assert "".join(np.array(list(text))[found["inside_comment"] > 0]) == "# 'c'"


def test_properties_of_words():
    tokens = ["the", "plot", "(", "not", "the", "end", ")", "was", ".", "fine", "."]
    found = text_properties(tokens)
    assert found["inside_brackets"].tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert found["after_negation"].tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]
    assert after_negation(["지루하지", "않았어요", ".", "Nobody", "x"]).tolist() == [0, 1, 0, 1, 1]


def test_only_properties_that_differ_are_asked_for():
    assert list(informative_properties(text_properties(list("abc")))) == ["position"]
    assert informative_properties(text_properties(["a"])) == {} and informative_properties(text_properties([])) == {}


# Correlations


def test_correlations_are_those_of_numpy_and_of_the_analysis_of_variance():
    random = np.random.default_rng(0)
    states, others = random.normal(size=(60, 4)).astype(np.float32), random.normal(size=(50, 4)).astype(np.float32)
    values, more = random.normal(size=60) + states[:, 1], random.normal(size=50) + others[:, 1]
    found = rank_units((Sample(states, {"x": values}), Sample(others, {"x": more})), per_property=4)
    assert found.matches[0].unit == 1
    for match in found.matches:
        assert match.correlation == pytest.approx(np.corrcoef(states[:, match.unit], values)[0, 1])
        assert match.held_out == pytest.approx(np.corrcoef(others[:, match.unit], more)[0, 1])

    words, again = np.array(["a", "b", "c"])[np.arange(60) % 3], np.array(["a", "b", "c"])[np.arange(50) % 3]
    states[:, 2] += 3 * (np.arange(60) % 3 == 1)
    others[:, 2] += 3 * (np.arange(50) % 3 == 1)
    found = rank_units((Sample(states, {"word": words}), Sample(others, {"word": again})), per_property=1).matches[0]
    means = {word: states[words == word, 2].mean() for word in "abc"}
    told, before = np.array([means[word] for word in words]), np.array([means[word] for word in again])
    assert found.unit == 2 and found.tracked
    assert found.correlation**2 == pytest.approx(told.var() / states[:, 2].var(), rel=1e-4)
    left = np.square(others[:, 2] - before).sum() / np.square(others[:, 2] - others[:, 2].mean()).sum()
    assert found.held_out**2 == pytest.approx(1 - left, rel=1e-4)


def test_a_chance_find_is_seen_as_such():
    random = np.random.default_rng(1)
    values, more = np.arange(12.0), np.arange(300.0)
    pair = Sample(random.normal(size=(12, 500)), {"x": values}), Sample(random.normal(size=(300, 500)), {"x": more})
    found = rank_units(pair)
    assert abs(found.matches[0].correlation) > 0.6 and abs(found.matches[0].held_out) < 0.3
    assert not found.tracked and found.empty_reason == NONE_TRACKS


def test_what_untrained_layers_do_as_well_is_no_tracking():
    states = np.random.default_rng(2).normal(size=(100, 3))
    pair = (Sample(states, {"x": states[:, 0]}),) * 2
    nearly = states + 0.3 * np.random.default_rng(3).normal(size=(100, 3))
    assert rank_units(pair).tracked and rank_units(pair).matches[0].untrained == 0
    assert not rank_units(pair, [(Sample(nearly, {"x": states[:, 0]}),) * 2]).tracked


def test_rankings_put_together_stay_ranked():
    states = np.random.default_rng(4).normal(size=(50, 2))
    weak = states[:, 0] + np.random.default_rng(5).normal(size=50)
    one, two = ((Sample(states, {name: values}),) * 2 for name, values in (("weak", weak), ("strong", states[:, 1])))
    both = rank_units(one) + rank_units(two)
    assert both.matches[0].name == "strong" and len(both.matches) == 4
    assert [match.strength for match in both.tracked] == sorted((m.strength for m in both.tracked), reverse=True)


# Networks


def test_the_planted_unit_is_found_and_no_other(python):
    found = tracked_units(with_a_bracket_counter(python), python.card.default.text, "rnn.l0")
    first = found.matches[0]
    assert (first.name, first.unit, first.tracked) == ("bracket_depth", PLANTED, True)
    assert first.correlation > 0.999 and first.held_out > 0.999 and first.untrained < 0.9
    assert {match.unit for match in found.tracked} == {PLANTED} and found.empty_reason is None
    # in one text alone it is found too
    planted = with_a_bracket_counter(python)
    text = "\n".join(example.text for example in python.card.examples)
    halves = tracked_in_halves(run_network(planted, text), "rnn.l0")
    assert halves.matches[0].unit == PLANTED and {match.unit for match in halves.tracked} == {PLANTED}


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("seed", [11, 12])
def test_a_random_network_tracks_nothing_and_this_is_said(python, cell, seed):
    network = untrained(python, seed, cell, hidden=128, layers=2)
    for layer in ("rnn.l0", "rnn.l1"):
        found = tracked_units(network, python.card.default.text, layer)
        assert not found.tracked and found.matches
        assert found.empty_reason == NONE_TRACKS and found.empty_reason.endswith(".")
    assert "0.5" in RULE and "0.1" in RULE


def test_the_default_network_tracks_what_its_card_says(python):
    said = python.card.metrics["units"]["bracket_depth"]
    found = tracked_units(python, python.card.default.text, said["layer"], said["quantity"])
    assert said["unit"] in {match.unit for match in found.tracked if match.name == "bracket_depth"}
    again = tracked_units(python, python.card.default.text, said["layer"], said["quantity"])
    assert again == found


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("example", [0, 1])
def test_recall_networks_hold_the_first_word(cell, example):
    network = load_network(f"recall-{cell}")
    found = tracked_units(
        network, network.card.examples[example].text, "rnn.l0", recall_batches=recall_batches(network)
    )
    first = found.matches[0]
    assert first.name == "first_word" and first.tracked and first.held_out > 0.9 and first.untrained < 0.5


def test_a_recall_network_that_learned_nothing_holds_no_word():
    network = load_network("recall-rnn")
    module = copy.deepcopy(network.module)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module.rnn.reset_parameters()
    texts = recall_batches(network)
    found = tracked_units(replace(network, module=module), network.card.default.text, "rnn.l0", recall_batches=texts)
    assert not found.tracked and "first_word" in {match.name for match in found.matches}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sentiment", "counter", "wave"])
def test_every_kind_of_network_can_be_asked(name):
    network = load_network(name)
    layers = run_network(network, network.card.default.text).trace.layers
    for layer in layers:
        assert isinstance(tracked_units(network, network.card.default.text, layer), Ranking)


# Bad input


def test_one_token_says_that_nothing_changes(python):
    found = tracked_units(python, "x", "rnn.l0")
    assert found.matches == () and found.empty_reason == NOTHING_CHANGES
    assert tracked_in_halves(run_network(python, "x"), "rnn.l0").empty_reason == NOTHING_CHANGES


def test_units_that_never_change_or_are_no_numbers_are_left_out(python):
    for value in (0.0, float("nan")):
        network = untrained(python, 1, hidden=4)
        with torch.no_grad():
            for values in network.module.rnn.parameters():
                values.fill_(value)
        assert tracked_units(network, python.card.default.text, "rnn.l0").empty_reason == NOTHING_CHANGES


def test_a_trace_of_its_own_and_one_unit():
    torch.manual_seed(0)
    module = nn.LSTM(3, 1, batch_first=True, bidirectional=True, num_layers=2)
    with torch.no_grad(), capture(module) as trace:
        module(torch.randn(2, 40, 3))
    for layer in trace.layers:
        found = tracked_in_halves(run_of_trace(trace, row=1), layer)
        assert {match.name for match in found.matches} <= {"position"}


@pytest.mark.parametrize("text", ["4 Aug 2024", "4 August 2024", "2024년 8월 4일"])
def test_a_decoders_steps_have_the_properties_of_its_own_tokens(text):
    network = load_network("dates-dot")
    run = run_network(network, text)
    layer = run.trace.layers["decoder.l0"]
    steps = np.arange(int(layer.lengths[0]), dtype=float)
    matches = [
        match
        for match in tracked_units(network, text, "decoder.l0", run=run_network).matches
        if match.name == "position"
    ]
    assert (matches and len(run.labels) != len(steps)) or text == "2024년 8월 4일"
    with pytest.raises(ValueError, match="not those of the text"):
        tracked_units(network, text, "decoder.l0")
    for match in matches:
        expected = np.corrcoef(layer.hidden[0, :, match.unit], steps)[0, 1]
        assert match.correlation == pytest.approx(expected, abs=1e-4)
