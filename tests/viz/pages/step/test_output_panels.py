"""The Step page's panels of the output layer and of the activation functions."""

import re

import pytest

from models import load_network
from tests.support.lens_page import start

CLOSED = "-cell,-equations,-prediction,-sum,output_step,activation_curve"


@pytest.mark.slow
def test_the_output_layer_is_the_modules_and_the_curves_are_drawn():
    page = start("step", net="sentiment", panel=CLOSED, lang="ko")
    net = load_network("sentiment")
    scores = net.run(net.encode(net.card.default.text))[0]
    html = next(each.proto.body for each in page.get("html") if 'data-group="output_step"' in each.proto.body)
    found = re.findall(r'data-quantity="(\w+)" data-layer="head" data-unit="(\d)" data-value="([^"]+)"', html)
    for quantity, values in (("logit", scores), ("output", scores.softmax(-1))):
        shown = {int(unit): float(value) for name, unit, value in found if name == quantity}
        assert shown == pytest.approx(dict(enumerate(values.tolist())), abs=1e-4)
    assert "유닛" in page.latex[0].value and len(page.get("plotly_chart")) == 1


@pytest.mark.slow
def test_a_network_without_a_linear_output_of_a_state_says_so():
    page = start("step", net="dates-dot", panel=CLOSED)
    assert any("one linear layer" in each.value for each in page.caption) and not page.latex
