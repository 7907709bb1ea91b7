"""NaN and infinity in a real browser: every place shows them as what they are, none as a blank, a zero or a small number."""

import pytest
import torch
from torch import nn

from models import capture
from tests.support.browser import opened_page, serve, settle, with_open_panels

pytestmark = pytest.mark.browser


def overflowing_run(path):
    """A relu RNN whose first unit is multiplied by 16 at every step: infinite after some 32 steps, then NaN."""
    module = nn.RNN(1, 2, nonlinearity="relu", batch_first=True)
    with torch.no_grad():
        for weight in module.parameters():
            weight.zero_()
        module.weight_ih_l0[0, 0], module.weight_hh_l0[0, 0] = 1.0, 16.0
        module.weight_hh_l0[1, 0], module.weight_hh_l0[1, 1] = 1.0, -1.0
    with capture(module) as trace:
        module(torch.ones(1, 40, 1))[0][0, -1].sum().backward()
    trace.save(path)
    return trace.layers["l0"]


def test_nan_and_infinity_are_shown_as_what_they_are(browser, tmp_path):
    layer = overflowing_run(tmp_path / "overflow.npz")
    hidden = torch.from_numpy(layer.hidden[0].copy())
    first = int((~hidden.isfinite()).any(dim=1).nonzero()[0]) + 1
    assert hidden[first - 1, 0].isinf() and hidden[39, 0].isnan()
    with serve(str(tmp_path / "overflow.npz")) as url:
        for step, word in ((39, "NaN"), (first - 1, "∞")):
            with opened_page(browser, with_open_panels(f"{url}/?unit=0&step={step}&quantity=hidden")) as page:
                page.wait_for_function("() => document.querySelector('.unrolled-mirror [role=cell]')?.dataset.value")
                settle(page)
                text = page.locator('[data-testid="stMainBlockContainer"]').inner_text()
                assert f"first becomes infinite at time step {first}" in text
                cell = page.locator('.unrolled-mirror [data-quantity="hidden"][data-unit="0"]')
                assert cell.text_content() == word
                equation = page.locator('.unrolled-equations [data-slot="hidden"][data-quantity="hidden"]').first
                assert equation.text_content().strip("()") == word
                legend = page.locator(".unrolled-heatmap .unrolled-scale", has_text="NaN or ∞")
                assert legend.count() >= 1
        with opened_page(browser, with_open_panels(f"{url}/gradients")) as page:
            page.wait_for_selector(".unrolled-gradient-pair")
            settle(page)
            text = page.locator('[data-testid="stMainBlockContainer"]').inner_text()
            assert f"first becomes infinite at time step {first}" in text
            pair = page.locator(".unrolled-gradient-pair").inner_text()
            assert "Exactly 0" not in pair
