"""The browser's arithmetic against the Python equations: every kind of cell, option, activation and attention score.

The browser has no equations of its own: it evaluates the trees of `viz.payloads.cell_description`. What it makes of them in
float64, from the float32 numbers of a payload, must be what the Python lines make of the same numbers in float64.
"""

import base64
from itertools import product

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from models import capture, load_network
from models.core.activations import ACTIVATIONS
from models.core.cells import rnn
from models.core.stepwise_modules import recurrent_module
from models.decoding import AttentionTemperature, decode
from models.networks.forward_run import run_of_trace
from tests.support.plain_page import plain_page
from tests.support.unrolled_loop import draw_norms
from viz.components.attention_formulas import ATTENTION_FORMULAS, score_terms
from viz.components.cell_diagram import CELL_DIAGRAM, cell_diagram_data
from viz.components.decoder_view import DECODER_VIEW, decoder_view_data
from viz.components.gate_sum import GATE_SUM, gate_sum_data
from viz.components.player import PLAYER, player_data
from viz.components.trace_loader import TRACE_LOADER
from viz.payloads.attention_payload import attention_payload
from viz.payloads.binary_payload import unpack
from viz.payloads.cell_description import cell_description
from viz.payloads.layer_payload import layer_payload

pytestmark = pytest.mark.browser

CLOSE = 1e-6
STEPS, INPUTS, UNITS = 5, 3, 4

GATED = [
    {"activation": one, "recurrent_activation": other}
    for one, other in product(ACTIVATIONS, ("sigmoid", "hard_sigmoid", "hard_sigmoid_3", "linear"))
]
CASES = [
    *(("RNN", {"nonlinearity": name}, shape) for name in ACTIVATIONS for shape in ({}, {"bias": False})),
    *(("LSTM", options, {}) for options in GATED),
    *(("GRU", options | {"reset_after": after}, {}) for options in GATED for after in (True, False)),
    *(("LSTM", {}, shape) for shape in ({"bias": False}, {"proj_size": 2}, {"bidirectional": True})),
    *(("GRU", {"reset_after": after}, {"bias": False}) for after in (True, False)),
    *(("GRU", {"reset_after": after}, {"bidirectional": True}) for after in (True, False)),
    *(("LSTM", {"peepholes": True} | options, {"bidirectional": True}) for options in ({}, {"clip": 0.3})),
    ("LSTM", {"peepholes": True}, {"bias": False, "proj_size": 2}),
    ("LSTM", {"peepholes": True, "coupled": True}, {}),
    *(("LSTM", {"multiplicative": True}, options) for options in ({}, {"bias": False})),
    *(("LSTM", {"norm": 1e-3, "cell_norm": cell}, {"bias": not cell}) for cell in (True, False)),
    *(("GRU", {"clip": 0.3, "reset_after": after}, {}) for after in (True, False)),
    ("RNN", {"nonlinearity": "tanh", "clip": 0.3}, {}),
]

# The browser's numbers of a payload: {slot: (T, H)}, the trees by name, and each gate's activated sum.
EVALUATE = """
(text) => {
  const { cellMath } = unrolled;
  const { trace } = unrolled.store.load(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))).store;
  const { cell } = trace.options;
  const trees = { ...cell.equations, ...(cell.carry && { kept: cell.carry.kept, added: cell.carry.added }) };
  const count = (n) => Array.from({ length: n }, (_, k) => k);
  const table = (make) => count(trace.steps).map((step) => count(trace.units).map((unit) => make(step, unit)));
  const valuesAt = table((step, unit) => ({ ...cellMath.values(trace, step, unit) }));
  const at = (read) => table((step, unit) => read(valuesAt[step][unit]));
  return {
    slots: Object.fromEntries(Object.keys(valuesAt[0][0]).map((slot) => [slot, at((values) => values[slot])])),
    trees: Object.fromEntries(Object.entries(trees).map(([name, tree]) => [name, at(cellMath.evaluator(trace, tree))])),
    gates: Object.fromEntries(Object.keys(cell.gates).map((gate) => [gate, table((step, unit) => {
      const { x, h, c = 0 } = cellMath.terms(trace, step, unit, gate);
      return cellMath.activation(trace, gate).apply(x + cellMath.recurrentFactor(trace, step, unit, gate) * h + c);
    })])),
  };
}
"""


