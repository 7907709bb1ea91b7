"""Beam search, contributions and measures of a decoding, against what they are by definition."""

import copy
import itertools
import math
import pickle
from importlib import import_module

import numpy as np
import pytest
import torch

from models import load_network, load_trace
from models.architectures.translator import END, START
from models.decoding import ForceAttention, ForceToken, beam_search, contributions, coverage, decode, entropy
from models.networks.network import Network
from tests.support.translators import KINDS, SIZE, TEXT, random_translator


@pytest.fixture(scope="module")
def trained() -> dict[str, Network]:
    return {name: load_network(f"dates-{name}") for name in ("fixed", "dot")}


# Beam search


@pytest.mark.parametrize("kind", ["dot", "transformer"])
@pytest.mark.parametrize("seed", range(3))
def test_a_beam_of_one_is_greedy(kind, seed):
    network = random_translator(kind, seed)
    tree, greedy = beam_search(network, TEXT, 1), decode(network, TEXT)
    assert tree.answer() == greedy.answer
    assert tree.nodes[tree.best].log_probability == pytest.approx(greedy.log_probability, abs=1e-4)
    assert [tree.nodes[node].symbol for node in tree.path(tree.best)] == list(greedy.target)


@pytest.mark.parametrize("seed", range(6))
def test_a_beam_wide_enough_finds_the_most_probable_answer_of_all(seed):
    """Four symbols, three steps: every answer can be written down."""
    network = random_translator("general", seed, targets=4, longest=3)
    symbols, totals = network.card.target_vocabulary, {}
    ids = network.encode(TEXT)
    for answer in itertools.product(range(4), repeat=3):
        if END in answer[:-1]:
            continue
        with torch.no_grad():
            logs = network.module(ids, torch.tensor([[START, *answer[:-1]]]))[0].double().log_softmax(-1)
        totals[answer] = float(logs[range(3), answer].sum())
        for length in (1, 2):
            ended = (*answer[:length], END)[: length + 1]
            if length + 1 <= 3:
                totals[ended] = float(logs[range(length), answer[:length]].sum() + logs[length, END])
    with torch.no_grad():
        totals[(END,)] = float(network.module(ids, torch.tensor([[START]]))[0, 0].double().log_softmax(-1)[END])
    best = max(totals, key=totals.get)
    tree = beam_search(network, TEXT, 16)
    assert tuple(symbols.index(tree.nodes[node].symbol) for node in tree.path(tree.best)) == best
    assert tree.nodes[tree.best].log_probability == pytest.approx(totals[best], abs=1e-5)


def test_the_tree_of_a_beam_hangs_together(trained):
    tree = beam_search(trained["dot"], "2024년 8월 4일 일요일", 4)
    assert tree.answer() == "2024-08-04"
    assert [tree.nodes[each].log_probability for each in tree.leaves] == sorted(
        (tree.nodes[each].log_probability for each in tree.leaves), reverse=True
    )
    for at, node in enumerate(tree.nodes[1:], 1):
        parent = tree.nodes[node.parent]
        assert node.parent < at and node.step == parent.step + 1 and not parent.finished
        assert node.log_probability == pytest.approx(parent.log_probability + math.log(node.probability), abs=1e-6)
    steps = [node.step for node in tree.nodes]
    assert max(steps.count(step) for step in set(steps)) <= 4


def test_every_answer_of_a_tree_is_as_probable_as_it_says(trained):
    network, text = trained["fixed"], "from 3 May 2021 to 4 June 2022"
    tree, symbols = beam_search(network, text, 8), network.card.target_vocabulary
    assert len(tree.leaves) >= 8
    for end in tree.leaves:
        ids = [symbols.index(tree.nodes[node].symbol) for node in tree.path(end)]
        with torch.no_grad():
            logs = network.module(network.encode(text), torch.tensor([[START, *ids[:-1]]]))[0].log_softmax(-1)
        assert float(logs[range(len(ids)), ids].sum()) == pytest.approx(tree.nodes[end].log_probability, abs=1e-3)


def test_a_beam_follows_the_changes():
    network = random_translator("dot", 3)
    changes = [ForceAttention(1), ForceToken(1, "7")]
    tree, greedy = beam_search(network, TEXT, 1, changes), decode(network, TEXT, changes)
    assert tree.answer() == greedy.answer and greedy.answer[1] == "7"


# Contributions


