"""Files of open panels in Firefox without an error: an edited prediction of torch, and a drawn figure of plotly."""

import json

import pytest
import torch

from models import load_network
from tests.support.firefox import PROGRAM, firefox_page
from tests.support.lens_page import start
from tests.viz.pages.test_keep_panels import kept
from viz.show.offline_file import offline_html

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="No Firefox: install one (`apt install firefox-esr`)."),
]

FOUND = """
new Promise((done) => {
  const look = () => {
    const found = [...document.querySelectorAll(SELECTOR)];
    if (found.length >= COUNT) done(JSON.stringify(found.map(VALUE))); else setTimeout(look, 50);
  };
  look();
})
"""


def opened(tmp_path, html: str, selector: str, count: int, value: str) -> list:
    """Return what a function returns for each of the elements, once there are as many, in a file that is opened from disk."""
    path = tmp_path / "x.html"
    path.write_text(html, encoding="utf-8")
    (tmp_path / "profile").mkdir()
    requests: list[str] = []
    errors: list[str] = []
    with firefox_page(tmp_path / "profile", path.as_uri(), requests, errors) as evaluate:
        code = FOUND.replace("SELECTOR", json.dumps(selector)).replace("COUNT", str(count)).replace("VALUE", value)
        found = json.loads(evaluate(code))
    assert [url for url in requests if not url.startswith(("data:", "blob:", path.as_uri()))] == []
    assert errors == []
    return found


def test_an_edited_prediction_has_the_numbers_of_torch(tmp_path):
    net = load_network("counter")
    page = start("edit", net="counter", text="aabb", step="2", edits="rnn.l0.forget_bias=1", panel="*")
    module, units = net.module, net.module.rnn.hidden_size
    with torch.no_grad():
        before = module.head(module.rnn(module.embedding(net.encode("aabb")))[0])[0, 2].softmax(-1)
        for bias, value in ((module.rnn.bias_ih_l0, 1.0), (module.rnn.bias_hh_l0, 0.0)):
            bias[units : 2 * units] = value
        after = module.head(module.rnn(module.embedding(net.encode("aabb")))[0])[0, 2].softmax(-1)
    symbols = ".ab"
    found = opened(
        tmp_path,
        offline_html(kept(page, "edit")),
        ".unrolled-edited-prediction :is([data-quantity=probability_before], [data-quantity=probability_after])[data-token]",
        6,
        "({ dataset: d }) => [d.quantity, d.token, Number(d.value)]",
    )
    for quantity, token, value in found:
        wanted = (before if quantity == "probability_before" else after)[symbols.index(token)]
        assert value == pytest.approx(float(wanted), abs=1e-5), (quantity, token)


def test_a_figure_of_plotly_is_drawn(tmp_path):
    page = start("language", panel="unseen_ngrams,-smoothing,-chain_rule")
    found = opened(
        tmp_path, offline_html(kept(page, "language")), ".js-plotly-plot .bars path", 3, "(bar) => bar.getBBox().height"
    )
    assert max(found) > 0
