"""The Gradients lens without a browser: what the page offers, computes and says."""

import re

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import nn

from models import capture, load_network
from models.gradients.losses import Loss, differentiate
from models.zoo.recall import readable_recall_text
from tests.support.lens_page import plain_text, run, sent_payload, start, text_of, widget_at

LONG = readable_recall_text(40, "en", 69)
HANGUL = re.compile("[가-힣]")


def mirrored(page: AppTest, group: str, **wanted: str) -> np.ndarray:
    """The numbers of one curve, by step."""
    html = next(each.proto.body for each in page.get("html") if f'data-group="{group}"' in each.proto.body)
    values = {}
    for attributes in re.findall(r"<span ([^>]*)>", html):
        data = dict(re.findall(r'data-(\w+)="([^"]*)"', attributes))
        if all(data[name] == value for name, value in wanted.items()):
            values[int(data["step"])] = float(data["value"])
    return np.array([values[step] for step in sorted(values)])


def control(page: AppTest, key: str, value: object) -> AppTest:
    widget_at(page.button_group, key).set_value(value)
    return run(page)


@pytest.mark.slow
@pytest.mark.parametrize("net", ["recall-rnn", "recall-lstm", "recall-gru"])
def test_the_norms_are_those_of_the_answers_gradient(net):
    page = control(start("gradients", net=net, text=LONG), "cells_way", "trained")
    layer = differentiate(load_network(net), LONG, Loss("answer")).trace.layers["rnn.l0"]
    states = {"hidden_grad_norm": layer.hidden_grad}
    if layer.kind == "LSTM":
        states["cell_grad_norm"] = layer.cell_grad
    for quantity, values in states.items():
        wanted = np.linalg.norm(values[0].astype(np.float64), axis=-1)
        for group in ("gradient-norms", "comparison"):
            found = mirrored(page, group, quantity=quantity, net=net)
            assert len(found) == 41 and found == pytest.approx(wanted, rel=1e-6)


@pytest.mark.slow
def test_at_distance_40_the_page_says_what_training_gave_and_what_was_before():
    page = control(start("gradients", net="recall-lstm", text=LONG), "cells_way", "trained")

    def shares() -> dict[str, float]:
        curves = {
            kind: mirrored(page, "comparison", quantity="hidden_grad_norm", net=f"recall-{kind}")
            for kind in ("rnn", "lstm", "gru")
        }
        return {kind: values[0] / values[-1] for kind, values in curves.items()}

    trained = shares()
    assert trained["lstm"] > 1e-3
    told = text_of(page)
    assert f"RNN {trained['rnn']:.2g} ×, LSTM {trained['lstm']:.2g} ×" in told
    vanished = "The gradient of the RNN has vanished" in told
    assert vanished == (trained["rnn"] < 1e-3)
    assert vanished != ("Training changed the spectral radius of its W_hh" in told)
    control(page, "cells_way", "started")
    before = shares()
    assert before["rnn"] < 1e-10 < before["lstm"]


@pytest.mark.slow
def test_the_map_holds_every_pair_and_its_two_ways():
    page = start("gradients", net="recall-lstm")
    header, arrays = sent_payload(page)
    norms = arrays["hidden"]
    steps = len(header["tokens"])
    assert norms.shape == (steps, steps) and header["options"]["rows"] == list(range(steps))
    assert not np.triu(norms.T, 1).any() and (norms.diagonal() > 0).all()
    whole, straight, other = (arrays[name] for name in ("carried", "straight", "other"))
    assert (whole <= straight + other + 1e-6).all() and (np.abs(straight - other) <= whole + 1e-6).all()
    assert "straight" not in sent_payload(start("gradients", net="recall-rnn"))[1]


@pytest.mark.slow
def test_every_loss_that_a_network_can_be_asked_is_offered():
    offered = {
        net: widget_at(start("gradients", net=net).button_group, "gradients_asked").options
        for net in ("python-lm", "recall-rnn", "wave", "sentiment")
    }
    counts = {net: len(options) for net, options in offered.items()}
    assert counts == {"python-lm": 3, "recall-rnn": 4, "wave": 3, "sentiment": 2}


