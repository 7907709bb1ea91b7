"""The outputs of a network that predicts no next value: all of them are shown, and none is compared with a true value."""

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.support.plain_page import plain_page
from viz.components.edited_prediction import EDITED_PREDICTION, edited_prediction_data
from viz.components.player import PLAYER, player_data
from viz.components.prediction import PREDICTION, prediction_data
from viz.components.trace_loader import TRACE_LOADER
from viz.payloads.binary_payload import pack

pytestmark = pytest.mark.browser

STEPS, OUTPUTS = 6, 10


def test_every_output_is_shown_and_none_has_a_true_value(browser):
    before, after = np.random.default_rng(4).normal(size=(2, STEPS, OUTPUTS)).astype(np.float32)
    payload = pack(
        "values",
        layer="rnn.l0",
        kind="RNN",
        gates={},
        states={"hidden": np.zeros((STEPS, 2))},
        tokens=list("abcdef"),
        arrays={"prediction": before, "value_before": before, "value_after": after},
        predicts="values",
        options={"reverse": False},
    )
    mounts = [
        (TRACE_LOADER, payload),
        (PLAYER, player_data("values", view={"step": 2, "unit": 0, "quantity": "hidden", "revision": 1})),
        (PREDICTION, prediction_data("values")),
        (EDITED_PREDICTION, edited_prediction_data("values")),
    ]
    with plain_page(browser, mounts) as page:
        now, edited = page.locator(".unrolled-prediction"), page.locator(".unrolled-edited-prediction")
        for k in range(OUTPUTS):
            expect(now.locator(".unrolled-predicted-values").get_by_text(f"output {k}", exact=True)).to_be_visible()
        shown = [float(each.replace("−", "-")) for each in now.locator("b").all_text_contents()]
        np.testing.assert_allclose(shown, before[2], rtol=0, atol=5e-4)
        expect(edited.locator(".unrolled-edited-prediction-rows > div")).to_have_count(OUTPUTS)
        for part in (now, edited):
            expect(part.locator("canvas")).to_have_count(8)
            expect(part.get_by_text(f"Charts: the first 8 of {OUTPUTS} outputs.")).to_be_visible()
            for word in ("actual", "error", "Next value"):
                expect(part.get_by_text(word)).to_have_count(0)
        expect(page.locator('.unrolled-mirror [data-quantity="prediction"]')).to_have_count(OUTPUTS)
        expect(page.locator('.unrolled-mirror [data-quantity="truth"]')).to_have_count(0)
