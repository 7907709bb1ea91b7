"""What the app computes once: the tokens of a text, the edits of an address, and what an opened file allows."""

import pytest
import torch
from safetensors.torch import save
from torch import nn

from models.checkpoints.building import compatibility
from models.networks import network
from models.networks.network import Network
from tests.support.lens_page import run, start, widget_at
from viz import session
from viz.pages import checkpoint_store


@pytest.fixture
def count(monkeypatch):
    """Record the calls of a function from now on."""

    def record(place, name):
        calls, function = [], getattr(place, name)

        def recorded(*arguments, **settings):
            calls.append(arguments)
            return function(*arguments, **settings)

        monkeypatch.setattr(place, name, recorded)
        return calls

    return record


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text", "edits"),
    [
        ("python-lm", "for x in y", ""),
        ("python-lm", "for x in z", "rnn.l0.weight_hh*=0.5"),
        ("recall-lstm", "Seoul greets me . it rained .", ""),
        ("wave", "0.5 0.25 0.125", ""),
    ],
)
def test_a_text_is_tokenised_once(count, name, text, edits):
    page = start("step", net=name, edits=edits)
    splits = count(*((network, "parse_numbers") if name == "wave" else (Network, "symbols")))
    widget_at(page.text_area, "choose_text").set_value(text)
    run(page)
    assert not page.warning and page.session_state["unrolled"].view.text == text
    assert len(splits) == 1
    run(page)
    assert len(splits) == 1


EDITS = "rnn.l0.forget_gate@1-=1;rnn.l0.weight_hh*=0.5"


@pytest.mark.slow
@pytest.mark.parametrize("lens", ["step", "edit", "states", "gradients", "checkpoint"])
def test_edits_of_an_address_are_parsed_once(count, lens):
    parsed = count(session, "read_edits")
    page = start(lens, net="recall-lstm", edits=EDITS)
    assert not page.warning and len(parsed) == 1
    page.session_state["unrolled"].set_edits(page.session_state["unrolled"].edits.switch(0, on=False))
    run(page)
    assert len(parsed) == 1  # what the app changes is not parsed
    page.session_state["unrolled"].undo()
    run(page)
    assert len(parsed) == 1


@pytest.mark.slow
@pytest.mark.parametrize("edits", ["nonsense", "rnn.l7.weight_hh*=2"])
def test_edits_that_do_not_fit_are_parsed_once(count, edits):
    page = start("step", net="recall-lstm")
    parsed = count(session, "read_edits")
    page.query_params["edits"] = edits
    run(page)
    assert len(page.warning) == 1 and len(parsed) == 1


@pytest.mark.slow
def test_what_a_file_allows_is_computed_once(count):
    computed = count(compatibility, "find_stacks")
    torch.manual_seed(1)
    opened = checkpoint_store.open_upload({"lstm.safetensors": save(nn.LSTM(3, 5).state_dict())})
    page = start("checkpoint", net=opened.name)
    assert not page.exception and opened.network.card.kind == "numbers"
    start("step", net=opened.name)
    assert len(computed) == 1