@pytest.mark.slow
def test_a_units_value_and_all_steps_can_be_the_loss():
    page = start("gradients", look="loss:unit", net="recall-gru", text=LONG, unit="5", step="9")
    found = mirrored(page, "gradient-norms", quantity="hidden_grad_norm")
    assert found[9] == 1 and (found[:9] > 0).all() and not found[10:].any()
    control(page, "gradients_asked", "every")
    assert "there is no single decay rate" in text_of(page)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ({"net": "recall-lstm", "text": "Moscow", "look": "loss:every"}, "only one time step"),
        ({"net": "wave", "text": "0.1"}, "No value follows the last time step"),
    ],
)
def test_what_cannot_be_asked_is_told_once_and_the_rest_stands(address, said):
    page = start("gradients", **address)
    assert [said in each.value for each in page.warning] == [True]
    assert "6 · Exploding gradient" in text_of(page)


def test_a_link_has_the_loss_the_comparison_and_its_sliders():
    page = control(start("gradients", net="recall-rnn"), "cells_way", "knobs")
    page = control(page, "gradients_asked", "every")
    page = control(page, "knob_activation", "relu")
    assert page.session_state["unrolled"].view.look == "activation:relu;cells:knobs;loss:every"
    page = start(
        "gradients", net="recall-rnn", look="activation:relu;cells:knobs;knobs:12,1.5,0;loss:every;clip:exploding"
    )
    assert widget_at(page.button_group, "gradients_asked").value == "every"
    assert widget_at(page.button_group, "knob_activation").value == "relu"
    assert len(mirrored(page, "comparison", net="untrained-rnn", quantity="hidden_grad_norm")) == 12
    widget_at(page.selectbox, "choose_net").set_value("recall-lstm")
    run(page)
    assert page.session_state["unrolled"].view.look == "activation:relu;cells:knobs;clip:exploding;knobs:12,1.5,0"


@pytest.mark.slow
def test_the_knobs_begin_in_the_middle_of_a_decay():
    page = control(start("gradients", net="recall-rnn"), "cells_way", "knobs")
    shares = {}
    for kind in ("rnn", "lstm", "gru"):
        norms = mirrored(page, "comparison", net=f"untrained-{kind}", quantity="hidden_grad_norm")
        assert len(norms) == 40 and norms[-1] == pytest.approx(1)
        shares[kind] = norms[0] / norms[-1]
    assert shares["rnn"] < 1e-5 < shares["lstm"] < 1


@pytest.mark.slow
def test_clipping_says_what_is_left_and_who_pays():
    page = start("gradients", net="recall-rnn")
    assert "Half of the gradient norm shown comes from" in text_of(page)
    formula = next(each.value for each in page.latex if "theta" in each.value)
    assert "0.1}" in formula or "0.1," in formula  # the threshold begins at a tenth of the norm


@pytest.fixture
def saved(tmp_path):
    """A run of two sequences, saved with its gradients, of a network that has gone wrong in its weights or not."""

    def write(broken: bool, backward: bool = True):
        module = nn.LSTM(3, 4, batch_first=True)
        x = torch.randn(2, 6, 3)
        with capture(module) as trace:
            out = module(x)[0]
            grad = torch.ones_like(out)
            if broken:
                grad[:, 3] = torch.nan
            if backward:
                out.backward(grad)
        trace.save(path := tmp_path / f"run-{broken}-{backward}.npz")
        return path, trace.layers["l0"]

    return write


@pytest.mark.slow
def test_a_saved_run_shows_the_gradients_that_it_was_saved_with(saved):
    path, layer = saved(False)
    page = start("gradients", opened=path)
    found = mirrored(page, "gradient-norms", quantity="cell_grad_norm")
    assert found == pytest.approx(np.linalg.norm(layer.cell_grad[0], axis=-1), rel=1e-5)
    assert "straight" in sent_payload(page)[1]
    path, _layer = saved(False, backward=False)
    assert mirrored(start("gradients", opened=path), "gradient-norms", quantity="hidden_grad_norm")[-1] == 1


@pytest.mark.slow
def test_a_gradient_that_is_no_number_is_named_where_it_first_appears(saved):
    path, _layer = saved(True)
    page = start("gradients", opened=path)
    said = r"During backpropagation the .+ first becomes NaN \(not a number\) at time step 4 \(unit \d+\)\."
    assert re.search(said, text_of(page))
    assert np.isnan(mirrored(page, "gradient-norms", quantity="hidden_grad_norm")[:4]).all()


@pytest.mark.slow
def test_the_page_speaks_korean():
    page = start("gradients", net="recall-gru", lang="ko")
    assert all(HANGUL.search(plain_text(each.value)) for each in page.caption)
