"""Linear probes against scikit-learn's own, on planted labels, and on labels and networks that have nothing to read."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.preprocessing import StandardScaler
from torch import nn

from models.core.messages import Problem
from models.probes import linear_fit, state_rows
from models.probes.document_parts import split_documents
from models.probes.linear_probe import linear_probe


def corpus(seed=0, count=40, length=30, units=12, kinds=25, dtype=np.float32):
    """States of noise, documents and tokens."""
    random = np.random.default_rng(seed)
    steps = count * length
    return (
        random.normal(size=(steps, units)).astype(dtype),
        np.repeat(np.arange(count), length),
        random.integers(0, kinds, steps),
        random,
    )


def lstm_states(tokens, documents, seed, units=24):
    """The states of an untrained LSTM of one-hot tokens, from each document's start."""
    kinds, count = int(tokens.max()) + 1, len(np.unique(documents))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        layer = nn.LSTM(kinds, units, batch_first=True)
        output, _ = layer(nn.functional.one_hot(torch.tensor(tokens.reshape(count, -1)), kinds).float())
    return output.reshape(-1, units).numpy()


# The numbers


@pytest.mark.parametrize("classes", [2, 4])
def test_accuracy_is_that_of_scikit_learns_logistic_regression(classes):
    states, documents, _, random = corpus(1)
    labels = (states @ random.normal(size=(12, classes)) + random.gumbel(size=(len(states), classes))).argmax(axis=1)
    found = linear_probe(states, labels, documents)
    parts = split_documents(documents, max_steps=None)
    scaler = StandardScaler().fit(states[parts.train])
    train, test = scaler.transform(states[parts.train]), scaler.transform(states[parts.test])
    oracle = LogisticRegression().fit(train, labels[parts.train])
    assert found.train == pytest.approx(accuracy_score(labels[parts.train], oracle.predict(train)), abs=0.003)
    assert found.test.value == pytest.approx(accuracy_score(labels[parts.test], oracle.predict(test)), abs=0.006)
    most = np.bincount(labels[parts.test]).argmax()
    assert found.baseline.value == pytest.approx((labels[parts.test] == most).mean())
    assert found.steps == (len(train), len(test)) and found.documents == (28, 12)
    assert found.readable and found.classes == tuple(str(each) for each in range(classes))
    assert found.test.low <= found.test.value <= found.test.high


def test_r_squared_is_that_of_scikit_learns_ridge():
    states, documents, _, random = corpus(2)
    labels = states @ random.normal(size=12) + random.normal(size=len(states)) + 100
    found = linear_probe(states, labels, documents)
    parts = split_documents(documents, max_steps=None)
    scaler = StandardScaler().fit(states[parts.train])
    train, test = scaler.transform(states[parts.train]), scaler.transform(states[parts.test])
    oracle = Ridge(alpha=1.0).fit(train, labels[parts.train])
    assert found.numeric and found.readable and found.classes == ()
    assert found.train == pytest.approx(r2_score(labels[parts.train], oracle.predict(train)), abs=1e-5)
    assert found.test.value == pytest.approx(r2_score(labels[parts.test], oracle.predict(test)), abs=1e-5)
    assert found.baseline.value == pytest.approx(0, abs=1e-9)  # of the mean
    unit = Ridge(alpha=1.0).fit(train[:, [found.unit]], labels[parts.train])
    assert found.unit_test.value == pytest.approx(r2_score(labels[parts.test], unit.predict(test[:, [found.unit]])))


@pytest.mark.parametrize("classes", [2, 4])
def test_passes_over_chunks_are_as_accurate_as_a_fit_at_once(monkeypatch, classes):
    states, documents, _, random = corpus(3, count=60)
    labels = (states @ random.normal(size=(12, classes)) + random.gumbel(size=(len(states), classes))).argmax(axis=1)
    once = linear_probe(states, labels, documents)
    monkeypatch.setattr(linear_fit, "MAX_NUMBERS", 0)
    monkeypatch.setattr(linear_fit, "PASSES", 20)
    monkeypatch.setattr(state_rows, "CHUNK_NUMBERS", 12 * 500)
    chunked = linear_probe(states, labels, documents)
    assert chunked.test.value == pytest.approx(once.test.value, abs=0.02) and chunked.readable
    assert chunked.unit_test.value == pytest.approx(once.unit_test.value, abs=0.02)


def test_the_same_arguments_return_the_same_scores():
    states, documents, tokens, random = corpus(4)
    labels = random.integers(0, 3, len(states))
    one, other = (linear_probe(states, labels, documents, tokens=tokens, seed=7) for _ in range(2))
    assert one.test == other.test and one.control == other.control and str(one.verdict) == str(other.verdict)


def test_a_part_of_a_large_corpus_is_used():
    states, documents, _, _ = corpus(5)
    labels = (states[:, 3] > 0).astype(int)
    found = linear_probe(states.astype(np.float16), labels, documents, max_steps=600)
    assert sum(found.steps) <= 600 and found.readable and found.unit == 3


# What can be read


