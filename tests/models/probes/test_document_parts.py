"""No document is in both parts, a step without a label in none, and rows of states are those of numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.core.messages import Problem
from models.probes import state_rows
from models.probes.document_parts import MAX_GROUPS, MIN_DOCUMENTS, TEST_SHARE, split_documents
from models.probes.state_rows import UnitColumn, row_chunks, states_at


@given(
    lengths=st.lists(st.integers(1, 40), min_size=10, max_size=60),
    seed=st.integers(0, 5),
    most=st.one_of(st.none(), st.integers(1, 500)),
    contiguous=st.booleans(),
    share=st.floats(0, 0.5),
)
@settings(max_examples=60, deadline=None)
def test_no_document_is_in_both_parts(lengths, seed, most, contiguous, share):
    random = np.random.default_rng(seed)
    documents = np.repeat(random.permutation(1000)[: len(lengths)], lengths)
    documents = documents if contiguous else random.permutation(documents)
    usable = random.random(len(documents)) >= share
    count = len(set(documents[usable].tolist()))
    if count < 2 * MIN_DOCUMENTS:
        with pytest.raises(Problem, match=f"there are {count}"):
            split_documents(documents, usable, most, seed)
        return
    parts = split_documents(documents, usable, most, seed)
    train, test = set(documents[parts.train].tolist()), set(documents[parts.test].tolist())
    assert not train & test
    assert usable[parts.train].all() and usable[parts.test].all()
    assert (np.diff(parts.train) > 0).all() and (np.diff(parts.test) > 0).all()
    assert parts.documents == (len(train), len(test)) and parts.group_count == len(test)
    assert len(test) == max(MIN_DOCUMENTS, round(TEST_SHARE * (len(train) + len(test))))
    assert len({(group, own) for group, own in zip(parts.groups, documents[parts.test], strict=True)}) == len(test)
    if most is None:
        assert len(parts.train) + len(parts.test) == usable.sum()
    elif most >= 10:
        assert len(parts.train) + len(parts.test) <= most
    expected = [documents[parts.test][parts.groups == group].sum() for group in range(parts.group_count)]
    np.testing.assert_allclose(parts.sums(documents[parts.test]), expected)


def test_of_many_test_documents_groups_are_resampled():
    documents = np.repeat(np.arange(5000), 2)
    parts = split_documents(documents)
    assert parts.documents == (3500, 1500) and parts.group_count == MAX_GROUPS
    own = documents[parts.test]
    assert all(len(set(parts.groups[own == each].tolist())) == 1 for each in np.unique(own)[:50])
    np.testing.assert_array_equal(parts.sums(np.ones(len(own))), 6)


@pytest.mark.parametrize("count", [0, 1, 9])
def test_too_few_documents_are_a_problem(count):
    with pytest.raises(Problem, match="at least 10 documents"):
        split_documents(np.repeat(np.arange(count), 3))


class Stored:
    """An array that only slices of rows make one of numpy."""

    def __init__(self, values):
        self._values, self.shape = values, values.shape

    def __getitem__(self, rows):
        assert isinstance(rows, slice) and rows.step is None
        return self._values[rows]


@given(count=st.integers(1, 60), chunk=st.integers(1, 80), seed=st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_rows_are_those_of_the_array(count, chunk, seed):
    random = np.random.default_rng(seed)
    states = random.normal(size=(60, 3)).astype(np.float16)
    rows = np.sort(random.permutation(60)[:count])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_rows, "CHUNK_NUMBERS", chunk)
        for order in (None, seed):
            found = list(row_chunks(Stored(states), rows, seed=order))
            places = np.concatenate([place for place, _ in found])
            values = np.concatenate([value for _, value in found])
            assert sorted(places.tolist()) == list(range(count)) and values.dtype == np.float32
            np.testing.assert_array_equal(values, states[rows[places]])
        again = random.integers(0, 60, 30)
        np.testing.assert_array_equal(states_at(Stored(states), again), states[again])
        np.testing.assert_array_equal(states_at(UnitColumn(Stored(states), 1), again), states[again, 1:2])


def test_a_state_that_is_not_finite_is_named():
    states = np.zeros((40, 3))
    states[17, 1] = np.nan
    with pytest.raises(Problem, match="step 18"):
        states_at(states, np.arange(40))
    states_at(states, np.arange(17))


@given(
    values=st.lists(st.integers(-3, 3), min_size=12, max_size=12),
    kept=st.lists(st.booleans(), min_size=40, max_size=40),
)
@settings(max_examples=60, deadline=None)
def test_sums_of_a_subset_are_those_of_its_steps(values, kept):
    documents, kept = np.repeat(np.arange(10), 4), np.array(kept)
    parts = split_documents(documents)
    part = parts.subset(kept)
    assert set(part.test.tolist()) == {step for step in parts.test.tolist() if kept[step]}
    weights = np.resize(values, len(part.test)).astype(float)
    expected = [weights[part.groups == group].sum() for group in range(part.group_count)]
    np.testing.assert_allclose(part.sums(weights), expected)
    np.testing.assert_allclose(part.sums(np.stack([weights, -weights], axis=1))[:, 1], np.negative(expected))
