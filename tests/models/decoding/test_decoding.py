"""Networks that write a sequence, with and without changes, against computations written out here."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from models import Problem, load_network
from models.architectures.transformer import positional_encodings
from models.architectures.translator import END, START
from models.decoding import (
    AttentionTemperature,
    BorrowScores,
    ForceAttention,
    ForceToken,
    MaskSource,
    beam_search,
    decode,
)
from models.networks.network import Network
from tests.support.translators import KINDS, LONGEST, TEXT, ReferenceTranslator, random_translator, reference_decode


@pytest.fixture(scope="module")
def trained() -> dict[str, Network]:
    return {name: load_network(f"dates-{name}") for name in ("fixed", "dot", "general")}


def same(network, text, changes=(), change=None, forced=None):
    symbols, probability, weights, context = reference_decode(network, text, change, forced)
    found = decode(network, text, changes)
    assert found.symbols.tolist() == symbols
    np.testing.assert_allclose(found.probability, probability, atol=1e-5)
    if weights is not None:
        np.testing.assert_allclose(found.attention["attention"].weights[0, 0], weights, atol=1e-5)
        np.testing.assert_allclose(found.attention["attention"].context[0, 0], context, atol=1e-5)
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_a_recurrent_network_is_what_its_equations_say(kind, seed):
    network = random_translator(kind, seed)
    found = same(network, TEXT)
    assert found.source == tuple(network.labels(TEXT)) and len(found.trace.layers) == 3
    assert (found.attention == {}) == (kind == "fixed")
    assert found.decoder_input[0] == "⊢" and found.decoder_input[1:] == found.target[:-1]
    assert found.finished == (found.symbols[-1] == END) and len(found.symbols) <= LONGEST
    assert found.log_probability == pytest.approx(np.log(found.token_probability).sum(), abs=1e-5)


@pytest.mark.parametrize("kind", (*KINDS, "transformer"))
@pytest.mark.parametrize("seed", range(3))
def test_without_changes_the_modules_own_forward_writes_the_same(kind, seed):
    network = random_translator(kind, seed)
    found = decode(network, TEXT)
    with torch.no_grad():
        logits = network.module(network.encode(TEXT))[0]
        taught = network.module(network.encode(TEXT), torch.tensor([[START, *found.symbols[:-1]]]))[0]
    assert logits.argmax(-1).tolist() == found.symbols.tolist()
    np.testing.assert_allclose(found.probability, logits.softmax(-1).numpy(), atol=1e-6)
    np.testing.assert_allclose(found.probability, taught.softmax(-1).numpy(), atol=1e-6)


@pytest.mark.parametrize("kind", (*KINDS, "transformer"))
def test_texts_of_several_lengths_in_one_batch_are_as_alone(kind):
    network = random_translator(kind, 2)
    texts = [network.encode(text)[0] for text in (TEXT, "4 Aug", "The 4th of")]
    longest = max(map(len, texts))
    ids = torch.stack([nn.functional.pad(each, (0, longest - len(each))) for each in texts])
    with torch.no_grad():
        together = network.module(ids)
        for each, logits in zip(texts, together, strict=True):
            alone = network.module(each[None])[0]
            torch.testing.assert_close(logits[: len(alone)], alone, atol=1e-5, rtol=1e-5)


# Changes


def test_all_attention_to_one_position_at_one_step_and_at_all():
    network = random_translator("general", 1)

    def one(step, scores):
        return torch.full_like(scores, -torch.inf).index_fill(0, torch.tensor(3), 0.0) if step == 2 else scores

    found = same(network, TEXT, [ForceAttention(3, step=2)], one)
    assert found.attention["attention"].weights[0, 0, 2, 3] == 1.0
    every = decode(network, TEXT, [ForceAttention(3)])
    assert (every.attention["attention"].weights[0, 0].argmax(-1) == 3).all()
    assert not np.allclose(every.probability[:2], decode(network, TEXT).probability[:2], atol=1e-3)


def test_a_hidden_position_is_never_read_and_the_rest_shares_its_weight():
    network = random_translator("additive", 2)

    def hide(step, scores):
        return scores.index_fill(0, torch.tensor([1, 4]), -torch.inf)

    found = same(network, TEXT, [MaskSource(1), MaskSource(4)], hide)
    assert not found.attention["attention"].weights[0, 0][:, [1, 4]].any()
    nothing = decode(network, TEXT, [MaskSource(each) for each in range(len(TEXT))])
    assert not nothing.attention["attention"].context.any() and np.isfinite(nothing.probability).all()
    forced = decode(network, TEXT, [ForceAttention(4), MaskSource(4)])
    assert (forced.attention["attention"].weights[0, 0, :, 4] == 1).all()


@pytest.mark.parametrize("value", [0.2, 3.0])
def test_temperature_divides_the_scores(value):
    same(random_translator("dot", 3), TEXT, [AttentionTemperature(value)], lambda step, scores: scores / value)


def test_what_is_taken_to_be_written_is_read_on():
    network = random_translator("dot", 4)
    symbols = network.card.target_vocabulary
    plain = decode(network, TEXT)
    other = next(symbol for symbol in symbols[2:] if symbol != plain.target[1])
    found = same(network, TEXT, [ForceToken(1, other)], forced={1: symbols.index(other)})
    assert found.target[1] == other and found.token_probability[1] < plain.token_probability[1]
    np.testing.assert_array_equal(found.probability[1], plain.probability[1])
    short = decode(network, TEXT, [ForceToken(2, "⊣")])
    assert short.finished and len(short.answer) == 2


def test_scores_of_another_network_which_goes_along_with_its_own_states():
    network, other = random_translator("dot", 5), random_translator("additive", 6)
    own, aside = (ReferenceTranslator(each.module, network.encode(TEXT)[0]) for each in (network, other))
    symbol = START
    found = decode(network, TEXT, [BorrowScores(other)])
    with torch.no_grad():
        for step in range(len(found.symbols)):
            _, weights, _ = aside.step(symbol)
            borrowed = weights.log()
            probability, _, _ = own.step(symbol, step, lambda _, scores, to=borrowed: to)
            np.testing.assert_allclose(found.attention["attention"].weights[0, 0, step], weights, atol=1e-5)
            np.testing.assert_allclose(found.probability[step], probability, atol=1e-5)
            symbol = int(found.symbols[step])


@pytest.mark.parametrize("kind", (*KINDS, "transformer"))
def test_undoing_restores_everything_bit_for_bit(kind):
    network = random_translator(kind, 7)
    weights = {name: values.clone() for name, values in network.module.state_dict().items()}
    before = decode(network, TEXT)
    changes = (
        [ForceToken(1, "5")]
        if kind == "fixed"
        else [ForceAttention(2, step=1), MaskSource(0), AttentionTemperature(0.3), ForceToken(2, "5")]
    )
    changed = decode(network, TEXT, changes)
    assert not np.array_equal(changed.probability[-1], before.probability[-1])
    after = decode(network, TEXT)
    np.testing.assert_array_equal(after.probability, before.probability)
    np.testing.assert_array_equal(after.symbols, before.symbols)
    for name, each in before.attention.items():
        np.testing.assert_array_equal(after.attention[name].weights, each.weights)
    assert all(torch.equal(values, weights[name]) for name, values in network.module.state_dict().items())


# The Transformer, by torch's own layers with need_weights=True


def transformer(module, ids, symbols, change=None):
    """Logits, and weights by layer, from the parts of torch's layers; ``change(layer, weights)`` (heads, Tt, Ts)."""

    def attend(attention, query, memory, mask=None, layer=None):
        out, weights = attention(query, memory, memory, attn_mask=mask, average_attn_weights=False)
        if layer is None or change is None:
            return out, weights
        weights = change(layer, weights)
        value = memory @ attention.in_proj_weight[-8:].T + attention.in_proj_bias[-8:]
        context = weights @ value.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
        return attention.out_proj(context.transpose(1, 2).flatten(2)), weights

    def feed(layer, x):
        return layer.linear2(layer.linear1(x).relu())

    x = module.embedding.weight[ids] * math.sqrt(8) + positional_encodings(ids.shape[1], 8)
    for layer in module.encoder.layers:
        x = x + attend(layer.self_attn, layer.norm1(x), layer.norm1(x))[0]
        x = x + feed(layer, layer.norm2(x))
    memory = module.encoder.norm(x)
    y = module.target_embedding.weight[symbols] * math.sqrt(8) + positional_encodings(symbols.shape[1], 8)
    later, found = torch.ones(symbols.shape[1], symbols.shape[1], dtype=torch.bool).triu(1), []
    for at, layer in enumerate(module.decoder.layers):
        y = y + attend(layer.self_attn, layer.norm1(y), layer.norm1(y), later)[0]
        out, weights = attend(layer.multihead_attn, layer.norm2(y), memory, None, at)
        found.append(weights)
        y = y + out
        y = y + feed(layer, layer.norm3(y))
    return module.head(module.decoder.norm(y)), found


