"""Each function of an answer, against torch, autograd, counting by hand, or the function of the page."""

import math
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.core.messages import Problem
from models.decoding.decode import decode
from models.gradients.initialized import InitConfig, initialized_layer, loss_direction, random_sequence
from models.language.corpus import shipped_text, split_sentence
from models.layer_calls.call_inputs import NOTES_NUMBERS
from models.zoo.catalogue import load_network
from viz.lessons import lesson
from viz.lessons.answer_expression import evaluate, form_of
from viz.lessons.answer_functions import LIST_FUNCTIONS, RUN_FUNCTIONS
from viz.lessons.lesson import QuestionPlace

TEXT = "Moscow is new to me. My brother called me from Rome. The"
SOURCE = "We met on 3 May 2021"


def answer(expression, net="recall-lstm", text=TEXT, **place):
    return evaluate(expression, QuestionPlace(net, text, **place))


def torch_run(net, text):
    """The network run by torch alone: ids (1, T), states (T, H), logits (T, V)."""
    network = load_network(net)
    ids = network.encode(text)
    with torch.no_grad():
        embedded = network.module.embedding(ids) if hasattr(network.module, "embedding") else None
        logits = network.module(ids)[0]
        hidden = network.module.rnn(embedded)[0][0]
    return network, ids, hidden, logits


def test_states_are_those_of_torch():
    _network, ids, hidden, _logits = torch_run("recall-lstm", TEXT)
    count = ids.shape[1]
    assert answer("T") == count
    assert answer('value("hidden", 5, 3)') == pytest.approx(float(hidden[3, 5]), abs=1e-6)
    assert answer('value("hidden", -1, last)') == pytest.approx(float(hidden[-1, -1]), abs=1e-6)
    assert answer('series("hidden", 7)') == pytest.approx(hidden[:, 7].tolist(), abs=1e-6)
    assert answer('mean_value("hidden", 2)') == pytest.approx(float(hidden[2].double().mean()), abs=1e-6)
    assert answer('mean_value("hidden")') == pytest.approx(float(hidden.double().mean()), abs=1e-6)


def test_retention_is_the_product_of_the_forget_gates():
    gates = np.array(answer('series("forget_gate", 4)'), np.float64)
    assert answer("retention(4, 6, 2)") == pytest.approx(gates[3:7].prod())
    assert answer("retention(4, 3, 3)") == 1
    with pytest.raises(Problem, match="RNN has no gate"):
        answer("retention(4)", net="recall-rnn")
    with pytest.raises(Problem, match="“since” is after “step”"):
        answer("retention(4, 2, 6)")


def test_saturation_counts_the_values_above_nine_tenths():
    gates = np.array([answer(f'series("forget_gate", {unit})', net="counter", text=".aaabbb.") for unit in range(2)])
    assert answer('saturated_share("forget_gate", "open")', "counter", ".aaabbb.") == pytest.approx(
        (gates > 0.9).mean()
    )
    assert answer('saturated_share("forget_gate", "closed")', "counter", ".aaabbb.") == pytest.approx(
        (gates < 0.1).mean()
    )


def test_predictions_are_the_softmax_of_torch():
    network, ids, _hidden, logits = torch_run("recall-lstm", TEXT)
    probability = logits.softmax(-1)
    rome = network.ids["Rome"]
    assert answer('probability("Rome", 4)') == pytest.approx(float(probability[4, rome]), rel=1e-5)
    assert answer("top_token()") == network.vocabulary[int(probability[-1].argmax())]
    bits = -probability[torch.arange(ids.shape[1] - 1), ids[0, 1:]].double().log2()
    assert answer("surprisal(2)") == pytest.approx(float(bits[2]), rel=1e-4)
    assert answer("mean_bits()") == pytest.approx(float(bits.mean()), rel=1e-5)
    assert answer("perplexity()") == pytest.approx(2 ** float(bits.mean()), rel=1e-4)
    assert answer('step_of("me")') == network.tokens(TEXT).index("me")
    assert answer('step_of("me", 1)') == [i for i, token in enumerate(network.tokens(TEXT)) if token == "me"][1]


