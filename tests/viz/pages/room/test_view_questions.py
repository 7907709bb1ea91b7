"""The questions about a view: their right answers are those of torch, and of the numbers that the page shows."""

from urllib.parse import urlencode

import numpy as np
import pytest
import torch

from models.core.tokenize_text import display
from models.zoo.catalogue import load_network, network_names
from viz.pages.room.view_questions import CLOSED, OPEN, view_questions
from viz.rooms.room_question import checked_question

TEXT = "def f(x):\n    return x\n"


def asked(page="", at=None, **view):
    """Return the questions about a view by the first words of their answers' form."""
    return view_questions(f"/{page}?{urlencode(view)}", at or {})


def hidden_and_cell(net, text):
    """Return torch's own states of a network with one LSTM, (T, H) each, and the probabilities after each step."""
    module, ids = net.module, net.encode(text)
    lstm = next(each for each in module.modules() if isinstance(each, torch.nn.LSTM))
    found = []
    handle = lstm.register_forward_hook(lambda _module, inputs, output: found.append(inputs[0]))
    with torch.no_grad():
        probability = module(ids)[0].softmax(-1).numpy()
    handle.remove()
    cell = torch.nn.LSTMCell(lstm.input_size, lstm.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in lstm.state_dict().items()})
    state, states = None, []
    with torch.no_grad():
        for inputs in found[0][0]:
            state = cell(inputs[None], state)
            states.append([each[0].numpy() for each in state])
    return np.array([each[0] for each in states]), np.array([each[1] for each in states]), probability


@pytest.mark.parametrize("name", network_names())
@pytest.mark.parametrize("page", ["", "states", "gradients", "attention"])
def test_every_question_has_the_form_that_the_room_takes(name, page):
    net = load_network(name)
    found = asked(page, net=name, step=1, unit=0)
    for question in found:
        assert checked_question(question)
        assert question["ask"]["en"] != question["ask"]["ko"]
    if page == "attention" and net.card.predicts == "sequence" and name not in ("dates-fixed", "dates-transformer"):
        assert len(found) == 1
    if page == "" and net.card.predicts in ("next", "class") and net.vocabulary is not None:
        assert len(found) >= 3


def test_the_answers_are_torchs_own():
    net = load_network("python-lm")
    hidden, cell, probability = hidden_and_cell(net, TEXT)
    at = {"player": {"step": 6, "unit": 5, "quantity": "cell"}}
    token, gate, change, curve = asked(net="python-lm", text=TEXT, step=2, at=at)
    best = int(probability[7].argmax())
    assert token["right"] == str(best) and token["after"]["step"] == 7
    texts = {each["key"]: each["text"]["en"] for each in token["choices"]}
    assert texts[str(best)] == display(net.vocabulary[best])
    assert f"{probability[7, best]:.1%}" in token["explain"]["en"]
    difference = cell[7, 5] - cell[6, 5]
    assert change["right"] == ("stays" if abs(difference) < 0.05 else "rises" if difference > 0 else "falls")
    assert np.allclose(curve["right"], cell[:, 5], atol=1e-5)
    assert gate["right"] in ("open", "between", "closed") and gate["after"]["quantity"] == "forget_gate"
    hidden_curve = asked(net="python-lm", text=TEXT, step=2, unit=5, quantity="hidden")[-1]
    assert np.allclose(hidden_curve["right"], hidden[:, 5], atol=1e-5)


def test_a_gate_is_open_by_its_value_in_the_edited_network():
    for value, right in ((6.0, "open"), (0.0, "between"), (-6.0, "closed")):
        view = {"net": "counter", "step": 2, "unit": 0, "quantity": "forget_gate"}
        sigmoid = 1 / (1 + np.exp(-value))
        edits = f"rnn.l0.forget_gate[0]={sigmoid:.6f}"
        gate = next(
            each for each in asked(**view, edits=edits) if each.get("after", {}).get("quantity") == "forget_gate"
        )
        assert gate["right"] == right, (OPEN, CLOSED)
        assert f"{sigmoid:.3f}" in gate["explain"]["en"]


def test_the_gradient_question_is_autograds():
    net = load_network("recall-rnn")
    text = net.card.default.text
    question = asked("gradients", net="recall-rnn", text=text)[-1]
    assert "1.2" in question["ask"]["en"]
    shares = []
    for scaled in (False, True):
        module = load_network("recall-rnn").module
        rnn = next(each for each in module.modules() if isinstance(each, torch.nn.RNN))
        for parameter in module.parameters():
            parameter.requires_grad_(True)
        if scaled:
            with torch.no_grad():
                radius = torch.linalg.eigvals(rnn.weight_hh_l0.double()).abs().max().item()
                rnn.weight_hh_l0.mul_(1.2 / radius)
        states = []
        cell = torch.nn.RNNCell(rnn.input_size, rnn.hidden_size, nonlinearity=rnn.nonlinearity)
        cell.load_state_dict({name.removesuffix("_l0"): value for name, value in rnn.state_dict().items()})

        def forward(inputs, given=None, cell=cell, states=states):
            state = torch.zeros(1, cell.hidden_size)
            for each in inputs[0]:
                state = cell(each[None], state)
                state.retain_grad()
                states.append(state)
            return torch.stack(states, 1), state[None]

        rnn.forward = forward
        output = module(net.encode(text))
        target = net.encode(text)[0, net.card.answer_step]
        torch.nn.functional.cross_entropy(output[0, -1:] if output.dim() == 3 else output, target[None]).backward()
        norms = [each.grad.norm().item() for each in states]
        shares.append(norms[0] / norms[-1])
    right = "grows" if shares[1] > 2 * shares[0] else "shrinks" if shares[1] < shares[0] / 2 else "same"
    assert question["right"] == right
    assert f"{shares[0]:.2g}" in question["explain"]["en"] and f"{shares[1]:.2g}" in question["explain"]["en"]


def test_the_attention_question_is_the_networks_largest_weight():
    net = load_network("dates-additive")
    question = asked("attention", net="dates-additive", step=2)[0]
    from models.decoding.decode import decode

    weights = next(iter(decode(net, net.card.default.text).trace.attention.values())).weights[0, 0]
    assert question["right"] == str(int(weights[3].argmax())) and question["after"] == {"step": 3}


@pytest.mark.parametrize("view", [{}, {"net": "unknown"}, {"net": "../etc"}])
def test_a_view_without_a_network_has_no_questions(view):
    assert asked(**view) == []


def test_a_text_that_cannot_run_has_none_either():
    assert asked(net="wave", text="no numbers") == []