def same_transformer(network, changes=(), change=None):
    found = decode(network, TEXT, changes)
    read = torch.tensor([[START, *found.symbols[:-1]]])
    with torch.no_grad():
        logits, weights = transformer(network.module, network.encode(TEXT), read, change)
    np.testing.assert_allclose(found.probability, logits[0].softmax(-1), atol=1e-5)
    names = [f"decoder.layers.{layer}.multihead_attn" for layer in (0, 1)]
    assert list(found.attention) == names
    for name, expected in zip(names, weights, strict=True):
        np.testing.assert_allclose(found.attention[name].weights, expected, atol=1e-5)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_transformer_is_what_torchs_own_layers_say(seed):
    found = same_transformer(random_translator("transformer", seed))
    assert not found.trace.layers and len(found.trace.attention) == 6


def test_the_changes_of_a_transformer():
    network = random_translator("transformer", 4)

    def one(layer, weights):
        weights = weights.clone()
        if layer == 1:
            weights[:, 0, 2] = torch.eye(weights.shape[-1])[3]
        return weights

    same_transformer(network, [ForceAttention(3, step=2, layer=1, head=0)], one)

    def hide(layer, weights):
        weights = weights.clone()
        weights[:, 1, :, 2] = 0.0
        return weights / weights.sum(-1, keepdim=True)

    same_transformer(network, [MaskSource(2, head=1)], hide)
    same_transformer(
        network, [AttentionTemperature(0.5)], lambda layer, weights: weights**2 / (weights**2).sum(-1, keepdim=True)
    )
    nothing = decode(network, TEXT, [MaskSource(each) for each in range(len(TEXT))])
    assert np.isfinite(nothing.probability).all()