class Numbers:
    """The ``s`` of `models.core.cells` for the float64 numbers of a payload, (T, units) each."""

    def __init__(self, header, arrays):
        self.gates, self.epsilon = header["options"]["cell"]["rows"], header["options"].get("norm")
        self.arrays = {name: values.astype(np.float64) for name, values in arrays.items()}
        self.known = {name: self.arrays[name] for name in (*header["gates"], *header["states"])}
        for state in header["states"]:
            self.known[f"{state}_prev"] = self.started(state, header["options"]["reverse"])

    def started(self, state, reverse):
        if f"{state}_prev" in self.arrays:
            return self.arrays[f"{state}_prev"]
        edge, now = self.arrays[f"{state}_before"][None], self.arrays[state]
        return np.concatenate([now[1:], edge] if reverse else [edge, now[:-1]])

    def part(self, side, vector, gate):
        products = np.einsum("tc,ugc->tug", vector, self.arrays[f"weight_{side}"]) + self.arrays.get(f"bias_{side}", 0)
        return self.norm(products, side)[..., self.gates.index(gate)]

    def norm(self, v, side="c"):
        """The layer norm over all axes but the first, (T, units) or (T, units, gates)."""
        if f"gain_{side}" not in self.arrays:
            return v
        own = tuple(range(1, v.ndim))
        scaled = (v - v.mean(own, keepdims=True)) / np.sqrt(v.var(own, keepdims=True) + self.epsilon)
        gain, shift = (self.arrays[f"{name}_{side}"] for name in ("gain", "shift"))
        return scaled * gain.reshape(v.shape[1:]) + shift.reshape(v.shape[1:])

    def x(self, gate):
        if gate == "intermediate":
            return self.arrays["input"] @ self.arrays["weight_mx"][:, 0].T
        return self.part("ih", self.arrays["input"], gate)

    def h(self, gate, of=None):
        if gate == "intermediate":
            return self.known["hidden_prev"] @ self.arrays["weight_mh"][:, 0].T
        return self.part("hh", self.known["hidden_prev"] if of is None else of, gate)

    def a(self, gate):
        return self.x(gate) + self.h(gate)

    def peephole(self, gate, c):
        block = ("input_gate", "forget_gate", "output_gate").index(gate)
        return self.arrays["weight_ch"][:, block] * c

    def project(self, v):
        return np.full_like(v, np.nan)

    def __getattr__(self, name):
        return self.known[name]


def text(payload):
    return base64.b64encode(payload).decode()


def close(found, expected, name):
    found = np.array(found, dtype=np.float64)  # None: NaN has no JSON
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=CLOSE, atol=CLOSE, err_msg=name)


@pytest.fixture(scope="module")
def page(browser):
    with plain_page(browser, []) as opened:
        for component in (CELL_DIAGRAM, ATTENTION_FORMULAS):
            opened.add_script_tag(content=component.script, type="module")
        opened.wait_for_function("() => unrolled?.components?.attention_formulas")
        yield opened


def name_of(case):
    kind, options, shape = case
    return "-".join(map(str, (kind, *options.values(), *shape)))


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_cell_is_computed_as_its_equations_say(page, case):
    kind, options, shape = case
    torch.manual_seed(7)
    module = recurrent_module(kind, INPUTS, UNITS, options, batch_first=True, **shape)
    draw_norms(module)
    with torch.no_grad(), capture(module) as trace:
        module(torch.randn(1, STEPS, INPUTS))
    run = run_of_trace(trace)
    for name, layer in trace.layers.items():
        payload = layer_payload(f"test {name}", run, name, None)
        header, arrays = unpack(payload)
        cell, s = layer.weights.cell, Numbers(header, arrays)
        found = page.evaluate(EVALUATE, text(payload))

        for gate in cell.summed_gates:
            close(found["slots"][f"{gate}.x"], s.x(gate), f"{gate}.x")
            factor_first = kind == "GRU" and gate == "candidate" and options.get("reset_after") is False
            recurrent = s.h(gate, s.reset_gate * s.hidden_prev) if factor_first else s.h(gate)
            recurrent = s.h(gate, s.intermediate) if cell.multiplicative else recurrent
            close(found["slots"][f"{gate}.h"], recurrent, f"{gate}.h")
        if cell.multiplicative:
            for part, expected in (("x", s.x("intermediate")), ("h", s.h("intermediate"))):
                close(found["slots"][f"intermediate.{part}"], expected, f"intermediate.{part}")
        for gate in set(cell.peepholes) & set(cell.summed_gates):
            state = s.known["cell" if gate == "output_gate" else "cell_prev"]
            close(found["slots"][f"{gate}.c"], s.peephole(gate, state), f"{gate}.c")
        for state in cell.states:
            size = s.known[state].shape[1]
            close(np.array(found["slots"][f"{state}_prev"])[:, :size], s.known[f"{state}_prev"], f"{state}_prev")
        for quantity, equation in cell.equations.items():
            if "proj_size" not in shape or quantity != "hidden":
                close(found["trees"][quantity], equation(s), quantity)
        if cell.carry is not None:
            kept = getattr(s, cell.carry.gate) * getattr(s, f"{cell.carry.state}_prev")
            close(found["trees"]["kept"], kept, "kept")
            close(found["trees"]["added"], cell.equations[cell.carry.state](s) - kept, "added")
        for gate in cell.summed_gates:
            result = header["options"]["cell"]["gates"][gate]["result"]
            expected = cell.equations[result](s)
            close(found["gates"][gate], expected, f"activation of the sum of {gate}")
            np.testing.assert_allclose(found["gates"][gate], arrays[result], rtol=0, atol=1e-5)  # and as it ran