def test_classes_and_values_are_those_of_torch():
    network = load_network("sentiment")
    text = "The story was not boring at all"
    with torch.no_grad():
        expected = network.module(network.encode(text), None)[0].softmax(-1)
    names = network.card.classes["en"]
    assert answer(f'class_probability("{names[0]}")', "sentiment", text) == pytest.approx(float(expected[0]), abs=1e-5)
    assert answer("top_class()", "sentiment", text) == names[int(expected.argmax())]
    wave = load_network("wave")
    with torch.no_grad():
        value = wave.module(wave.encode("0, 0.4, 0.7"))[0, -1, 0]
    assert answer("predicted_value()", "wave", "0, 0.4, 0.7") == pytest.approx(float(value), abs=1e-6)


@pytest.mark.parametrize("net", ["recall-rnn", "recall-lstm", "recall-gru"])
def test_gradients_are_those_of_autograd(net):
    network = load_network(net)
    ids = network.encode(TEXT)
    module, embedded = network.module, network.module.embedding(ids).detach()
    cell = {"recall-rnn": nn.RNNCell, "recall-lstm": nn.LSTMCell, "recall-gru": nn.GRUCell}[net](32, 64)
    cell.load_state_dict({name.removesuffix("_l0"): values for name, values in module.rnn.state_dict().items()})
    state, hidden = None, []
    for step in range(ids.shape[1]):
        state = cell(embedded[:, step], state)
        first = state[0] if isinstance(state, tuple) else state
        first.retain_grad()
        hidden.append(first)
    head = next(each for each in module.modules() if isinstance(each, nn.Linear))
    (-head(hidden[-1])[0].log_softmax(-1)[ids[0, 0]]).backward()
    expected = [float(each.grad.norm()) for each in hidden]
    assert answer("gradient_norms()", net) == pytest.approx(expected, rel=1e-3)
    assert answer("gradient_norm(3)", net) == pytest.approx(expected[3], rel=1e-3)


def test_the_gradient_of_an_earlier_loss_is_that_of_the_next_token():
    network, ids, _hidden, _logits = torch_run("recall-lstm", TEXT)
    module = network.module.requires_grad_(True)
    module.zero_grad()
    (-module(ids)[0, 4].log_softmax(-1)[ids[0, 5]]).backward()
    squares = sum(float(each.grad.double().square().sum()) for each in module.parameters() if each.grad is not None)
    assert answer("weight_gradient_norm(4)") == pytest.approx(math.sqrt(squares), rel=1e-4)
    assert answer("clip_factor(0.001, 4)") == pytest.approx(0.001 / (math.sqrt(squares) + 1e-6), rel=1e-4)
    assert answer("gradient_norm(5, loss=4)") == 0


@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU"])
def test_an_untrained_layer_has_the_gradients_of_autograd(cell):
    config = InitConfig(radius=1.2, memory_bias=1.0, steps=12)
    module = initialized_layer(cell, config)
    own = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}[cell](config.inputs, config.hidden)
    own.load_state_dict({name.removesuffix("_l0"): values for name, values in module.state_dict().items()})
    state, hidden, x = None, [], random_sequence(config)
    for step in range(12):
        state = own(x[:, step], state)
        first = state[0] if isinstance(state, tuple) else state
        first.retain_grad()
        hidden.append(first)
    (hidden[-1][0] @ loss_direction(config)).backward()
    assert answer(f'initial_gradient("{cell}", 1.2, 12, 4)') == pytest.approx(float(hidden[4].grad.norm()), rel=1e-3)
    assert answer(f'initial_gradient("{cell}", 1.2, 12, last)') == pytest.approx(1.0, rel=1e-5)


def test_a_recall_network_before_its_training_is_another_one():
    norms = [answer(f"initial_recall_gradient({step})", "recall-rnn") for step in (0, -1)]
    assert norms[0] != answer("gradient_norm(0)", "recall-rnn")
    assert norms[0] < norms[1]


def test_weights_are_those_of_the_state_dict():
    network = load_network("recall-lstm")
    weights = {name: values.double() for name, values in network.module.rnn.state_dict().items()}
    candidate = weights["weight_hh_l0"][128:192].numpy()
    assert answer("spectral_radius()") == pytest.approx(np.abs(np.linalg.eigvals(candidate)).max(), rel=1e-6)
    forget = weights["weight_hh_l0"][64:128].numpy()
    assert answer('largest_singular_value("forget_gate")') == pytest.approx(np.linalg.norm(forget, 2), rel=1e-6)
    assert answer('weight("rnn.l0.weight_hh", "forget_gate.3", 5)') == pytest.approx(forget[3, 5])
    assert answer('weight("rnn.l0.weight_hh", 67, 5)') == pytest.approx(forget[3, 5])
    assert answer('bias("rnn.l0.bias_ih", "forget_gate.3")') == pytest.approx(float(weights["bias_ih_l0"][67]))
    assert answer("parameter_count()") == sum(each.numel() for each in network.module.parameters())
    assert answer('card("accuracy_by_distance", "31-40")') == network.card.metrics["accuracy_by_distance"]["31-40"]
    table = network.module.embedding.weight.detach()[[network.ids["Rome"], network.ids["me"]]]
    cosine = nn.functional.cosine_similarity(table[0], table[1], dim=0)
    assert answer('embedding_cosine("Rome", "me")') == pytest.approx(float(cosine), rel=1e-5)


