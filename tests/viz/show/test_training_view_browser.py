"""A run of training as a file in Chromium: its numbers are torch's, and a step moves the curves and the maps."""

import copy

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from models import open_run, watch
from tests.support.offline_page import offline_page
from tests.support.watched_loop import EVERY, UPDATES, Net, batch_of, gates_of, state_gradients, train
from viz.show import show

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", name="trained")
def watched_lstm(tmp_path_factory):
    """Return the folder of a run; and torch's own loss and network, by training step, from a second, unwatched training."""
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("runs") / "lstm"
    net = Net("LSTM")
    plain = copy.deepcopy(net)
    with watch(net, folder, every=EVERY) as run:
        train(net, torch.optim.SGD(net.parameters(), lr=0.5), step=lambda loss: run.step(loss=loss.item()))
    losses, networks = [], []
    train(
        plain, torch.optim.SGD(plain.parameters(), lr=0.5), step=lambda loss: losses.append(loss.item()),
        seen=lambda update, x: networks.append(copy.deepcopy(plain)),
    )  # fmt: skip
    return folder, losses, networks


def numbers_at(page, quantity: str, step: int) -> list[float]:
    found = page.locator(f'[data-quantity="{quantity}"][data-step="{step}"]')
    expect(found.first).to_be_attached()
    return [float(each) for each in found.evaluate_all("all => all.map((each) => each.dataset.value)")]


def test_every_training_step_has_the_numbers_of_torch(browser, tmp_path, trained):
    folder, losses, networks = trained
    path = show(folder, step=0, quantity="forget_gate", lang="en").save(tmp_path / "x.html")
    with offline_page(browser, path) as page:
        for step in range(0, UPDATES, EVERY):
            assert numbers_at(page, "loss/train", step) == pytest.approx([losses[step]], rel=1e-6)
            hidden, _cell = state_gradients(networks[step], batch_of(step))
            (norms,) = hidden.values()
            assert numbers_at(page, "gradient/hidden", step) == pytest.approx(norms, rel=1e-4)
            page.keyboard.press("ArrowRight")
        page.get_by_role("button", name="cell state", exact=True).click()
        last = max(range(0, UPDATES, EVERY))
        cells = state_gradients(networks[last], batch_of(last))[1]
        assert numbers_at(page, "gradient/cell", last) == pytest.approx(*cells.values(), rel=1e-4)


def test_the_gate_the_theme_the_language_and_the_mark(browser, tmp_path, trained):
    folder, _losses, networks = trained
    run = open_run(folder)
    with offline_page(browser, show(folder, step=EVERY, lang="en").save(tmp_path / "x.html"), scheme="dark") as page:
        charts = page.locator(".unrolled-training-chart")
        expect(charts.first).to_have_attribute("data-theme", "dark")
        marks = page.locator(".unrolled-training-map-mark")
        before = marks.first.bounding_box()["x"]
        page.get_by_role("button", name="output gate").click()
        expected = run.gate_map("rnn.l0", "output_gate").values[1]
        np.testing.assert_array_equal(np.float32(numbers_at(page, "saturation/output_gate", EVERY)), expected)
        gate = gates_of(networks[EVERY], batch_of(EVERY))["rnn.l0"]["output_gate"]
        far = ((gate < 0.1) | (gate > 0.9)).double().mean((0, 2))
        assert expected == pytest.approx(far.numpy(), abs=1e-6)
        page.keyboard.press("End")
        expect(page.locator(".unrolled-counter")).to_contain_text(f"{max(range(0, UPDATES, EVERY))} /")
        page.wait_for_function(
            "(x) => document.querySelector('.unrolled-training-map-mark').getBoundingClientRect().x > x + 20",
            arg=before,
        )
        charts.first.locator("svg").first.click(position={"x": 68, "y": 100})  # the left end of the curve
        expect(page.locator(".unrolled-counter")).to_contain_text("0 /")
        page.get_by_role("button", name="한국어").click()
        expect(page.locator("h2").first).to_have_text("학습에 따른 기울기와 게이트")
        page.mouse.move(0, 0)
        page.locator(".unrolled-training-map canvas").first.hover()
        expect(page.locator(".unrolled-tooltip")).to_contain_text("학습 단계")
