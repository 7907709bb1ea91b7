"""Characters and the symbols of several characters among them, as a regular expression finds them; long texts are refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.core.messages import Problem
from models.core.tokenize_text import MAX_COMPARED, MAX_TEXT, longest_text, normalize_whitespace, split_characters
from models.networks.network import parse_numbers
from models.zoo.catalogue import load_network
from tests.support.work import lines_run

LETTERS = "ab<\n\té"


@given(st.lists(st.text(LETTERS, min_size=1, max_size=5), unique=True), st.text(LETTERS + "\r", max_size=40))
def test_the_longest_symbol_wins_as_in_a_regular_expression(vocabulary, text):
    long = sorted((symbol for symbol in vocabulary if len(symbol) > 1), key=len, reverse=True)
    pattern = re.compile("|".join([*map(re.escape, long), "."]), re.DOTALL)
    expected = pattern.findall(text if "\t" in vocabulary else normalize_whitespace(text))
    assert split_characters(text, vocabulary) == expected


def test_the_work_does_not_grow_with_the_number_of_symbols():
    text = "0" * 200
    few, many = (tuple(f"{n:06d}" + "x" * 190 for n in range(count)) for count in (50, 20_000))
    work = [lines_run(lambda symbols=symbols: split_characters(text, symbols)) for symbols in (few, many)]
    again = lines_run(lambda: split_characters(text, many))  # the vocabulary is known now
    assert again < 2 * work[0]


def test_texts_that_are_too_long_are_refused_before_they_are_split():
    network = load_network("counter")
    with pytest.raises(Problem, match=r"2,000,000 characters, but at most 1,000,000 can be read"):
        network.tokenize("a" * 2_000_000)
    with pytest.raises(Problem, match="can be read"):
        parse_numbers("1 " * MAX_TEXT, 1, None)
    assert len(network.labels("a" * (MAX_TEXT + 5))) == MAX_TEXT
    sizes = tuple("a" * size for size in range(2, 102))
    assert longest_text(sizes) == MAX_COMPARED // 100 and longest_text("abc") == MAX_TEXT
