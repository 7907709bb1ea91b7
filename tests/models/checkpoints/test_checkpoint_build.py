"""Opened checkpoints run: what comes out is what the network that wrote the file computes."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn

from models.checkpoints import CheckpointError, load_checkpoint
from models.checkpoints.building.build import TIED, Setup, build_network, compatible_parts, default_setup
from models.checkpoints.building.checkpoint_module import unique_module_name
from models.decoding.run_network import run_network
from models.edits.edit_syntax import read_edits
from models.edits.edited_network import EditedNetwork
from models.gradients.losses import Loss, differentiate, output_loss_grad
from models.networks.forward_run import ClassPrediction, SymbolPrediction, ValuePrediction

SYMBOLS = ("<unk>", *"abcdefghij")


class Model(nn.Module):
    """Embedding (or none), recurrent layers, decoder, with names of their own."""

    def __init__(self, cell, inputs, outputs, symbols=None, last=False, **options):
        super().__init__()
        torch.manual_seed(0)
        if symbols:
            self.word_embed = nn.Embedding(symbols, inputs)
        self.encoder_stack = nn.ModuleDict({"rnn": cell(inputs, 6, batch_first=True, **options)})
        width = self.encoder_stack["rnn"].weight_hh_l0.shape[1] * (1 + self.encoder_stack["rnn"].bidirectional)
        self.fc = nn.Linear(width, outputs)
        self.last = last

    def forward(self, x):
        out, ends = self.encoder_stack["rnn"](self.word_embed(x) if hasattr(self, "word_embed") else x)
        hidden = ends[0] if isinstance(ends, tuple) else ends
        if self.last:
            count = 2 if self.encoder_stack["rnn"].bidirectional else 1
            return self.fc(torch.cat(list(hidden[-count:]), -1))
        return self.fc(out)


def opened(model, **beside):
    file = io.BytesIO()
    torch.save({"state_dict": model.state_dict(), **beside}, file)
    checkpoint = load_checkpoint(file.getvalue())
    return build_network(checkpoint, default_setup(compatible_parts(checkpoint)), "lm.pt")


def same(network, model, given):
    with torch.inference_mode():
        torch.testing.assert_close(network.module(given), model(given), rtol=0, atol=1e-5)


CELLS = {
    "lstm": (nn.LSTM, {}),
    "three layers": (nn.LSTM, {"num_layers": 3}),
    "gru, both ways": (nn.GRU, {"bidirectional": True, "num_layers": 2}),
    "projected": (nn.LSTM, {"proj_size": 4, "num_layers": 2}),
    "no biases": (nn.GRU, {"bias": False}),
    "rnn": (nn.RNN, {}),
}


@pytest.mark.parametrize("cell", CELLS)
def test_a_language_model(cell):
    kind, options = CELLS[cell]
    model = Model(kind, 5, len(SYMBOLS), len(SYMBOLS), **options)
    network = opened(model, meta={"itos": list(SYMBOLS)})
    assert network.kind == "characters" and network.vocabulary == SYMBOLS and network.card.unknown == "<unk>"
    given = network.encode("abcxj")
    assert given.tolist() == [[1, 2, 3, 0, 10]]
    same(network, model, given)
    reading = run_network(network, "abcxj")
    assert isinstance(reading.prediction, SymbolPrediction) and reading.unknown == ("x",)
    assert next(iter(reading.trace.layers)) == "encoder_stack.rnn.l0"
    assert set(dict(network.module.named_parameters())) == set(dict(model.named_parameters()))


def test_the_default_view_can_be_shown():
    network = opened(Model(nn.LSTM, 5, 11, 11), itos=list(SYMBOLS))
    start = network.card.default
    layer = run_network(network, start.text).trace.layers[start.layer]
    values = layer[start.quantity][0]
    assert (values.max(0) - values.min(0)).argmax() == start.unit
    assert start.text in [example.text for example in network.card.examples] and set(start.why) == {"en", "ko"}
    for example in network.card.examples:
        run_network(network, example.text)


@pytest.mark.parametrize("both", [False, True])
def test_a_classifier(both):
    model = Model(nn.LSTM, 5, 3, 40, last=True, bidirectional=both)
    network = opened(model)
    assert network.vocabulary == tuple(map(str, range(40))) and network.kind == "words"
    same(network, model, network.encode("3 17 39"))
    prediction = run_network(network, "3 17 39").prediction
    assert isinstance(prediction, ClassPrediction)
    expected = model(torch.tensor([[3, 17, 39]])).softmax(-1)[0].detach().numpy()
    np.testing.assert_allclose(prediction.probability, expected, atol=1e-6)


def test_one_score_is_yes_or_no():
    model = Model(nn.GRU, 5, 1, 40, last=True)
    prediction = run_network(opened(model), "3 17 39").prediction
    chance = model(torch.tensor([[3, 17, 39]])).sigmoid().item()
    assert prediction.probability.tolist() == pytest.approx([1 - chance, chance], abs=1e-6)


@pytest.mark.parametrize(("columns", "outputs"), [(1, 1), (3, 3), (3, 1)])
def test_numbers(columns, outputs):
    model = Model(nn.GRU, columns, outputs)
    network = opened(model)
    assert network.vocabulary is None and network.card.columns == columns
    text = network.card.examples[0].text
    same(network, model, network.encode(text))
    prediction = run_network(network, text).prediction
    assert isinstance(prediction, ValuePrediction) and prediction.value.shape[1] == outputs
    if columns == outputs:
        assert prediction.target is not None
        np.testing.assert_array_equal(prediction.target[:-1], network.encode(text)[0, 1:])
    else:
        assert prediction.target is None


def test_one_hot_where_a_vocabulary_is_given():
    model = Model(nn.LSTM, 11, 11)
    checkpoint = load_checkpoint(save(model.state_dict()))
    assert default_setup(compatible_parts(checkpoint)).kind == "numbers"
    network = build_network(checkpoint, default_setup(compatible_parts(checkpoint), vocabulary=SYMBOLS), "char-rnn")
    assert network.input_names == SYMBOLS
    given = network.encode("cab")
    with torch.inference_mode():
        torch.testing.assert_close(network.module(given), model(torch.eye(11)[given]))


def test_tied_to_the_embedding():
    model = Model(nn.LSTM, 6, 11, 11)
    state = {name: values for name, values in model.state_dict().items() if name != "fc.weight"}
    checkpoint = load_checkpoint(save(state))
    setup = default_setup(compatible_parts(checkpoint))
    assert setup.decoder is None  # nothing says that it is tied
    network = build_network(checkpoint, Setup(setup.stack, "word_embed.weight", TIED, None, "ids"), "lm")
    model.fc.weight = model.word_embed.weight
    model.fc.bias = nn.Parameter(torch.zeros(11))
    same(network, model, network.encode("3 1 4"))


def test_without_a_decoder_the_layers_run():
    lstm = nn.LSTM(3, 4, bidirectional=True)
    network = build_network(
        checkpoint := load_checkpoint(save(lstm.state_dict())), default_setup(compatible_parts(checkpoint)), "bare"
    )
    reading = run_network(network, "1, 2, 3; 4, 5, 6")
    assert reading.prediction is None and list(reading.trace.layers) == ["rnn.l0", "rnn.l0_reverse"]
    expected = lstm(torch.tensor([[1.0, 2, 3], [4, 5, 6]]))[0].detach().numpy()
    np.testing.assert_allclose(reading.trace.layers["rnn.l0_reverse"].hidden[0], expected[:, 4:], atol=1e-6)


def test_edits_and_gradients_work_on_it():
    model = Model(nn.LSTM, 5, 11, 11, num_layers=2)
    network = opened(model, itos=list(SYMBOLS))
    edits = read_edits("encoder_stack.rnn.l1.forget_gate[2]@2-4=0;encoder_stack.rnn.l0.weight_hh*=0.5")
    edited = EditedNetwork(network, edits)
    layer = edited.read("abcdef").trace.layers["encoder_stack.rnn.l1"]
    assert not layer.forget_gate[0, 2:5, 2].any() and layer.forget_gate[0, :2, 2].all()
    with torch.no_grad():
        model.encoder_stack["rnn"].weight_hh_l0 *= 0.5
    np.testing.assert_allclose(
        EditedNetwork(network, read_edits("encoder_stack.rnn.l0.weight_hh*=0.5")).read("abc").prediction.probability,
        model(network.encode("abc"))[0].softmax(-1).detach().numpy(),
        atol=1e-6,
    )
    network = opened(model, itos=list(SYMBOLS))
    given = network.encode("abcd")
    value = -model(given)[0].log_softmax(-1)[1, given[0, 2]]
    value.backward()
    done = differentiate(network, "abcd", Loss("next", step=1))
    assert done.value == pytest.approx(float(value.detach()), abs=1e-6)
    own = dict(done.module.named_parameters())
    for name, values in model.named_parameters():
        torch.testing.assert_close(own[name].grad, values.grad, rtol=1e-4, atol=1e-7)


def test_the_loss_by_the_layers_output():
    network = opened(Model(nn.GRU, 5, 11, 11, bidirectional=True), itos=list(SYMBOLS))
    model, given = network.module, network.encode("abcde")
    grad = output_loss_grad(network, model, given)
    out = model.get_submodule("encoder_stack.rnn")(model.vectors(given))[0].detach().requires_grad_()
    scores = model.scores(out)[0].log_softmax(-1)
    targets = torch.cat([given[0, 1:], scores[-1].argmax()[None]])
    (-scores.gather(-1, targets[:, None])).sum().backward()
    torch.testing.assert_close(grad, out.grad)


STACK, EMBEDDING = "encoder_stack.rnn", "word_embed.weight"
WRONG = {
    "no such stack": (Setup("rnm"), "Unknown layer stack “rnm”"),
    "no embedding": (Setup(STACK, "fc.bias", kind="ids"), "fc.bias does not fit the input of encoder_stack.rnn"),
    "no decoder": (Setup(STACK, EMBEDDING, EMBEDDING, kind="ids"), "word_embed.weight does not fit the output of encoder"),
    "not tied": (Setup(STACK, EMBEDDING, TIED, kind="ids"), "weight-tied output layer needs an embedding with"),
    "too few symbols": (Setup(STACK, EMBEDDING, vocabulary=("a", "b"), kind="words"), "This vocabulary has 2 symbols, but"),
    "no vocabulary": (Setup(STACK, EMBEDDING, kind="words"), "A network with words as its input needs a vocabulary"),
    "classes": (Setup(STACK, EMBEDDING, "fc.weight", None, "ids", "class", ("a",)), "There are 1 class names, but"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit_is_told_in_one_sentence(wrong):
    setup, sentence = WRONG[wrong]
    checkpoint = load_checkpoint(save(Model(nn.LSTM, 5, 11, 11).state_dict()))
    with pytest.raises(CheckpointError, match=sentence):
        build_network(checkpoint, setup, "lm")


def test_symbols_of_several_characters():
    symbols = ("<pad>", "<s>", "</s>", *"abcdefgh")
    network = opened(Model(nn.LSTM, 5, 11, 11), itos=list(symbols))
    assert network.tokens("<s>bad</s>") == ["<s>", "b", "a", "d", "</s>"]
    words = ("<unk>", "don't", "stop", ".", "...", "well-known", "the", "a", "b", "c", "d")
    network = opened(Model(nn.LSTM, 5, 11, 11), vocabulary={word: index for index, word in enumerate(words)})
    assert network.kind == "words" and network.card.unknown == "<unk>"
    assert network.tokens("Don't stop, well-known ... the <unk>") == [
        "don't", "stop", "<unk>", "well-known", "...", "the", "<unk>",
    ]  # fmt: skip


def test_steps_of_many_numbers_have_short_labels():
    network = opened(Model(nn.GRU, 9, 9))
    assert network.labels("1,2,3,4,5,6,7,8,9; 0,0,0,0,0,0,0,0,0.5") == ["1,2,…,9", "0,0,…,0.5"]


@pytest.mark.parametrize("weight", [float("nan"), 1e30])
def test_a_broken_network_opens_and_says_so(weight):
    model = Model(nn.RNN, 5, 11, 11, nonlinearity="relu")
    with torch.no_grad():
        model.encoder_stack["rnn"].weight_hh_l0.fill_(weight)
    checkpoint = load_checkpoint(save(model.state_dict())).corrected("encoder_stack.rnn.l0", nonlinearity="relu")
    start = build_network(checkpoint, default_setup(compatible_parts(checkpoint)), "broken").card.default
    assert "No unit of this layer stays a finite number" in start.why["en"] and start.unit < 6


def test_a_tensor_inside_a_recurrent_module_gets_a_name_beside_it():
    taken = set()
    names = [unique_module_name(name, taken) for name in ("rnn", "rnn.raw", "rnn_raw", "a.b.c", "a", "a.b.c.d")]
    assert names == ["rnn", "rnn_raw", "rnn_raw_", "a.b.c", "a_", "a.b.c_d"]
