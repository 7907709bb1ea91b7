"""Changes of an attention as the text of an address, and how two measures agree."""

from collections import Counter
from itertools import combinations
from math import nan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Problem, load_network
from models.core.rank_correlation import kendall_tau
from models.decoding import AttentionTemperature, BorrowScores, ForceAttention, ForceToken, MaskSource
from models.decoding.intervention_syntax import MAX_INTERVENTIONS, read_interventions, write_interventions

WRITTEN = {
    "attend[7]@3": ForceAttention(7, 3),
    "attend[7]": ForceAttention(7),
    "attend[0]@2/1.3": ForceAttention(0, 2, 1, 3),
    "hide[7]": MaskSource(7),
    "hide[7]@0": MaskSource(7, 0),
    "hide[2]/0.1": MaskSource(2, None, 0, 1),
    "temperature=0.5": AttentionTemperature(0.5),
    "temperature=2": AttentionTemperature(2),
    "write@3=9": ForceToken(3, "9"),
    "write@3=⊣": ForceToken(3, "⊣"),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_each_change_is_a_text_of_its_own(text):
    assert read_interventions(text, load_network) == (WRITTEN[text],)
    assert write_interventions([WRITTEN[text]]) == text


def test_a_network_is_named():
    [change] = read_interventions("scores=dates-dot", load_network)
    assert isinstance(change, BorrowScores) and change.network.name == "dates-dot"
    assert write_interventions([change]) == "scores=dates-dot"


numbers = st.integers(0, 10**9 - 1)
places = st.one_of(
    st.builds(ForceAttention, numbers, st.none() | numbers),
    st.builds(MaskSource, numbers, st.none() | numbers, numbers, numbers),
    st.builds(AttentionTemperature, st.floats(1e-3, 1e3)),
    st.builds(ForceToken, numbers, st.sampled_from("0123456789-/⊣")),
)


@given(st.lists(places, max_size=6))
def test_changes_come_back_from_their_text(changes):
    assert read_interventions(write_interventions(changes), load_network) == tuple(changes)


@pytest.mark.slow
@given(st.text(max_size=40))
def test_anything_else_is_one_sentence(text):
    try:
        read_interventions(text, load_network)
    except Problem as problem:
        assert str(problem).endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "attend",
            "attend[]",
            "attend[x]@1",
            "hide[1]@",
            "write@1",
            "write@1=ab",
            "temperature=hot",
            "scores=nothing",
        ),
        *(";", "attend[٣]", "attend[1]/2", ";".join(["hide[1]"] * (MAX_INTERVENTIONS + 1))),
    ],
)
def test_what_is_no_change_is_refused(text):
    with pytest.raises(Problem):
        read_interventions(text, load_network)


def tau_b(first, second):
    """By counting pairs and ties (Kendall 1945)."""
    pairs = list(combinations(zip(first, second, strict=True), 2))
    concordant = sum((a - c) * (b - d) > 0 for (a, b), (c, d) in pairs)
    discordant = sum((a - c) * (b - d) < 0 for (a, b), (c, d) in pairs)
    tied = [sum(count * (count - 1) // 2 for count in Counter(values).values()) for values in (first, second)]
    scale = sqrt((len(pairs) - tied[0]) * (len(pairs) - tied[1]))
    return (concordant - discordant) / scale if scale else nan


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=30))
def test_kendalls_tau_counts_pairs(pairs):
    first, second = (list(column) for column in zip(*pairs, strict=True))
    assert kendall_tau(np.array(first), np.array(second)) == pytest.approx(tau_b(first, second), nan_ok=True)


def test_kendalls_tau_of_the_example_in_scipys_documentation():
    assert kendall_tau(np.array([12, 2, 1, 12, 2]), np.array([1, 4, 7, 1, 0])) == pytest.approx(-0.4714045207910316)
