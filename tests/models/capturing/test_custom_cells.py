"""Cells of one's own, recorded by their equations: every gate, state and gradient against autograd."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
import torch

from models import CaptureError, CaptureWarning, CellEquations, capture
from models.core.gradient_proof import GradientWarning
from models.core.layer_gradients import GradientError
from models.core.trace import load_trace
from tests.support.own_cells import EXAMPLES, MIN_GRU, Loop, MinGRUCell, NormedCell


@pytest.mark.parametrize("label", EXAMPLES)
def test_every_gate_state_and_gradient_is_the_cells_own(label):
    torch.manual_seed(0)
    kind, equations = EXAMPLES[label]
    net, x = Loop(kind), torch.randn(2, 6, 3)
    plain = net(x)
    net.cell.gates.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with capture(net, cells={kind: equations}) as trace:
            out = net(x)
            (out.pow(2).sum() + out[:, -1].sum()).backward()
        assert torch.equal(out, plain)
        assert list(trace.layers) == ["cell.l0"]
        layer = trace.layers["cell"]
        assert layer.kind == kind.__name__ and layer.shape == (2, 6, 5)
        for index, name in enumerate(layer.quantities):
            own = [step[index] for step in net.cell.gates]
            assert np.allclose(layer[name], torch.stack(own, 1).detach(), atol=1e-6)
            grads = torch.stack([each.grad for each in own], 1)
            assert np.allclose(getattr(layer, f"{name}_grad"), grads, atol=1e-6)
        for name, parameter in net.cell.named_parameters():
            assert np.allclose(layer.per_step(name).sum(0), parameter.grad, atol=1e-5)
        assert_saved(trace)
    assert np.array_equal(layer.hidden_prev[:, 1:], layer.hidden[:, :-1])


def assert_saved(trace):
    """A file of the trace has every number of it, and the equations as formulas."""
    file = io.BytesIO()
    trace.save(file)
    (name,) = trace.layers
    layer, loaded = trace.layers[name], load_trace(io.BytesIO(file.getvalue())).layers[name]
    assert loaded.cell_equations == layer.cell_equations and None not in loaded.cell_equations.formulas.values()
    assert (loaded.kind, loaded.shape, list(loaded)) == (layer.kind, layer.shape, list(layer))
    for key in (
        "input",
        *layer,
        *(f"{each}_grad" for each in layer),
        *(f"{each}_prev" for each in layer.cell_equations.states),
    ):
        assert np.array_equal(getattr(loaded, key), getattr(layer, key))
    again = io.BytesIO()
    load_trace(io.BytesIO(file.getvalue())).save(again)
    assert again.getvalue() == file.getvalue()


def test_the_trace_keeps_the_weights_of_the_call():
    torch.manual_seed(0)
    net, x = Loop(MinGRUCell), torch.randn(2, 6, 3)
    with capture(net, cells={MinGRUCell: MIN_GRU}) as trace:
        net(x)
        net(x)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.fill_(7.0)
    assert list(trace.layers) == ["cell.l0", "cell.l0#2"]
    assert np.array_equal(trace.layers["cell"].update_gate, trace.layers["cell.l0#2"].update_gate)
    with pytest.raises(GradientError, match="No gradient"):
        _ = trace.layers["cell"].hidden_grad


def test_equations_that_are_not_the_modules_are_refused():
    wrong = CellEquations(equations=dict(MIN_GRU.equations) | {"hidden": lambda s: s.candidate})
    net = Loop(MinGRUCell)
    with capture(net, cells={MinGRUCell: wrong}) as trace:
        net(torch.randn(2, 6, 3))
    with pytest.raises(ValueError, match="do not compute its hidden"):
        _ = trace.layers["cell"].update_gate
    with pytest.raises(ValueError, match="has no equation"):
        CellEquations(equations={"gate": lambda s: s.input}, states=("hidden",))
    with pytest.raises(ValueError, match="do not compute its hidden"):
        trace.save("unused.npz")
    with pytest.raises(ValueError, match="cannot be named 'input'"):
        CellEquations(equations={"input": lambda s: s.input, "hidden": lambda s: s.input})


def test_cells_without_equations_are_named():
    net, x = Loop(NormedCell), torch.randn(2, 6, 3)
    with pytest.warns(CaptureWarning, match="NormedCell has a forward of its own"), capture(net) as trace:
        net(x)
    with pytest.raises(KeyError, match="NormedCell"):
        trace.layers["cell"]
    with pytest.raises(CaptureError, match="cells="):
        capture(Loop(MinGRUCell))


def test_a_use_of_the_weights_elsewhere_is_said():
    net, x = Loop(MinGRUCell), torch.randn(2, 6, 3)
    with capture(net, cells={MinGRUCell: MIN_GRU}) as trace:
        (net(x).sum() + 5 * net.cell.to_h.weight.pow(2).sum()).backward()
    with pytest.warns(GradientWarning, match="to_h.weight"):
        _ = trace.layers["cell"].hidden_grad
