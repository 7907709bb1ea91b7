"""The drawn formulas against the equations that compute, and against PyTorch's names and shapes."""

import re
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import nn

from models.core.activations import ACTIVATIONS
from models.core.cells import Cell, gru, lstm, rnn
from models.core.stepwise_modules import recurrent_module
from viz.formulas import Formula, NumberPrinter, activation_definitions, formulas

H, D, P = 5, 3, 2
CELLS = {
    "LSTM": lstm(),
    "LSTM projected": lstm(projected=True),
    "GRU": gru(),
    "GRU reset before": gru(reset_after=False),
    "RNN tanh": rnn(),
    "RNN relu": rnn("relu"),
    "LSTM of Keras 1": lstm(False, "tanh", "hard_sigmoid"),
    "LSTM relu": lstm(False, "relu", "hard_sigmoid_3"),
    "GRU linear": gru(True, "linear", "hard_sigmoid"),
    "LSTM with peepholes": lstm(peepholes=True, clip=0.5),
    "LSTM with layer norm": lstm(norm=1e-5, cell_norm=True),
    "LSTM coupled": lstm(coupled=True),
    "LSTM multiplicative": lstm(multiplicative=True),
}
OPTIONS: dict[str, dict[str, object]] = {
    "LSTM": {"activation": "tanh", "recurrent_activation": "sigmoid"},
    "GRU": {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True},
    "RNN tanh": {"nonlinearity": "tanh"},
    "RNN relu": {"nonlinearity": "relu"},
    "LSTM of Keras 1": {"activation": "tanh", "recurrent_activation": "hard_sigmoid"},
    "LSTM relu": {"activation": "relu", "recurrent_activation": "hard_sigmoid_3"},
    "GRU linear": {"activation": "linear", "recurrent_activation": "hard_sigmoid", "reset_after": True},
    "LSTM with peepholes": {"activation": "tanh", "recurrent_activation": "sigmoid", "peepholes": True, "clip": 0.5},
    "LSTM with layer norm": {"activation": "tanh", "recurrent_activation": "sigmoid", "norm": 1e-5, "cell_norm": True},
    "LSTM coupled": {"activation": "tanh", "recurrent_activation": "sigmoid", "coupled": True},
    "LSTM multiplicative": {"activation": "tanh", "recurrent_activation": "sigmoid", "multiplicative": True},
}
MODULES = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}


def lines(cell: Cell, **layer: object) -> dict[str, Formula]:
    sizes = {"hidden_size": H, "input_size": D, "output_size": P if cell == lstm(projected=True) else None}
    return {formula.quantity: formula for formula in formulas(cell, **{**sizes, **layer})}


def text(mathml: str) -> str:
    """Return the visible text, without invisible characters."""
    return "".join(ElementTree.fromstring(mathml).itertext()).replace("\u2061", "")


@pytest.fixture(params=CELLS, ids=str)
def cell(request: pytest.FixtureRequest) -> Cell:
    return CELLS[request.param]


def test_every_quantity_has_an_equation_in_every_form_that_is_xml(cell: Cell) -> None:
    drawn = lines(cell)
    assert tuple(drawn) == cell.quantities
    for formula in drawn.values():
        for form in (formula.symbols, formula.numbers, formula.shapes):
            assert ElementTree.fromstring(form).tag == "{http://www.w3.org/1998/Math/MathML}math"


