"""The arguments of a torch.export graph's nodes, its inputs' shapes and the conditions on them, parsed from its JSON.

Source: torch/_export/serde/schema.py of torch, schema version 8.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.checkpoints.graphs.graph_module import refuse_setting

DTYPES = {
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 6: torch.float16, 7: torch.float32,
    8: torch.float64, 12: torch.bool, 13: torch.bfloat16,
}  # fmt: skip
"""schema.ScalarType."""
FORMATS = {
    1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d, 4: torch.preserve_format
}  # fmt: skip
"""schema.MemoryFormat."""
PLAIN = ("as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string", "as_strings", "as_int_lists",
         "as_float_lists")  # fmt: skip
SYMBOLS = ("as_sym_int", "as_sym_float", "as_sym_bool")


@dataclass(frozen=True)
class Reference:
    """A value that another node, or an input, has made."""

    name: str


@dataclass(frozen=True)
class InnerGraph:
    """A graph that is an argument of a node."""

    name: str
    graph: Mapping[str, Any]


def parse_argument(label: str, argument: Mapping[str, Any]) -> Any:
    """Return an argument's value, with a ``Reference`` where it is computed.

    Raises:
        CheckpointError: it is of a type that cannot be run.
        ValueError, KeyError, TypeError: it is damaged.
    """
    ((kind, value),) = argument.items()
    if kind == "as_none":
        return None
    if kind in PLAIN:
        return value
    if kind in ("as_tensor", "as_optional_tensor"):
        return _tensor(value)
    if kind in ("as_tensors", "as_optional_tensors"):
        return [_tensor(each) for each in value]
    if kind == "as_nested_tensors":
        return [[_tensor(each) for each in group] for group in value]
    if kind in SYMBOLS:
        return _symbol(value)
    if kind in ("as_sym_ints", "as_sym_floats", "as_sym_bools"):
        return [_symbol(each) for each in value]
    if kind == "as_scalar_type":
        if value not in DTYPES:
            refuse_setting(label, "data type", value)
        return DTYPES[value]
    if kind == "as_memory_format":
        return FORMATS.get(value)
    if kind == "as_layout":
        if value not in (0, 7):
            refuse_setting(label, "layout", value)
        return None
    if kind == "as_device":
        return torch.device("cpu")
    if kind != "as_graph":
        refuse_setting(label, "argument", kind)
    return InnerGraph(value["name"], value["graph"])


def _tensor(value: Mapping[str, Any]) -> Reference | None:
    if "as_none" in value:
        return None
    return Reference(value["as_tensor"]["name"] if "as_tensor" in value else value["name"])


def _symbol(value: Mapping[str, Any]) -> Any:
    ((kind, inner),) = value.items()
    if kind == "as_name":
        return Reference(inner)
    if kind not in ("as_int", "as_float", "as_bool"):
        raise ValueError("symbol")
    return inner


def referred_names(value: Any) -> Iterator[str]:
    """Generate the names of the values that an argument refers to."""
    if isinstance(value, Reference):
        yield value.name
    elif isinstance(value, list | tuple):
        for each in value:
            yield from referred_names(each)


def filled(value: Any, get: Callable[[str], Any]) -> Any:
    """Return an argument with the values in place of its references."""
    if isinstance(value, Reference):
        return get(value.name)
    return [filled(each, get) for each in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Axis:
    """One axis of an input: its size, or the name of a size that is free within bounds.

    Attributes:
        size: the only size that it may have, or None.
        symbol: the name of its free size; axes of one name have one size.
        least, most: the bounds of a free size.
    """

    size: int | None
    symbol: str = ""
    least: int = 0
    most: int | None = None

    def allows(self, size: int, symbols: dict[str, int]) -> bool:
        """Return whether the axis may have this size, given the sizes of ``symbols``, to which its own is added."""
        if self.size is not None:
            return size == self.size
        return (
            self.least <= size
            and (self.most is None or size <= self.most)
            and symbols.setdefault(self.symbol, size) == size
        )


def parse_axes(name: str, sizes: Sequence[Mapping[str, Any]], ranges: Mapping[str, Any]) -> tuple[Axis, ...]:
    """Return the axes of an input.

    Raises:
        CheckpointError: a size is a formula of other sizes.
    """
    axes = []
    for each in sizes:
        if "as_int" in each:
            axes.append(Axis(int(each["as_int"])))
            continue
        text = each["as_expr"]["expr_str"]
        found = re.fullmatch(r"(?:Symbol\('(\w+)'.*\)|(\w+))", text)
        if found is None:
            refuse_setting(name, "size", text)
        symbol = found.group(1) or found.group(2)
        bounds = ranges.get(symbol, {})
        least, most = bounds.get("min_val") or 0, bounds.get("max_val")
        # torch.export assumes at least 2 of every free size, and does not require it
        axes.append(Axis(None, symbol, 0 if least <= 2 else int(least), None if most is None else int(most)))
    return tuple(axes)


COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip


class Guard:
    """A condition on the inputs' sizes, such as ``L['x'].size()[1] % 2 == 0``."""

    def __init__(self, text: str) -> None:
        """Parse it.

        Raises:
            CheckpointError: it is of another form.
        """
        self.text = text
        try:
            self.tree = ast.parse(text.strip()[:10_000], mode="eval").body
            self._value(self.tree, None, 0)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            refuse_setting("torch.export", "guard", text)

    def holds(self, inputs: Mapping[str, Tensor]) -> bool:
        """Return whether the inputs, by name, meet it."""
        return bool(self._value(self.tree, inputs, 0))

    def _value(self, node: ast.AST, inputs: Mapping[str, Tensor] | None, depth: int) -> Any:
        """Return the value of an expression; with no inputs, 3 in place of every size."""
        if depth > 50:
            raise ValueError("depth")
        inner = [self._value(each, inputs, depth + 1) for each in _operands(node)]
        match node:
            case ast.Constant(value=int() | bool()):
                return node.value
            case ast.BinOp() if type(node.op) in COMPARISONS:
                value = COMPARISONS[type(node.op)](*inner)
                if abs(value) >= 1 << 63:
                    raise ValueError("size")
                return value
            case ast.UnaryOp(op=ast.Not()):
                return not inner[0]
            case ast.UnaryOp(op=ast.USub()):
                return -inner[0]
            case ast.BoolOp():
                return all(inner) if isinstance(node.op, ast.And) else any(inner)
            case ast.Compare() if all(type(op) in COMPARISONS for op in node.ops):
                return all(COMPARISONS[type(op)](*inner[at : at + 2]) for at, op in enumerate(node.ops))
        found = re.fullmatch(r"L\['(\w+)'\]\.(?:size\(\)|shape)\[(\d+)\]", ast.unparse(node))
        if found is None:
            raise ValueError("guard")
        return 3 if inputs is None else inputs[found.group(1)].shape[int(found.group(2))]


def _operands(node: ast.AST) -> list[ast.AST]:
    match node:
        case ast.BinOp():
            return [node.left, node.right]
        case ast.UnaryOp():
            return [node.operand]
        case ast.BoolOp():
            return list(node.values)
        case ast.Compare():
            return [node.left, *node.comparators]
    return []