def test_positions_are_those_of_the_paper():
    found = positional_encodings(50, 6)
    for t, i in itertools.product((0, 1, 17, 49), range(3)):
        angle = t / 10_000 ** (2 * i / 6)
        assert found[t, 2 * i] == pytest.approx(math.sin(angle), abs=1e-5)
        assert found[t, 2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-5)


# What does not fit is said in one sentence


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("fixed", [ForceAttention(0)], r"has no attention to change"),
        ("fixed", [AttentionTemperature(1.0)], r"has no attention to change"),
        ("dot", [ForceAttention(99)], r"Input token 100 does not exist. Choose one from 1 to 8\."),
        ("dot", [MaskSource(-1)], r"Input token 0 does not exist"),
        ("dot", [AttentionTemperature(0.0)], r"must be a finite number greater than 0"),
        ("dot", [AttentionTemperature(float("nan"))], r"must be a finite number greater than 0"),
        ("dot", [ForceToken(1, "x")], r"cannot output “x”"),
        ("dot", [ForceToken(1, "⊢")], r"cannot output “⊢”"),
        ("dot", [ForceToken(99, "5")], r"Time step 100 does not exist"),
        ("dot", [ForceAttention(0, 99)], r"Time step 100 does not exist"),
        ("dot", [MaskSource(0, -1)], r"Time step 0 does not exist"),
        ("transformer", [MaskSource(0, 99)], r"Time step 100 does not exist"),
        ("dot", [ForceAttention(0, layer=1)], r"Decoder layer 1 does not exist"),
        ("transformer", [ForceAttention(0, layer=2)], r"Decoder layer 2 does not exist. Choose one from 0 to 1\."),
        ("transformer", [ForceAttention(0, head=2)], r"Head 2 does not exist. Choose one from 0 to "),
    ],
)
def test_a_change_that_does_not_fit_is_refused(kind, changes, said):
    with pytest.raises(Problem, match=said) as raised:
        decode(random_translator(kind), TEXT, changes)
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")


