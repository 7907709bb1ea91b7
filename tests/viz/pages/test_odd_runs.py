"""Degenerate runs in a real browser: each is drawn correctly or explained in a sentence."""

import math
import re

import pytest
import torch
from torch import nn

from models import capture
from tests.support.browser import opened_page, serve, settle, with_open_panels
from tests.support.step_page import mirror

pytestmark = pytest.mark.browser


def one_token() -> tuple[nn.Module, torch.Tensor]:
    return nn.LSTM(1, 1, batch_first=True), torch.ones(1, 1, 1)


def never_changing() -> tuple[nn.Module, torch.Tensor]:
    module = nn.GRU(2, 3, batch_first=True)
    with torch.no_grad():
        for weight in module.parameters():
            weight.zero_()
    return module, torch.zeros(1, 12, 2)


def not_a_number() -> tuple[nn.Module, torch.Tensor]:
    module = nn.LSTM(2, 3, batch_first=True)
    with torch.no_grad():
        module.weight_hh_l0[0, 0] = math.nan
    return module, torch.randn(1, 12, 2)


def told(page) -> str:
    return page.locator('[data-testid="stMainBlockContainer"]').inner_text()


@pytest.mark.parametrize(
    ("make", "sentences"),
    [
        (
            one_token,
            ["The sequence has only one time step; a span needs others", "Tracking cannot be measured in this text"],
        ),
        (
            never_changing,
            ["The hidden state does not change in this sequence", "Tracking cannot be measured in this text"],
        ),
        (
            not_a_number,
            ["The states are not finite from time step", "The derivatives cannot be computed", "first becomes NaN"],
        ),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
def test_an_odd_run_is_drawn_or_told(browser, tmp_path, make, sentences):
    torch.manual_seed(0)
    module, x = make()
    with torch.inference_mode(), capture(module) as trace:
        module(x)
    trace.save(tmp_path / "odd.npz")
    (layer,) = trace.layers.values()
    with serve(str(tmp_path / "odd.npz")) as url:
        for lens in ("", "states"):
            # on leaving, no complaint may be in the console
            with opened_page(browser, with_open_panels(f"{url}/{lens}")) as page:
                page.wait_for_function("() => document.querySelector('.unrolled-mirror [role=cell]')?.dataset.value")
                settle(page)
                last = int(layer.lengths[0]) - 1
                for (quantity, unit), value in mirror(page).items():
                    expected = float(layer[quantity][0, last, unit])
                    assert value == pytest.approx(expected, abs=1e-6, nan_ok=True), (quantity, unit)
                words = told(page)
                assert "Traceback" not in words and not re.search(
                    r"\bnan\b", words
                )  # a value that is not a number: – or NaN
                if lens == "states":
                    for sentence in sentences:
                        assert sentence in words, sentence
                blank = page.evaluate(
                    """[...document.querySelectorAll(".unrolled canvas")].filter((canvas) => {
                        if (!canvas.checkVisibility()) return false;
                        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                        return new Set(new Uint32Array(data.buffer)).size < 3;
                    }).length"""
                )
                assert blank == 0
