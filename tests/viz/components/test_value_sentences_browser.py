"""The sentences after the values of the equations: each number in them is computed here from the run, in both languages."""

import base64
import re

import numpy as np
import pytest
import torch

from models import capture
from models.core.stepwise_modules import recurrent_module
from models.networks.forward_run import run_of_trace
from tests.support.plain_page import plain_page
from viz.components.equations import EQUATIONS
from viz.components.shared.value_sentences import value_sentences
from viz.i18n import use_language
from viz.payloads.layer_payload import layer_payload

pytestmark = pytest.mark.browser

STEPS, INPUTS, UNITS = 4, 3, 2

SENTENCES = """
([text, templates]) => {
  const { trace } = unrolled.store.load(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))).store;
  const count = (n) => Array.from({ length: n }, (_, k) => k);
  return count(trace.steps).map((step) => count(trace.units).map((unit) => Object.fromEntries(
    trace.quantities.map((quantity) => [quantity, unrolled.valueSentences(templates, trace, step, unit, quantity)]))));
}
"""


@pytest.fixture(scope="module")
def page(browser):
    with plain_page(browser, []) as opened:
        opened.add_script_tag(content=EQUATIONS.script, type="module")
        opened.wait_for_function("() => unrolled?.components?.equations && unrolled.valueSentences")
        yield opened


def sentences(page, kind, lang, *, scale=1.0, **options):
    """Return a layer's run, and the sentences at every step, unit and quantity."""
    torch.manual_seed(5)
    module = recurrent_module(kind, INPUTS, UNITS, options, batch_first=True)
    with torch.no_grad(), capture(module) as trace:
        for weights in module.parameters():
            weights.mul_(scale)
        module(torch.randn(1, STEPS, INPUTS))
    layer = trace.layers["l0"]
    payload = layer_payload(f"{kind} {lang} {scale} {options}", run_of_trace(trace), "l0", None)
    with use_language(lang):
        templates = value_sentences(layer.weights.cell)
    return layer, page.evaluate(SENTENCES, [base64.b64encode(payload).decode(), templates])


def shown(value):
    text = f"{abs(value):.3f}"
    return f"−{text}" if value < 0 and float(text) else text


def numbers(sentence):
    return re.findall(r"−?\d+\.?\d*%?", sentence.replace("W_", ""))


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_sentences_of_an_lstm_say_what_is_kept_and_what_is_added(page, lang):
    layer, found = sentences(page, "LSTM", lang)
    for step in range(STEPS):
        for unit in range(UNITS):
            at = {name: float(layer[name][0, step, unit]) for name in layer.quantities}
            before = float(layer.cell[0, step - 1, unit]) if step else 0.0
            kept, added = at["forget_gate"] * before, at["input_gate"] * at["candidate"]
            said = found[step][unit]
            share = f"{at['forget_gate'] * 100:.0f}%"
            assert sorted(numbers(said["forget_gate"])) == sorted([shown(at["forget_gate"]), share, shown(before)])
            assert sorted(numbers(said["cell"])) == sorted(map(shown, (before, at["cell"], kept, added)))
            assert {shown(at["candidate"]), shown(added), shown(at["input_gate"])} == set(numbers(said["candidate"]))
            assert shown(np.tanh(at["cell"])) in numbers(said["output_gate"])
            assert shown(at["hidden"]) in numbers(said["hidden"]) and shown(at["candidate"]) in numbers(
                said["input_gate"]
            )
            assert all(said.values()) and all(re.search("[가-힣]", text) for text in said.values()) == (lang == "ko")


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_gate_that_is_open_or_closed_keeps_all_or_nothing(page, lang):
    layer, found = sentences(page, "LSTM", lang, scale=60.0)
    gates = layer["forget_gate"][0]
    assert (gates > 0.9999).any() and (gates < 1e-4).any()
    for step, unit in zip(*np.nonzero((gates > 0.9999) | (gates < 1e-4)), strict=True):
        said = found[step][unit]["forget_gate"]
        assert ("%" not in said) and len(numbers(said)) == 2
        if lang == "en":
            assert ("keeps all" if gates[step, unit] > 0.5 else "drops all") in said


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_sentences_of_a_gru(page, lang, after):
    layer, found = sentences(page, "GRU", lang, reset_after=after)
    for step in range(STEPS):
        for unit in range(UNITS):
            at = {name: float(layer[name][0, step, unit]) for name in layer.quantities}
            before = float(layer.hidden[0, step - 1, unit]) if step else 0.0
            z, said = at["update_gate"], found[step][unit]
            terms = (before, at["hidden"], z * before, (1 - z) * at["candidate"])
            assert sorted(numbers(said["hidden"])) == sorted(map(shown, terms))
            assert {f"{z * 100:.0f}%", f"{(1 - z) * 100:.0f}%"} <= set(numbers(said["update_gate"]))
            assert (shown(before) in numbers(said["reset_gate"])) or after


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_sentences_of_a_vanilla_rnn(page, lang):
    layer, found = sentences(page, "RNN", lang)
    for step in range(STEPS):
        for unit in range(UNITS):
            said = found[step][unit]
            total, hidden = (float(layer[name][0, step, unit]) for name in ("preactivation", "hidden"))
            assert shown(total) in numbers(said["preactivation"]) and len(numbers(said["preactivation"])) == 3
            assert sorted(numbers(said["hidden"])) == sorted(map(shown, (total, hidden))) and "tanh" in said["hidden"]
