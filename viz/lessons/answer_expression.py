"""Expressions of answers: parsed, checked and evaluated within bounds, with the functions of ``answer_functions``.

An expression may come from anybody: it has no attributes, assignments, loops and lambdas, arithmetic is of numbers alone,
and the nodes and function calls are counted before anything runs.
"""

from __future__ import annotations

import ast
import inspect
import math
import operator
import re
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import Any

from simpleeval import EvalWithCompoundTypes, InvalidExpression

from models.core.messages import Problem
from viz.lessons.answer_functions import LIST_FUNCTIONS, RUN_FUNCTIONS
from viz.lessons.answer_functions.place_run import PlaceRun, text_argument
from viz.lessons.lesson import QuestionPlace

MAX_NODES, MAX_CALLS, MAX_LENGTH = 300, 12, 1000
"""Parts and function calls of an expression, and its characters, at most."""

TRAINING = ("nearest_word", "training_losses", "word_cosine")
"""Functions that train networks."""

COSTLY, MAX_COSTLY = ("correlation", *TRAINING), 4
"""Functions that train or run several networks, and how often an expression may call them."""

PLACE_ARGUMENTS = ("net", "text", "layer", "edits", "look", "attend")
"""Keyword arguments of every function of a network: they replace those of the question."""

CONSTANTS = ("last", "T", "true", "false")

_ALLOWED = (
    ast.Expression, ast.Constant, ast.Name, ast.Load, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call,
    ast.keyword, ast.Subscript, ast.List, ast.Tuple, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Mod, ast.Pow, ast.USub,
    ast.UAdd, ast.And, ast.Or, ast.Not, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
)  # fmt: skip


def evaluate(expression: str, place: QuestionPlace) -> Any:
    """Return the value of an expression at a question's place.

    Raises:
        Problem: it is not valid, or cannot be computed; one sentence says why.
    """
    tree = parse_expression(expression)
    evaluator = EvalWithCompoundTypes(
        operators=_OPERATORS,
        functions={**LIST_FUNCTIONS, **{name: partial(_call_at, name, place) for name in RUN_FUNCTIONS}},
        names=partial(_constant, place),
    )
    try:
        return evaluator.eval(expression, previously_parsed=tree.body)
    except Problem:
        raise
    except ZeroDivisionError:
        raise Problem("The answer divides by 0. Choose another quantity.") from None
    except (IndexError, KeyError):
        raise Problem("The answer takes an entry of a list that it does not have. Use a smaller number.") from None
    except OverflowError:
        raise Problem("A number of the answer is too large. Use a smaller one.") from None
    except (InvalidExpression, TypeError, ValueError, AttributeError):
        raise _not_valid(expression) from None


def parse_expression(expression: str) -> ast.Expression:
    """Return the syntax tree of an expression, all of whose parts are allowed.

    Raises:
        Problem: it is not valid, too long, or names an unknown function or constant.
    """
    if len(expression) > MAX_LENGTH:
        raise Problem("The answer has more than {most:,} characters. Make it shorter.", most=MAX_LENGTH)
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _not_valid(expression) from None
    nodes = list(ast.walk(tree))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    costly = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in COSTLY]
    if len(costly) > MAX_COSTLY:
        raise Problem(
            "The answer calls {names} more than {most} times. Make it shorter.",
            names=", ".join(COSTLY),
            most=MAX_COSTLY,
        )
    if len(nodes) > MAX_NODES or len(calls) > MAX_CALLS:
        raise Problem("The answer has more than {calls} function calls. Make it shorter.", calls=MAX_CALLS)
    called = set()
    for call in calls:
        if not isinstance(call.func, ast.Name) or any(each.arg is None for each in call.keywords):
            raise _not_valid(expression)
        called.add(call.func)
        if call.func.id not in RUN_FUNCTIONS and call.func.id not in LIST_FUNCTIONS:
            raise _unknown_function(call.func.id)
    for node in nodes:
        is_number = isinstance(node, ast.Constant) and isinstance(node.value, str | int | float)
        if not isinstance(node, _ALLOWED) or (isinstance(node, ast.Constant) and not is_number):
            raise _not_valid(expression)
        if isinstance(node, ast.Name) and node not in called and node.id not in CONSTANTS:
            raise Problem(
                "There is no constant “{name}”. Put a text in quotation marks, or use one of these: {names}.",
                name=node.id[:40],
                names=", ".join(CONSTANTS),
            )
    return tree


