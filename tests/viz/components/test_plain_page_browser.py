"""Components in a plain HTML page, without Streamlit: they draw, step, and report what the reader did."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

import viz.components
from models import load_network
from models.core.activations import ACTIVATIONS
from models.core.cells import Cell, Gate
from models.decoding.run_network import run_network
from tests.support.browser import until
from tests.support.plain_page import plain_page
from tests.viz.components.test_host_free import COMPONENTS
from viz.components.cell_diagram import CELL_DIAGRAM, cell_diagram_data
from viz.components.equations import EQUATIONS, equations_data
from viz.components.gate_sum import GATE_SUM, gate_sum_data
from viz.components.player import PLAYER, player_data
from viz.components.trace_loader import TRACE_LOADER
from viz.payloads.binary_payload import pack
from viz.payloads.cell_description import cell_description, scale_options
from viz.payloads.layer_payload import layer_payload

pytestmark = pytest.mark.browser

NET, LAYER, UNIT = "recall-lstm", "rnn.l0", 5
CLOSE = 1e-5
COMPONENT_FOLDER = Path(viz.components.__file__).parent


@pytest.fixture(scope="module")
def layer():
    """Return torch's own hidden states (T, H) and last cell state (H)."""
    net = load_network(NET)
    with torch.no_grad():
        ids = net.encode(net.card.default.text)
        module = net.module
        output, (_hidden, cell) = module.rnn(module.embedding(ids))
    return output[0], cell[0, 0]


@pytest.fixture
def page(browser):
    net = load_network(NET)
    run = run_network(net, net.card.default.text)
    view = {"step": 0, "unit": UNIT, "quantity": "hidden", "revision": 1}
    mounts = [
        (TRACE_LOADER, layer_payload("plain", run, LAYER, None)),
        (PLAYER, player_data("plain", view=view)),
        (CELL_DIAGRAM, cell_diagram_data("plain")),
    ]
    with plain_page(browser, mounts) as opened:
        yield opened


def value(page, part: str, quantity: str, step: int) -> float:
    """The number of the chosen unit, once the part shows this step."""
    found = page.locator(f'{part} [data-quantity="{quantity}"][data-unit="{UNIT}"][data-step="{step}"]').first
    expect(found).to_have_count(1)
    return float(found.get_attribute("data-value"))


def test_player_and_diagram_step_through_a_run_of_torch(page, layer):
    hidden, last_cell = layer
    for step in range(4):
        for part in (".unrolled-player", ".unrolled-cell-diagram"):
            assert abs(value(page, part, "hidden", step) - float(hidden[step, UNIT])) <= CLOSE
        page.get_by_role("button", name="Next").first.click()
    page.keyboard.press("End")
    for part in (".unrolled-player", ".unrolled-cell-diagram"):
        assert abs(value(page, part, "cell", len(hidden) - 1) - float(last_cell[UNIT])) <= CLOSE


def test_the_host_is_told_where_the_reader_stopped(page):
    page.locator(".unrolled-scrubber").fill("3")
    page.wait_for_function("() => reports.length > 0")
    assert page.evaluate("reports") == [
        ["player", "view", {"step": 3, "unit": UNIT, "quantity": "hidden", "revision": 1}]
    ]


def test_new_data_is_followed_and_a_removed_component_leaves_nothing(page):
    view = {"step": 2, "unit": 7, "quantity": "cell", "revision": 2}
    page.evaluate("data => mounted[1].update(data)", player_data("plain", view=view))
    expect(page.locator(".unrolled-scrubber")).to_have_value("2")
    expect(page.locator(".unrolled-unit")).to_have_value("7")
    page.locator(".unrolled-unit").fill("319")  # of a layer with fewer units: the last one, at once
    last = load_network(NET).module.rnn.hidden_size - 1
    expect(page.locator(".unrolled-unit")).to_have_value(str(last))
    page.locator(".unrolled-unit").press_sequentially("9")
    expect(page.locator(".unrolled-unit")).to_have_value(str(last))
    page.evaluate("() => mounted.forEach((each) => each.destroy())")
    expect(page.locator(".unrolled, .unrolled-theme-probe")).to_have_count(0)


CUT_NUMBERS = """() => {
    const { left, right } = document.querySelector(".unrolled-cell-diagram .scroll").getBoundingClientRect();
    return [...document.querySelectorAll(".unrolled-cell-diagram svg text")].map((text) => {
        const box = text.getBoundingClientRect();
        const [shown, cut] = [text.checkVisibility({ opacityProperty: true }), box.left < left || box.right > right];
        return { text: text.textContent, shown, cut };
    });
}"""


def test_on_a_telephone_the_cell_fits_and_shows_every_number(page):
    """Below the width of the usual drawing it is drawn from top to bottom."""

    def texts_in_sight() -> set[str]:
        found = page.evaluate(CUT_NUMBERS)
        assert all(each["shown"] and not each["cut"] for each in found)
        return {each["text"] for each in found} - {"="}

    page.set_viewport_size({"width": 1200, "height": 900})
    texts = until(page, texts_in_sight)
    assert len(texts) > 25
    scroller = page.locator(".unrolled-cell-diagram .scroll")
    for width in (340, 390):
        page.set_viewport_size({"width": width, "height": 844})
        until(page, lambda: texts_in_sight() == texts)
        assert scroller.evaluate("(element) => element.scrollWidth <= element.clientWidth")


