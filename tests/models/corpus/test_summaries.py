"""The summaries of an index against loops over its states, and a unit that was made to be found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.corpus.pattern_search import find_pattern, pattern_of_span
from models.corpus.state_summaries import BLOCK, float16_at_least, summarize
from models.corpus.text_places import TokenPlaces, regex_places
from models.corpus.unit_distribution import separating_units, unit_distribution
from tests.models.corpus.small_indexes import build, letter_network, letter_texts, quote_network

VALUES = st.sampled_from([-0.0, 0.0, 0.1, -0.1, 0.3, -0.3, 1.0, -1.0, 6e-8, -6e-8, 65504.0, -65504.0]) | st.floats(
    width=16, allow_nan=False, allow_infinity=False
)


@given(
    st.tuples(st.integers(1, 200), st.integers(1, 3)).flatmap(lambda shape: arrays(np.float16, shape, elements=VALUES)),
    st.sampled_from([0.1, 0.3, 1.0, 1e-9, 59_999.0]) | st.floats(1e-6, 100),
)
@settings(max_examples=150)
def test_summaries(values, threshold):
    found, wide = summarize(np.ascontiguousarray(values.T), threshold), values.astype(np.float64)
    on = np.stack([wide >= threshold, wide <= -threshold])
    assert np.array_equal(found["masks"], np.packbits(on.transpose(0, 2, 1), axis=-1))
    assert float(float16_at_least(threshold)) >= threshold
    for unit in range(values.shape[1]):
        for place, start in enumerate(range(0, len(values), BLOCK)):
            block = wide[start : start + BLOCK, unit]
            assert found["maximum"][unit, place] == block.max() and found["maximum_at"][unit, place] == block.argmax()
            assert found["minimum"][unit, place] == block.min() and found["minimum_at"][unit, place] == block.argmin()
            assert found["sample"][unit, place] == block[0]


@given(st.integers(1, 200), st.integers(5, 20))
@settings(max_examples=10)
def test_summaries_of_several_pieces(steps, units):
    values = np.random.default_rng(steps).normal(size=(steps, units)).astype(np.float16)
    found = summarize(np.ascontiguousarray(values.T), 0.3)
    assert np.array_equal(found["masks"][0], np.packbits(values.T.astype(np.float64) >= 0.3, axis=-1))
    blocks = [values[start : start + BLOCK] for start in range(0, steps, BLOCK)]
    assert np.array_equal(found["maximum"], np.array([each.max(axis=0) for each in blocks]).T)
    assert np.array_equal(found["minimum_at"], np.array([each.argmin(axis=0) for each in blocks]).T)


@pytest.fixture(scope="module")
def quoted(tmp_path_factory):
    """The index of a network with a unit for quotes."""
    texts = ['ab "a b" a. "bb" a', *letter_texts(4, 30, 60)]
    return build(quote_network(), texts, tmp_path_factory.mktemp("index") / "index")


def test_a_unit_that_counts_quotes_is_found(quoted):
    inside = regex_places(quoted, '"[^"]*"')
    first = quoted.read("states/rnn.l0/hidden", slice(*quoted.document_starts[:2]))[:, 0]
    assert [round(float(each), 1) for each in first] == [
        0.8 if 3 <= k < 7 or 12 <= k < 15 else 0 for k in range(len(first))
    ]
    differences = separating_units(quoted, "rnn.l0", "hidden", inside)
    assert np.nanargmax(np.abs(differences)) == 0 and differences[0] > 1
    assert unit_distribution(quoted, "rnn.l0", "hidden", 0, inside).auc > 0.8
    pattern = pattern_of_span(first[:, None], 3, 7, 0.3)
    hits = find_pattern(quoted, "rnn.l0", "hidden", pattern, 10_000)
    spans = []
    for number in range(quoted.about["documents"]):
        text, opened = quoted.document_text(number), None
        for place, letter in enumerate(text):
            if letter == '"':
                if opened is not None:
                    spans.append((opened, place + int(quoted.document_starts[number])))
                opened = place + int(quoted.document_starts[number]) if opened is None else None
        if opened is not None:
            spans.append((opened, int(quoted.document_starts[number + 1])))
    assert sorted(zip(hits.start, hits.stop, strict=True)) == spans and hits.exact == len(spans)


def test_no_unit_of_a_random_network_separates_random_places(tmp_path):
    index = build(letter_network(), letter_texts(8, 60, 60), tmp_path / "index")
    random = np.random.default_rng(0).permutation(index.steps)[: index.steps // 3]
    places = TokenPlaces(np.sort(random), np.sort(random) + 1)
    assert np.abs(separating_units(index, "rnn.l0", "hidden", places)).max() < 4 * np.sqrt(4.5 / index.steps)
