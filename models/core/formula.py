"""Formulas of cells of the user's own: an equation is called with symbols, which record what is computed from them as a tree.

A formula is a tree of plain values, so a file can store it without code. A node is a number, a text, or a list:

- ``["quantity", name]``: a gate or state; with ``_prev`` the state of the previous step; or ``"input"``
- ``["parameter", name, [sizes]]``: a parameter or buffer of the module
- ``["linear", name, [outputs, inputs], has bias, tree]``: a submodule ``nn.Linear``
- ``["module", name, class, *trees]``: another submodule
- ``["+", a, b]``, and likewise ``- * / @ ** < > <= >=``
- ``["part", tree, k, n]``: the k-th of n equal parts, from 1, as of ``chunk(n)``; ``["index", tree, text]``: any other index
- ``["call", function, *trees]``, and within its arguments ``["named", argument, tree]`` and ``["list", *trees]``
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models.core.activations import ZERO_TO_ONE
from models.core.cells import ValueRange

Tree = float | str | list[Any]

MAX_NODES, MAX_DEPTH, MAX_TEXT, MAX_NUMBER = 400, 60, 80, 1e300
"""Nodes and levels of a formula, letters of a text and the magnitude of a number in it; a larger one is not recorded."""

OPERATORS = ("+", "-", "*", "/", "@", "**", "<", ">", "<=", ">=")
UNRECORDED = ("shape", "dtype", "device", "ndim", "data", "grad", "grad_fn", "requires_grad")
RANGES: Mapping[str, ValueRange] = {
    "sigmoid": ZERO_TO_ONE,
    "hardsigmoid": ZERO_TO_ONE,
    "softmax": ZERO_TO_ONE,
    "tanh": (-1.0, 1.0),
    "hardtanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "sin": (-1.0, 1.0),
    "cos": (-1.0, 1.0),
}
"""Ranges of functions whatever their argument; of ``hardtanh`` as long as it has one argument."""


class UnrecordedFormulaError(TypeError):
    """An equation that does something else with its values than what a formula contains, such as a comparison of them."""


class Symbol:
    """A value that records what is computed from it; the equations take it instead of a tensor."""

    def __init__(self, tree: Tree) -> None:
        """Store the tree."""
        self.tree = tree
        check_formula(tree)

    def __getattr__(self, name: str) -> Any:
        """Return a method that is recorded as a function of this value."""
        if name.startswith("_") or name in UNRECORDED:
            raise UnrecordedFormulaError(f"A formula does not contain {name}.")
        if name in ("T", "mT"):
            return Symbol(["call", "transpose", self.tree])
        return lambda *args, **kwargs: _call(name, (self, *args), kwargs)

    def __getitem__(self, key: Any) -> Symbol:
        match self.tree:
            case ["call", "chunk", chunked, int(parts), *_] if isinstance(key, int) and -parts <= key < parts:
                return Symbol(["part", chunked, key % parts + 1, parts])
        return Symbol(["index", self.tree, _index_text(key)])

    def __iter__(self) -> Iterator[Symbol]:
        match self.tree:
            case ["call", "chunk", _, int(parts), *_]:
                return (self[k] for k in range(parts))
        raise UnrecordedFormulaError("A formula does not contain an iteration.")

    def __bool__(self) -> bool:
        raise UnrecordedFormulaError("A formula does not contain a decision.")

    def __neg__(self) -> Symbol:
        return Symbol(["-", 0.0, self.tree])

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Symbol:
        """Record a function of torch."""
        name = getattr(function, "__name__", "")
        signs = {
            "add": "+",
            "sub": "-",
            "mul": "*",
            "div": "/",
            "true_divide": "/",
            "matmul": "@",
            "mm": "@",
            "pow": "**",
        }
        name = name.strip("_")
        reverse = name in ("radd", "rsub", "rmul", "rdiv", "rtruediv", "rmatmul", "rpow")
        sign = signs.get(name[1:] if reverse else {"truediv": "div"}.get(name, name))
        if sign and len(args) == 2 and not kwargs:
            return Symbol([sign, *(_tree(each) for each in (args[::-1] if reverse else args))])
        return _call(name, args, kwargs or {})


def _operator(sign: str, reverse: bool) -> Callable[[Symbol, Any], Symbol]:
    if reverse:
        return lambda self, other: Symbol([sign, _tree(other), self.tree])
    return lambda self, other: Symbol([sign, self.tree, _tree(other)])


for _sign, _name in zip(
    OPERATORS, ("add", "sub", "mul", "truediv", "matmul", "pow", "lt", "gt", "le", "ge"), strict=True
):
    setattr(Symbol, f"__{_name}__", _operator(_sign, False))
    if _sign not in ("<", ">", "<=", ">="):
        setattr(Symbol, f"__r{_name}__", _operator(_sign, True))


class SymbolNamespace:
    """The namespace ``s`` of the equations with symbols: quantities, parameters and submodules."""

    def __init__(self, module: nn.Module, quantities: tuple[str, ...]) -> None:
        """Store the module and the names of the quantities, of their previous states and of the input."""
        self._module, self._quantities = module, quantities

    def __getattr__(self, name: str) -> Any:
        if name in self._quantities:
            return Symbol(["quantity", name])
        found = getattr(self._module, name)
        if isinstance(found, Tensor):
            return Symbol(["parameter", name, list(found.shape)])
        if not isinstance(found, nn.Module):
            return found
        if isinstance(found, nn.Linear):
            sizes, bias = [found.out_features, found.in_features], found.bias is not None
            return lambda given: Symbol(["linear", name, sizes, bias, _tree(given)])
        return lambda *args: Symbol(["module", name, type(found).__name__, *map(_tree, args)])


def formula_of(equation: Callable[[Any], Any], namespace: SymbolNamespace) -> Tree | None:
    """Return the formula of an equation, or None if it computes something that a formula does not contain."""
    try:
        found = equation(namespace)
    except Exception:  # the equations are the user's own code, written for tensors
        return None
    return found.tree if isinstance(found, Symbol) else None


def check_formula(tree: Any, depth: int = 0) -> int:
    """Return the number of nodes of a formula. Raises UnrecordedFormulaError: it is not one, or too large."""
    nodes = (
        1 + sum(check_formula(branch, depth + 1) for branch in _branches(tree)) if depth <= MAX_DEPTH else MAX_NODES + 1
    )
    if nodes > MAX_NODES:
        raise UnrecordedFormulaError("This formula is too large.")
    return nodes


def _branches(tree: Any) -> list[Any]:
    """Return the formulas that a node contains."""
    match tree:
        case None | bool():
            return []
        case int() | float() if abs(tree) < MAX_NUMBER:
            return []
        case str() if _is_text(tree):
            return []
        case ["quantity", name] if _is_text(name):
            return []
        case ["parameter", name, [*sizes]] if _is_text(name) and all(type(size) is int for size in sizes):
            return []
        case ["linear", name, [int(), int()], bool(), given] if _is_text(name):
            return [given]
        case ["module", name, kind, *given] if _is_text(name) and _is_text(kind):
            return given
        case ["part", given, int(), int()]:
            return [given]
        case ["index", given, key] if _is_text(key):
            return [given]
        case ["call", name, *given] | ["named", name, *given] if _is_text(name) and (
            tree[0] == "call" or len(given) == 1
        ):
            return given
        case ["list", *given]:
            return given
        case [str(sign), left, right] if sign in OPERATORS:
            return [left, right]
    raise UnrecordedFormulaError("This is not a formula.")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT and value.isprintable()


def range_of(tree: Tree, known: Mapping[str, ValueRange]) -> ValueRange:
    """Return the range of a formula's values that follows from its form, (lowest, highest), or None.

    Args:
        tree: the formula.
        known: the ranges of the quantities.
    """
    match tree:
        case bool():
            return None
        case int() | float():
            return (float(tree), float(tree))
        case ["quantity", name]:
            return known.get(name)
        case ["call", "hardtanh", _, _, *_]:
            return None
        case ["call", name, *_]:
            return RANGES.get(name)
        case ["module", _, name, *_]:
            return RANGES.get(name.lower()) if name in ("Sigmoid", "Tanh", "Hardsigmoid", "Softsign") else None
        case ["part" | "index", part, *_]:
            return range_of(part, known)
        case ["+" | "-" | "*" as sign, left, right]:
            one, other = range_of(left, known), range_of(right, known)
            if one is None or other is None:
                return None
            if sign == "-":
                sign, other = "+", (-other[1], -other[0])
            if sign == "+":
                return one[0] + other[0], one[1] + other[1]
            corners = [a * b for a in one for b in other]
            return min(corners), max(corners)
    return None


def quantities_in(tree: Tree | None) -> tuple[str, ...]:
    """Return the names of the quantities in a formula, each once, in their order."""
    match tree:
        case ["quantity", name]:
            return (name,)
    return tuple(dict.fromkeys(name for branch in _branches(tree) for name in quantities_in(branch)))


def _call(name: str, args: tuple, kwargs: Mapping[str, Any]) -> Symbol:
    return Symbol(["call", name, *map(_tree, args), *(["named", key, _tree(value)] for key, value in kwargs.items())])


def _tree(value: Any) -> Any:
    match value:
        case Symbol():
            return value.tree
        case None | bool() | int() | float() | str():
            return value
        case Tensor() if value.numel() == 1:
            return float(value)
        case Tensor():
            return ["parameter", "tensor", list(value.shape)]
        case list() | tuple():
            return ["list", *map(_tree, value)]
        case torch.dtype():
            return str(value).removeprefix("torch.")
    raise UnrecordedFormulaError(f"A formula does not contain a {type(value).__name__}.")


def _index_text(key: Any) -> str:
    match key:
        case tuple():
            return ", ".join(map(_index_text, key))
        case slice(start=start, stop=stop, step=None):
            return f"{'' if start is None else start}:{'' if stop is None else stop}"
        case None:
            return "None"
        case int():
            return str(key)
    if key is Ellipsis:
        return "…"
    raise UnrecordedFormulaError("A formula does not contain this index.")
