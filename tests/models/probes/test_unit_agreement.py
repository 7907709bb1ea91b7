"""Agreement of units with a hypothesis against scikit-learn and scipy, on planted units, and where there is none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pointbiserialr
from sklearn.metrics import f1_score, precision_score, recall_score

from models.core.messages import Problem
from models.probes.document_parts import split_documents
from models.probes.unit_agreement import best_threshold, point_biserial, unit_agreement
from tests.models.probes.test_linear_probe import corpus, lstm_states


def spans(random, steps, length=6):
    """A hypothesis that stays true or false for several steps."""
    return np.repeat(random.random(steps // length + 1) < 0.35, length)[:steps]


def slow_states(random, documents, units=12):
    """States of noise that change slowly within each document."""
    states = random.normal(size=(len(documents), units))
    for step in range(1, len(states)):
        if documents[step] == documents[step - 1]:
            states[step] = 0.9 * states[step - 1] + 0.4 * states[step]
    return states.astype(np.float32)


# The numbers


def test_measures_are_those_of_scikit_learn_and_scipy():
    states, documents, _, random = corpus(1)
    states[:, 2] -= 2 * (hypothesis := spans(random, len(states)))
    found = unit_agreement(states, hypothesis, documents)
    parts = split_documents(documents)
    truth = hypothesis[parts.test]
    for unit in range(states.shape[1]):
        values = states[parts.test, unit]
        on = values >= found.threshold[unit] if found.above[unit] else values < found.threshold[unit]
        assert found.f1[unit] == pytest.approx(f1_score(truth, on))
        assert found.precision[unit] == pytest.approx(precision_score(truth, on))
        assert found.recall[unit] == pytest.approx(recall_score(truth, on))
        assert found.correlation[unit] == pytest.approx(pointbiserialr(truth, values).statistic, abs=1e-6)
        train = pointbiserialr(hypothesis[parts.train], states[parts.train, unit]).statistic
        assert found.train_correlation[unit] == pytest.approx(train, abs=1e-6)
    assert found.always_f1 == pytest.approx(f1_score(truth, np.ones(len(truth))))
    assert (found.correlation_low <= found.correlation).all() and (found.f1 <= found.f1_high).all()
    assert found.unit == 2 == found.ranked[0] and not found.above[2] and found.correlation[2] < 0


@given(
    values=st.lists(st.integers(-3, 3), min_size=1, max_size=25), true=st.lists(st.booleans(), min_size=25, max_size=25)
)
@settings(max_examples=150, deadline=None)
def test_the_threshold_has_the_best_f1(values, true):
    values, true = np.array(values, dtype=np.float32), np.array(true[: len(values)])
    true[0] = True
    threshold, above = best_threshold(values, true)
    best = max(
        f1_score(true, on)
        for cut in np.append(np.unique(values), np.inf)
        for on in (values >= cut, values < cut)
        if on.any()
    )
    assert f1_score(true, values >= threshold if above else values < threshold) == pytest.approx(best)


def test_a_unit_that_is_the_hypothesis_agrees_exactly():
    states, documents, _, random = corpus(2)
    states[:, 7] = hypothesis = spans(random, len(states))
    found = unit_agreement(states, hypothesis.astype(int), documents)
    assert found.unit == 7 and found.agrees
    assert found.f1[7] == found.precision[7] == found.recall[7] == 1 and found.correlation[7] == pytest.approx(1)
    assert found.p_value[7] == pytest.approx(1 / 401) and found.f1_low[7] == 1


def test_correlations_far_from_zero_are_exact():
    states, _, _, random = corpus(3)
    truth = random.random(len(states)) < 0.2
    shifted = states.astype(np.float64) + 1e6
    expected = [pointbiserialr(truth, column).statistic for column in states.T.astype(np.float64)]
    np.testing.assert_allclose(point_biserial(shifted, truth), expected, atol=1e-8)


# Chance


@pytest.mark.parametrize("seed", range(12))
def test_a_hypothesis_about_nothing_is_said_to_be_chance(seed):
    random = np.random.default_rng(seed)
    documents = np.repeat(np.arange(30), 40)
    found = unit_agreement(slow_states(random, documents), spans(random, len(documents), 8), documents, seed=seed)
    assert not found.agrees and str(found.verdict).startswith("Chance gives this answer")


@pytest.mark.slow
def test_the_best_of_many_units_is_significant_as_often_as_the_level_says():
    """Over 200 hypotheses about nothing at most 5 % of the smallest p-values are below 0.05, up to sampling error."""
    hits = 0
    documents = np.repeat(np.arange(20), 30)
    for seed in range(200):
        random = np.random.default_rng(seed)
        found = unit_agreement(
            slow_states(random, documents, 8), spans(random, len(documents), 8), documents, seed=seed
        )
        hits += found.p_value.min() <= 0.05
    assert hits <= 20  # of a binomial with 200 and 0.05, 99.8 % are at most 20


@pytest.mark.parametrize("seed", range(3))
def test_what_an_untrained_network_contains_is_said_to_be_in_it_too(seed):
    _, documents, tokens, _ = corpus(seed, kinds=6)
    one, *others = (lstm_states(tokens, documents, seed + 50 * each) for each in range(4))
    found = unit_agreement(one, tokens == 2, documents, untrained=others)
    assert found.p_value[found.unit] < 0.05 and not found.agrees
    assert str(found.verdict).startswith("An untrained network gives this answer too")


def test_a_planted_unit_is_found_beside_an_untrained_network():
    random = np.random.default_rng(4)
    documents = np.repeat(np.arange(30), 40)
    states, *untrained = (slow_states(random, documents) for _ in range(4))
    hypothesis = spans(random, len(documents), 8)
    states[:, 9] += 2 * hypothesis
    found = unit_agreement(states, hypothesis, documents, untrained=untrained)
    assert found.agrees and found.unit == 9 and found.gain.low > 0.2
    assert found.f1[9] > max(found.chance_f1, *(each.value for each in found.untrained_f1)) and "Unit 9" in str(
        found.verdict
    )
    assert found.p_value[9] <= 0.05 and (np.delete(found.p_value, 9) > 0.05).sum() >= 10


# Bad input


def test_a_hypothesis_that_does_not_vary_is_a_problem():
    states, documents, _, random = corpus(5)
    for hypothesis in (np.zeros(len(states)), np.ones(len(states), dtype=bool), documents == 0):
        with pytest.raises(Problem, match="Choose a hypothesis that varies"):
            unit_agreement(states, hypothesis, documents)
    with pytest.raises(ValueError, match="0 or 1"):
        unit_agreement(states, random.normal(size=len(states)), documents)
    with pytest.raises(Problem, match="at least 10 documents"):
        unit_agreement(states, states[:, 0] > 0, documents * 0)
    states[3, 3] = np.nan
    with pytest.raises(Problem, match="not finite at step 4"):
        unit_agreement(states, states[:, 0] > 0, documents)


def test_constant_units_have_no_correlation():
    states, documents, _, random = corpus(6)
    states[:, 1] = 0.1
    found = unit_agreement(states, spans(random, len(states)), documents)
    assert found.correlation[1] == found.train_correlation[1] == 0 and found.p_value[1] == 1
    assert np.isfinite(found.correlation_low).all() and np.isfinite(found.f1_low).all()
    missing = np.where(random.random(len(states)) < 0.3, np.nan, spans(random, len(states)))
    assert sum(unit_agreement(states, missing, documents).steps) == np.isfinite(missing).sum()
