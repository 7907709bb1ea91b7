"""A saved file in Firefox: it draws, steps, requests nothing, and its numbers are torch's."""

import json

import pytest
import torch

from models import load_network
from tests.support.firefox import PROGRAM, firefox_page
from viz.show import show

pytestmark = pytest.mark.browser

TEXT = "aaabbb"
HIDDEN = """
new Promise((done) => {
  const look = () => {
    const cells = [...document.querySelectorAll(`.unrolled-player [data-quantity=hidden][data-unit][data-step="${STEP}"]`)];
    if (cells.length === 2) done(JSON.stringify(cells.map((cell) => Number(cell.dataset.value)))); else setTimeout(look, 50);
  };
  look();
})
"""
PRESS = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true, cancelable: true})), ''"


@pytest.mark.skipif(PROGRAM is None, reason="No Firefox: install one (`apt install firefox-esr`).")
def test_every_step_has_the_numbers_of_torch(tmp_path):
    net = load_network("counter")
    with torch.no_grad():
        states = net.module.rnn(net.module.embedding(net.encode(TEXT)))[0][0]
    path = show("counter", TEXT, step=0, lang="en").save(tmp_path / "x.html")
    requests: list[str] = []
    (tmp_path / "profile").mkdir()
    with firefox_page(tmp_path / "profile", path.as_uri(), requests) as evaluate:
        for step, expected in enumerate(states.tolist()):
            shown = json.loads(evaluate(HIDDEN.replace("${STEP}", str(step))))
            assert shown == pytest.approx(expected, abs=1e-5)
            evaluate(PRESS)
    elsewhere = [url for url in requests if not url.startswith(("data:", path.as_uri()))]
    assert elsewhere == []
