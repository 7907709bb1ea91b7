"""The cells' equations as MathML: with symbols, with the current values of one unit, and with shapes.

The equations of `models.core.cells` are evaluated on symbols instead of tensors; the result is an expression tree, and each
form of a formula is a way to print it. Formulas and computation therefore cannot disagree. The symbols are those of the
documentation of `torch.nn.LSTM`, `torch.nn.GRU` and `torch.nn.RNN`.

    >>> [formula.quantity for formula in formulas(lstm(), hidden_size=128, input_size=32)][:2]
    ['input_gate', 'forget_gate']
"""

from __future__ import annotations

from dataclasses import dataclass

from models.core.cells import Cell
from viz.escape import escape_html
from viz.expressions import (
    Call,
    Constant,
    EquationSymbols,
    Expression,
    InputPart,
    LayerNorm,
    Operation,
    Peephole,
    Projection,
    Quantity,
    RecurrentPart,
    Variable,
)

LETTERS = {
    "input_gate": "i",
    "forget_gate": "f",
    "candidate": "g",
    "output_gate": "o",
    "reset_gate": "r",
    "update_gate": "z",
    "preactivation": "a",
    "intermediate": "m",
    "cell": "c",
    "hidden": "h",
}


def quantity_letter(cell: Cell, quantity: str) -> str:
    """Return the letter of a gate or state: PyTorch calls a GRU's candidate n, an LSTM's g."""
    return "n" if (cell.kind, quantity) == ("GRU", "candidate") else LETTERS[quantity]


def weight_subscript(cell: Cell, gate: str) -> str:
    """Return the second subscript of a gate's weights, as in W_if; an RNN's only weights are W_ih and W_hh."""
    return "h" if gate == "preactivation" else quantity_letter(cell, gate)


@dataclass(frozen=True)
class Formula:
    """One equation of a cell, in three forms; each is one `<math>` element.

    Attributes:
        quantity: the gate or state that the equation computes.
        symbols: f_t = sigma(W_if x_t + b_if + W_hf h_{t-1} + b_hf).
        numbers: the same for one unit at one step. Numbers are empty `<mn data-slot="...">`, which the component that
            shows the formula fills: a gate or state by its name, "forget_gate.x" and "forget_gate.h" for the input and
            the recurrent part, biases and layer norms included, "intermediate.x" and "intermediate.h" for the factors of an
            intermediate state, "forget_gate.c" for the part of the peephole, "cell.mean",
            "cell.deviation", "cell.gain" and "cell.shift" for the layer norm of the cell state.
        shapes: the symbols, each with its shape under it.
        slots: the slots in `numbers`, each once, in order.
    """

    quantity: str
    symbols: str
    numbers: str
    shapes: str
    slots: tuple[str, ...]


def formulas(
    cell: Cell,
    *,
    hidden_size: int,
    input_size: int,
    output_size: int | None = None,
    bias: bool = True,
    reverse: bool = False,
) -> tuple[Formula, ...]:
    """Return every equation of the cell, in the order of computation.

    Args:
        hidden_size: H. input_size: D. output_size: P, the size of the hidden state of a projected LSTM (H unless given).
        bias: whether the layer has biases.
        reverse: whether the layer runs backward in time, so that the previous state is that of t + 1.
    """
    sizes = {"H": hidden_size, "D": input_size, "P": output_size or hidden_size}
    symbols = SymbolPrinter(cell, sizes, bias, reverse)
    shapes = ShapePrinter(cell, sizes, bias, reverse)
    lines = []
    for quantity, equation in cell.equations.items():
        expression = equation(EquationSymbols())
        numbers = NumberPrinter(cell, sizes, bias, reverse)
        lines.append(
            Formula(
                quantity,
                symbols=_math(symbols.quantity(quantity), symbols.print(expression)),
                numbers=_math(symbols.quantity(quantity), numbers.print(expression), numbers.quantity(quantity)),
                shapes=_math(shapes.quantity(quantity), shapes.print(expression)),
                slots=tuple(dict.fromkeys(numbers.slots)),
            )
        )
    return tuple(lines)


