"""Names in TorchScript's code: of operators, which must be in a table, and of data types, which are numbers."""

from __future__ import annotations

import ast
from typing import Any

import torch

from models.checkpoints.graphs.aten_operators import is_allowed
from models.checkpoints.graphs.aten_recurrent import RECURRENT
from models.checkpoints.graphs.torchscript_scalars import CREATES, OF_TENSORS, PRIM, SCALARS

GRADIENTS = ("is_grad_enabled", "set_grad_enabled")
"""Operators that read and set whether gradients are computed."""
TYPES: dict[str, type | tuple[type, ...]] = {
    "Tensor": torch.Tensor, "int": int, "float": float, "bool": bool, "str": str, "List": list, "Tuple": tuple, "Dict": dict,
    "NoneType": type(None),
}  # fmt: skip
"""Types that the code may ask for."""


def scalar_type(value: Any) -> torch.dtype:
    """Return the data type that a number means."""
    return value if isinstance(value, torch.dtype) else SCALAR_TYPES[int(value)]


SCALAR_TYPES = {
    0: torch.uint8, 1: torch.int8, 2: torch.int16, 3: torch.int32, 4: torch.int64, 5: torch.float16, 6: torch.float32,
    7: torch.float64, 11: torch.bool, 15: torch.bfloat16,
}  # fmt: skip
"""c10::ScalarType."""


def dotted(node: ast.AST) -> str | None:
    """Return a name with dots, such as ``torch.add``; None for another expression."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else None


def operator_of(name: str) -> tuple[str, str]:
    """Return the kind of an operator, ``"prim"`` or ``"aten"``, and its own name."""
    parts = name.split(".")
    if parts[0] == "ops":
        return ("prim" if parts[1] == "prim" else "aten" if parts[1] == "aten" else parts[1]), parts[-1]
    return "aten", parts[-1]


def can_operate(name: str) -> bool:
    """Return whether an operator is in the tables."""
    kind, own = operator_of(name)
    if kind == "prim":
        return own in PRIM or own == "RaiseException"
    if kind != "aten":
        return False
    known = own in SCALARS or own in OF_TENSORS or own in CREATES or own in RECURRENT or own in GRADIENTS
    return known or own == "device" or is_allowed(own)
