"""A figure of norms without plotly's script: every value at its place, zeros and infinity marked, its numbers on hover."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.support.plain_page import plain_page
from viz.components.line_chart import LINE_CHART, line_chart_data
from viz.figures.gradient_norms import gradient_norms

pytestmark = pytest.mark.browser

NORMS = {"hidden": np.array([0.0, 1e-6, np.nan, np.inf, 0.0123456, 1.0, 5.0]), "cell": np.geomspace(1e-3, 1, 7)}
TOKENS = ["a", "<br>", "$", "&lt;", "e", "f", "g"]


def test_every_value_is_drawn_at_its_place_and_named_under_the_pointer(browser):
    figure = gradient_norms(NORMS, TOKENS, loss_step=5)
    data = line_chart_data(figure, name="norms")
    with plain_page(browser, [(LINE_CHART, data)]) as page:
        svg = page.locator(".unrolled-line-chart svg")
        expect(svg.locator("text", has_text="time step (token)")).to_be_visible()
        for token in TOKENS:
            expect(svg.get_by_text(token, exact=True)).to_have_count(1)
        expect(svg.get_by_text("loss", exact=True)).to_have_count(1)
        paths = [each.get_attribute("d") for each in svg.locator("g > path[fill=none]:not([transform])").all()]
        drawn = [np.array(re.findall(r"([ML])([\d.]+),([\d.]+)", path)) for path in paths if "L" in path]
        assert [len(each) for each in drawn] == [
            3,
            6,
        ]  # nothing after the loss, of the first curve only positive numbers
        assert drawn[0][:, 0].tolist() == ["M", "M", "L"]  # gaps stay gaps
        points = np.concatenate([each[:, 1:].astype(float) for each in drawn])
        steps = np.array([1, 4, 5, *range(6)])
        heights = np.log10([*NORMS["hidden"][[1, 4, 5]], *NORMS["cell"][:6]])
        for coordinates, values in ((points[:, 0], steps), (points[:, 1], heights)):
            line = np.polyfit(values, coordinates, 1)
            np.testing.assert_allclose(np.polyval(line, values), coordinates, atol=0.2)
        expect(svg.locator("g > path[transform]")).to_have_count(2)  # a cross for 0, a triangle for infinity
        box, tooltip = svg.bounding_box(), page.locator("body > .unrolled-tooltip")
        for step, number in {4: "0.0123", 3: "∞", 0: "0"}.items():
            place = points[3 + step]
            page.mouse.move(box["x"] + place[0], box["y"] + place[1])
            expect(tooltip.locator("b")).to_have_text(f"step {step + 1}, token '{TOKENS[step]}'")
            expect(tooltip.get_by_text(f"‖∂L/∂h‖ · hidden state: {number}", exact=True)).to_be_visible()
        with page.expect_download() as saved:
            page.get_by_role("button", name="Save as SVG").click()
        assert saved.value.suggested_filename == "norms.svg"
        assert Path(saved.value.path()).read_text(encoding="utf-8").startswith("<svg xmlns=")
