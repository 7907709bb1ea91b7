"""The numbers of the sentence on the decay of a gradient: the power of the written factor is the written share."""

from hypothesis import given
from hypothesis import strategies as st

from viz.pages.gradients.norm_panels import tex_root


def parsed(text: str) -> float:
    return float(text.strip("()").replace(r"\cdot10^{", "e").replace("}", ""))


@given(st.floats(-44, 30), st.integers(1, 400))
def test_the_power_of_the_factor_is_the_share(exponent, power):
    share = 10.0**exponent
    assert abs(parsed(tex_root(share, power)) ** power / share - 1) < 0.005


def test_a_small_factor_keeps_its_digits():
    assert tex_root(7.95e-20, 7) == "0.001868"
    assert tex_root(1e-30, 5) == r"(1\cdot10^{-6})"