def minimal_gated_unit() -> Cell:
    """A cell that no script names: f = sigmoid(..), n = tanh(W x + U (f h)), h = (1 - f) h + f n (Zhou et al. 2016)."""
    sigmoid, tanh = ACTIVATIONS["sigmoid"], ACTIVATIONS["tanh"]
    return Cell(
        kind="MGU",
        gates=("forget_gate", "candidate"),
        states=("hidden",),
        equations={
            "forget_gate": Gate("forget_gate", sigmoid),
            "candidate": lambda s: tanh(s.x("candidate") + s.h("candidate", s.forget_gate * s.hidden_prev)),
            "hidden": lambda s: (1 - s.forget_gate) * s.hidden_prev + s.forget_gate * s.candidate,
        },
        activations={"forget_gate": sigmoid, "candidate": tanh},
        ranges={"forget_gate": sigmoid.range, "candidate": tanh.range, "hidden": tanh.range},
    )


def test_a_cell_of_another_kind_is_drawn_and_computed_without_a_line_of_javascript(browser):
    cell, generator = minimal_gated_unit(), np.random.default_rng(3)
    steps, units, inputs = 5, 4, 3
    arrays = {
        "input": generator.normal(size=(steps, inputs)),
        "weight_ih": generator.normal(size=(units, 2, inputs)),
        "weight_hh": generator.normal(size=(units, 2, units)),
    }
    h, rows = np.zeros(units), []
    for x in arrays["input"]:
        f = 1 / (1 + np.exp(-(arrays["weight_ih"][:, 0] @ x + arrays["weight_hh"][:, 0] @ h)))
        n = np.tanh(arrays["weight_ih"][:, 1] @ x + arrays["weight_hh"][:, 1] @ (f * h))
        h = (1 - f) * h + f * n
        rows.append((f, n, h))
    f, n, hidden = map(np.stack, zip(*rows, strict=True))
    payload = pack(
        "mgu",
        layer="rnn.l0",
        kind=cell.kind,
        gates={"forget_gate": f, "candidate": n},
        states={"hidden": hidden},
        tokens=list("abcde"),
        arrays=arrays | {"hidden_before": np.zeros(units)},
        options={"reverse": False, "cell": cell_description(cell), **scale_options(cell)},
    )
    view = {"step": 3, "unit": 2, "quantity": "candidate", "revision": 1}
    sizes = {"hidden_size": units, "input_size": inputs, "bias": False}
    mounts = [
        (TRACE_LOADER, payload),
        (PLAYER, player_data("mgu", view=view)),
        (CELL_DIAGRAM, cell_diagram_data("mgu")),
        (EQUATIONS, equations_data(cell, view_id="mgu", **sizes)),
        (GATE_SUM, gate_sum_data("mgu")),
    ]
    with plain_page(browser, mounts) as opened:
        for part in (".unrolled-player", ".unrolled-cell-diagram", ".unrolled-equations"):
            for quantity, values in {"forget_gate": f, "candidate": n, "hidden": hidden}.items():
                found = opened.locator(f'{part} [data-quantity="{quantity}"][data-unit="2"][data-step="3"]').first
                assert abs(float(found.get_attribute("data-value")) - values[3, 2]) <= CLOSE
        for gate in cell.gates:
            opened.locator(f'.unrolled-gate-sum [data-gate="{gate}"]').click()
            expect(opened.locator(f'.unrolled-gate-sum [data-gate="{gate}"]')).to_have_attribute("aria-pressed", "true")
            difference = opened.locator(".unrolled-gate-sum [data-difference]").get_attribute("data-difference")
            assert float(difference) <= CLOSE


def test_every_component_can_be_loaded_into_one_page(browser):
    components = [getattr(importlib.import_module(f"viz.components.{name}"), name.upper()) for name in COMPONENTS]
    assert components == list(viz.components.all_components())
    for scripts in ([component.script for component in components], [viz.components.bundle()]):
        with plain_page(browser, []) as opened:
            for script in scripts:
                opened.add_script_tag(content=script, type="module")
            opened.wait_for_function(
                "count => Object.keys(window.unrolled?.components ?? {}).length === count", arg=len(components)
            )
            assert opened.evaluate(
                "Object.values(unrolled.components).every(({ mount }) => typeof mount === 'function')"
            )


@pytest.mark.parametrize("pixels", [-60, -1, 0, 1, 7, 500])
def test_an_image_has_at_least_one_pixel_where_labels_leave_no_room(page, pixels):
    """A drawing that is not laid out yet is narrower than its labels."""
    page.add_script_tag(path=COMPONENT_FOLDER / "shared" / "raster.js")
    size = page.evaluate(
        """(pixels) => {
            const x = unrolled.raster.axisOf(12, pixels);
            return new ImageData(x.edges[x.bins], 1).width;
        }""",
        pixels,
    )
    assert size == max(1, pixels)
