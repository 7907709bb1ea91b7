"""The States lens without a browser: what the page chooses, sends and says."""

import json
import re

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import nn

from models import capture, load_network, load_trace
from models.decoding.run_network import run_network
from models.states.input_sensitivity import input_sensitivity
from models.states.unit_order import order_units
from tests.support.lens_page import mounted_components, run, sent_payload, start, text_of

NETWORKS = ("python-lm", "recall-lstm", "recall-gru", "recall-rnn", "counter", "wave", "sentiment")
HANGUL = re.compile("[가-힣]")


def payload(page: AppTest) -> bytes:
    return mounted_components(page)["trace_loader"][0].bytes


def labelled(widgets, label: str):
    return next(each for each in widgets if each.label == label)


def data_bytes(page: AppTest) -> int:
    """Return the messages of all elements of the page, without the components' scripts, which never change."""
    total = 0
    for element in page.main:
        proto = getattr(element, "proto", None)
        size = proto.ByteSize() if hasattr(proto, "ByteSize") else 0
        total += size - len(proto.js_content) - len(proto.css_content) if element.type == "bidi_component" else size
    return total


def saved(path, module, x):
    with torch.no_grad(), capture(module) as trace:
        module(x)
    trace.save(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_its_states(name, lang):
    page = start("states", net=name, lang=lang)
    header, arrays = sent_payload(page)
    layer = page.session_state["unrolled"].view.layer
    assert header["layer"] == layer and arrays["hidden"].shape[0] == len(header["tokens"])
    assert {"player", "colored_text", "heatmap", "state_trajectory"} <= set(mounted_components(page))
    assert not page.warning
    words = " ".join(each.value for each in page.markdown if each.value.startswith("####"))
    assert bool(HANGUL.search(words)) == (lang == "ko")


@pytest.mark.slow
def test_only_a_network_with_padding_shows_what_padding_does():
    assert "Padding and masking" not in text_of(start("states"))
    page = start("states", net="sentiment")
    assert "Padding and masking" in text_of(page) and "with mask: **positive**" in text_of(page)
    labelled(page.slider, "Padding tokens after the text").set_value(0)
    run(page)
    lines = re.findall(r"- .*: \*\*positive\*\* \((.*)\)", text_of(page))
    assert len(lines) == 2 and lines[0] == lines[1]  # without padding the mask changes nothing


@pytest.mark.slow
def test_the_order_of_the_heatmap_is_the_models():
    page = start("states", net="recall-lstm", look="order:variance")
    shown = next(
        each.proto for each in page.main if each.type == "bidi_component" and "heatmap" in each.proto.component_name
    )
    states = sent_payload(page)[1][load_network("recall-lstm").card.default.quantity]
    assert json.loads(shown.json)["order"] == order_units(states, "variance").tolist()


@pytest.mark.slow
def test_the_other_network_is_one_that_reads_alike_and_has_a_layer():
    page = start("states", net="recall-gru", look="compare:networks")
    offered = labelled(page.selectbox, "The other network")
    assert offered.value == "recall-lstm" and offered.options[:2] == [
        load_network(name).card.title["en"] for name in ("recall-lstm", "recall-rnn")
    ]
    page = start("states", net="python-lm", look="compare:networks;against:dates-transformer")  # it has no such layer
    offered = labelled(page.selectbox, "The other network")
    assert load_network("dates-transformer").card.title["en"] not in offered.options and offered.value.startswith(
        "dates-"
    )


@pytest.mark.slow
def test_the_brush_begins_with_the_word_that_is_read():
    page = start("states", net="python-lm", step=80)
    text = text_of(page)
    assert "Span: `hello`" in text
    page = start("states", net="wave", text="1, 1, 0.5, 1, 1, 1, 0.5, 1", step=3)
    assert "Span: `1 1 0.5 1 1 1 0.5`" in text_of(page)  # numbers are not joined like letters
    assert re.search(
        r"Best match: unit \d+\. Its (cell|hidden) state is (≤ −|≥ )0\.3 at 100% of the time steps in", text
    )


@pytest.mark.slow
def test_the_brush_looks_where_the_units_mark_best_until_a_side_is_chosen():
    sides = {"above": "≥ 0.3", "below": "≤ −0.3"}
    text = text_of(start("states", net="python-lm", step=80, quantity="hidden"))
    (best,) = (side for side, bound in sides.items() if f"hidden state is {bound} at 100%" in text)
    for side, bound in sides.items():
        text = text_of(start("states", net="python-lm", step=80, quantity="hidden", look=f"on:{side}"))
        assert (f"hidden state is {bound} at 100%" in text) or side != best
        assert [each for each in sides.values() if f"hidden state is {each} at" in text] == [bound]


@pytest.mark.slow
def test_the_brush_tells_the_units_that_mark_the_span():
    page = start("states", net="python-lm", step=80, quantity="hidden")
    text = text_of(page)
    assert re.search(
        r"Best match: unit \d+\. Its hidden state is (≤ −|≥ )0\.3 at \d+% of the time steps in the span", text
    )
    labelled(page.number_input, "Threshold").set_value(5.0)
    run(page)
    assert "No unit has its hidden state active more often inside this span" in text_of(page)


@pytest.mark.slow
def test_no_unit_marking_a_span_exactly_is_said_in_words():
    assert "No unit matches the span exactly." in text_of(start("states"))


@pytest.mark.slow
@pytest.mark.parametrize(("net", "layer"), [("recall-lstm", "rnn.l0"), ("sentiment", "rnn.l0_reverse")])
@pytest.mark.parametrize("way", ["left", "reach"])
def test_the_ink_of_one_state_and_of_one_input(net, layer, way):
    page = start("states", net=net, layer=layer, step=7, look=f"ink:{way}")
    asked = {"left": "Influence of the inputs on h at time step 8 ", "reach": "Influence of the input at time step 8 "}
    assert {name for name, title in asked.items() if title in text_of(page)} == {way}
    (told,) = (each.value for each in page.latex if r"}{\partial x}\Big\|_F = " in each.value)
    t, k, norm = re.search(r"t = (\d+),\\ k = (\d+):.*?_F = ([^,]+),", told).groups()
    assert {"left": t, "reach": k}[way] == "8"
    ran = run_network(load_network(net), load_network(net).card.default.text).trace.layers[layer]
    expected = input_sensitivity(ran, [int(t) - 1]).total[0, int(k) - 1]
    assert float(norm.replace(r"\cdot10^{", "e").strip("}")) == pytest.approx(expected, rel=6e-3) and expected > 0


@pytest.mark.slow
def test_two_texts_part_where_they_differ():
    page = start("states")
    area = labelled(page.text_area, "Other text")
    text = load_network("python-lm").card.default.text
    area.set_value(text[:40] + "z" + text[41:])
    run(page)
    assert "The states diverge at time step 41." in text_of(page)
    area = labelled(page.text_area, "Other text")
    area.set_value(text)
    run(page)
    assert "The two runs are identical at all common time steps." in text_of(page)
    labelled(page.text_area, "Other text").set_value("")
    run(page)
    assert any("empty" in warning.value for warning in page.warning)


@pytest.mark.slow
def test_one_text_through_two_networks_of_other_kinds():
    page = start("states", net="recall-lstm", look="compare:networks;against:recall-rnn")
    assert "hidden states are compared" in text_of(page) or "The states diverge at time step 1." in text_of(page)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_one_token_and_one_unit(kind, tmp_path):
    path = saved(tmp_path / "one.npz", kind(1, 1, batch_first=True), torch.ones(1, 1, 1))
    page = start("states", opened=path)
    assert sent_payload(page)[1]["hidden"].shape == (1, 1)
    text = text_of(page)
    assert "The sequence has only one time step" in text and "Tracking cannot be measured in this text" in text
    assert "nan" not in text.lower()


@pytest.mark.slow
def test_states_that_never_change_are_said_to(tmp_path):
    module = nn.LSTM(2, 3, batch_first=True)
    with torch.no_grad():
        for weight in module.parameters():
            weight.zero_()
    text = text_of(start("states", opened=saved(tmp_path / "still.npz", module, torch.zeros(1, 12, 2))))
    assert "The hidden state does not change in this sequence" in text and "Tracking cannot be measured" in text
    assert "nan" not in text.lower()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_weights_that_are_not_numbers_are_told(kind, tmp_path):
    module = kind(2, 3, batch_first=True)
    with torch.no_grad():
        module.weight_hh_l0[0, 0] = float("nan")
    page = start("states", opened=saved(tmp_path / "nan.npz", module, torch.randn(1, 12, 2)))
    text = text_of(page)
    assert "not finite from time step 1 on" in text or "not finite from time step 2 on" in text
    assert "derivatives cannot be computed" in text


@pytest.mark.slow
def test_a_random_network_tracks_nothing_and_the_page_says_so(tmp_path):
    torch.manual_seed(0)
    path = saved(tmp_path / "random.npz", nn.LSTM(4, 8, batch_first=True), torch.randn(1, 60, 4))
    text = text_of(start("states", opened=path))
    assert "No unit tracks any of these properties." in text or "Tracking cannot be measured" in text


@pytest.mark.slow
def test_a_large_run_sends_little_and_a_window_of_it_exactly(tmp_path):
    torch.manual_seed(0)
    module, x = nn.LSTM(4, 96, batch_first=True), torch.randn(1, 2500, 4)
    x[0, 1234] *= 100  # a spike of one step
    path = saved(tmp_path / "large.npz", module, x)
    page = start("states", opened=path)
    assert len(payload(page)) < 2_000_000
    header, arrays = sent_payload(page)
    unit = page.session_state["unrolled"].view.unit
    with torch.no_grad():
        hidden = module(x)[0][0].numpy()
    first, end = header["excerpt"]["columns"]
    assert header["excerpt"]["units"] == 96 and first <= unit < end
    np.testing.assert_allclose(arrays["column:hidden"], hidden[:, first:end], rtol=0, atol=1e-5)
    # the spike is in its block's highest or lowest value
    edges = arrays["detail_steps:hidden"]
    block = int(np.searchsorted(edges, 1234, side="right")) - 1
    inside = hidden[edges[block] : edges[block + 1]]
    assert arrays["detail_high:hidden"][block].max() == pytest.approx(inside.max(), abs=1e-5)
    assert arrays["detail_low:hidden"][block].min() == pytest.approx(inside.min(), abs=1e-5)
    labelled(page.slider, "Time steps shown").set_value((1201, 1300))
    run(page)
    header, arrays = sent_payload(page)
    assert arrays["detail_steps:hidden"].tolist() == list(range(1200, 1301))
    np.testing.assert_allclose(arrays["detail_mean:hidden"], hidden[1200:1300], rtol=0, atol=1e-5)
    assert "detail_low:hidden" not in arrays and len(payload(page)) < 2_000_000


@pytest.mark.slow
def test_a_link_opens_what_was_chosen_of_the_pictures(tmp_path):
    torch.manual_seed(0)
    path = saved(tmp_path / "large.npz", nn.LSTM(4, 96, batch_first=True), torch.randn(1, 2500, 4))
    page = start("states", opened=path)
    for slider, value in (("Time steps shown", (1201, 1300)), ("Span (time steps)", (7, 9))):
        next(each for each in page.slider if each.label == slider).set_value(value)
        run(page)
    labelled(page.number_input, "Threshold").set_value(0.05)
    run(page)
    labelled(page.multiselect, "Units").set_value([5, 3])
    run(page)
    address = {name: value[-1] if isinstance(value, list) else value for name, value in page.query_params.items()}
    assert address["look"] == "span:6-8;stack:5,3;steps:1200-1299;threshold:0.05"
    other = start("states", opened=path, **(address | {"look": f"blocks:mean;order:mean;{address['look']}"}))
    assert sent_payload(other)[1]["detail_steps:hidden"].tolist() == list(range(1200, 1301))
    quantity = other.session_state["unrolled"].view.quantity
    values = load_trace(path).layers["l0"][quantity][0]
    assert sent_payload(other)[1]["detail_units:hidden"].tolist() == order_units(values, "mean").tolist()
    assert labelled(other.slider, "Span (time steps)").value == (7, 9)
    assert labelled(other.number_input, "Threshold").value == 0.05
    assert labelled(other.multiselect, "Units").value == [5, 3]


@pytest.mark.slow
def test_what_a_link_chooses_in_vain_is_left_to_the_page():
    page = start(
        "states", look="order:loudness;span:7000-9000;threshold:nan;on:sideways;compare:cats;stack:5,999;padding:many"
    )
    assert not page.exception and labelled(page.number_input, "Threshold").value == 0.3
    told = [each.value for each in page.warning if "Choose another value on the page" in each.value]
    assert all(any(f"“{name}”" in each for each in told) for name in ("order", "span", "compare"))
    last = len(load_network("python-lm").card.default.text)
    assert labelled(page.slider, "Span (time steps)").value[1] <= last


@pytest.mark.slow
def test_another_text_begins_anew_but_for_the_order():
    page = start("states", look="order:mean;span:3-9")
    page.text_area[0].set_value("while True:\n    pass\n")
    run(page)
    assert page.session_state["unrolled"].view.look == "order:mean"


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(2000, 2, 128), (100_000, 1, 8), (10_000, 1, 256)], ids=str)
def test_all_that_a_page_sends_of_a_run_is_bounded(tmp_path, shape):
    steps, layers, units = shape
    torch.manual_seed(0)
    path = saved(tmp_path / "run.npz", nn.LSTM(4, units, layers, batch_first=True), torch.randn(1, steps, 4))
    for lens in ("states", "step"):
        page = start(lens, opened=path, step=str(steps // 2))
        assert data_bytes(page) < 2_000_000, lens
        assert sent_payload(page)[0]["excerpt"]["steps"] == steps, lens


def test_a_decoder_with_other_steps_than_its_text_is_tracked():
    page = start("states", net="dates-dot", text="4 Aug 2024", layer="decoder.l0")
    assert not page.exception and page.session_state["unrolled"].view.layer == "decoder.l0"
