"""What is sent of a run before and after an edit."""

import numpy as np
import pytest

from models import load_network, read_edits, run_edited, run_network
from models.edits.edited_network import EditedNetwork
from viz.pages.states.states_cache import state_values
from viz.payloads.binary_payload import unpack
from viz.payloads.edited_payload import ROWS, TOP, compared_names, edited_payload

LAYER = "rnn.l0"


def both(name: str, edits: str, text: str | None = None):
    network = load_network(name)
    text = text if text is not None else network.card.default.text
    edited = EditedNetwork(network, read_edits(edits))
    origin = edited.sequence(text).origin if read_edits(edits).tokens else None
    return run_network(network, text), edited.read(text), origin


def sent(before, after, origin=None, layer=LAYER, quantity="hidden"):
    """Return the header and the arrays of the payload, completed as the browser completes them."""
    header, arrays = unpack(edited_payload("edit_changed", before, after, layer, quantity, "id", origin))
    (first, second, third), own = header["options"]["compared"]["names"], header["options"]["compared"]["origin"]
    assert header["options"]["compared"]["array"] == "id" and not {first, third} & set(arrays)
    old = state_values(before, layer, quantity)
    if own is not None:
        old = np.stack([old[was] if was is not None else np.full_like(old[0], np.nan) for was in own])
    return header, arrays | {first: old, third: arrays[second] - old}


@pytest.mark.parametrize("quantity", ["forget_gate", "cell", "hidden"])
def test_before_after_and_difference_are_the_runs_own(quantity):
    before, after, _ = both("counter", "rnn.l0.writes[0]=0")
    header, arrays = sent(before, after, quantity=quantity)
    old, new = (each.trace.layers[LAYER][quantity][0] for each in (before, after))
    for name, values in zip(compared_names(quantity), (old, new, new - old), strict=True):
        assert np.array_equal(arrays[name], values)
    assert header["options"]["alike"] == list(compared_names(quantity)[:2])
    assert header["tokens"] == list(after.labels)


def test_the_most_probable_symbols_of_both_are_there():
    before, after, _ = both("python-lm", "rnn.l0.forget_gate=0")
    header, arrays = sent(before, after)
    old, new = (each.prediction.probability for each in (before, after))
    assert arrays["pair_token"].shape == (len(after.labels), ROWS)
    for step in range(len(after.labels)):
        told = [int(each) for each in arrays["pair_token"][step] if each >= 0]
        assert told[:TOP] == list(np.argsort(-new[step], kind="stable")[:TOP])
        others = [each for each in np.argsort(-old[step], kind="stable")[:TOP] if each not in told[:TOP]]
        assert told[TOP:] == others[: ROWS - TOP] and len(set(told)) == len(told)
        count = len(told)
        assert np.array_equal(arrays["pair_before"][step, :count], old[step, told])
        assert np.array_equal(arrays["pair_after"][step, :count], new[step, told])
    following = after.prediction.target[:-1]
    assert np.array_equal(arrays["next_before"][:-1], old[np.arange(len(following)), following])
    assert np.isnan(arrays["next_after"][-1]) and header["vocabulary"] == list(after.prediction.vocabulary)


@pytest.mark.parametrize("edit", ["token[3]+=a", "token[3]-"])
def test_steps_belong_together_where_tokens_were_edited(edit):
    before, after, origin = both("counter", edit)
    _header, arrays = sent(before, after, origin)
    old, new = (each.trace.layers[LAYER].hidden[0] for each in (before, after))
    names = compared_names("hidden")
    for step, was in enumerate(origin):
        if was is None:
            assert np.isnan(arrays[names[0]][step]).all() and np.isnan(arrays["pair_before"][step]).all()
            assert (arrays["pair_token"][step, TOP:] < 0).all()  # nothing was expected there before
        else:
            assert np.array_equal(arrays[names[0]][step], old[was])
            assert np.array_equal(arrays[names[2]][step], new[step] - old[was])


def test_values_classes_and_answers_that_are_written():
    before, after, _ = both("wave", "rnn.l0.reads[3]=0")
    header, arrays = sent(before, after)
    assert header["predicts"] == "values" and np.array_equal(arrays["value_before"], before.prediction.value)
    assert np.array_equal(arrays["value_after"], after.prediction.value)
    before, after, _ = both("sentiment", "rnn.l0.reads[6]=0")
    header, _arrays = sent(before, after)
    assert header["options"]["class_before"] == before.prediction.probability.tolist()
    assert header["options"]["class_after"] == after.prediction.probability.tolist()
    before, after, _ = both("dates-dot", "decoder.l0.weight_hh=0")
    header, arrays = sent(before, after, layer="decoder.l0")
    assert header["predicts"] == "symbols" and len(arrays["pair_token"]) == len(after.decoder_input)
    assert header["options"]["generates"]  # the next tokens are the network's own
    header, arrays = sent(before, after, layer="encoder.l0")  # where nothing is predicted
    assert header["predicts"] is None and "pair_token" not in arrays and not header["options"]["generates"]


def test_what_is_held_is_marked():
    network = load_network("counter")
    edits = read_edits("rnn.l0.forget_gate[0]@3-5=1;rnn.l0.ablate[1]@2-=zero;rnn.l0.h0=1")
    before, after = run_network(network, ".aabb."), run_edited(network, ".aabb.", edits)
    marks = sent(before, after, quantity="forget_gate")[0]["options"]["fixed"]
    assert {mark["quantity"] for mark in marks} == set(compared_names("forget_gate")[1:])
    assert all((mark["unit"], mark["steps"]) == (0, [3, 5]) for mark in marks)
    marks = sent(before, after, quantity="hidden")[0]["options"]["fixed"]
    assert all((mark["unit"], mark["steps"]) == (1, [2, 5]) for mark in marks)
