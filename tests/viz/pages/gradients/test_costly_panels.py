"""What a link to a long sequence costs: panels that take seconds wait for a click, and then show what they always show."""

import pytest

from tests.support.lens_page import mounted_components, run, start
from viz.pages.gradients import gradient_map_panel, jacobian_panels


def labels(page):
    return {each.label: each for each in page.button}


@pytest.mark.slow
def test_a_panel_that_takes_seconds_waits_for_a_click(monkeypatch):
    address = {"net": "counter", "text": "aabb", "panel": "gradient_map,jacobians,bounds,lyapunov"}
    whole = start("gradients", **address)
    assert not {"Compute it", "Compute 4 time steps"} & labels(whole).keys()
    assert "gradient_heatmap" in mounted_components(whole)
    charts = {each.proto.id for each in whole.get("plotly_chart")}
    for module, name in ((gradient_map_panel, "MAP_WORK"), (jacobian_panels, "LYAPUNOV_WORK")):
        monkeypatch.setattr(module, name, 1)
    monkeypatch.setattr(jacobian_panels, "steps_at_first", lambda layer: 2)
    page = start("gradients", **address)
    assert "gradient_heatmap" not in mounted_components(page)
    assert [each.label for each in page.button].count("Compute it") == 2
    assert "Computed for the 2 time steps nearest to the loss, because this takes long." in [
        each.value for each in page.caption
    ]
    for label in ("Compute it", "Compute it", "Compute 4 time steps"):
        labels(page)[label].click()
        run(page)
    assert not {"Compute it", "Compute 4 time steps"} & labels(page).keys()
    assert "gradient_heatmap" in mounted_components(page)
    assert {each.proto.id for each in page.get("plotly_chart")} == charts
    page.query_params["text"] = "abab"
    assert [each.label for each in run(page).button].count("Compute it") == 2


def test_the_steps_that_are_decomposed_at_first_fall_with_the_size_of_the_layer():
    class Layer:
        kind = "LSTM"

        def __init__(self, units):
            self.weights = type("Weights", (), {"output_size": units, "hidden_size": units})

    counts = [jacobian_panels.steps_at_first(Layer(units)) for units in (8, 128, 256, 384, 4096)]
    assert counts == sorted(counts, reverse=True) and counts[0] == jacobian_panels.MAX_JACOBIANS and counts[-1] == 1