@pytest.mark.parametrize(("cell", "module"), [("RNN", nn.RNN), ("LSTM", nn.LSTM), ("GRU", nn.GRU)])
def test_the_parameters_of_a_layer_are_those_that_torch_makes(cell, module):
    expected = sum(each.numel() for each in module(5, 7).parameters())
    assert answer(f'layer_parameters("{cell}", 5, 7)') == expected


def test_edits_change_the_answer():
    changed = answer('bias("rnn.l0.bias_ih", 0)', edits="rnn.l0.bias_ih[input_gate.0]=3")
    assert changed == 3
    assert answer('value("forget_gate", 2, 4)', edits="rnn.l0.forget_gate[2]=1") == 1
    assert answer('value("forget_gate", 2, 4, edits="rnn.l0.forget_gate[2]=0")') == 0
    assert answer('value("hidden", 2, 4)', edits="!rnn.l0.forget_gate[2]=1") == answer('value("hidden", 2, 4)')


def test_another_network_has_its_own_layer_and_no_edits():
    edited = {"edits": "rnn.l0.forget_gate[2]=1", "layer": "rnn.l0"}
    assert answer('gradient_norm(0, net="recall-rnn")', **edited) == answer("gradient_norm(0)", "recall-rnn")
    assert answer('value("cell", 0, 1, net="counter", text=".aab")', **edited) == answer(
        'value("cell", 0, 1)', "counter", ".aab"
    )


def test_attention_is_that_of_the_decoding():
    network = load_network("dates-additive")
    found = decode(network, SOURCE)
    weights = found.attention["attention"].weights[0, 0].astype(np.float64)
    at = {"net": "dates-additive", "text": SOURCE}
    assert answer("output_text()", **at) == found.answer
    assert answer("attention_weight(2, 3)", **at) == pytest.approx(weights[2, 3])
    assert answer("attended_source(2)", **at) == weights[2].argmax()
    bits = -sum(w * math.log2(w) for w in weights[2] if w > 0)
    assert answer("attention_entropy(2)", **at) == pytest.approx(bits, rel=1e-5)
    scores = [answer(f"attention_score(2, {source})", **at) for source in range(len(found.source))]
    assert torch.tensor(scores).softmax(0).tolist() == pytest.approx(weights[2].tolist(), abs=1e-5)
    assert answer("source_count()", **at) == len(SOURCE)
    assert answer("target_count()", **at) == len(found.symbols)
    assert answer("attention_weight(2, 3)", attend="attend[3]@2", **at) == 1
    value = torch.tensor(found.attention["attention"].value[0, 0, 3])
    half = network.module.join.in_features // 2
    added = weights[2, 3] * (network.module.join.weight[:, :half].detach() @ value).norm()
    assert answer("source_contribution(2, 3)", **at) == pytest.approx(float(added), rel=1e-4)


def test_a_position_is_encoded_by_sine_and_cosine():
    assert answer("position_encoding(7, 4, 64)") == pytest.approx(math.sin(7 / 10_000 ** (4 / 64)), abs=1e-5)
    assert answer("position_encoding(7, 5, 64)") == pytest.approx(math.cos(7 / 10_000 ** (4 / 64)), abs=1e-5)


def test_counts_are_those_of_the_sentences():
    sentences = [split_sentence(line) for line in shipped_text("en").splitlines()]
    words = [["⊢", *each, "⊣"] for each in sentences if each]
    one, two = (
        Counter(w for s in words for w in s),
        Counter(pair for s in words for pair in pairwise(s)),
    )
    assert answer('count("He", "english")') == one["He"]
    assert answer('count("He is", "en")') == two["He", "is"]
    assert answer('count_probability("is", "He", "english")') == two["He", "is"] / one["He"]
    size = len({w for s in sentences for w in s}) + 2
    assert answer('vocabulary_size("english")') == size
    assert answer('smoothed_probability("is", "He", "english", "add_k")') == pytest.approx(
        (two["He", "is"] + 1) / (one["He"] + size)
    )
    pairs = [("⊢", "He"), ("He", "is"), ("is", "a"), ("a", "boy"), ("boy", "⊣")]
    product = math.prod(two[pair] / one[pair[0]] for pair in pairs)
    assert answer('sentence_probability("He is a boy", "english", 2)') == pytest.approx(product)
    if product:
        assert answer('sentence_bits("He is a boy", "english", 2)') == pytest.approx(-math.log2(product) / 5)


