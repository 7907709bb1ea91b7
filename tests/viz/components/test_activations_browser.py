"""Layers with other activations than torch's on the Step lens: diagram, equations and gate sum show the computed values."""

import re

import pytest
import torch
from playwright.sync_api import expect
from torch import nn

from models import capture
from models.core.stepwise_modules import recurrent_module
from tests.support import oracle
from tests.support.browser import opened_page, serve, until, with_open_panels
from tests.support.step_page import CLOSE, compare, link

pytestmark = pytest.mark.browser

CELLS = {
    "keras1": ("LSTM", {"activation": "tanh", "recurrent_activation": "hard_sigmoid"}),
    "relu": ("LSTM", {"activation": "relu", "recurrent_activation": "hard_sigmoid_3"}),
    "softsign": ("LSTM", {"activation": "softsign", "recurrent_activation": "linear"}),
    "elu": ("GRU", {"activation": "elu", "recurrent_activation": "hard_sigmoid_3", "reset_after": True}),
    "before": ("GRU", {"activation": "linear", "recurrent_activation": "hard_sigmoid", "reset_after": False}),
    "simple": ("RNN", {"nonlinearity": "softsign"}),
}
SYMBOLS = {
    "tanh": "tanh", "hard_sigmoid": "hard σ", "hard_sigmoid_3": "hard σ", "relu": "relu", "softsign": "softsign",
    "linear": "linear", "elu": "elu",
}  # fmt: skip
STEP = 4


class Net(nn.Module):
    """One layer of each cell, all with the same input."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        for name, (kind, options) in CELLS.items():
            setattr(self, name, recurrent_module(kind, 3, 4, options, batch_first=True))

    def forward(self, x):
        return [getattr(self, name)(2 * x) for name in CELLS]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the address of the app with the saved run, and the values of the documented equations."""
    net = Net()
    x = torch.randn(1, 7, 3)
    with torch.no_grad(), capture(net) as trace:
        net(x)
    path = tmp_path_factory.mktemp("run") / "cells.npz"
    trace.save(path)
    zeros = torch.zeros(4)
    layers = {
        name: oracle.layer(kind, oracle.weights_of(getattr(net, name), "_l0"), 2 * x[0], (zeros, zeros), **options)
        for name, (kind, options) in CELLS.items()
    }
    with serve(str(path)) as url:
        yield url, {name: {key: each.detach() for key, each in layer.items()} for name, layer in layers.items()}


@pytest.mark.parametrize("name", CELLS)
def test_what_is_shown_is_what_was_computed(browser, run, name):
    url, layers = run
    kind, options = CELLS[name]
    layer = layers[name]
    with opened_page(
        browser, with_open_panels(url + link(net="cells.npz", layer=f"{name}.l0", step=STEP, unit=1))
    ) as page:
        compare(page, layer, STEP)
        until(page, lambda: _check_diagram(page, kind, options, layer))

        defined = page.locator(".unrolled-equations .form.definition").all_text_contents()
        explained = {SYMBOLS[each] for each in options.values() if not isinstance(each, bool)} - {"tanh", "linear"}
        assert {text.split("(")[0].strip() for text in map(_plain, defined)} == explained

        gates = page.locator(".unrolled-gate-sum [data-gate]")
        for index in range(gates.count() or 1):
            through = options.get("nonlinearity")
            if kind != "RNN":
                candidate = gates.nth(index).get_attribute("data-gate") == "candidate"
                through = options["activation" if candidate else "recurrent_activation"]
                gates.nth(index).click()
                expect(gates.nth(index)).to_have_attribute("aria-pressed", "true")  # drawn with the next frame
            until(page, lambda through=through: _check_sum(page, through))


def _check_sum(page, through) -> None:
    assert float(page.locator(".unrolled-gate-sum [data-difference]").get_attribute("data-difference")) <= 1e-6
    said = page.locator(".unrolled-gate-sum .equals").inner_text()
    assert said.startswith(SYMBOLS[through] + "(") or (through == "linear" and "(" not in said)


def _check_diagram(page, kind, options, layer) -> None:
    drawn = page.locator(".unrolled-cell-diagram svg text").all_text_contents()
    for symbol in {SYMBOLS[each] for each in options.values() if not isinstance(each, bool)}:
        assert symbol in drawn
    values = page.locator(".unrolled-cell-diagram [data-quantity]").evaluate_all(
        "nodes => nodes.map(({ dataset: d }) => [d.quantity, Number(d.value)])"
    )
    assert values
    for quantity, value in values:
        before = quantity.endswith("_prev")
        assert abs(value - float(layer[quantity.removesuffix("_prev")][STEP - before, 1])) <= CLOSE
    if kind == "LSTM":
        activated = float(oracle.ACTIVATIONS_BY_NAME[options["activation"]](layer["cell"][STEP, 1]))
        assert f"{activated:.3f}".replace("-", "−") in drawn


def _plain(drawn: str) -> str:
    return re.sub(r"[\u2061\n]", "", drawn)
