"""Saved runs of cells of one's own on the pages: every quantity, the formulas, and the gradients that the file contains."""

from __future__ import annotations

import numpy as np
import pytest

from models.core.trace import load_trace
from models.networks.forward_run import run_of_trace
from tests.support.browser import opened_page, serve, until
from tests.support.lens_page import start, text_of
from tests.support.own_cells import EXAMPLES, save_run
from viz.custom_formulas import custom_formulas
from viz.payloads.binary_payload import unpack
from viz.payloads.layer_payload import layer_payload
from viz.payloads.states_payload import states_payload

LAYERS = {"0.cell.l0": "layer-norm LSTM", "2.cell.l0": "minGRU"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The path of a saved run of both cells, and what they computed."""
    path = tmp_path_factory.mktemp("own") / "run.npz"
    return path, save_run(path)


@pytest.mark.slow
@pytest.mark.parametrize("lens", ["step", "states", "gradients", "edit", "checkpoint"])
@pytest.mark.parametrize("layer", LAYERS)
def test_every_lens_shows_a_cell_of_ones_own(saved, lens, layer):
    path, _found = saved
    page = start(lens, opened=path, layer=layer)
    assert not page.error and not page.warning
    view = page.session_state["unrolled"].view
    assert (view.net, view.layer) == ("run.npz", layer)


@pytest.mark.parametrize("layer", LAYERS)
def test_what_is_sent_is_what_the_cell_computed(saved, layer):
    path, found = saved
    run = run_of_trace(load_trace(path))
    equations = EXAMPLES[LAYERS[layer]][1]
    for payload in (layer_payload("step", run, layer, None), states_payload("states", run, layer)):
        header, arrays = unpack(payload)
        assert [*header["gates"], *header["states"]] and set(header["states"]) == set(equations.states)
        for quantity in equations.equations:
            assert np.allclose(arrays[quantity], found[f"{layer}/{quantity}"][0], atol=1e-6)
        assert header["options"]["zero_one_gates"] == [name for name in header["gates"] if name.endswith("_gate")]
    header, arrays = unpack(layer_payload("step", run, layer, None))
    assert set(header["options"]["cell"]["sources"]) == set(equations.equations)
    hidden = run.trace.layers[layer]
    assert np.array_equal(arrays["hidden_before"], hidden.hidden_prev[0, 0])


def test_the_formulas_are_those_of_the_equations(saved):
    path, _found = saved
    trace = load_trace(path)
    widths = {"update_gate": 5, "candidate": 5, "hidden": 5, "input": 3}
    gate, _candidate, hidden = custom_formulas(trace.layers["2.cell.l0"].cell_equations, widths)
    assert "σ" in gate.symbols and "to_z" in gate.symbols and "5×3" in gate.shapes
    assert gate.slots == ("update_gate",)
    assert hidden.slots == ("update_gate", "hidden_prev", "candidate", "hidden")
    norm = custom_formulas(
        trace.layers["0.cell.l0"].cell_equations,
        dict.fromkeys(EXAMPLES["layer-norm LSTM"][1].equations, 5) | {"input": 3},
    )
    assert "LayerNorm" in norm[0].symbols and "norm_x" in norm[0].symbols
    assert "norm_c" in norm[-1].numbers and norm[-1].slots == ("output_gate", "hidden")


def test_the_diagram_and_the_equations_have_the_cells_values(saved, browser):
    path, found = saved
    with serve(str(path)) as url, opened_page(browser, f"{url}/?layer=0.cell.l0&unit=2&step=4&panel=*") as page:
        for part in (".unrolled-cell-diagram", ".unrolled-equations", ".unrolled-mirror"):
            for quantity in EXAMPLES["layer-norm LSTM"][1].equations:
                shown = page.locator(f'{part} [data-quantity="{quantity}"][data-unit="2"][data-step="4"]').first
                value = until(page, lambda shown=shown: shown.get_attribute("data-value"))
                assert float(value) == pytest.approx(float(found[f"0.cell.l0/{quantity}"][0, 4, 2]), abs=1e-6)


@pytest.mark.slow
def test_a_run_without_gradients_says_so(tmp_path):
    save_run(tmp_path / "run.npz", backward=False)
    page = start("gradients", opened=tmp_path / "run.npz", layer="0.cell.l0")
    assert "saved without gradients" in text_of(page)