def drawn_cell(module, quantity, name="l0"):
    """Return the trace of a layer's run, and what draws its unit 2 at step 3."""
    with torch.no_grad(), capture(module) as trace:
        module(torch.randn(1, STEPS, INPUTS))
    view = {"step": 3, "unit": 2, "quantity": quantity, "revision": 1}
    mounts = [
        (TRACE_LOADER, layer_payload("drawn", run_of_trace(trace), name, None)),
        (PLAYER, player_data("drawn", view=view)),
        (CELL_DIAGRAM, cell_diagram_data("drawn")),
        (GATE_SUM, gate_sum_data("drawn")),
    ]
    return trace.layers[name], mounts


def test_peepholes_are_drawn_with_their_numbers(browser):
    torch.manual_seed(7)
    module = recurrent_module("LSTM", INPUTS, UNITS, {"peepholes": True, "clip": 0.3}, batch_first=True)
    layer, mounts = drawn_cell(module, "output_gate")
    with plain_page(browser, mounts) as opened:
        for gate, state in (("input_gate", 2), ("forget_gate", 2), ("output_gate", 3)):
            part = layer.weights.rows("weight_ch", gate)[2] * layer.cell[0, state, 2]
            drawn = opened.locator(f'.unrolled-cell-diagram [data-part="{gate}"] [data-slot="{gate}.c"]')
            expect(drawn).to_have_text(f"{part:.3f}".replace("-", "−"))
        expect(opened.locator(".unrolled-cell-diagram desc")).to_contain_text("Peepholes")
        expect(opened.locator(".unrolled-gate-sum .note")).to_contain_text("clipped to the range from −0.300 to 0.300")
        assert float(opened.locator(".unrolled-gate-sum [data-difference]").get_attribute("data-difference")) < 1e-5


@pytest.mark.parametrize("projected", [{}, {"proj_size": 9}], ids=["units", "outputs"])
def test_the_sum_of_a_reversed_layer_names_the_step_after(browser, projected):
    torch.manual_seed(7)
    options = {"bidirectional": True} | projected
    module = recurrent_module("LSTM", INPUTS, 12, {"peepholes": True}, batch_first=True, **options)
    for name, before, other in (("l0", "t−1", "t+1"), ("l0_reverse", "t+1", "t−1")):
        layer, mounts = drawn_cell(module, "input_gate", name)
        with plain_page(browser, mounts) as opened:
            drawn = opened.locator(".unrolled-gate-sum .rows")
            expect(drawn).to_contain_text(f"Peephole: cell state at {before}")
            labels = opened.locator(".unrolled-gate-sum .label").all_inner_texts()
            kind = "Output" if projected else "Unit"
            assert sum(label.startswith(kind) and label.endswith(f" at {before}") for label in labels) >= 3
            assert any(label.startswith(f"Other {kind.lower()}s at {before} (") for label in labels)
            assert not any(other in label or "{" in label for label in labels)
            # The numbers are those of that step: a term is the weight times the state there.
            step = 4 if layer.reverse else 2
            unit = next(int(label.split()[1]) for label in labels if label.startswith(kind))
            row = drawn.locator(".row", has_text=f"{kind} {unit} at {before}")
            value = f"{layer.hidden[0, step, unit]:.3f}".replace("-", "−")
            expect(row.locator(".detail")).to_contain_text(value)


