"""A saved file in WebKit: it draws, steps, requests nothing, and its numbers are torch's."""

import json
import time

import pytest
import torch

from models import load_network
from tests.support.webkit import IS_THERE, SECONDS, webkit_page
from viz.show import show

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not IS_THERE, reason="No WebKit: install it (`apt install webkit2gtk-driver xvfb`)."),
]

TEXT, DATE = "aaabbb", "April 3, 2024"
PRESS = (
    "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true, cancelable: true}))"
)


def numbers(run, selector: str, count: int) -> list[float]:
    """Return the values of as many elements, once they are there."""
    end = time.monotonic() + SECONDS
    found: list[float] = []
    while len(found) != count and time.monotonic() < end:
        values = f"[...document.querySelectorAll({json.dumps(selector)})].map(({{dataset}}) => Number(dataset.value))"
        found = run(f"return {values}")
    return found


def test_every_step_has_the_numbers_of_torch_and_nothing_is_requested(tmp_path):
    net = load_network("counter")
    with torch.no_grad():
        states = net.module.rnn(net.module.embedding(net.encode(TEXT)))[0][0]
    requests: list[str] = []
    with webkit_page(show("counter", TEXT, step=0, lang="en").save(tmp_path / "x.html"), requests) as run:
        for step, expected in enumerate(states.tolist()):
            shown = numbers(run, f'.unrolled-player [data-quantity=hidden][data-unit][data-step="{step}"]', 2)
            assert shown == pytest.approx(expected, abs=1e-5)
            run(PRESS)
        run("location = 'http://unrolled.invalid/'")  # such a request is seen, and no other
    assert [line.split()[1] for line in requests] == ["http://unrolled.invalid/"]


def test_attention_weights_are_the_softmax_of_the_scores_of_torch(tmp_path):
    net = load_network("dates-dot")
    found: list[torch.Tensor] = []
    net.module.attention.register_forward_hook(
        lambda _module, inputs, _output: found.append((inputs[0] @ inputs[1].transpose(1, 2)).softmax(-1))
    )
    with torch.no_grad():
        net(net.encode(DATE))
    requests: list[str] = []
    path = show(load_network("dates-dot"), DATE, lens="attention").save(tmp_path / "x.html")
    with webkit_page(path, requests) as run:
        weights = torch.cat(found, 1)
        selector = '.unrolled-attention-alignment [data-quantity="attention_weight"]'
        assert numbers(run, selector, weights.numel()) == pytest.approx(weights.ravel().tolist(), abs=1e-5)
    assert requests == []
