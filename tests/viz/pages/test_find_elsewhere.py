"""The buttons of the other lenses that open Search with the question of their view."""

import pytest

from tests.support.lens_page import run, start

LENSES = [
    ("step", {"net": "counter", "step": "3", "unit": "1"}, ("nearest_states", "unit_contexts", "found_spans")),
    ("gradients", {"net": "counter", "step": "3"}, ("nearest_states", "unit_contexts")),
    ("edit", {"net": "counter", "step": "2"}, ("nearest_states", "unit_contexts", "found_spans")),
    ("states", {"net": "recall-lstm", "look": "span:1-3", "panel": "span"}, ("found_spans",)),
]


def asked(page, lens):
    """Return the questions of the buttons, by name."""
    prefix = ("span" if lens == "states" else lens) + "_to_search_"
    return {each.key.removeprefix(prefix): each for each in page.button if (each.key or "").startswith(prefix)}


@pytest.mark.parametrize(("lens", "address", "questions"), LENSES)
def test_a_view_is_found_elsewhere(lens, address, questions, monkeypatch):
    opened = []
    monkeypatch.setattr("streamlit.switch_page", opened.append)
    page = start(lens, **{"panel": "-none"} | address)
    assert tuple(asked(page, lens)) == questions
    before = dict(page.query_params)
    asked(page, lens)[questions[0]].click()
    run(page)
    assert [each.url_path for each in opened] == ["search"]
    after = dict(page.query_params.items())
    assert after.pop("panel").endswith(questions[0])
    assert after == {name: value for name, value in before.items() if name != "panel"}


def test_the_attended_token_is_found_by_the_encoders_state(monkeypatch):
    opened = []
    monkeypatch.setattr("streamlit.switch_page", opened.append)
    page = start("attention", net="dates-additive", step="2", source="4", panel="decoder")
    asked(page, "attention")["nearest_states"].click()
    run(page)
    params = dict(page.query_params.items())
    assert opened and params["layer"].startswith("encoder") and params["step"] == "4"


def test_a_saved_run_has_no_network_to_read_a_corpus(tmp_path):
    import torch

    from models import capture, load_network

    network = load_network("counter")
    with torch.inference_mode(), capture(network) as trace:
        network.run(network.encode(".aabb."))
    trace.save(tmp_path / "run.npz")
    assert not asked(start("step", opened=tmp_path / "run.npz"), "step")