def test_held_out_sentences_are_every_fifth():
    sentences = [each for each in map(split_sentence, shipped_text("en").splitlines()) if each]
    held, counted = sentences[4::5], [each for place, each in enumerate(sentences) if place % 5 != 4]
    known = {word for each in counted for word in each} | {"⊣"}
    tokens = [word for each in held for word in [*each, "⊣"]]
    unseen = sum(word not in known for word in tokens) / len(tokens)
    assert answer('unseen_share(1, "english")') == pytest.approx(unseen)
    assert answer('held_out_perplexity("english", 2, "witten_bell")') > 1


def test_a_call_returns_what_torch_returns():
    x = torch.tensor([[float(value) for value in line.split(",")] for line in NOTES_NUMBERS.splitlines()])[None]
    gru = nn.GRU(5, 3, batch_first=True)
    for name, values in gru.named_parameters():
        nn.init.constant_(values, 0.1 if "weight" in name else 0.0)
    with torch.no_grad():
        expected = gru(x)[0]
    look = r"""call:{"cell":"GRU","merge":"","return_sequences":true}"""
    assert answer('layer_shape("output")', None, None, look=look) == [1, 4, 3]
    assert answer('layer_output("output", 0, 2, 1)', None, None, look=look) == pytest.approx(float(expected[0, 2, 1]))
    assert answer('layer_shape("h_n", framework="torch")', None, None, look=look) == [1, 1, 3]


@pytest.mark.slow
def test_a_tracked_unit_has_the_correlation_of_its_list():
    text = 'print("one", [2, 3])  # four\nprint("a (b) c")\n'
    unit = next(unit for unit in range(384) if _is_listed(unit, text))
    states = np.array(answer(f'series("cell", {unit})', "python-lm", text))
    inside = np.zeros(len(text))
    for part in ('"one', '"a (b) c'):
        start = text.index(part)
        inside[start : start + len(part)] = 1
    assert answer(f'correlation({unit}, "inside_quotes")', "python-lm", text) == pytest.approx(
        np.corrcoef(states, inside)[0, 1], abs=1e-4
    )


def _is_listed(unit, text):
    try:
        answer(f'correlation({unit}, "inside_quotes")', "python-lm", text)
    except Problem:
        return False
    return True


@pytest.mark.slow
def test_word_vectors_are_those_of_the_page():
    nearest = answer('nearest_word("good", "english")')
    assert answer(f'word_cosine("good", "{nearest}", "english")') == pytest.approx(
        max(answer(f'word_cosine("good", "{other}", "english")') for other in (nearest, "He", "is", "student"))
    )
    assert answer('word_cosine("good", "good", "english")') == pytest.approx(1)


def test_lists_are_computed_by_hand():
    assert answer("max(1, 3, 2) + min([4, 2]) + sum([1, 2]) + mean([1, 3])") == 10
    assert answer("argmax([1, 5, 5]) + argmin([2, 1])") == 2
    assert answer("first_below([3, 2, 0.5, 1], 1)") == 2
    assert answer("reverse([1, 2, 3])[0] + len([1, 2])") == 5
    assert answer("round(2.345, 1) + abs(-1) + sqrt(4) + log2(8) + exp(0) + tanh(0) + sigmoid(0) + log(1)") == 9.8
    assert answer('which(rnn=1, lstm=2) == "lstm" and which("is", 3, "a", 2) == "is"')
    with pytest.raises(Problem, match="Several choices"):
        answer("which(a=1, b=1)")
    with pytest.raises(Problem, match="No number of the list"):
        answer("first_below([1, 2], 0)")


def test_every_function_is_named_in_the_documentation():
    readme = (Path(lesson.__file__).parent / "README.md").read_text(encoding="utf-8")
    assert [name for name in (*RUN_FUNCTIONS, *LIST_FUNCTIONS) if f"`{name}(" not in readme] == []
    assert form_of("gradient_norm") == "gradient_norm(step, loss=-1, state='hidden')"
