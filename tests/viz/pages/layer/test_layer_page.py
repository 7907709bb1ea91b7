"""The Layer page without a browser: the numbers of the study notes, the lines of code, and arguments that are not valid."""

import json
import re
from base64 import b64decode

import numpy as np
import pytest

from tests.support.lens_page import mounted_components, run, start, text_of, widget_at
from viz.view_options import format_options


def link(sequence=None, **arguments):
    further = {} if sequence is None else {"sequence": sequence}
    return format_options({"call": json.dumps(arguments, separators=(",", ":"))} | further)


def returned(page, library, name):
    """Return the listed numbers of a returned tensor."""
    html = next(each.proto.body for each in page.get("html") if f'data-group="returned_{library}"' in each.proto.body)
    found = re.findall(rf'data-layer="{library}\.{name}" data-unit="\d+" data-value="([^"]+)"', html)
    return np.array([float(each) for each in found])


@pytest.mark.slow
def test_the_notes_call_comes_first_and_the_lines_follow_the_controls():
    page = start("layer")
    np.testing.assert_allclose(returned(page, "Keras", "output"), [0.6303139] * 3 + [0.70387346] * 3, atol=1e-6)
    assert "return_sequences" not in page.code[0].value and "bidirectional=True" in page.code[1].value
    widget_at(page.toggle, "layer_return_sequences").set_value(True)
    widget_at(page.toggle, "layer_tf32").set_value(True)
    widget_at(page.toggle, "layer_return_state").set_value(True)
    run(page)
    assert "layers.LSTM(3, return_sequences=True, return_state=True" in page.code[0].value
    corners = returned(page, "Keras", "output")[[0, 18, 3, 21]]
    np.testing.assert_allclose(corners, [0.35896602, 0.6301636, 0.7037439, 0.21932526], rtol=0, atol=2e-7)
    assert page.session_state["unrolled"].view.look == link(return_sequences=True, return_state=True, tf32=True)
    meanings = dict(zip(*(page.table[0].value[key] for key in ("Tensor", "Meaning")), strict=True))
    assert meanings[r"forward\_h"].endswith("at the last input.") and "at the first input" in meanings[r"backward\_h"]
    assert widget_at(page.button_group, "layer_folded").options == ["forward", "backward"]
    drawn = mounted_components(page)
    assert len(drawn["returned_states"]) == 2 and len(drawn["folded_network"]) == 1  # the call, the stages of an LSTM


@pytest.mark.slow
def test_a_text_becomes_rows_of_the_embedding():
    text = {"source": "text", "data": "a b a\nc a", "num_words": 3}
    page = start(
        "layer",
        look=link("1", **text, initialization="pytorch", mask=True, cell="GRU", use_bias=False),
        panel="-call_lines",
    )
    data = json.loads(mounted_components(page)["embedding_lookup"][0].json)
    assert [each["id"] for each in data["positions"]] == [0, 0, 1] and data["count"] == 3
    assert "2 of 3 words are in the sequences" in text_of(page) and "crossed out" in text_of(page)
    heads = [head for table in page.table for head in table.value.columns]
    assert "Keras, without biases" in heads and "PyTorch, with biases" not in heads


@pytest.mark.slow
def test_the_link_has_the_chosen_tensor_and_the_layer_and_direction_that_is_unrolled():
    look = link(layers=2, initialization="keras", return_sequences=True) + ";folded:l1_reverse;tensor:PyTorch.output"
    page = start("layer", look=look, panel="-gate_stages")
    drawn = mounted_components(page)
    states, folded = (json.loads(drawn[name][0].json) for name in ("returned_states", "folded_network"))
    marked = states["tensors"][states["chosen"]]
    assert (marked["library"], marked["name"]) == ("PyTorch", "output")
    output = returned(page, "PyTorch", "output").reshape(4, 6)  # torch's
    found = np.frombuffer(b64decode(folded["states"]), "<f4").reshape(5, 3)
    np.testing.assert_array_equal(found, [[0, 0, 0], *output[::-1, 3:]])
    assert (folded["steps"], folded["input"]) == ([5, 4, 3, 2, 1], "y")
    assert "y is the output of layer 1 at the same time step." in text_of(page)
    widget_at(page.toggle, "layer_return_sequences").set_value(False)
    widget_at(page.selectbox, "layer_merge").set_value("")
    widget_at(page.number_input, "layer_layers").set_value(1)
    drawn = mounted_components(run(page))
    assert json.loads(drawn["folded_network"][0].json)["steps"] == [0, 1, 2, 3, 4]
    assert json.loads(drawn["returned_states"][0].json)["chosen"] == 1  # PyTorch.output is there still


@pytest.mark.slow
def test_an_invalid_argument_leaves_the_last_valid_call():
    page = start("layer", look=link(units=2))
    assert len(returned(page, "PyTorch", "h_n")) == 4
    widget_at(page.number_input, "layer_units").set_value(0)
    run(page)
    assert "“units” is 0. Choose a whole number from 1 to 64." in text_of(page)
    assert "The panels below show another call" in text_of(page)
    assert len(returned(page, "PyTorch", "h_n")) == 4 and widget_at(page.number_input, "layer_units").value == 0
    page = start("layer", look=link(units=2, merge="one"))
    assert "“merge” of “call” cannot be “one”, so none of its arguments are used." in text_of(page)
    assert len(returned(page, "PyTorch", "h_n")) == 6
