"""The offset at which a label becomes readable: planted delays are found, and nothing elsewhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from models.core.messages import Problem
from models.probes.document_parts import split_documents
from models.probes.readable_when import label_onsets, readable_when, sequence_starts
from tests.models.probes.test_linear_probe import lstm_states

LENGTH = 40


def spanned(seed, count=60, units=6):
    """Noise, documents, and a label that starts once or twice in each."""
    random = np.random.default_rng(seed)
    documents = np.repeat(np.arange(count), LENGTH)
    present = np.zeros(len(documents), dtype=bool)
    for start in documents.searchsorted(np.arange(count)) + random.integers(8, 22, count):
        present[start : start + 5] = True
    return random.normal(size=(len(documents), units)).astype(np.float32), documents, present, random


# The numbers


def test_a_planted_delay_is_found():
    states, documents, present, random = spanned(1)
    states[:, 2] += 4 * np.roll(present, 3)
    events, labels = label_onsets(present, documents, 8)
    untrained = [random.normal(size=states.shape).astype(np.float32) for _ in range(3)]
    tokens = random.integers(0, 4, len(states))
    found = readable_when(states, events, labels, documents, range(-4, 11), untrained=untrained, tokens=tokens)
    assert found.offsets[found.readable].tolist() == [3, 4, 5, 6, 7] and found.first == 3
    assert (found.score[found.readable] > 0.9).all() and found.untrained.shape == (3, 15)
    assert (found.low <= found.score).all() and (found.score <= found.high).all()
    assert "at 5 of 15 offsets, first at +3" in str(found.verdict) and found.token.shape == (15,)


def test_scores_are_those_of_scikit_learn():
    states, documents, present, _ = spanned(2)
    events, labels = label_onsets(present, documents, 8)
    states[events + 2, 1] += labels
    found = readable_when(states, events, labels, documents, [2])
    parts = split_documents(documents[events])
    train, test = events[parts.train] + 2, events[parts.test] + 2
    inside = [documents[rows] == documents[rows - 2] for rows in (train, test)]
    assert found.events.tolist() == [[int(each.sum()) for each in inside]]
    scaler = StandardScaler().fit(states[train[inside[0]]])
    oracle = LogisticRegression().fit(scaler.transform(states[train[inside[0]]]), labels[parts.train][inside[0]])
    expected = oracle.score(scaler.transform(states[test[inside[1]]]), labels[parts.test][inside[1]])
    assert found.score[0] == pytest.approx(expected, abs=0.02)
    assert found.baseline[0] == max(np.mean(labels[parts.test][inside[1]] == each) for each in (0, 1))
    numbers = readable_when(states, events, states[events, 0].astype(float), documents, [0])
    assert numbers.score[0] > 0.999 and numbers.first == 0 and "R²" in str(numbers.verdict)


def test_the_place_of_a_sequence_at_which_its_label_is_readable():
    states, documents, _, random = spanned(3)
    events = sequence_starts(documents)
    kinds = random.integers(0, 2, len(events))
    place = np.tile(np.arange(LENGTH), len(events))
    states[:, 4] += np.where(place >= 12, 5 * kinds[documents], 0)
    found = readable_when(states, events, np.array(["neg", "pos"])[kinds], documents, range(0, 30, 3))
    assert found.first == 12 and found.offsets[found.readable].tolist() == [12, 15, 18, 21, 24, 27]
    beyond = readable_when(states, events, kinds, documents, [12, LENGTH, -1])
    assert beyond.events[1:].tolist() == [[0, 0], [0, 0]] and np.isnan(beyond.score[1:]).all()
    assert beyond.readable.tolist() == [True, False, False]


# Chance


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_said_to_be_chance(seed):
    states, documents, present, _ = spanned(seed + 10)
    events, labels = label_onsets(present, documents, 8)
    found = readable_when(states, events, labels, documents, range(-6, 7), seed=seed)
    assert not found.readable.any() and found.first is None
    assert str(found.verdict).startswith("Chance gives this answer")


def test_what_untrained_networks_and_the_token_contain_is_said_to_be_in_them():
    random = np.random.default_rng(4)
    documents = np.repeat(np.arange(60), 20)
    tokens = random.integers(0, 8, len(documents))
    events = np.arange(0, len(documents), 5)
    one, *others = (lstm_states(tokens, documents, seed) for seed in range(4))
    found = readable_when(one, events, tokens[events] % 2, documents, range(3), untrained=others)
    assert (found.score > found.baseline).any() and not found.readable.any()
    assert str(found.verdict).startswith("An untrained network gives this answer too")
    found = readable_when(one, events, tokens[events] % 2, documents, [0], tokens=tokens)
    assert found.token.tolist() == [1] and str(found.verdict).startswith("The token alone gives this answer")


# Events


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=8), seed=st.integers(0, 20), window=st.integers(0, 4))
@settings(max_examples=100, deadline=None)
def test_onsets_are_where_a_label_starts(lengths, seed, window):
    random = np.random.default_rng(seed)
    documents = np.repeat(np.arange(len(lengths)), lengths)
    present = random.random(len(documents)) < 0.3
    starts = [
        step
        for step in range(1, len(present))
        if present[step] and not present[step - 1] and documents[step] == documents[step - 1]
    ]
    absent = [
        step
        for step in range(len(present))
        if not present[max(step - window, 0) : step + window + 1].any() and documents[step] in documents[starts]
    ]
    if not starts or not absent:
        with pytest.raises(Problem, match="Choose another label"):
            label_onsets(present, documents, window)
        return
    events, labels = label_onsets(present, documents, window)
    assert events[labels == 1].tolist() == starts and set(events[labels == 0].tolist()) <= set(absent)
    assert (labels == 0).sum() == min(len(starts), len(absent)) and (np.diff(events) > 0).all()


def test_starts_of_sequences():
    assert sequence_starts(np.array([4, 4, 2, 2, 2, 7])).tolist() == [0, 2, 5] and not len(sequence_starts(np.zeros(0)))


# Bad input


def test_bad_input_is_one_sentence():
    states, documents, present, _ = spanned(5)
    events, labels = label_onsets(present, documents, 8)
    with pytest.raises(Problem, match="At no offset"):
        readable_when(states, events, labels, documents, [LENGTH])
    with pytest.raises(Problem, match="same value"):
        readable_when(states, events, np.ones(len(events), int), documents, [0])
    with pytest.raises(Problem, match="at least 10 documents"):
        readable_when(states, events[:5], labels[:5], documents, [0])
    with pytest.raises(ValueError, match="at least one offset"):
        readable_when(states, events, labels, documents, [])
    states[events[0] + 1] = np.nan
    with pytest.raises(Problem, match="not finite"):
        readable_when(states, events, labels, documents, [1])
