"""The payload of an attention has torch's own numbers, step by step."""

import numpy as np
import pytest
import torch

from models import load_network
from models.decoding import AttentionTemperature, BorrowScores, ForceAttention, contributions, decode
from viz.payloads.attention_payload import attention_payload
from viz.payloads.binary_payload import unpack

CLOSE = 1e-5
TEXT = "우리는 2026년 11월 3일 화요일에 만나요"
RECURRENT = ("dates-dot", "dates-general", "dates-additive")


def close(actual, expected):
    np.testing.assert_allclose(actual, np.asarray(expected), rtol=CLOSE, atol=CLOSE)


def written(network, text, temperature=1.0, forced=None):
    """The decoder, one step after the other, only linear algebra after its GRU cell; every number of every step."""
    module = network.module
    steps = []
    with torch.no_grad():
        memory, summary, _mask = module.encode(network.encode(text))
        state, symbol = torch.tanh(module.bridge(summary)), 0
        cell = torch.nn.GRUCell(module.decoder.input_size, module.decoder.hidden_size)
        cell.load_state_dict({name.removesuffix("_l0"): value for name, value in module.decoder.state_dict().items()})
        while symbol != 1 and len(steps) < module.longest:
            state = cell(module.target_embedding.weight[[symbol]], state)
            s, h = state[0], memory[0]
            match module.attention.score:
                case "dot":
                    query, key = s, h
                    scores = torch.stack([(s * each).sum() for each in h])
                case "general":
                    query, key = s, h @ module.attention.key.weight.T
                    scores = torch.stack([s @ module.attention.key.weight @ each for each in h])
                case "additive":
                    query, key = module.attention.query.weight @ s, h @ module.attention.key.weight.T
                    scores = torch.stack([module.attention.energy @ torch.tanh(query + each) for each in key])
            scores = scores / temperature
            if forced == len(steps):
                scores = torch.where(torch.arange(len(h)) == 3, scores, -torch.inf)
            weights = scores.exp() / scores.exp().sum()
            context = sum(weight * each for weight, each in zip(weights, h, strict=True))
            size = len(context)
            parts = module.join.weight[:, :size] @ context, module.join.weight[:, size:] @ s + module.join.bias
            joined = torch.tanh(parts[0] + parts[1])
            logits = module.head.weight @ joined + module.head.bias
            steps.append(
                {
                    "query": query,
                    "state": s,
                    "attention_score": scores,
                    "attention_weight": weights,
                    "context": context,
                    "joined_context": parts[0],
                    "joined_state": parts[1],
                    "joined": joined,
                    "logit": logits,
                    "probability": logits.softmax(0),
                }
            )
            symbol = int(logits.argmax())
    rows = {name: torch.stack([step[name] for step in steps]) for name in steps[0]}
    return rows | {"source_key": key, "source_value": h}


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("changed", [False, True])
def test_every_number_is_torchs(name, changed):
    network = load_network(name)
    changes = (AttentionTemperature(2.0), ForceAttention(3, 1)) if changed else ()
    decoding = decode(network, TEXT, changes)
    payload = attention_payload("attention", network, decoding, None, "attention")
    header, arrays = unpack(payload)
    expected = written(network, TEXT, *((2.0, 1) if changed else ()))
    for quantity, values in expected.items():
        close(arrays[quantity], values)
    assert header["tokens"] == list(decoding.target) and header["options"]["source"] == list(decoding.source)
    assert header["options"]["read"] == ["⊢", *decoding.target[:-1]]
    assert header["options"]["temperature"] == (2.0 if changed else 1.0)
    weights = expected["attention_weight"]
    close(arrays["source_coverage"], weights.sum(0))
    terms = torch.where(weights > 0, -weights * torch.log2(weights), torch.zeros(()))
    close(arrays["entropy"], terms.sum(1))
    if changed:
        assert arrays["attention_weight"][1].tolist() == [float(place == 3) for place in range(len(TEXT))]


@pytest.mark.parametrize("other", RECURRENT)
def test_the_formula_of_the_score_is_that_of_the_network_which_scores(other):
    network, another = load_network("dates-additive"), load_network(other)
    decoding = decode(network, TEXT, () if another is network else (BorrowScores(another),))
    options = unpack(attention_payload("attention", network, decoding, None, "attention"))[0]["options"]
    assert options["score"] == "additive" and options["scored"] == other.removeprefix("dates-")


@pytest.mark.parametrize("name", RECURRENT)
def test_a_contribution_is_the_derivative_by_the_symbols_vector(name):
    network = load_network(name)
    decoding = decode(network, TEXT)
    found = contributions(network, TEXT, decoding)
    _header, arrays = unpack(attention_payload("attention", network, decoding, found, "attention"))
    module, step = network.module, 6
    vectors = module.embedding(network.encode(TEXT)).detach()

    def score(vectors):
        memory, last = module.encoder(vectors)
        summary = last.transpose(0, 1).flatten(1)
        read = torch.tensor([[0, *decoding.symbols[:-1].tolist()]])
        logits, _state = module.decode(read, module.initial_state(summary), memory, summary, None)
        return logits[0, step].log_softmax(0)[decoding.symbols[step]]

    grad = torch.autograd.functional.jacobian(score, vectors)[0]
    expected = (grad * vectors[0]).sum(1)
    np.testing.assert_allclose(arrays["contribution_gradient"][step], expected, rtol=1e-4, atol=1e-5)
    assert ((arrays["agreement"] >= -1) & (arrays["agreement"] <= 1)).all()
