"""Syntax features of Python code, compared with Python's own tokenizer on real files."""

import io
import tokenize

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.states.python_features import FEATURES, features
from models.zoo.python_text import source_files


@pytest.mark.parametrize("name", sorted(source_files("held-out"))[:25])
def test_strings_and_comments_are_those_of_the_tokenizer(name):
    text = source_files("held-out")[name]
    lines = np.cumsum([0, *(len(line) + 1 for line in text.split("\n"))])
    inside, comment = np.zeros(len(text)), np.zeros(len(text))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        start, stop = lines[token.start[0] - 1] + token.start[1], lines[token.end[0] - 1] + token.end[1]
        if token.type == tokenize.COMMENT:
            comment[start:stop] = 1
        elif token.type == tokenize.STRING:
            body = token.string.lstrip("rbufRBUF")
            quote = 3 if body[:3] in ('"""', "'''") else 1
            inside[start + len(token.string) - len(body) : stop - quote] = 1
    found = features(text)
    np.testing.assert_array_equal(found["inside_quotes"], inside)
    np.testing.assert_array_equal(found["inside_comment"], comment)


@given(st.text(alphabet="ab \n\"'#()[]{}\\", max_size=60))
def test_positions_are_counted_by_line(text):
    found = features(text)
    assert list(found) == list(FEATURES)
    assert all(values.shape == (len(text),) for values in found.values())
    line = ""
    for step, character in enumerate(text):
        line = "" if character == "\n" else line + character
        assert found["line_position"][step] == len(line)
        assert found["indentation"][step] == len(line) - len(line.lstrip(" "))
