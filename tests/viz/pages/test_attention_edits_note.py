"""The pages that run a network without the attention edits of the view say so."""

import pytest

from tests.support.lens_page import start, text_of

SENTENCE = "The attention edits of this view are not applied to the values on this page."


@pytest.mark.slow
@pytest.mark.parametrize("lens", ["step", "states", "gradients", "edit"])
def test_a_page_says_that_the_attention_edits_are_not_applied(lens):
    assert SENTENCE in text_of(start(lens, net="dates-dot", attend="temperature=2", panel="-none"))
    assert SENTENCE not in text_of(start(lens, net="dates-dot", panel="-none"))


def test_the_attention_page_applies_them():
    assert SENTENCE not in text_of(start("attention", net="dates-dot", attend="temperature=2", panel="-none"))