@pytest.mark.parametrize("name", ["dates-dot", "dates-general", "dates-additive", "dates-transformer"])
def test_a_temperature_is_named_beside_the_scores_that_it_divides(browser, name):
    network = load_network(name)
    for temperature, expected in ((1.0, None), (2.0, "divided by the temperature, τ = 2"), (0.25, "τ = 0.25")):
        decoding = decode(network, "4 Aug 2024", (AttentionTemperature(temperature),) if temperature != 1 else ())
        payload = attention_payload("drawn", network, decoding, None, next(reversed(decoding.attention)))
        view = {"step": 3, "source": None, "revision": 1}
        mounts = [(TRACE_LOADER, payload), (DECODER_VIEW, decoder_view_data("drawn", view=view))]
        with plain_page(browser, mounts) as opened:
            drawn = opened.locator(".unrolled-decoder-view")
            expect(drawn).to_contain_text("attention scores")
            if expected is None:
                expect(drawn).not_to_contain_text("τ")
            else:
                expect(drawn).to_contain_text(expected)


def test_an_intermediate_state_is_drawn_and_the_gates_receive_it(browser):
    torch.manual_seed(7)
    module = recurrent_module("LSTM", INPUTS, UNITS, {"multiplicative": True}, batch_first=True)
    layer, mounts = drawn_cell(module, "forget_gate")
    with plain_page(browser, mounts) as opened:
        diagram = opened.locator(".unrolled-cell-diagram")
        shown = {
            "": layer.intermediate[0, 3, 2],
            ".x": layer.weights.weight_mx[2] @ layer.input[0, 3],
            ".h": layer.weights.weight_mh[2] @ layer.hidden[0, 2],
        }
        for part, value in shown.items():
            drawn = diagram.locator(f'[data-part="intermediate"] [data-slot="intermediate{part}"]')
            expect(drawn).to_have_text(f"{value:.3f}".replace("-", "−"))
        expect(diagram.locator("desc")).to_contain_text("The intermediate state m is the product")
        terms = opened.locator(".unrolled-gate-sum .rows")
        label = terms.locator(".label", has_text="Intermediate state").first.inner_text()
        row = terms.locator(".row", has_text=label)
        value = f"{layer.intermediate[0, 3, int(label.split()[-1])]:.3f}".replace("-", "−")
        expect(row.locator(".detail")).to_contain_text(value)
        assert float(opened.locator(".unrolled-gate-sum [data-difference]").get_attribute("data-difference")) < 1e-5


def test_a_coupled_forget_gate_is_drawn_from_the_input_gate(browser):
    torch.manual_seed(7)
    module = recurrent_module("LSTM", INPUTS, UNITS, {"coupled": True}, batch_first=True)
    layer, mounts = drawn_cell(module, "forget_gate")
    with plain_page(browser, mounts) as opened:
        drawn = opened.locator('.unrolled-cell-diagram [data-part="forget_gate"] [data-slot="forget_gate"]')
        expect(drawn).to_have_text(f"{1 - layer.input_gate[0, 3, 2]:.3f}")
        expect(opened.locator(".unrolled-cell-diagram desc")).to_contain_text(
            "The forget gate is 1 minus the input gate."
        )
        expect(opened.locator('.unrolled-gate-sum [data-gate="forget_gate"]')).to_have_count(0)
        assert float(opened.locator(".unrolled-gate-sum [data-difference]").get_attribute("data-difference")) < 1e-5