def activation_definitions(cell: Cell) -> tuple[str, ...]:
    """Return the definition of each of the cell's activations but tanh and sigmoid: one `<math>` element each."""
    drawn = {each.symbol: each for each in cell.activations.values() if each.name not in ("tanh", "sigmoid", "linear")}
    printer, a = DefinitionPrinter(cell, {}, False, False), Variable("a")
    return tuple(
        _math(printer.print(a.through(each)), printer.print(each.function(a))) for each in drawn.values()
    )  # fmt: skip


# -- printing --------------------------------------------------------------------------------------------------


class SymbolPrinter:
    """Printer of an expression with symbols."""

    times = "⊙"

    def __init__(self, cell: Cell, sizes: dict[str, int], bias: bool, reverse: bool) -> None:
        self.cell, self.sizes, self.bias = cell, sizes, bias
        self.before = "+" if reverse else "−"

    def print(self, e: Expression) -> str:
        match e:
            case Quantity(name):
                return self.quantity(name)
            case Constant(value):
                return f"<mn>{value:g}</mn>".replace("-", "−")
            case InputPart(gate):
                return self.input_part(gate)
            case RecurrentPart(gate, vector):
                return self.recurrent_part(gate, vector)
            case Peephole(gate, vector):
                return self.peephole(gate, vector)
            case LayerNorm(vector):
                return self.normed("c", self.print(vector))
            case Projection(vector):
                return self.matrix("hr", "P", "H") + _parentheses(self.print(vector))
            case Variable(name):
                return f"<mi>{name}</mi>"
            case Call("|", (argument,)):
                return f'<mrow><mo stretchy="false">|</mo>{self.print(argument)}<mo stretchy="false">|</mo></mrow>'
            case Call(function, arguments):
                name = f'<mi class="function">{function}</mi><mo>&#x2061;</mo>'
                return name + _parentheses("<mo>,</mo>".join(map(self.print, arguments)))
            case Operation("/", left, right):
                return f'<mfrac displaystyle="true"><mrow>{self.print(left)}</mrow><mrow>{self.print(right)}</mrow></mfrac>'
            case Operation("*", left, right):
                return self.factor(left) + _operator(self.times) + self.factor(right)
            case Operation(sign, left, right):
                return self.print(left) + _operator({"-": "−"}.get(sign, sign)) + self.print(right)
        raise TypeError(f"No way to print {e!r}.")

    def factor(self, e: Expression) -> str:
        """Print a factor of a product; a sum gets parentheses."""
        drawn = self.print(e)
        is_sum = isinstance(e, RecurrentPart | InputPart) and (self.bias or e.gate == "intermediate")
        return _parentheses(drawn) if is_sum or (isinstance(e, Operation) and e.sign != "*") else drawn

    def quantity(self, name: str) -> str:
        """Print a gate or state, as f_t, or h_{t-1}."""
        state = name.removesuffix("_prev")
        t = "<mi>t</mi>"
        if state != name:
            t = f'<mrow><mi>t</mi><mo lspace="0" rspace="0">{self.before}</mo><mn>1</mn></mrow>'
        size = self.sizes["P" if state == "hidden" else "H"]
        return self.shaped(f"<msub><mi>{quantity_letter(self.cell, state)}</mi>{t}</msub>", size)

    def input_part(self, gate: str) -> str:
        which = "mx" if gate == "intermediate" else "i" + weight_subscript(self.cell, gate)
        x = self.shaped("<msub><mi>x</mi><mi>t</mi></msub>", self.sizes["D"])
        return self.normed_products(which, self.matrix(which, "H", "D") + x + self.plus_bias(which, gate))

    def recurrent_part(self, gate: str, vector: Expression) -> str:
        which = "mh" if gate == "intermediate" else "h" + weight_subscript(self.cell, gate)
        products = self.matrix(which, "H", "P") + self.factor_of_matrix(vector) + self.plus_bias(which, gate)
        return self.normed_products(which, products)

    def normed_products(self, which: str, products: str) -> str:
        """Print the products of one gate, inside a layer norm if the cell has one."""
        return products if self.cell.norm is None else self.normed(which, products)

    def normed(self, which: str, content: str) -> str:
        return _subscript("LN", which) + _parentheses(content)

    def peephole(self, gate: str, vector: Expression) -> str:
        weights = self.shaped(_subscript("w", "c" + weight_subscript(self.cell, gate)), self.sizes["H"])
        return weights + _operator(self.times) + self.factor(vector)

    def factor_of_matrix(self, vector: Expression) -> str:
        drawn = self.print(vector)
        return drawn if isinstance(vector, Quantity) else _parentheses(drawn)

    def matrix(self, which: str, *axes: str) -> str:
        return self.shaped(_subscript("W", which), *(self.sizes[axis] for axis in axes))

    def plus_bias(self, which: str, gate: str) -> str:
        has_bias = self.bias and gate != "intermediate"
        return _operator("+") + self.shaped(_subscript("b", which), self.sizes["H"]) if has_bias else ""

    def shaped(self, symbol: str, *shape: int) -> str:
        """Print a symbol of this shape."""
        return symbol