@pytest.mark.slow
@pytest.mark.parametrize("kind", (*KINDS, "transformer"))
def test_gradient_times_input_is_the_derivative_along_each_symbol(kind):
    """Scaling a symbol's vector by 1 + e changes the logarithm of the probability by e times that much."""
    network = random_translator(kind, 8)
    decoding = decode(network, TEXT)
    found = contributions(network, TEXT, decoding)
    module, ids = copy.deepcopy(network.module).double(), network.encode(TEXT)
    read, e = torch.tensor([[START, *decoding.symbols[:-1]]]), 1e-6

    def logs(place, scale):
        handle = module.embedding.register_forward_hook(
            lambda _, __, out: out * torch.ones(out.shape[1], 1).double().index_fill(0, torch.tensor(place), scale)
        )
        with torch.no_grad():
            values = module(ids, read)[0].log_softmax(-1)[range(read.shape[1]), decoding.symbols]
        handle.remove()
        return values

    for place in range(ids.shape[1]):
        slope = (logs(place, 1 + e) - logs(place, 1 - e)) / (2 * e)
        np.testing.assert_allclose(found.gradient[:, place], slope, atol=2e-4, rtol=1e-3)
    assert network.module.embedding.weight.grad is None


@pytest.mark.parametrize("kind", ["dot", "transformer"])
def test_a_long_text_goes_backwards_a_few_steps_at_a_time(kind, monkeypatch):
    network = random_translator(kind, 8)
    decoding = decode(network, TEXT)
    together = contributions(network, TEXT, decoding).gradient
    monkeypatch.setattr(import_module("models.decoding.contributions"), "MAX_SOURCE_PAIRS", 2 * len(TEXT) ** 2)
    np.testing.assert_allclose(contributions(network, TEXT, decoding).gradient, together, atol=1e-6)


@pytest.mark.parametrize("kind", [*KINDS, "transformer"])
def test_what_was_written_is_saved_and_loaded(kind, tmp_path):
    trace = decode(random_translator(kind, 3), TEXT, [ForceToken(1, "5")]).trace
    trace.save(tmp_path / "run.npz")
    for again in (load_trace(tmp_path / "run.npz"), pickle.loads(pickle.dumps(trace))):
        assert list(again.layers) == list(trace.layers) and again.tokens == trace.tokens
        assert list(again.attention) == list(trace.attention)
        for name, each in trace.attention.items():
            np.testing.assert_array_equal(again.attention[name].weights, each.weights)


def test_weight_times_value_of_a_recurrent_network():
    network = random_translator("additive", 9)
    decoding = decode(network, TEXT)
    found = contributions(network, TEXT, decoding).weighted["attention"]
    attention, matrix = decoding.attention["attention"], network.module.join.weight[:, :SIZE].detach().numpy()
    for t, j in itertools.product(range(found.shape[0]), range(found.shape[1])):
        vector = matrix @ (attention.weights[0, 0, t, j] * attention.value[0, 0, j])
        assert found[t, j] == pytest.approx(float(np.linalg.norm(vector)), rel=1e-4)


def test_weight_times_value_of_a_transformer_adds_up_to_what_the_attention_puts_out():
    network = random_translator("transformer", 10)
    decoding = decode(network, TEXT)
    found = contributions(network, TEXT, decoding).weighted
    for name, attention in decoding.attention.items():
        matrix = network.module.get_submodule(name).out_proj.weight.detach().numpy()
        for t, j in itertools.product(range(found[name].shape[0]), range(found[name].shape[1])):
            heads = [attention.weights[0, head, t, j] * attention.value[0, head, j] for head in range(2)]
            assert found[name][t, j] == pytest.approx(float(np.linalg.norm(matrix @ np.concatenate(heads))), rel=1e-4)


def test_the_contributions_follow_the_changes():
    network = random_translator("dot", 11)
    changed = decode(network, TEXT, [ForceAttention(2)])
    found = contributions(network, TEXT, changed)
    assert (found.weighted["attention"].argmax(1) == 2).all()
    assert np.count_nonzero(found.weighted["attention"]) == len(changed.symbols)


# Measures


def test_entropy_and_coverage():
    assert entropy(np.array([1.0, 0, 0, 0])) == 0
    assert entropy(np.full(8, 1 / 8)) == pytest.approx(3)
    assert entropy(np.array([0.5, 0.25, 0.25])) == pytest.approx(1.5)
    weights = np.array([[0.5, 0.5, 0], [0, 1, 0]])
    np.testing.assert_allclose(coverage(weights), [[0.5, 0.5, 0], [0.5, 1.5, 0]])
    assert entropy(np.ones((2, 3, 4, 5)) / 5).shape == (2, 3, 4)
