"""The questions to an index against a slow scan of its states, written with loops."""

import math
import shutil
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact, mannwhitneyu
from sklearn.metrics import roc_auc_score

from models.core.messages import Problem
from models.corpus.corpus_index import CorpusIndex
from models.corpus.nearest_states import nearest_states
from models.corpus.pattern_search import UnitPattern, find_pattern, pattern_of_span
from models.corpus.shared_tokens import control_error_rate, shared_annotations, shared_tokens
from models.corpus.text_places import TokenPlaces, annotation_places, regex_places
from models.corpus.unit_contexts import PER_DOCUMENT, WINDOW, contexts_over_range, strongest_contexts
from models.corpus.unit_distribution import NUMBERS, UnitDistribution, separating_units, unit_distribution
from tests.models.corpus.small_indexes import build, letter_network, letter_texts

LAYER = ("rnn.l0", "hidden")


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """An index of 1,500 letters in 40 documents, of which some are the same."""
    texts = letter_texts(5, 30, 90)
    texts += [*texts[:8], "ab", "a"]
    return build(letter_network(), texts, tmp_path_factory.mktemp("index") / "index", threshold=0.1)


@pytest.fixture(scope="module")
def states(index):
    """All its states."""
    return index.read("states/rnn.l0/hidden", slice(None)).astype(np.float64)


def documents(index):
    starts = index.document_starts.tolist()
    return list(pairwise(starts))


def slow_pattern(index, states, pattern):
    """All spans with a pattern, ranked, found token by token."""
    hits = []
    signs = [(unit, -1 if negative else 1) for unit, negative in zip(pattern.units, pattern.negative, strict=True)]
    for start, stop in documents(index):
        on = [[states[step, unit] * sign >= pattern.threshold for unit, sign in signs] for step in range(start, stop)]
        place = 0
        for all_on, group in groupby(map(all, on)):
            size = len(list(group))
            if all_on:
                beside = [
                    on[each] if 0 <= each < len(on) else [False] * len(signs) for each in (place - 1, place + size)
                ]
                off = sum(not each for row in beside for each in row)
                hits.append((-off, abs(size - pattern.length), start + place, start + place + size))
            place += size
    return sorted(hits)


@pytest.mark.parametrize("threshold", [0.1, 0.05, 0.0999, 0.12])
def test_spans_with_the_same_units(index, states, threshold):
    found_any = 0
    for units in ((0,), (1,), (2, 4), (0, 3), (1, 2, 3)):
        for negatives in ((False, True, False), (True, False, False), (True, True, True)):
            pattern = UnitPattern(units, negatives[: len(units)], threshold, 3)
            hits, slow = find_pattern(index, *LAYER, pattern, count=10_000), slow_pattern(index, states, pattern)
            assert list(zip(-hits.off_around, hits.start, hits.stop, strict=True)) == [
                (off, start, stop) for off, _, start, stop in slow
            ]
            assert (hits.total, hits.tokens) == (len(slow), sum(stop - start for *_, start, stop in slow))
            assert hits.exact == sum(off == -2 * len(units) for off, *_ in slow)
            few = find_pattern(index, *LAYER, pattern, count=3)
            assert few.start.tolist() == hits.start[:3].tolist() and few.total == hits.total
            found_any += hits.total
    assert found_any


def test_a_threshold_between_two_stored_numbers_is_not_rounded(index, states):
    """0.1 as float16 is 0.09998: a state of that size is below the threshold."""
    values = np.array([[0.0], [0.09998], [0.1001], [0.0]], dtype=np.float16)
    assert float(values[1, 0]) < 0.1
    assert pattern_of_span(values, 2, 3, 0.1).units == (0,)
    with pytest.raises(Problem, match="No unit is on"):
        pattern_of_span(values, 1, 2, 0.1)
    below = float(np.sort(np.abs(states[:, 0]))[700])
    for threshold in (below, np.nextafter(below, 1), np.nextafter(below, 0)):
        pattern = UnitPattern((0,), (False,), float(threshold), 1)
        assert find_pattern(index, *LAYER, pattern).total == len(slow_pattern(index, states, pattern))