def test_layer_norms_are_drawn_with_their_numbers(browser):
    torch.manual_seed(7)
    module = draw_norms(recurrent_module("LSTM", INPUTS, UNITS, {"norm": 1e-5, "cell_norm": True}, batch_first=True))
    layer, mounts = drawn_cell(module, "forget_gate")
    with plain_page(browser, mounts) as opened:
        drawn = opened.locator('.unrolled-cell-diagram [data-part="forget_gate"] [data-slot="forget_gate.h"]')
        expect(drawn).to_have_text(f"{layer.recurrent_product('forget_gate')[0, 3, 2]:.3f}".replace("-", "−"))
        expect(opened.locator(".unrolled-cell-diagram desc")).to_contain_text(
            "normalized before it becomes the cell state"
        )
        expect(opened.locator(".unrolled-gate-sum .note")).to_contain_text("The layer norms multiply each product")
        expect(opened.locator(".unrolled-gate-sum .row").last).to_contain_text(
            f"{layer.gate_preactivation('forget_gate')[0, 3, 2]:.3f}".replace("-", "−")
        )
        assert float(opened.locator(".unrolled-gate-sum [data-difference]").get_attribute("data-difference")) < 1e-5


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_computed_from_its_own_line(page, name):
    activation = ACTIVATIONS[name]
    description = cell_description(rnn(name))
    v = np.linspace(-9, 9, 181)
    found = page.evaluate(
        """([cell, numbers]) => {
            const { apply, symbol, limits } = unrolled.cellMath.activation({ options: { cell } }, "preactivation");
            return [numbers.map(apply), symbol, limits.map(String)];
        }""",
        [description, v.tolist()],
    )
    close(found[0], activation(v), name)
    low, high = (float(limit.replace("Infinity", "inf")) for limit in found[2])
    values = activation(np.array([-1e6, *v, 1e6]))
    assert found[1] == activation.symbol and low <= values.min() + CLOSE and values.max() - CLOSE <= high
    assert (activation.range or (low, high)) == (low, high)


# At every step: the sum of each score's terms, divided; the softmax of the scores; the context; the softmax of the logits.
ATTENTION = """
([text, trees]) => {
  const { attentionMath, attentionSelection: { row } } = unrolled;
  const { trace } = unrolled.store.load(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))).store;
  const { arrays, options } = trace;
  const total = (terms) => terms.reduce((sum, term) => sum + term.value, 0);
  const count = (n) => Array.from({ length: n }, (_, k) => k);
  const softmax = (values) => {
    const { max, sum } = attentionMath.softmaxParts(values);
    return Array.from(values, (value) => Math.exp(value - max) / sum);
  };
  const steps = count(trace.steps);
  return {
    score: steps.map((step) => count(trace.units).map((source) =>
      total(attentionMath.scoreTerms(trace, trees[options.score], step, source)) / attentionMath.scoreDivisor(trace))),
    weight: steps.map((step) => softmax(row(arrays.attention_score, step))),
    context: steps.map((step) => count(arrays.source_value.shape[1]).map(
      (dimension) => total(attentionMath.contextTerms(trace, step, dimension)))),
    probability: arrays.logit ? steps.map((step) => softmax(row(arrays.logit, step))) : null,
  };
}
"""


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("name", ["dates-dot", "dates-general", "dates-additive", "dates-transformer"])
def test_an_attention_is_computed_as_torch_does(page, name, temperature):
    network = load_network(name)
    decoding = decode(network, "4 Aug 2024", (AttentionTemperature(temperature),) if temperature != 1 else ())
    attention = next(reversed(decoding.attention))
    payload = attention_payload("test attention", network, decoding, None, attention)
    header, arrays = unpack(payload)
    found = page.evaluate(ATTENTION, [text(payload), score_terms()])

    q, k, v, scores, weights = (
        torch.tensor(arrays[key].astype(np.float64))
        for key in ("query", "source_key", "source_value", "attention_score", "attention_weight")
    )
    if header["options"]["score"] == "additive":
        energy = torch.tensor(arrays["weight_energy"].astype(np.float64))
        expected = (q[:, None] + k[None]).tanh() @ energy
    else:
        expected = q @ k.T
    expected = expected / (k.shape[1] ** 0.5 if name == "dates-transformer" else temperature)
    close(found["score"], expected, "score")
    close(found["weight"], scores.softmax(-1), "weight")
    close(found["context"], weights @ v, "context")
    unmasked = np.isfinite(arrays["attention_score"])
    np.testing.assert_allclose(
        np.array(found["score"])[unmasked], arrays["attention_score"][unmasked], rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(found["weight"], arrays["attention_weight"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(found["context"], arrays["context"], rtol=0, atol=1e-5)
    if found["probability"] is not None:
        close(found["probability"], torch.tensor(arrays["logit"].astype(np.float64)).softmax(-1), "probability")
        np.testing.assert_allclose(found["probability"], arrays["probability"], rtol=0, atol=1e-5)
