"""The equations of a cell of the user's own as MathML, printed from the formulas of a saved run (``models.core.formula``).

Every name comes from a file, so every name is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.core.custom_cell import CellFormulas
from models.core.formula import Tree
from viz.escape import escape_html
from viz.formulas import LETTERS, Formula, over_shape

FUNCTION_SYMBOLS = {"sigmoid": "σ"}
ELEMENTWISE = ("+", "-", "*", "/", "**", "<", ">", "<=", ">=")
ELEMENTWISE_FUNCTIONS = (
    *(
        "abs",
        "celu",
        "clamp",
        "cos",
        "elu",
        "erf",
        "exp",
        "expm1",
        "gelu",
        "hardsigmoid",
        "hardtanh",
        "leaky_relu",
        "log",
    ),
    *(
        "log1p",
        "logsigmoid",
        "maximum",
        "minimum",
        "neg",
        "reciprocal",
        "relu",
        "rsqrt",
        "sigmoid",
        "sign",
        "silu",
        "sin",
    ),
    *("softplus", "softsign", "sqrt", "square", "tanh", "where"),
)
SIGNS = {"-": "−", "*": "⊙", "<": "&lt;", ">": "&gt;", "<=": "≤", ">=": "≥", "@": "&#x2062;"}
SUMS = ("+", "-", "<", ">", "<=", ">=")


def quantity_symbol(name: str) -> str:
    """Return the letter of a gate or state, or its own name where it has none."""
    return LETTERS.get(name, name)


def custom_formulas(cell: CellFormulas, widths: Mapping[str, int]) -> tuple[Formula, ...]:
    """Return every equation of the cell, in the order of computation.

    Args:
        cell: the equations.
        widths: units of every quantity, and of ``input``.
    """
    lines = []
    for quantity, formula in cell.formulas.items():
        symbols, shapes, numbers = (
            FormulaPrinter(widths),
            FormulaShapePrinter(widths),
            FormulaNumberPrinter(widths, widths[quantity]),
        )
        if formula is None:
            sides = {"symbols": "<mtext>…</mtext>", "numbers": "<mtext>…</mtext>", "shapes": "<mtext>…</mtext>"}
        else:
            sides = {
                "symbols": symbols.print(formula),
                "numbers": numbers.print(formula),
                "shapes": shapes.print(formula),
            }
        lines.append(
            Formula(
                quantity,
                symbols=_math(symbols.quantity(quantity), sides["symbols"]),
                numbers=_math(symbols.quantity(quantity), sides["numbers"], numbers.slot(quantity)),
                shapes=_math(shapes.quantity(quantity), sides["shapes"]),
                slots=tuple(dict.fromkeys(numbers.slots)),
            )
        )
    return tuple(lines)


class FormulaPrinter:
    """FormulaPrinter of a formula with symbols."""

    times = "⊙"

    def __init__(self, widths: Mapping[str, int]) -> None:
        """Store the units of every quantity."""
        self.widths = widths

    def print(self, tree: Tree | None) -> str:
        """Return the MathML of a formula."""
        match tree:
            case None | bool() | str():
                return f"<mtext>{escape_html(str(tree))}</mtext>"
            case int() | float():
                return f"<mn>{tree:g}</mn>".replace("-", "−")
            case ["quantity", name]:
                return self.quantity(name)
            case ["parameter", name, sizes]:
                return self.shaped(_parameter(name), *sizes)
            case ["linear", name, sizes, bias, given]:
                drawn = self.shaped(_subscript("W", name), *sizes) + self.factor(given)
                return drawn + (_operator("+") + self.shaped(_subscript("b", name), sizes[0]) if bias else "")
            case ["module", name, kind, *given]:
                return _subscript(kind, name) + self.arguments(given)
            case ["part", whole, part, parts]:
                count = f"<mrow><mn>{part}</mn><mo>/</mo><mn>{parts}</mn></mrow>"
                return f"<msub><mrow>{_brackets(self.vector(whole))}</mrow>{count}</msub>"
            case ["index", whole, key]:
                return f"<msub><mrow>{_brackets(self.vector(whole))}</mrow><mtext>{escape_html(key)}</mtext></msub>"
            case ["call", "transpose", given]:
                return f"<msup><mrow>{self.factor(given)}</mrow><mi>⊤</mi></msup>"
            case ["call", "linear", given, matrix, *bias]:
                drawn = self.vector(matrix) + self.factor(given, vector=True)
                return drawn + (_operator("+") + self.vector(bias[0]) if bias and bias[0] is not None else "")
            case ["call", function, *given]:
                return (
                    f'<mi class="function">{escape_html(FUNCTION_SYMBOLS.get(str(function), str(function)))}</mi>'
                    + self.arguments(given)
                )
            case ["named", name, value]:
                return f"<mtext>{escape_html(str(name))}</mtext>{_operator('=')}{self.print(value)}"
            case ["list", *items]:
                return _brackets("<mo>,</mo>".join(map(self.print, items)))
            case ["/", left, right]:
                return f'<mfrac displaystyle="true"><mrow>{self.print(left)}</mrow><mrow>{self.print(right)}</mrow></mfrac>'
            case ["**", base, power]:
                return f"<msup><mrow>{self.factor(base)}</mrow><mrow>{self.print(power)}</mrow></msup>"
            case ["-", 0.0, value]:
                return _operator("−") + self.factor(value)
            case ["-", left, right]:
                return self.print(left) + _operator("−") + self.factor(right)
            case ["*" | "@" as sign, left, right]:
                return self.factor(left) + _operator(self.times if sign == "*" else SIGNS[sign]) + self.factor(right)
            case [str(sign), left, right]:
                return self.print(left) + _operator(SIGNS.get(sign, escape_html(sign))) + self.print(right)
        raise TypeError(f"No way to print {tree!r}.")

    def vector(self, tree: Tree | None) -> str:
        """Print an operand that is used as a whole vector, not unit by unit."""
        return self.print(tree)

    def factor(self, tree: Tree | None, *, vector: bool = False) -> str:
        """Print a factor of a product; a sum is put in parentheses."""
        drawn = self.vector(tree) if vector else self.print(tree)
        return _parentheses(drawn) if _is_sum(tree) else drawn

    def arguments(self, given: list[Any]) -> str:
        """Print the arguments of a function."""
        return "<mo>&#x2061;</mo>" + _parentheses("<mo>,</mo>".join(map(self.print, given)))

    def quantity(self, name: str) -> str:
        """Print a gate or state, as f_t, or h_{t-1}."""
        state = name.removesuffix("_prev")
        t = "<mi>t</mi>"
        if state != name:
            t = '<mrow><mi>t</mi><mo lspace="0" rspace="0">−</mo><mn>1</mn></mrow>'
        letter = "x" if name == "input" else quantity_symbol(state)
        return self.shaped(f"<msub><mi>{escape_html(letter)}</mi>{t}</msub>", self.widths.get(state, 0))

    def shaped(self, symbol: str, *shape: int) -> str:
        """Print a symbol of this shape."""
        return symbol


class FormulaShapePrinter(FormulaPrinter):
    """FormulaPrinter of a formula with symbols, each over its shape."""

    def shaped(self, symbol: str, *shape: int) -> str:
        """Print a symbol over its shape."""
        return over_shape(symbol, *shape)


class FormulaNumberPrinter(FormulaPrinter):
    """FormulaPrinter of a formula with slots for the numbers of one unit.

    Only what is computed unit by unit has a number for one unit; what takes a whole vector, such as a product with a matrix,
    is printed with symbols.
    """

    times = "×"

    def __init__(self, widths: Mapping[str, int], width: int) -> None:
        """Store the units of every quantity, and those of the result."""
        super().__init__(widths)
        self.width = width
        self.plain = FormulaPrinter(widths)
        self.slots: list[str] = []

    def print(self, tree: Tree | None) -> str:
        """Return the MathML of a formula."""
        match tree:
            case ["call", function, *_] if function not in ELEMENTWISE_FUNCTIONS:
                return self.plain.print(tree)
            case ["linear" | "module" | "part" | "index" | "parameter" | "@", *_]:
                return self.plain.print(tree)
        return super().print(tree)

    def quantity(self, name: str) -> str:
        """Print the number of a gate or state of as many units as the result."""
        state = name.removesuffix("_prev")
        if name == "input" or self.widths.get(state) != self.width:
            return self.plain.quantity(name)
        return self.slot(name)

    def slot(self, name: str) -> str:
        """Return an empty number, which the component fills."""
        self.slots.append(name)
        return f'<mn data-slot="{escape_html(name)}"></mn>'


def _is_sum(tree: Tree | None) -> bool:
    match tree:
        case ["linear", _, _, bias, _]:
            return bool(bias)
        case ["call", "linear", _, _, bias, *_]:
            return bias is not None
        case [str(sign), _, _]:
            return sign in SUMS
        case int() | float():
            return tree < 0
    return False


def _parameter(name: str) -> str:
    for word, letter in (("weight", "W"), ("bias", "b")):
        if name == word:
            return f"<mi>{letter}</mi>"
        if name.startswith(f"{word}_"):
            return _subscript(letter, name.removeprefix(f"{word}_"))
    return f"<mi>{escape_html(name)}</mi>"


def _subscript(base: str, below: str) -> str:
    return f"<msub><mi>{escape_html(base)}</mi><mtext>{escape_html(below)}</mtext></msub>"


def _math(*sides: str) -> str:
    content = _operator("=").join(f"<mrow>{side}</mrow>" for side in sides)
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML"><mrow>{content}</mrow></math>'


def _operator(sign: str) -> str:
    return f"<mo>{sign}</mo>"


def _parentheses(content: str) -> str:
    return f'<mrow><mo stretchy="false">(</mo>{content}<mo stretchy="false">)</mo></mrow>'


def _brackets(content: str) -> str:
    return f'<mrow><mo stretchy="false">[</mo>{content}<mo stretchy="false">]</mo></mrow>'