def test_scores_that_cannot_be_taken_are_refused():
    for network, other in (("dot", "fixed"), ("transformer", "dot"), ("dot", "transformer")):
        with pytest.raises(Problem, match="cannot use the attention scores of"):
            decode(random_translator(network), TEXT, [BorrowScores(random_translator(other))])
    with pytest.raises(Problem, match="cannot use the attention scores of"):
        decode(random_translator("dot"), TEXT, [BorrowScores(load_network("python-lm"))])


def test_a_network_that_writes_nothing_is_refused():
    with pytest.raises(Problem, match="does not output a sequence"):
        decode(load_network("python-lm"), "def f(x):")
    with pytest.raises(Problem, match="between 1 and 16, not 17"):
        beam_search(random_translator("dot"), TEXT, 17)


# People's input


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dot", "general", "fixed"])
@pytest.mark.parametrize(
    "text",
    ["le 4 août 2024", "четвертое августа 2024", "hello", "2" * 2000, "가" * 2000, " ", "!!!", "∅", "2024∅-08-04"],
)
def test_whatever_is_typed_the_answer_ends_and_its_uncertainty_is_told(trained, kind, text):
    try:
        found = decode(trained[kind], text)
    except Problem as problem:
        assert str(problem).count("\n") == 0
        return
    assert 1 <= len(found.symbols) <= trained[kind].card.architecture["longest"]
    assert np.isfinite(found.probability).all()
    np.testing.assert_allclose(found.probability.sum(-1), 1, atol=1e-5)


def test_nothing_and_too_much_are_refused(trained):
    for text, said in (("", "empty"), ("4" * 2001, "2,001 time steps, but at most 2,000 are allowed")):
        with pytest.raises(Problem, match=said):
            decode(trained["dot"], text)


@pytest.mark.parametrize("kind", ["dot", "general"])
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("2024년 8월 4일 일요일", "2024-08-04"),
        ("이천이십사년 팔월 사일", "2024-08-04"),
        ("4 Aug 2024", "2024-08-04"),
        ("the fourth of August, 2024", "2024-08-04"),
        ("우리 할머니 생신 잔치는 2024년 8월 4일 저녁에 강남에서 해요", "2024-08-04"),
        ("from 4 August 2024 to 2 January 2031", "2024-08-04/2031-01-02"),
    ],
)
def test_a_date_held_out_is_read_and_its_year_is_attended_to(trained, kind, text, answer):
    found = decode(trained[kind], text)
    assert found.answer == answer and found.finished
    year = next(each for each in ("이천이십사", "2024") if each in text)
    first = text.index(year)
    mass = found.attention["attention"].weights[0, 0, :4, first : first + len(year)].sum(-1)
    assert mass.mean() > 0.8