@given(
    st.lists(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=2, max_size=2), min_size=1, max_size=9),
    st.data(),
)
def test_the_pattern_of_a_span(rows, data):
    start = data.draw(st.integers(0, len(rows) - 1))
    stop = data.draw(st.integers(start + 1, len(rows)))
    expected = []
    for unit in range(2):
        for sign in (1, -1):
            on = [row[unit] * sign >= 0.5 for row in rows]
            before, after = start and on[start - 1], stop < len(rows) and on[stop]
            if all(on[start:stop]) and not before and not after:
                expected.append((unit, sign < 0))
    if expected:
        pattern = pattern_of_span(np.array(rows), start, stop, 0.5)
        assert list(zip(pattern.units, pattern.negative, strict=True)) == expected and pattern.length == stop - start
    else:
        with pytest.raises(Problem, match="No unit is on"):
            pattern_of_span(np.array(rows), start, stop, 0.5)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("per_document", [None, 1, 3])
def test_nearest_states(index, states, metric, per_document):
    for step in (0, 7, 333, index.steps - 1):
        wanted = states[step]
        distances = []
        for each in states:
            if metric == "euclidean":
                distances.append(math.sqrt(sum((a - b) ** 2 for a, b in zip(each, wanted, strict=True))))
            else:
                sizes = math.sqrt(sum(each**2)) * math.sqrt(sum(wanted**2))
                distances.append(1 - float(each @ wanted) / sizes if sizes else 1.0)
        found = nearest_states(index, *LAYER, wanted, 25, metric=metric, per_document=per_document)
        assert np.allclose(found.distances, np.array(distances)[found.steps], rtol=0, atol=1e-6)
        taken, numbers = [], []
        for each in sorted(range(index.steps), key=lambda each: (round(distances[each], 6), each)):
            number = int(index.document_numbers([each])[0])
            if per_document is None or numbers.count(number) < per_document:
                taken.append(each)
                numbers.append(number)
        assert np.allclose(found.distances, np.array(distances)[taken[:25]], rtol=0, atol=1e-6)
        equal = {tuple(states[each]) for each in found.steps}
        for state in equal:  # of equal states the first ones, in their order
            own = [each for each in found.steps if tuple(states[each]) == state]
            assert own == sorted(own)
            assert (
                per_document or own == [each for each in range(index.steps) if tuple(states[each]) == state][: len(own)]
            )


def test_runs_are_joined_across_segments(index, monkeypatch):
    patterns = [UnitPattern((unit,), (sign,), 0.1, 3) for unit in range(5) for sign in (False, True)]
    whole = [find_pattern(index, *LAYER, each, count=10_000) for each in patterns]
    for size in (8, 64, 512):
        monkeypatch.setattr("models.corpus.pattern_search.SEGMENT", size)
        for expected, pattern in zip(whole, patterns, strict=True):
            found = find_pattern(index, *LAYER, pattern, count=10_000)
            assert found.start.tolist() == expected.start.tolist() and found.stop.tolist() == expected.stop.tolist()


@pytest.fixture
def many_chunks(tmp_path, monkeypatch):
    """An index whose summaries have chunks of two blocks, and at most six samples."""
    for module in ("join_summaries", "unit_contexts", "build_index"):
        monkeypatch.setattr(f"models.corpus.{module}.BLOCKS_OF_CHUNK", 2)
    monkeypatch.setattr("models.corpus.state_summaries.MAX_SAMPLES", 6)
    return build(letter_network(), letter_texts(5, 40, 90, "ab"), tmp_path / "index", shard_steps=512)


