"""The payload: what the browser reads is, bit for bit, what was given."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viz.payloads.binary_payload import pack, unpack


def lstm(steps: int, units: int, seed: int = 0, **changes):
    draw = np.random.default_rng(seed)
    gates = ("input_gate", "forget_gate", "candidate", "output_gate")
    given = {
        "layer": "rnn.l0",
        "kind": "LSTM",
        "gates": {name: draw.random((steps, units), dtype=np.float32) for name in gates},
        "states": {name: draw.standard_normal((steps, units)).astype(np.float32) for name in ("cell", "hidden")},
        "tokens": ["가", "⏎", "x"] * (steps // 3) + ["y"] * (steps % 3),
    }
    return given | changes


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 17), st.integers(0, 2**32 - 1))
def test_every_number_comes_back_as_it_was(steps, units, seed):
    given = lstm(steps, units, seed)
    extra = {
        "top_token": np.arange(steps * 3).reshape(steps, 3),
        "surprise": np.full(steps, np.nan),
        "weight_ih": np.ones((units, 4, 5)),
    }
    header, arrays = unpack(pack("step", **given, arrays=extra, vocabulary=["a", "나"], predicts="symbols"))
    for name, array in {**given["gates"], **given["states"]}.items():
        assert arrays[name].dtype == np.float32
        np.testing.assert_array_equal(arrays[name], array)
    assert arrays["top_token"].dtype == np.int32
    np.testing.assert_array_equal(arrays["top_token"], extra["top_token"])
    assert np.isnan(arrays["surprise"]).all()
    assert header["tokens"] == given["tokens"]
    assert header["vocabulary"] == ["a", "나"]
    assert (header["view_id"], header["layer"], header["top"]) == ("step", "rnn.l0", 3)


@pytest.mark.parametrize("token", ["a", "é", "가나", "⏎"])
def test_arrays_stand_where_a_browser_can_view_them(token):
    payload = pack("step", **lstm(1, 3, tokens=[token]))
    (length,) = struct.unpack_from("<I", payload)
    assert (4 + length) % 8 == 0
    header = json.loads(payload[4 : 4 + length].decode())
    assert all(place["offset"] % 8 == 0 for place in header["arrays"].values())


def test_the_id_follows_the_content():
    def name(**changes):
        return unpack(pack("step", **lstm(6, 4, **changes)))[0]["id"]

    assert name() == name()
    assert len({name(), name(seed=1), name(layer="rnn.l1"), name(tokens=list("abcdef"))}) == 4


def test_what_is_absent_is_left_out():
    header, arrays = unpack(pack("step", **lstm(3, 2), arrays={"input": None}))
    assert "input" not in arrays
    assert (header["predicts"], header["vocabulary"], header["top"], header["rows"]) == (None, None, 0, "all")


def test_steps_and_tokens_must_agree():
    with pytest.raises(ValueError, match="3 steps, but there are 2 tokens"):
        pack("step", **lstm(3, 2, tokens=["a", "b"]))


def test_a_header_has_no_nan_that_json_lacks():
    from viz.payloads.binary_payload import finite_list

    listed = finite_list(np.array([0.25, np.nan, np.inf], np.float32))
    assert listed == [0.25, None, None]
    payload = pack(
        "v", layer="l", kind="RNN", gates={}, states={"hidden": np.zeros((1, 1))}, tokens=["a"], options={"p": listed}
    )
    (length,) = struct.unpack_from("<I", payload)
    assert b"NaN" not in payload[4 : 4 + length] and b"Infinity" not in payload[4 : 4 + length]
    with pytest.raises(ValueError, match="not JSON compliant"):
        pack(
            "v",
            layer="l",
            kind="RNN",
            gates={},
            states={"hidden": np.zeros((1, 1))},
            tokens=["a"],
            options={"p": np.nan},
        )
