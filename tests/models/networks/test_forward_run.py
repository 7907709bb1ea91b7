"""A network run on a text: its states, prediction and surprisal, with torch beside it."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from models import capture, load_network, network_names
from models.decoding.run_network import run_network
from models.networks.forward_run import SymbolPrediction, ValuePrediction, run_of_trace
from tests.support import oracle

SYMBOLS = ("python-lm", "recall-lstm", "recall-gru", "recall-rnn", "counter")
NUMBERS = ("wave",)
CLASSES = ("sentiment",)
TOLERANCE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module")
def networks():
    return {name: load_network(name) for name in SYMBOLS + NUMBERS + CLASSES}


def test_every_bundled_network_is_held_here():
    writing = {name for name in network_names() if load_network(name).card.predicts == "sequence"}
    assert set(SYMBOLS + NUMBERS + CLASSES) == set(network_names()) - writing  # see test_sequence_reading.py


@pytest.mark.parametrize("name", SYMBOLS + NUMBERS + CLASSES)
def test_the_trace_is_that_of_a_step_loop(networks, name):
    net = networks[name]
    text = net.card.default.text
    run = run_network(net, text)
    expected = oracle.network(net.module, net.encode(text))
    assert list(run.trace.layers) == list(expected)
    for layer, quantities in expected.items():
        for quantity, values in quantities.items():
            np.testing.assert_allclose(run.trace.layers[layer][quantity][0], values, **TOLERANCE)


@pytest.mark.parametrize("name", SYMBOLS)
def test_predictions_and_surprise_are_those_of_torch(networks, name):
    net = networks[name]
    for example in net.card.examples:
        prediction = run_network(net, example.text).prediction
        assert isinstance(prediction, SymbolPrediction)
        ids = net.encode(example.text)
        with torch.no_grad():
            logits = net.module(ids)[0]
        np.testing.assert_allclose(prediction.probability, logits.double().softmax(-1), **TOLERANCE)
        np.testing.assert_array_equal(prediction.target, [*ids[0, 1:].tolist(), -1])
        bits = nn.functional.cross_entropy(logits[:-1].double(), ids[0, 1:], reduction="none") / math.log(2)
        np.testing.assert_allclose(prediction.surprisal[:-1], bits, rtol=1e-4, atol=1e-5)
        assert np.isnan(prediction.surprisal[-1]) and prediction.surprisal.dtype == np.float32


@pytest.mark.parametrize("name", SYMBOLS)
def test_the_most_probable_symbols_are_topk(networks, name):
    net = networks[name]
    prediction = run_network(net, net.card.default.text).prediction
    count = min(8, len(net.vocabulary))
    top = prediction.top(count)
    assert top.shape == (len(prediction.target), count)
    expected = torch.from_numpy(prediction.probability).topk(count).values
    np.testing.assert_array_equal(np.take_along_axis(prediction.probability, top, axis=1), expected)
    assert all(len(set(ids)) == count for ids in top.tolist())
    np.testing.assert_array_equal(prediction.top(len(net.vocabulary))[:, :count], top)


def test_what_could_not_happen_and_did_is_infinitely_surprising():
    prediction = SymbolPrediction(np.array([[1, 0], [0.5, 0.5]], dtype=np.float32), np.array([1, -1]), ("a", "b"))
    assert prediction.surprisal[0] == np.inf and np.isnan(prediction.surprisal[1])


@pytest.mark.parametrize("name", NUMBERS)
def test_a_network_of_numbers_predicts_the_next_one(networks, name):
    net = networks[name]
    text = net.card.examples[0].text
    run = run_network(net, text)
    values = net.encode(text)
    with torch.no_grad():
        expected = net.module(values)[0]
    assert isinstance(run.prediction, ValuePrediction)
    np.testing.assert_allclose(run.prediction.value, expected, **TOLERANCE)
    np.testing.assert_array_equal(run.prediction.target[:-1], values[0, 1:])
    assert np.isnan(run.prediction.target[-1]).all()
    assert run.labels == tuple(net.labels(text)) and len(run.labels) == values.shape[1]


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_is_predicted_of_the_whole_sequence(networks, name):
    net = networks[name]
    for example in net.card.examples:
        prediction = run_network(net, example.text).prediction
        with torch.no_grad():
            expected = net.module(net.encode(example.text))[0].double().softmax(-1)
        np.testing.assert_allclose(prediction.probability, expected, **TOLERANCE)
        assert all(len(names) == len(prediction.probability) for names in prediction.classes.values())


def test_numbers_are_read_as_they_are_written():
    net = load_network("wave")
    run = run_network(net, "0.1 -2, 1e-3; 7")
    np.testing.assert_array_equal(run.trace.layers["rnn.l0"].input[0, :, 0], np.float32([0.1, -2, 1e-3, 7]))
    assert run.labels == ("0.1", "-2", "0.001", "7") and run.unknown == ()


def test_labels_show_what_is_invisible(networks):
    run = run_network(networks["python-lm"], "a b\n\tc\r\nd")
    assert run.labels == ("a", "␣", "b", "⏎", "␣", "␣", "␣", "␣", "c", "⏎", "d")
    assert run.trace.tokens == run.labels
    assert run.prediction.vocabulary[networks["python-lm"].vocabulary.index("\n")] == "⏎"


def test_one_symbol_is_a_sequence(networks):
    run = run_network(networks["python-lm"], "x")
    assert run.labels == ("x",) and np.isnan(run.prediction.surprisal).all()


def test_unknown_symbols_are_named_and_shown_in_brackets_at_their_steps(networks):
    net = networks["python-lm"]
    run = run_network(net, "한 = '한글'")
    assert run.unknown == ("한", "글")
    assert run.labels == ("[한]", "␣", "=", "␣", "'", "[한]", "[글]", "'")
    plain = run_network(net, "� = '��'")
    np.testing.assert_array_equal(run.trace.layers["rnn.l0"].hidden, plain.trace.layers["rnn.l0"].hidden)
    assert plain.unknown == ()


def test_words_are_read_with_their_particles(networks):
    run = run_network(networks["recall-lstm"], "모스크바에 zebra.")
    assert run.labels[-2:] == ("[zebra]", ".") and run.unknown == ("zebra",)
    assert run.labels[:2] == ("모스크바", "에")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("python-lm", "", "empty"),
        ("recall-gru", "  \n ", "empty"),
        ("python-lm", "한글", "contains none of the tokens of this text"),
        ("counter", "abz", "The vocabulary of counter does not contain"),
        ("python-lm", "x" * 100_000, "100,000"),
        ("wave", "1, two, 3", "two"),
        ("wave", "nan", "nan"),
        ("wave", "", "There are no numbers"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(networks, name, text, told):
    with pytest.raises(ValueError, match=told) as caught:
        run_network(networks[name], text)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 300


def test_each_reading_has_a_serial_of_its_own(networks):
    net = networks["counter"]
    assert len({run_network(net, ".ab").serial for _ in range(3)}) == 3


def test_inputs_of_one_hot_networks_have_the_symbols_names(networks):
    net = networks["counter"]
    assert run_network(net, ".ab").input_names == net.vocabulary
    assert run_network(networks["python-lm"], "x").input_names is None


def test_a_trace_from_elsewhere_is_read_row_by_row():
    torch.manual_seed(0)
    rnn = nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    packed = nn.utils.rnn.pack_padded_sequence(torch.randn(5, 3, 3), torch.tensor([5, 2, 4]), enforce_sorted=False)
    with capture(rnn) as trace:
        rnn(packed)
    for row, steps in enumerate((5, 2, 4)):
        run = run_of_trace(trace, row)
        assert run.row == row and run.prediction is None
        assert run.labels == tuple(str(step + 1) for step in range(steps))
        assert all(run.labels_of(name) == run.labels for name in trace.layers)


def test_a_trace_keeps_its_own_tokens():
    rnn = nn.GRU(2, 3)
    with capture(rnn) as trace:
        rnn(torch.randn(3, 1, 2))
    assert run_of_trace(trace.with_tokens(["a", "\n", "b c"])).labels == ("a", "⏎", "b␣c")


def test_a_layer_of_another_length_counts_its_steps():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = nn.GRU(2, 3), nn.GRU(2, 3)

        def forward(self, source, target):
            return self.decoder(target, self.encoder(source)[1])

    net = Pair()
    with capture(net) as trace:
        net(torch.randn(4, 1, 2), torch.randn(2, 1, 2))
    run = run_of_trace(trace.with_tokens("abcd"))
    assert run.labels_of("encoder.l0") == tuple("abcd")
    assert run.labels_of("decoder.l0") == ("1", "2")
