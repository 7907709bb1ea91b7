"""Intervals over documents against scipy's bootstrap, and how often they contain the value of the population."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from models.probes.bootstrap import document_counts, ratio, resample, stacked


def means(values, seed=0):
    """The mean of one value per document, resampled."""
    return resample(document_counts(len(values), seed), ratio, values, np.ones_like(values))


def test_samples_are_those_of_a_bootstrap():
    values = np.random.default_rng(1).normal(size=200)
    found = means(values)
    oracle = bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(2), n_resamples=4000)
    assert float(found.value) == pytest.approx(values.mean())
    np.testing.assert_allclose(found.interval(), oracle.confidence_interval, atol=0.02)
    assert found.samples.std() == pytest.approx(oracle.standard_error, rel=0.1)


@pytest.mark.parametrize("count", [5, 12])
def test_intervals_of_few_documents_contain_the_mean_often_enough(count):
    random, hits = np.random.default_rng(3), 0
    for seed in range(300):
        low, high = means(random.normal(size=count), seed).interval()
        hits += low <= 0 <= high
    assert hits >= 0.9 * 300  # of the percentile interval of 5 documents, not expanded, about 80 %


def test_a_band_contains_all_values_together_often_enough():
    random, hits = np.random.default_rng(4), 0
    for seed in range(200):
        found = means(random.normal(size=(30, 20)), seed)
        low, high = found.band()
        hits += (low <= 0).all() and (high >= 0).all()
        assert (low <= found.value).all() and (found.interval()[0] >= low - 0.05).all()
    assert hits >= 0.9 * 200


def test_a_measure_without_spread_or_value_has_no_width():
    found = stacked([means(np.ones(6)), None, means(np.arange(6.0))])
    low, high = found.band()
    assert low[0] == high[0] == 1 and np.isnan([low[1], high[1]]).all() and low[2] < 2.5 < high[2]
    assert found.band_low()[0] == 1 and means(np.ones(6)).above(means(np.zeros(6)))
    assert not means(np.ones(6)).above(means(np.ones(6)))