@pytest.mark.parametrize("weakest", [False, True])
def test_contexts_of_many_chunks(many_chunks, weakest):
    states = many_chunks.read("states/rnn.l0/hidden", slice(None)).astype(np.float64)
    summaries = many_chunks.array("summaries/rnn.l0/hidden")
    assert summaries["maximum_of_chunk"].shape == (5, -(-many_chunks.steps // 128))
    for unit in range(5):
        values = -states[:, unit] if weakest else states[:, unit]
        blocks = [range(start, min(start + 64, len(values))) for start in range(0, len(values), 64)]
        best = [max(block, key=lambda step: (values[step], -step)) for block in blocks]
        expected = slow_choice(many_chunks, sorted(best, key=lambda step: (-values[step], step)), 5)
        found = strongest_contexts(many_chunks, *LAYER, unit, 5, weakest=weakest)
        assert found.steps.tolist() == expected and np.array_equal(found.values, states[expected, unit])


def test_samples_of_a_large_corpus(many_chunks):
    states = many_chunks.read("states/rnn.l0/hidden", slice(None))
    stride = 64 * math.ceil(math.ceil(many_chunks.steps / 64) / 6)
    sample = many_chunks.read("summaries/rnn.l0/hidden/sample", slice(None))
    assert stride > 64 and np.array_equal(sample, states[::stride].T)
    found = contexts_over_range(many_chunks, *LAYER, 0, 4)
    assert (found.steps % stride == 0).all() and np.array_equal(found.values, states[found.steps, 0])


def test_spans_are_read_in_their_order(index, states):
    starts, stops = [70, 3, 70, 1400], [75, 9, 71, 1400]
    found = index.read_spans("states/rnn.l0/hidden", starts, stops, 2)
    assert [each.tolist() for each in found] == [
        states[start:stop, 2].tolist() for start, stop in zip(starts, stops, strict=True)
    ]
    assert index.texts_of_spans(starts, stops) == [index.token_texts(*each) for each in zip(starts, stops, strict=True)]
    assert index.read_spans("tokens", [], []) == []


def context(index, step):
    start = int(index.document_starts[index.document_numbers([step])[0]])
    return tuple(index.token_texts(max(start, step + 1 - WINDOW), step + 1))


def slow_choice(index, order, count):
    """The first tokens of an order, without repetitions."""
    chosen, seen, used = [], set(), []
    for step in order:
        number = int(index.document_numbers([step])[0])
        if context(index, step) not in seen and used.count(number) < PER_DOCUMENT and len(chosen) < count:
            chosen.append(step)
            seen.add(context(index, step))
            used.append(number)
    return chosen


@pytest.mark.parametrize("weakest", [False, True])
def test_strongest_contexts(index, states, weakest):
    for unit in range(5):
        values = -states[:, unit] if weakest else states[:, unit]
        blocks = [range(start, min(start + 64, index.steps)) for start in range(0, index.steps, 64)]
        best = [max(block, key=lambda step: (values[step], -step)) for block in blocks]
        expected = slow_choice(index, sorted(best, key=lambda step: (-values[step], step)), 12)
        found = strongest_contexts(index, *LAYER, unit, 12, weakest=weakest)
        assert found.steps.tolist() == expected and np.array_equal(found.values, states[expected, unit])


def test_contexts_over_the_range(index, states):
    for unit in range(5):
        steps = list(range(0, index.steps, 64))
        values = {step: states[step, unit] for step in steps}
        low, high = min(values.values()), max(values.values())
        width, chosen, seen, used = (high - low) / 6, [], set(), []
        for part in reversed(range(6)):
            inside = [step for step in steps if min(int((values[step] - low) / width), 5) == part]
            for step in sorted(inside, key=lambda step: (abs(values[step] - (low + (part + 0.5) * width)), step)):
                number = int(index.document_numbers([step])[0])
                if context(index, step) not in seen and used.count(number) < PER_DOCUMENT:
                    chosen.append(step)
                    seen.add(context(index, step))
                    used.append(number)
                    break
        found = contexts_over_range(index, *LAYER, unit, 6)
        assert found.steps.tolist() == chosen and np.array_equal(found.values, states[chosen, unit])


def slow_regex(index, expression):
    import re

    chosen = np.zeros(index.steps, dtype=bool)
    for number, (start, stop) in enumerate(documents(index)):
        places = [*index.read("places", slice(start, stop)).tolist(), len(index.document_text(number))]
        for match in re.finditer(expression, index.document_text(number), re.MULTILINE):
            for each in range(stop - start):
                if places[each] < match.end() and places[each + 1] > match.start():
                    chosen[start + each] = True
    return chosen


@pytest.mark.parametrize("expression", ['"[^"]*"', "a+b", "^a", r"b$", "(?i)A", " ", "ab|ba"])
def test_the_distribution_of_units_at_matches_of_a_text(index, states, expression):
    places, chosen = regex_places(index, expression), slow_regex(index, expression)
    assert np.array_equal(places.mask(0, index.steps), chosen) and places.count == chosen.sum() > 0
    assert all(np.array_equal(places.mask(at, at + 70), chosen[at : at + 70]) for at in range(0, index.steps - 70, 13))
    differences = separating_units(index, *LAYER, places)
    for unit in range(5):
        values, found = states[:, unit], unit_distribution(index, *LAYER, unit, places)
        inside, outside = values[chosen], values[~chosen]
        assert found.auc == pytest.approx(roc_auc_score(chosen, values), abs=1e-12)
        u = mannwhitneyu(inside, outside).statistic
        assert found.auc == pytest.approx(u / len(inside) / len(outside), abs=1e-12)
        moments = [(each.mean(), each.std()) for each in (inside, outside)]
        assert np.allclose(found.moments(), moments, rtol=0, atol=1e-12)
        pooled = math.sqrt((inside.var() * len(inside) + outside.var() * len(outside)) / len(values))
        assert differences[unit] == pytest.approx((inside.mean() - outside.mean()) / pooled, rel=1e-6)
        edges, *shares = found.histogram(10)
        for share, part in zip(shares, (inside, outside), strict=True):
            assert np.allclose(share, np.histogram(part, edges)[0] / len(part)) and share.sum() == pytest.approx(1)


def test_both_zeros_are_one_number():
    counts = np.zeros((2, 1 << 16), dtype=np.int64)
    from models.corpus.unit_distribution import _KEYS

    bits = np.array([-0.0, 0.0, 1.0], dtype=np.float16).view(np.uint16)
    counts[0][_KEYS[bits[0]]] = 3
    counts[1][_KEYS[bits[1]]] = 3
    assert UnitDistribution(*counts).auc == 0.5 and UnitDistribution(*counts).moments() == ((0, 0), (0, 0))
    every = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16)
    finite = every[np.isfinite(every)]
    assert np.array_equal(NUMBERS[_KEYS[finite.view(np.uint16)]], finite)


@pytest.mark.parametrize(
    ("name", "low", "high"), [("inside_quotes", 1, None), ("line_position", 2, 5), ("position", 3.5, 9.5)]
)
def test_tokens_with_an_annotation(index, name, low, high):
    values = index.read(f"annotations/{name}", slice(None))
    places = annotation_places(index, name, low, high)
    expected = [low <= each <= (low if high is None else high) for each in values]
    assert places.mask(0, index.steps).tolist() == expected and places.count == sum(expected) > 0
    assert (places.start[1:] > places.stop[:-1]).all()


def test_what_places_share(index):
    tokens = index.read("tokens", slice(None))
    places = regex_places(index, "b.")
    chosen = places.mask(0, index.steps)
    found = {each.token: each for each in shared_tokens(index, places)}
    tests = {}
    for token in np.unique(tokens[chosen]):
        table = [
            [int(((tokens == token) & side).sum()), int(((tokens != token) & side).sum())] for side in (chosen, ~chosen)
        ]
        tests[int(token)] = (
            fisher_exact(table, alternative="greater").pvalue,
            table[0][0],
            sum(table[0]) * np.mean(tokens == token),
        )
    significant = dict(zip(tests, control_error_rate([each[0] for each in tests.values()]), strict=True))
    assert set(found) == {token for token, (_, inside, expected) in tests.items() if inside > expected}
    for token, each in found.items():
        p, inside, expected = tests[token]
        assert each.inside == inside and each.expected == pytest.approx(expected)
        assert each.p == pytest.approx(p, rel=1e-6) and each.significant == significant[token]
    empty = TokenPlaces(places.start[:0], places.stop[:0])
    assert shared_tokens(index, empty) == [] and shared_annotations(index, empty) == []


def test_annotations_that_differ_at_places(index):
    places = regex_places(index, '"')
    rows = {each.name: each for each in shared_annotations(index, places)}
    others = np.setdiff1d(np.arange(index.steps), places.start)
    varied = [each for each in index.about["annotations"] if np.ptp(index.read(f"annotations/{each}", slice(None)))]
    assert sorted(rows) == sorted(varied)
    for name, row in rows.items():
        values = index.read(f"annotations/{name}", slice(None))
        inside, outside = values[places.start].astype(float), values[others].astype(float)
        assert row.p == pytest.approx(mannwhitneyu(inside, outside).pvalue)
        assert (row.inside, row.outside) == pytest.approx((inside.mean(), outside.mean()), rel=1e-5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(max_examples=60)
def test_the_rate_of_false_findings(p):
    from scipy.stats import false_discovery_control

    assert control_error_rate(p).tolist() == (false_discovery_control(p) <= 0.05 + 1e-15).tolist()


def test_an_index_that_was_built_anew_has_another_key(index, tmp_path):
    folder = tmp_path / "index"
    first = build(letter_network(), ["ab", "a"], folder).key
    assert first == CorpusIndex(folder).key != index.key
    shutil.rmtree(folder)
    assert build(letter_network(), ["ab", "b"], folder).key != first