@pytest.mark.parametrize(
    ("name", "quantity", "expected"),
    [
        ("LSTM", "forget_gate", "ft=σ(Wifxt+bif+Whfht−1+bhf)"),
        ("LSTM", "candidate", "gt=tanh(Wigxt+big+Whght−1+bhg)"),
        ("LSTM", "cell", "ct=ft⊙ct−1+it⊙gt"),
        ("LSTM with peepholes", "forget_gate", "ft=σ(clip(Wifxt+bif+Whfht−1+bhf+wcf⊙ct−1,−0.5,0.5))"),
        ("LSTM with peepholes", "output_gate", "ot=σ(clip(Wioxt+bio+Whoht−1+bho+wco⊙ct,−0.5,0.5))"),
        ("LSTM with layer norm", "forget_gate", "ft=σ(LNif(Wifxt+bif)+LNhf(Whfht−1+bhf))"),
        ("LSTM coupled", "forget_gate", "ft=1−it"),
        ("LSTM multiplicative", "intermediate", "mt=(Wmxxt)⊙(Wmhht−1)"),
        ("LSTM multiplicative", "candidate", "gt=tanh(Wigxt+big+Whgmt+bhg)"),
        ("LSTM with layer norm", "cell", "ct=LNc(ft⊙ct−1+it⊙gt)"),
        ("LSTM", "hidden", "ht=ot⊙tanh(ct)"),
        ("LSTM projected", "hidden", "ht=Whr(ot⊙tanh(ct))"),
        ("GRU", "candidate", "nt=tanh(Winxt+bin+rt⊙(Whnht−1+bhn))"),
        ("GRU reset before", "candidate", "nt=tanh(Winxt+bin+Whn(rt⊙ht−1)+bhn)"),
        ("GRU", "hidden", "ht=zt⊙ht−1+(1−zt)⊙nt"),
        ("RNN tanh", "preactivation", "at=Wihxt+bih+Whhht−1+bhh"),
        ("RNN relu", "hidden", "ht=relu(at)"),
        ("LSTM of Keras 1", "forget_gate", "ft=hard σ(Wifxt+bif+Whfht−1+bhf)"),
        ("LSTM relu", "hidden", "ht=ot⊙relu(ct)"),
        ("GRU linear", "candidate", "nt=Winxt+bin+rt⊙(Whnht−1+bhn)"),
    ],
)
def test_symbols_are_those_of_pytorch(name: str, quantity: str, expected: str) -> None:
    assert text(lines(CELLS[name])[quantity].symbols) == expected


def test_a_layer_without_biases_has_none_in_its_equations(cell: Cell) -> None:
    assert not any("b" in text(formula.symbols) for formula in lines(cell, bias=False).values())


def test_a_reversed_layer_starts_from_the_step_after() -> None:
    assert text(lines(lstm(), reverse=True)["cell"].symbols) == "ct=ft⊙ct+1+it⊙gt"


def test_shapes_are_those_of_the_module() -> None:
    for name, cell in CELLS.items():
        options = {"proj_size": P} if name == "LSTM projected" else {}
        module = MODULES[cell.kind](D, H, **options)
        for quantity, formula in lines(cell).items():
            for under in ElementTree.fromstring(formula.shapes).iter("{http://www.w3.org/1998/Math/MathML}munder"):
                symbol, shape = ("".join(part.itertext()) for part in under)
                size = tuple(int(n) for n in shape.split("×"))
                if name == "LSTM projected" and symbol == "Whr":
                    assert size == tuple(module.weight_hr_l0.shape)
                elif symbol in ("Wmx", "Wmh"):
                    own = recurrent_module("LSTM", D, H, OPTIONS[name])
                    assert size == tuple(getattr(own, f"weight_m{symbol[2]}_l0").shape)
                elif symbol.startswith("W"):
                    rows, columns = (module.weight_ih_l0 if symbol[1] == "i" else module.weight_hh_l0).shape
                    assert size == (rows // len(cell.gates), columns), (name, quantity, symbol)
                elif symbol == "xt":
                    assert size == (D,)
                elif symbol.startswith("h"):
                    assert size == (module.weight_hh_l0.shape[1],)
                else:
                    assert size == (H,), (name, quantity, symbol)


def test_numbers_have_the_slots_that_the_browser_fills(cell: Cell) -> None:
    """The browser has each gate and state, the states before, and both parts of each gate's sum (unit.js)."""
    parts = {f"{gate}.{part}" for gate in cell.summed_gates for part in ("x", "h")}
    parts |= {f"{gate}.c" for gate in cell.peepholes}
    parts |= {"intermediate.x", "intermediate.h"} if cell.multiplicative else set()
    parts |= {f"cell.{each}" for each in ("mean", "deviation", "gain", "shift") if cell.cell_norm}
    known = {*cell.quantities, *(f"{state}_prev" for state in cell.states), *parts}
    drawn = lines(cell)
    for quantity, formula in drawn.items():
        held = re.findall(r'data-slot="([^"]+)"', formula.numbers)
        assert tuple(dict.fromkeys(held)) == formula.slots
        assert set(held) <= known
        assert held[-1] == quantity, "a line ends in its value"
    shown = {slot for formula in drawn.values() for slot in formula.slots}
    assert shown >= {*cell.quantities, *parts}


def defined(cell: Cell, symbol: str) -> Callable[[float], float] | None:
    """Return the definition of an activation drawn under the equations, as a function that computes it."""
    drawn = {text(each).partition("(a)=")[0]: each for each in activation_definitions(cell)}
    if symbol not in drawn:
        return None
    plain = re.sub(r"<mfrac[^>]*><mrow>(.*?)</mrow><mrow>(.*)</mrow></mfrac>", r"<mn>(\1)/(\2)</mn>", drawn[symbol])
    plain = re.sub(r"\|(</mo>.*<mo[^>]*>)\|", r"abs(\1)", plain)
    python = text(plain).partition("(a)=")[2].replace("−", "-").replace("\u2062", "*")
    known = {"min": np.minimum, "max": np.maximum, "exp": np.exp, "abs": np.abs}
    return lambda a: eval(python, {"a": a, **known})


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"tanh", "sigmoid", "linear"}))
def test_an_activation_is_drawn_as_it_computes(name: str) -> None:
    a = np.linspace(-5, 5, 101)
    computed = defined(rnn(name), ACTIVATIONS[name].symbol)
    assert computed is not None
    np.testing.assert_allclose(computed(a), ACTIVATIONS[name].values(a), atol=1e-12)


