"""The payload of a large run: bounded, exact around the current step, and with the next steps."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from models import capture, load_network
from models.core.trace import LayerTrace, Trace
from models.decoding.run_network import run_network
from models.networks.forward_run import run_of_trace
from models.states.pca import thin_trajectory
from tests.viz.payloads.test_layer_payload import started
from viz.payloads.binary_payload import unpack
from viz.payloads.excerpt import MAX_PAGE, fits_whole, make_excerpt, shorten_token, steps_around
from viz.payloads.heatmap_image import heatmap_image
from viz.payloads.layer_payload import excerpt_payload, layer_fits, layer_payload, nearby_payload, nearby_steps

MOST = 2_000_000
"""Bytes that a view may send."""


def recorded(module: nn.Module, steps: int, width: int, seed: int = 0):
    torch.manual_seed(seed)
    with torch.inference_mode(), capture(module) as trace:
        module(torch.randn(1, steps, width))
    return run_of_trace(trace)


def parts(reading, name: str, step: int, unit: int):
    """The two payloads of a large run, as bytes."""
    layer = reading.trace.layers[name]
    excerpt = make_excerpt(layer, reading.row, reading.labels_of(name), step, unit)
    base = excerpt_payload("step", reading, name, excerpt, heatmap_image(layer, reading.row))
    return base, nearby_payload(base, reading, name, nearby_steps(reading, name, step))


@given(st.integers(1, 5000), st.integers(1, 400), st.data())
def test_steps_travel_around_the_reader_and_stay_until_he_nears_their_edge(steps, room, data):
    step = data.draw(st.integers(0, steps - 1))
    span = steps_around(step, steps, room)
    first, end = span.steps
    assert 0 <= first <= span.stay[0] <= step < span.stay[1] <= end <= steps
    assert end - first <= max(room, 3)
    for other in (span.stay[0], span.stay[1] - 1):
        assert steps_around(other, steps, room) == span
    for beyond in (
        span.stay[0] - 1,
        span.stay[1],
    ):  # beyond it others are requested, and until they arrive these are shown
        assert first <= beyond < end or beyond in (-1, steps)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("options", [{}, {"bidirectional": True}], ids=["forward", "both ways"])
def test_all_units_are_exact_wherever_the_reader_is(kind, options):
    reading = recorded(kind(8, 96, batch_first=True, **options), 2500, 8)
    for name, layer in reading.trace.layers.items():
        assert not layer_fits(reading, name)
        for step in (0, 1, 777, 1234, 2499):
            base, piece = map(unpack, parts(reading, name, step, 95))
            header, arrays = piece
            first, end = header["steps"]
            assert header["of"] == base[0]["id"] and first <= step < end
            for quantity in layer.quantities:
                np.testing.assert_array_equal(arrays[quantity], layer[quantity][0, first:end])
            np.testing.assert_array_equal(arrays["input"], layer.input[0, first:end])
            for state in ["hidden"] + ["cell"] * (kind is nn.LSTM):
                prev = getattr(layer, f"{state}_prev")[0, first:end]
                np.testing.assert_array_equal(started(arrays, state, layer.reverse), prev)
            described, columns = base[0]["excerpt"], base[1]
            begin, stop = described["columns"]
            assert begin <= 95 < stop and described["units"] == 96 and base[0]["rows"] == list(range(begin, stop))
            for quantity in layer.quantities:
                page = slice(*described["page"])
                np.testing.assert_array_equal(columns[f"column:{quantity}"], layer[quantity][0, page, begin:stop])


def test_a_run_that_changes_the_state_between_its_steps_tells_what_each_step_started_from():
    reading = recorded(nn.LSTM(3, 5, batch_first=True), 9, 3)
    ((name, layer),) = reading.trace.layers.items()
    prev = layer.recording.hidden_prev.clone()
    prev[0, 4, 2] = 0.25  # as in a loop over an LSTMCell that puts a value of its own there
    changed = LayerTrace(name, layer.weights, replace(layer.recording, hidden_prev=prev))
    _header, arrays = unpack(layer_payload("step", run_of_trace(Trace({name: changed})), name, None))
    np.testing.assert_array_equal(arrays["hidden_prev"], prev[0])
    assert "hidden_before" not in arrays and "cell_before" in arrays


def test_two_thousand_tokens_of_two_by_128_stay_small():
    net = load_network("python-lm")
    reading = run_network(net, (net.card.default.text * 40)[:2000])
    for name in reading.trace.layers:
        assert not layer_fits(reading, name) and len(layer_payload("step", reading, name, None)) > 3 * MOST
        assert sum(map(len, parts(reading, name, 1000, 64))) < MOST
        _header, arrays = unpack(parts(reading, name, 1000, 64)[0])
        np.testing.assert_array_equal(arrays["surprise"], reading.prediction.surprisal)
        np.testing.assert_array_equal(arrays["next_token"], reading.prediction.target)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "steps"),
    [
        (nn.GRU(4, 1024, batch_first=True), 10_000),
        (nn.LSTM(4, 8, batch_first=True), 100_000),
        (nn.RNN(1, 1, batch_first=True), 150_000),
    ],
    ids=["10,000 of 1024", "100,000 of 8", "150,000 of 1"],
)
def test_however_large_the_run_is(module, steps):
    reading = recorded(module, steps, module.input_size)
    (name,) = reading.trace.layers
    assert not layer_fits(reading, name)
    for step in (0, steps // 2, steps - 1):
        assert sum(map(len, parts(reading, name, step, 0))) < MOST


@pytest.mark.slow
def test_long_tokens_are_cut_and_their_page_is_shorter():
    reading = recorded(nn.LSTM(2, 4, batch_first=True), 20_000, 2)
    reading = run_of_trace(reading.trace.with_tokens(["가" * 500] * 20_000))
    (name,) = reading.trace.layers
    base, piece = parts(reading, name, 11_000, 0)
    header, _arrays = unpack(base)
    assert len(base) + len(piece) < MOST
    assert header["tokens"][0] == shorten_token("가" * 500) == "가" * 15 + "…"
    first, end = header["excerpt"]["page"]
    assert first <= 11_000 < end and end - first == len(header["tokens"]) < MAX_PAGE


def test_a_run_of_few_numbers_but_many_tokens_does_not_travel_whole():
    assert (
        fits_whole(1000, ["a"] * 100)
        and not fits_whole(1000, ["a"] * (MAX_PAGE + 1))
        and not fits_whole(1000, ["가" * 1000] * 1000)
    )


def test_no_excursion_of_a_path_is_lost():
    points = np.zeros((100_000, 2))
    points[:, 0] = np.linspace(0, 1, 100_000)
    points[54_321] = (9, -9)
    kept = thin_trajectory(points, (10_000, 12_000), 1000)
    assert {*range(10_000, 12_000), 0, 54_321} <= set(kept.tolist())
    assert len(kept) < 2000 + 5 * 1000 and (np.diff(kept) > 0).all()
    np.testing.assert_array_equal(thin_trajectory(points[:50], (0, 50), 10), np.arange(50))
