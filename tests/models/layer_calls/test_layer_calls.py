"""Calls of a layer: every returned tensor against the very lines of Keras and PyTorch that the page shows."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import Problem
from models.layer_calls.call_inputs import read_input
from models.layer_calls.call_lines import IMPORTS, keras_lines, pytorch_lines
from models.layer_calls.call_options import CallOptions, call_of_link
from models.layer_calls.call_run import run_call
from models.layer_calls.dense_output import dense_lines, dense_output
from models.layer_calls.layer_parameters import recurrent_parameters
from models.layer_calls.returned_tensors import keras_tensors, pytorch_tensors
from tests.support.keras_files import keras

TEXT = "I am a good student\nGood morning\nA student am I not"
PRINTED = ([0.35896602, 0.5509713, 0.5910032, 0.6301636], [0.7037439, 0.5884772, 0.39501813, 0.21932526])
"""The arrays that the study notes print: forward, backward."""


def numbers(lengths, size, seed):
    values = np.random.default_rng(seed).normal(size=(sum(lengths), size)).round(2)
    parts = np.split(values, np.cumsum(lengths)[:-1])
    return "\n\n".join("\n".join(", ".join(map(str, row)) for row in part) for part in parts)


@st.composite
def calls(draw):
    call = CallOptions(
        cell=draw(st.sampled_from(["RNN", "LSTM", "GRU"])),
        units=draw(st.integers(1, 4)),
        merge=draw(st.sampled_from(["", "concat", "sum", "ave", "mul"])),
        layers=draw(st.integers(1, 2)),
        return_sequences=draw(st.booleans()),
        return_state=draw(st.booleans()),
        batch_first=draw(st.booleans()),
        reset_after=draw(st.sampled_from([True, True, False])),
        use_bias=draw(st.sampled_from([True, True, False])),
        unit_forget_bias=draw(st.booleans()),
        initialization=draw(st.sampled_from(["constant", "keras", "pytorch"])),
        constant=draw(st.sampled_from([0.1, -0.3])),
        seed=draw(st.integers(0, 99)),
        maxlen=draw(st.integers(0, 6)),
        padding=draw(st.sampled_from(["pre", "post"])),
        truncating=draw(st.sampled_from(["pre", "post"])),
        mask=draw(st.booleans()),
        outputs=draw(st.integers(1, 3)),
    )
    if draw(st.booleans()):
        changes = {"source": "text", "data": TEXT, "embedding": draw(st.integers(1, 3))}
        call = call.with_call_changes(**changes, num_words=draw(st.sampled_from([0, 5])))
    else:
        lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
        call = call.with_call_changes(data=numbers(lengths, draw(st.integers(1, 3)), call.seed))
    backwards = draw(st.booleans()) and not (call.merge or (call.mask and call.layers > 1))
    return call.with_call_changes(go_backwards=backwards)


def in_keras(run):
    """Run the lines of Keras; random weights are replaced by those of the run, since Keras draws others."""
    space = {"sequences": [each.copy() for each in run.given.sequences]}
    lines = keras_lines(run)
    exec("\n".join([*IMPORTS["keras"], *lines, *dense_lines(run, "keras")]), space)
    assert space["probability"].shape == (*space["output"].shape[:-1], run.call.outputs)
    if run.call.initialization == "constant" and not (run.call.source == "text" or run.call.return_sequences):
        found = dense_output(run, 0)
        expected = found.probability if run.call.outputs > 1 else 1 / (1 + np.exp(-found.logits))
        np.testing.assert_allclose(space["probability"][0].detach().numpy(), expected, atol=1e-6)
    if run.call.initialization != "constant" or run.call.source == "text":
        if run.call.source == "text":
            space["x"] = run.x
        for level, both in enumerate(run.levels):
            layer = space["layer" if run.call.layers == 1 else f"layer{level + 1}"]
            places = [layer.forward_layer, layer.backward_layer] if run.call.merge else [layer]
            for place, each in zip(places, both, strict=True):
                place.cell.set_weights(keras_weights(each.weights))
        exec("\n".join(line for line in lines if re.search(r"= layer\d?\(", line)), space)  # the calls alone
    return [space[each.name].detach().numpy() for each in keras_tensors(run)]


def keras_weights(weights):
    order = [1, 0, 2] if weights.kind == "GRU" else range(len(weights.cell.gates))

    def ordered(values):
        blocks = np.split(values, len(weights.cell.gates))
        return np.concatenate([blocks[k] for k in order]).T

    found = [ordered(weights.weight_ih), ordered(weights.weight_hh)]
    if weights.bias_ih is None:
        return found
    if weights.kind == "GRU" and weights.reset_after:
        return [*found, np.stack([ordered(weights.bias_ih), ordered(weights.bias_hh)])]
    return [*found, ordered(weights.bias_ih + weights.bias_hh)]


def in_pytorch(run):
    space = {"sequences": [torch.tensor(each) for each in run.given.sequences]}
    with torch.random.fork_rng():
        exec("\n".join([*IMPORTS["pytorch"], *pytorch_lines(run), *dense_lines(run, "pytorch")]), space)
    if not run.call.return_sequences:
        for row, probability in enumerate(space["probability"].detach().numpy()):
            found = dense_output(run, row)
            expected = found.probability if run.call.outputs > 1 else 1 / (1 + np.exp(-found.logits))
            np.testing.assert_allclose(probability, expected, atol=1e-6)
    return [space[each.name].detach().numpy() for each in pytorch_tensors(run)]


def compare(tensors, expected):
    for tensor, values in zip(tensors, expected, strict=True):
        assert len(tensor.axes) == values.ndim, tensor.name
        np.testing.assert_allclose(tensor.values, values, rtol=0, atol=1e-6, err_msg=tensor.name)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(calls())
def test_every_returned_tensor_is_that_of_the_lines(call):
    run = run_call(call)
    compare(keras_tensors(run), in_keras(run))
    if call.cell != "GRU" or call.reset_after:
        compare(pytorch_tensors(run), in_pytorch(run))
    else:
        assert pytorch_lines(run) == [] and pytorch_tensors(run) == ()


def test_the_numbers_of_the_study_notes():
    (output,) = keras_tensors(run_call(CallOptions()))
    np.testing.assert_allclose(output.values, [[0.6303139] * 3 + [0.70387346] * 3], rtol=0, atol=1e-7)
    run = run_call(CallOptions(tf32=True, return_sequences=True, return_state=True))
    output, forward_h, _c, backward_h, _d = keras_tensors(run)
    assert output.values.shape == (1, 4, 6)
    np.testing.assert_allclose(output.values[0], np.repeat(np.transpose(PRINTED), 3, axis=1), rtol=0, atol=2e-7)
    np.testing.assert_allclose(forward_h.values, output.values[:, -1, :3])
    np.testing.assert_allclose(backward_h.values, output.values[:, 0, 3:])


def test_parameter_counts_are_the_libraries():
    for cell, name in (("RNN", "SimpleRNN"), ("LSTM", "LSTM"), ("GRU", "GRU")):
        layer = getattr(keras.layers, name)(3)
        layer.build((None, 4, 5))
        assert recurrent_parameters(cell, 5, 3, "keras").total == layer.count_params()
        module = getattr(torch.nn, cell)(5, 3)
        assert recurrent_parameters(cell, 5, 3, "pytorch").total == sum(each.numel() for each in module.parameters())


def test_words_become_ids_as_in_the_tokenizer():
    """Most frequent first, then by first occurrence; num_words keeps the ids below it."""
    given = read_input(CallOptions(source="text", data="The cat, the dog\ndog! a cat the", num_words=4))
    assert given.words == ("the", "cat", "dog") and given.dropped == ("a",) and given.rows == 4
    assert [each.tolist() for each in given.sequences] == [[1, 2, 1, 3], [3, 2, 1]]


@pytest.mark.parametrize(
    "text", ["[[1, 2], [3, 4]]", "[[1, 2],\n [3, 4]]", "1 2\n3 4", "1,2;3,4;", "[[1. 2.]\n [3. 4.]]"]
)
def test_numbers_are_parsed_as_they_are_pasted(text):
    (sequence,) = read_input(CallOptions(data=text)).sequences
    assert sequence.tolist() == [[1, 2], [3, 4]]
    if "[" in text:
        assert len(read_input(CallOptions(data=f"[{text}, {text}]")).sequences) == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"units": 0}, "“units” is 0. Choose a whole number from 1 to 64."),
        ({"go_backwards": True}, "Choose one direction."),
        ({"merge": "max"}, "“max” is not valid for “merge”"),
        ({"constant": float("nan")}, "The constant of the weights is nan"),
        ({"data": "1, 2\n3"}, "The number of values is 1 at time step 2 of sequence 1, but 2 at the first."),
        ({"data": "1, x"}, "“x” is not a finite number"),
        ({"data": "1e99"}, "too large"),
        ({"data": " \n"}, "There are no numbers"),
        ({"data": "1\n" * 61}, "A sequence has 61 time steps"),
        ({"data": "1\n\n" * 9}, "There are 9 sequences"),
        ({"data": "0 " * 65}, "A time step has 65 values"),
        ({"data": "0" * 30_000}, "The input has 30,000 characters"),
        ({"source": "text", "data": "?!"}, "The text has no words"),
        ({"source": "text", "data": "a b\nc", "num_words": 2}, "No word of “c” has an id below"),
        (
            {"data": "1\n2\n\n3", "mask": True, "merge": "", "go_backwards": True, "layers": 2},
            "Keras does not reverse the mask",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(changes, sentence):
    with pytest.raises(Problem, match=r"^[^\n]+$") as found:
        run_call(CallOptions(**changes))
    assert sentence in str(found.value)


def test_a_link_has_the_changed_arguments_alone():
    call = CallOptions(cell="GRU", units=2, constant=1.0)
    assert call_of_link(call.to_link()) == call and "layers" not in call.to_link()
    for text in ("[]", "{", '{"units": "3"}', '{"nothing": null}', '{"constant": true}', '{"units": true}'):
        with pytest.raises(ValueError):
            call_of_link(text)