def test_a_planted_unit_is_found_and_is_as_good_as_the_whole_state():
    states, documents, tokens, random = corpus(6)
    labels = np.where(random.random(len(states)) < 0.4, "in", "out")
    states[:, 5] += 3 * (labels == "in")
    untrained = random.normal(size=(3, *states.shape)).astype(np.float32)
    found = linear_probe(states, labels, documents, tokens=tokens, untrained=[*untrained])
    assert found.readable and found.warning is None and found.unit == 5 and found.classes == ("in", "out")
    assert found.unit_test.value == pytest.approx(found.test.value, abs=0.02) and found.test.value > 0.9
    assert found.selectivity.low > 0.2 and found.gain.low > 0.2
    assert str(found.verdict).startswith("The label can be read linearly")


def test_a_label_spread_over_units_is_read_from_the_whole_state_alone():
    states, documents, _, _ = corpus(7)
    labels = (states.sum(axis=1) > 0).astype(int)
    found = linear_probe(states, labels, documents)
    assert found.test.value > 0.95 and found.unit_test.high < 0.8


@pytest.mark.parametrize("numeric", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_labels_that_the_states_do_not_contain_are_said_to_be_chance(seed, numeric):
    states, documents, tokens, random = corpus(seed)
    labels = random.normal(size=len(states)) if numeric else random.integers(0, 3, len(states))
    found = linear_probe(states, labels, documents, tokens=tokens)
    assert not found.readable and found.warning is None
    assert str(found.verdict).startswith("Chance gives this answer")


@pytest.mark.parametrize("seed", range(6))
def test_what_an_untrained_network_contains_is_said_to_be_in_it_too(seed):
    _, documents, tokens, _ = corpus(seed)
    one, *others = (lstm_states(tokens, documents, seed + 100 * each) for each in range(4))
    labels = np.roll(tokens % 2, 1)  # of the token before
    found = linear_probe(one, labels, documents, tokens=tokens, untrained=others)
    assert len(found.untrained) == 3 and found.gain.value == found.test.value - max(x.value for x in found.untrained)
    assert not found.readable and found.test.low > found.baseline.value
    assert str(found.verdict).startswith("An untrained network gives this answer too")


def test_what_the_token_contains_is_said_to_be_in_it():
    _, documents, tokens, random = corpus(8)
    states = np.eye(25)[tokens] + 0.1 * random.normal(size=(len(tokens), 25))
    found = linear_probe(states, tokens % 3, documents, tokens=tokens)
    assert found.test.value > 0.95 and found.control.value > 0.95 and not found.readable
    assert str(found.verdict).startswith("The current token alone gives this answer")
    numbers = linear_probe(states, (tokens % 3).astype(float), documents, tokens=tokens)
    assert numbers.token.value == pytest.approx(1) and not numbers.readable


def test_labels_that_random_ones_are_as_easy_as_are_warned_of():
    _, documents, tokens, random = corpus(9)
    labels = random.integers(0, 2, len(tokens))
    states = np.concatenate([np.eye(25)[tokens], labels[:, None] + 0.5 * random.normal(size=(len(tokens), 1))], axis=1)
    found = linear_probe(states, labels, documents, tokens=tokens)
    assert found.readable and found.selectivity.high < 0 and "random labels of the tokens" in str(found.warning)


# Bad input


def test_one_value_too_many_values_and_no_labels_are_problems():
    states, documents, _, _ = corpus(10)
    for labels in (np.zeros(len(states), int), np.full(len(states), "x"), np.ones(len(states))):
        with pytest.raises(Problem, match="same value"):
            linear_probe(states, labels, documents)
    with pytest.raises(Problem, match="at most 200"):
        linear_probe(states, np.arange(len(states)), documents)
    for labels in (np.full(len(states), np.nan), np.full(len(states), None)):
        with pytest.raises(Problem, match="there are 0"):
            linear_probe(states, labels, documents)
    with pytest.raises(Problem, match="no states"):
        linear_probe(states[:0], labels[:0], documents[:0])
    with pytest.raises(ValueError, match="one for each step"):
        linear_probe(states, labels[:-1], documents)


def test_steps_without_a_label_are_left_out():
    states, documents, _, random = corpus(11)
    labels = np.where(states[:, 0] > 0, "a", "b").astype(object)
    missing = random.random(len(states)) < 0.5
    labels[missing] = None
    found = linear_probe(states, labels, documents)
    assert sum(found.steps) == (~missing).sum() and found.test.value > 0.9
    numbers = np.where(missing, np.nan, states[:, 0])
    assert sum(linear_probe(states, numbers, documents).steps) == (~missing).sum()


def test_states_that_are_not_finite_are_a_problem_and_constant_units_are_not():
    states, documents, _, random = corpus(12)
    labels = random.integers(0, 2, len(states))
    states[:, 4] = 0.3
    assert np.isfinite(linear_probe(states, labels, documents).test.value)
    states[50] = np.inf
    with pytest.raises(Problem, match="not finite at step 51"):
        linear_probe(states, labels, documents)


def test_a_category_of_one_part_only_is_no_error():
    states, documents, tokens, random = corpus(13)
    labels = np.where(random.random(len(states)) < 0.5, "a", "b")
    labels[documents == 3], labels[5] = "c", "d"
    for seed in range(4):
        found = linear_probe(states, labels, documents, tokens=tokens, seed=seed)
        assert np.isfinite([found.test.value, found.test.low, found.control.value]).all()