def trains_networks(expression: str) -> bool:
    """Return whether a valid expression calls a function that trains networks.

    >>> trains_networks('min(training_losses("validation"))')
    True
    """
    return any(isinstance(node, ast.Name) and node.id in TRAINING for node in ast.walk(parse_expression(expression)))


def _unknown_function(name: str) -> Problem:
    known = [*RUN_FUNCTIONS, *LIST_FUNCTIONS]
    near = get_close_matches(name, known, 4, 0.5) or known
    return Problem("There is no function “{name}”. Use one of these: {names}.", name=name[:40], names=", ".join(near))


def _not_valid(expression: str) -> Problem:
    shown = expression if len(expression) <= 60 else expression[:59] + "…"
    words = re.findall(r"\b(is|in|and|or|not|if|for|from|as|with|while|class)\s*=(?!=)", expression)
    if words:
        return Problem(
            "“{name}=” cannot be in an answer, because {name} is a word of Python. Choose another key.", name=words[0]
        )
    return Problem(
        "“{text}” is not a valid answer. Write a formula such as {example}.",
        text=shown,
        example='value("hidden", 0, last)',
    )


def _constant(place: QuestionPlace, node: ast.Name) -> Any:
    return {"last": lambda: -1, "T": lambda: PlaceRun(place).steps, "true": lambda: True, "false": lambda: False}[
        node.id
    ]()


def _call_at(name: str, place: QuestionPlace, *arguments: Any, **options: Any) -> Any:
    """Call a function of a network with the place that its keyword arguments change."""
    changes: dict[str, Any] = {key: text_argument(options.pop(key), key) for key in PLACE_ARGUMENTS if key in options}
    if changes.get("net", place.net) != place.net:  # the edits and the layer of another network are its own
        changes = {"edits": "", "attend": "", "layer": None} | changes
    at = PlaceRun(replace(place, **changes))
    function = RUN_FUNCTIONS[name]
    try:
        inspect.signature(function).bind(at, *arguments, **options)
    except TypeError:
        raise Problem("“{name}” does not take these arguments. Write {form}.", name=name, form=form_of(name)) from None
    return function(at, *arguments, **options)


def form_of(name: str) -> str:
    """Return how a function is written.

    >>> form_of("value")
    'value(quantity, unit, step=-1)'
    """
    if name not in RUN_FUNCTIONS:
        return f"{name}(…)"
    parameters = list(inspect.signature(RUN_FUNCTIONS[name]).parameters.values())[1:]
    shown = [
        f"{'*' * (each.kind is each.VAR_POSITIONAL) or '**' * (each.kind is each.VAR_KEYWORD)}{each.name}"
        + ("" if each.default is each.empty else f"={each.default!r}")
        for each in parameters
    ]
    return f"{name}({', '.join(shown)})"


def _of_numbers(compute: Callable[[float, float], float]) -> Callable[[Any, Any], float]:
    """Return an operation that takes numbers alone: a text times a number would grow without bound."""

    def operation(one: Any, two: Any) -> float:
        for each in (one, two):
            if isinstance(each, bool) or not isinstance(each, int | float):
                raise Problem("“{value}” is not a number. Use a function that gives one.", value=str(each)[:40])
        return compute(one, two)

    return operation


def _power(base: float, exponent: float) -> float:
    found = float(base) ** float(exponent)
    if isinstance(found, complex):
        raise Problem("The answer takes the root of a negative number. Choose another quantity.")
    return found


_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: _of_numbers(operator.add),
    ast.Sub: _of_numbers(operator.sub),
    ast.Mult: _of_numbers(operator.mul),
    ast.Div: _of_numbers(operator.truediv),
    ast.Mod: _of_numbers(operator.mod),
    ast.Pow: _of_numbers(_power),
    ast.USub: lambda value: _OPERATORS[ast.Mult](-1, value),
    ast.UAdd: lambda value: _OPERATORS[ast.Mult](1, value),
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: _of_numbers(operator.lt),
    ast.LtE: _of_numbers(operator.le),
    ast.Gt: _of_numbers(operator.gt),
    ast.GtE: _of_numbers(operator.ge),
}


def finite_number(value: Any) -> float | None:
    """Return a number that is finite, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value
