"""The output layer at a step, against the input and the output of the module's own layer."""

from dataclasses import replace

import numpy as np
import pytest

from models import Problem, load_network
from models.decoding.run_network import run_network
from models.networks.output_step import output_step


@pytest.mark.parametrize("name", ["python-lm", "recall-gru", "sentiment", "wave", "counter"])
def test_logits_and_probabilities_are_those_of_the_module(name):
    net = load_network(name)
    run = run_network(net, net.card.default.text)
    seen = []
    handle = net.module.head.register_forward_hook(lambda _module, given, output: seen.append((given[0], output)))
    net.run(net.encode(net.card.default.text))
    handle.remove()
    given, output = (each.detach().numpy() for each in seen[0])
    for step in (0, 3):
        found = output_step(run, net.module, step)
        at = 0 if name == "sentiment" else (0, step)  # a classifier has one output, whatever the step
        np.testing.assert_allclose(found.hidden, given[at], atol=1e-5)
        np.testing.assert_allclose(found.logits, output[at], rtol=1e-4, atol=1e-4)
        assert found.module == "head" and found.has_softmax == (name != "wave")
        assert found.at_end == (name == "sentiment") and len(found.layers) == 1 + (name == "sentiment")
    if name == "sentiment":
        np.testing.assert_allclose(found.probability, run.prediction.probability, atol=1e-5)


def test_an_output_that_is_not_finite_is_one_sentence():
    net = load_network("counter")
    run = run_network(net, net.card.default.text)
    broken = replace(run.prediction, probability=np.full_like(run.prediction.probability, np.nan))
    with pytest.raises(Problem, match="not finite"):
        output_step(replace(run, prediction=broken), net.module, 0)


def test_behind_attention_no_linear_layer_takes_a_hidden_state():
    net = load_network("dates-dot")
    assert output_step(run_network(net, net.card.default.text), net.module, 0) is None
