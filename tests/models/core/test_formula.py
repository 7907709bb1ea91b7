"""Formulas of equations: evaluated again they compute what the equation computes; what is not a formula is refused."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from models import CellEquations, capture
from models.core.archive import ArchiveError, read_archive, write_archive
from models.core.formula import Symbol, SymbolNamespace, check_formula, formula_of, quantities_in, range_of
from models.core.trace import load_trace

OPERATIONS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "@": lambda a, b: a @ b,
    "**": lambda a, b: a**b,
}


def evaluate(tree, values, module):
    """Evaluate a formula with torch, by its definition in ``models.core.formula``."""
    match tree:
        case ["quantity", name]:
            return values[name]
        case ["parameter", name, _]:
            return getattr(module, name)
        case ["linear" | "module", name, _, *rest]:
            return getattr(module, name)(*(evaluate(each, values, module) for each in rest if isinstance(each, list)))
        case ["part", whole, part, parts]:
            return evaluate(whole, values, module).chunk(parts, -1)[part - 1]
        case ["call", name, *given]:
            named = {each[1]: each[2] for each in given if isinstance(each, list) and each[0] == "named"}
            args = [
                evaluate(each, values, module) for each in given if not (isinstance(each, list) and each[0] == "named")
            ]
            return (getattr(torch, name, None) or getattr(F, name))(*args, **named)
        case [sign, left, right]:
            return OPERATIONS[sign](evaluate(left, values, module), evaluate(right, values, module))
    return tree


class Module(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate, self.norm = nn.Linear(4, 4), nn.LayerNorm(4)
        self.weight = nn.Parameter(torch.randn(8, 4))
        self.bias = nn.Parameter(torch.randn(8))
        self.slope = 0.5

    def mix(self, s):
        first, second = F.linear(s.input, s.weight, s.bias).chunk(2, -1)
        return first * second


EQUATIONS = [
    lambda s: torch.sigmoid(s.gate(s.input)),
    lambda s: F.softplus(s.norm(s.hidden_prev)) - 1,
    lambda s: 1 - s.hidden_prev / (2 + s.hidden_prev**2),
    lambda s: -s.hidden_prev.tanh() * s.slope,
    lambda s: torch.softmax(s.input @ s.weight.T, dim=-1)[..., :4],
    lambda s: s.mix(s),
    lambda s: torch.ones(4) * s.input + torch.tensor(2.0) * s.hidden_prev,
    lambda s: torch.maximum(s.input.exp(), s.hidden_prev).clamp(max=3.0),
]


@pytest.mark.parametrize("index", range(len(EQUATIONS)))
def test_a_formula_computes_what_its_equation_computes(index):
    torch.manual_seed(index)
    module, equation = Module(), EQUATIONS[index]
    tree = formula_of(equation, SymbolNamespace(module, ("input", "hidden_prev")))
    assert tree is not None and check_formula(json.loads(json.dumps(tree))) > 0
    if index in (4, 6):  # a transpose, an index and a constant tensor are printed, not evaluated
        return
    values = {"input": torch.randn(3, 4), "hidden_prev": torch.randn(3, 4)}

    class Values:
        def __getattr__(self, name):
            return values[name] if name in values else getattr(module, name)

    assert torch.allclose(evaluate(tree, values, module), equation(Values()), atol=1e-6)
    assert set(quantities_in(tree)) <= set(values)


@pytest.mark.parametrize(
    "equation",
    [
        lambda s: s.input if s.input.sum() > 0 else s.hidden_prev,
        lambda s: s.input * s.input.shape[-1],
        lambda s: s.absent,
        lambda s: sum((s.input for _ in range(1000)), s.input),
        lambda s: list(s.input),
        lambda s: 3.0,
    ],
)
def test_what_a_formula_does_not_contain_has_none(equation):
    assert formula_of(equation, SymbolNamespace(Module(), ("input", "hidden_prev"))) is None


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.sampled_from(["a", "b", 1.0, 0.25]), lambda t: st.tuples(st.sampled_from("+-*"), t, t), max_leaves=8
    )
)
def test_a_range_contains_every_value(drawn):
    known = {"a": (0.0, 1.0), "b": (-1.0, 1.0)}

    def tree_of(each):
        if isinstance(each, tuple):
            return [each[0], tree_of(each[1]), tree_of(each[2])]
        return ["quantity", each] if isinstance(each, str) else each

    tree = tree_of(drawn)
    low, high = range_of(tree, known)
    values = {"a": torch.rand(200), "b": 2 * torch.rand(200) - 1}
    found = torch.as_tensor(evaluate(tree, values, None))
    assert low - 1e-5 <= float(found.min()) and float(found.max()) <= high + 1e-5


def test_ranges_of_functions():
    x = Symbol(["quantity", "input"])
    assert range_of((1 - torch.sigmoid(x)).tree, {}) == (0.0, 1.0)
    assert range_of((torch.sigmoid(x) * x.tanh()).tree, {}) == (-1.0, 1.0)
    assert range_of(x.relu().tree, {}) is None
    assert range_of(F.hardtanh(x, -2.0, 2.0).tree, {}) is None


@pytest.fixture(scope="module")
def saved():
    class Cell(nn.Module):
        def forward(self, x, h):
            return x.sigmoid() * h

    equations = {"gate": lambda s: s.input.sigmoid(), "hidden": lambda s: s.gate * s.hidden_prev}
    cell = Cell()
    with capture(cell, cells={Cell: CellEquations(equations=equations)}) as trace:
        cell(torch.randn(1, 3), torch.randn(1, 3))
    file = io.BytesIO()
    trace.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: layer["formulas"].update(gate=[["call", ["quantity"]], None]),
        lambda layer: layer["formulas"].update(gate=[["+", 1.0, ["parameter", "w", ["<b>"]]], None]),
        lambda layer: layer["formulas"].update(gate=[["exec", "x"], None]),
        lambda layer: layer["formulas"].update(gate=[["quantity", "x" * 500], None]),
        lambda layer: layer["formulas"].update({'"><script>': [None, None]}),
        lambda layer: layer["formulas"].pop("hidden"),
        lambda layer: layer.update(states=[]),
        lambda layer: layer["formulas"].update(gate=[None, ["low", "high"]]),
    ],
)
def test_a_changed_header_is_refused_in_one_sentence(saved, change):
    header, arrays = read_archive(io.BytesIO(saved))
    assert load_trace(io.BytesIO(saved)).layers["l0"].gate.shape == (1, 1, 3)
    change(header["layers"][0])
    file = io.BytesIO()
    write_archive(file, header, arrays)
    with pytest.raises(ArchiveError, match="damaged"):
        load_trace(io.BytesIO(file.getvalue()))


def test_an_array_of_another_shape_is_refused(saved):
    header, arrays = read_archive(io.BytesIO(saved))
    file = io.BytesIO()
    write_archive(file, header, arrays | {"l0/gate": np.zeros((1, 2, 3), np.float32)})
    with pytest.raises(ArchiveError, match="l0/gate"):
        load_trace(io.BytesIO(file.getvalue()))