def over_shape(symbol: str, *shape: int) -> str:
    """Return a symbol in MathML over its shape, as 4×3; a number's is 1."""
    space = '<mspace width="0.3em"></mspace>'
    under = f'{space}<mtext class="shape">{"×".join(map(str, shape)) or 1}</mtext>{space}'
    return f"<munder>{symbol}<mrow>{under}</mrow></munder>"


class ShapePrinter(SymbolPrinter):
    """Printer of an expression with symbols, each over its shape."""

    def shaped(self, symbol: str, *shape: int) -> str:
        return over_shape(symbol, *shape)


class NumberPrinter(SymbolPrinter):
    """Printer of an expression with slots for the numbers of one unit."""

    times = "×"

    def __init__(self, cell: Cell, sizes: dict[str, int], bias: bool, reverse: bool) -> None:
        super().__init__(cell, sizes, False, reverse)  # each part is one number, its bias included
        self.plain = SymbolPrinter(cell, sizes, bias, reverse)
        self.slots: list[str] = []

    def quantity(self, name: str) -> str:
        self.slots.append(name)
        return f'<mn data-slot="{escape_html(name)}"></mn>'

    def input_part(self, gate: str) -> str:
        return self.quantity(f"{gate}.x")

    def recurrent_part(self, gate: str, vector: Expression) -> str:
        return self.quantity(f"{gate}.h")

    def peephole(self, gate: str, vector: Expression) -> str:
        return self.quantity(f"{gate}.c")

    def normed(self, which: str, content: str) -> str:
        mean, deviation, gain, shift = (
            self.quantity(f"cell.{each}") for each in ("mean", "deviation", "gain", "shift")
        )
        centred = f"<mrow>{content}{_operator('−')}{mean}</mrow><mrow>{deviation}</mrow>"
        fraction = f'<mfrac displaystyle="true">{centred}</mfrac>'
        return fraction + _operator(self.times) + gain + _operator("+") + shift

    def print(self, e: Expression) -> str:
        # A projection takes all units as its input, so it has no form with the numbers of one.
        return self.plain.print(e) if isinstance(e, Projection) else super().print(e)


class DefinitionPrinter(SymbolPrinter):
    """Printer of an activation's definition."""

    times = "&#x2062;"


def _math(*sides: str) -> str:
    content = _operator("=").join(f"<mrow>{side}</mrow>" for side in sides)
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML"><mrow>{content}</mrow></math>'


def _subscript(base: str, below: str) -> str:
    return f"<msub><mi>{base}</mi><mrow>{''.join(f'<mi>{c}</mi>' for c in below)}</mrow></msub>"


def _operator(sign: str) -> str:
    return f"<mo>{sign}</mo>"


def _parentheses(content: str) -> str:
    return f'<mrow><mo stretchy="false">(</mo>{content}<mo stretchy="false">)</mo></mrow>'
