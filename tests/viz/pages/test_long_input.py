"""An input of more time steps than are run at once: a part of it, or all of it, is one click away."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import load_network
from models.networks.input_limit import INPUT_LIMIT, MAX_INPUT_STEPS, TooManyStepsError
from models.networks.sequence_files import parse_sequence
from tests.support.lens_page import run, start, text_of, widget_at

TEXT = ".aaabbb" * 400  # 2,800 steps


def typed(page, text):
    """Type a text into the page's text box."""
    widget_at(page.text_area, "choose_text").set_value(text)
    return run(page)


def view_of(page):
    return page.session_state["unrolled"].view


def test_a_text_that_is_too_long_offers_its_parts_and_the_whole():
    page = typed(start("step", net="counter", panel="units_now"), TEXT)
    assert "2,800 time steps, but at most 2,000 are allowed" in text_of(page)
    assert [button.label for button in page.button if "time steps" in button.label][:2] == [
        "Run the first 2,000 time steps",
        "Run 2,000 time steps from there",
    ]
    part = next(each for each in page.number_input if each.label.startswith("First time step"))
    assert (part.min, part.max) == (1, 801)
    part.set_value(4)
    run(page)
    page.button("run_part").click()
    run(page)
    assert view_of(page).text == TEXT[3:2003] and "at most" not in text_of(page)
    page = typed(page, TEXT)
    page.button("run_whole").click()
    run(page)
    assert view_of(page).text == TEXT and view_of(page).step == 2799
    assert "at most 2,000" not in text_of(page)
    assert INPUT_LIMIT.get() == MAX_INPUT_STEPS  # the limit of one reader is not that of others


@given(st.sampled_from(["python-lm", "sentiment", "recall-gru", "wave"]), st.integers(0, 30), st.integers(1, 40))
def test_a_part_has_the_tokens_of_those_steps(name, first, count):
    network = load_network(name)
    text = network.card.default.text + " " + network.card.examples[0].text
    tokens = network.tokens(text)
    part = network.part(text, first, count)
    assert network.tokens(part) == tokens[first : first + count] if first < len(tokens) else not part
    if first + count <= len(tokens):
        assert torch.equal(network.encode(part), network.encode(text)[:, first : first + count])


def test_the_error_has_both_numbers():
    with pytest.raises(TooManyStepsError) as caught:
        load_network("counter").encode(TEXT)
    assert (caught.value.count, caught.value.limit) == (2800, 2000)
    assert load_network("counter").encode(TEXT, limit=2800).shape == (1, 2800)


def test_a_long_file_is_read_up_to_the_limit_that_is_given():
    file = io.BytesIO()
    np.save(file, np.zeros((30_000, 1)))
    with pytest.raises(ValueError, match="1 to 2,000"):
        parse_sequence(file.getvalue(), 1)
    assert parse_sequence(file.getvalue(), 1, limit=40_000).shape == (30_000, 1)