def test_what_everybody_knows_is_not_explained() -> None:
    assert not any(activation_definitions(cell) for cell in (rnn(), rnn("sigmoid"), rnn("linear"), lstm(), gru(False)))
    assert len(activation_definitions(lstm(False, "relu", "hard_sigmoid"))) == 2


@pytest.mark.parametrize(
    "name",
    [
        "LSTM",
        "GRU",
        "RNN tanh",
        "RNN relu",
        "LSTM of Keras 1",
        "LSTM relu",
        "GRU linear",
        "LSTM with peepholes",
        "LSTM coupled",
        "LSTM multiplicative",
    ],
)
def test_the_numbers_when_filled_are_a_true_equation(name: str) -> None:
    """Fill the slots with a torch cell's own values: the right side then computes the value at its end."""
    torch.manual_seed(0)
    cell = CELLS[name]
    module = recurrent_module(cell.kind, D, H, OPTIONS[name]).double()
    x, h, c = torch.randn(D).double(), torch.randn(H).double(), torch.randn(H).double()
    with torch.no_grad():
        state = (h[None], c[None]) if cell.kind == "LSTM" else h[None]
        after = module(x[None], state)[1]
        values = {"hidden_prev": h.numpy(), "cell_prev": c.numpy()}
        given = h
        if cell.multiplicative:
            factors = module.weight_mx_l0 @ x, module.weight_mh_l0 @ h
            values |= {f"intermediate.{side}": factor.numpy() for side, factor in zip("xh", factors, strict=True)}
            given = factors[0] * factors[1]
        by_x = (module.weight_ih_l0 @ x + module.bias_ih_l0).view(-1, H).numpy()
        by_h = (module.weight_hh_l0 @ given + module.bias_hh_l0).view(-1, H).numpy()
    for k, gate in enumerate(cell.gates):
        values |= {f"{gate}.x": by_x[k], f"{gate}.h": by_h[k]}
    for gate in cell.peepholes:
        weights = module.weight_ch_l0.detach().chunk(3)[cell.peepholes.index(gate)]
        state = after[1][0] if gate == "output_gate" else c
        values[f"{gate}.c"] = (weights * state).numpy()
    functions = {
        "σ": lambda v: 1 / (1 + np.exp(-v)),
        "tanh": np.tanh,
        "relu": lambda v: np.maximum(v, 0),
        "clip": np.clip,
    }
    functions["hard"] = defined(cell, "hard σ")
    for quantity, formula in lines(cell).items():
        right = text(re.sub(r'<mn data-slot="([^"]+)"></mn>', r"<mn>v['\1']</mn>", formula.numbers)).split("=")[1]
        python = right.replace("×", "*").replace("−", "-")
        python = python.replace("hard σ", "hard")
        values[quantity] = eval(python, {"v": values, **functions})
    hidden = after[0] if cell.kind == "LSTM" else after
    np.testing.assert_allclose(values["hidden"], hidden[0].numpy(), atol=1e-12)
    if cell.kind == "LSTM":
        np.testing.assert_allclose(values["cell"], after[1][0].numpy(), atol=1e-12)


def test_a_projection_is_drawn_with_symbols_among_the_numbers() -> None:
    """One unit's numbers cannot replace a product over all units."""
    formula = lines(lstm(projected=True))["hidden"]
    assert text(formula.numbers) == "ht=Whr(ot⊙tanh(ct))="
    assert formula.slots == ("hidden",)


def test_an_unknown_expression_is_named() -> None:
    with pytest.raises(TypeError, match="No way to print"):
        NumberPrinter(lstm(), {"H": H, "D": D, "P": H}, bias=True, reverse=False).print("f")  # type: ignore[arg-type]
