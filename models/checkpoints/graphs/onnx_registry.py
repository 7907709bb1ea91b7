"""The table of ONNX operators that can be run: each is a function from its node and input tensors to its outputs.

    @operator("LeakyRelu", attributes=("alpha",))
    def _leaky_relu(node: OnnxOperation, x: Tensor) -> Tensor: ...

An operator, or an attribute of one, that is not in the table is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import Tensor

from models.checkpoints.graphs.graph_module import MAX_ELEMENTS, refuse, refuse_setting
from models.checkpoints.parsing.contents import StoredTensor
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.onnx_model import DTYPES, Node

MICROSOFT = "com.microsoft"
"""The domain of onnxruntime's own operators."""

TORCH_DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32, "float64": torch.float64, "float16": torch.float16, "bfloat16": torch.bfloat16,
    "int8": torch.int8, "int16": torch.int16, "int32": torch.int32, "int64": torch.int64, "uint8": torch.uint8,
    "bool": torch.bool,
}  # fmt: skip
"""The data types that can be computed with."""
DTYPES_BY_CODE = {code: TORCH_DTYPES[name] for code, name in DTYPES.items() if name in TORCH_DTYPES}
"""Those types by their number in files."""


@dataclass(frozen=True, eq=False)
class OnnxOperation:
    """A node as its operator's function sees it.

    Attributes:
        node: the node.
        version: of its domain's operators.
    """

    node: Node
    version: int

    @property
    def label(self) -> str:
        """Its name for sentences."""
        return self.node.label

    def get(self, name: str, default: Any = None) -> Any:
        """The value of an attribute, or its default."""
        return self.node.attributes.get(name, default)

    def refuse(self, setting: str, value: object) -> NoReturn:
        """Raise ``CheckpointError``: one of the node's settings cannot be run."""
        refuse_setting(self.label, setting, value)

    def require(self, **settings: object) -> None:
        """Raise ``CheckpointError`` if the node states one of ``settings`` with another value."""
        for name, wanted in settings.items():
            value = self.get(name, wanted)
            if value != wanted:
                self.refuse(name, value)

    def bounded(self, sizes: Iterable[int]) -> None:
        """Raise ``CheckpointError`` if an output of these sizes has too many elements."""
        count = math.prod(max(0, int(size)) for size in sizes)
        if count > MAX_ELEMENTS:
            raise CheckpointError(
                "{layer} has an output of {count} values, but at most {most} are allowed. Use a shorter input.",
                layer=self.label[:200],
                count=f"{count:,}",
                most=f"{MAX_ELEMENTS:,}",
            )


Compute = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Operator:
    """The implementation of one type of node.

    Attributes:
        compute: ``(operation, *inputs) -> output or outputs``; an input left out is None.
        attributes: names of the attributes that it takes into account.
        outputs: how many outputs it can return.
        first: the lowest version of its domain in which the node has this meaning.
    """

    compute: Compute
    attributes: frozenset[str] = frozenset()
    outputs: int = 1
    first: int = 1


OPERATORS: dict[tuple[str, str], Operator] = {}


def operator(
    *names: str, attributes: Sequence[str] = (), outputs: int = 1, domain: str = "", first: int = 1
) -> Callable[[Compute], Compute]:
    """Add the decorated function to the table under each of ``names``."""

    def add(compute: Compute) -> Compute:
        for name in names:
            OPERATORS[domain, name] = Operator(compute, frozenset(attributes), outputs, first)
        return compute

    return add


def find_operator(operation: OnnxOperation) -> Operator:
    """Return the table's entry for a node.

    Raises:
        CheckpointError: it has none, or the node has an attribute or output that the entry does not have.
    """
    node = operation.node
    found = OPERATORS.get((node.domain, node.op))
    if found is None:
        refuse(node.label, f"{node.domain}.{node.op}".strip("."))
    if operation.version < found.first:
        operation.refuse("opset", operation.version)
    for name, value in node.attributes.items():
        if name not in found.attributes or value is None:
            operation.refuse(name, "?" if value is None or isinstance(value, StoredTensor) else value)
    for name in node.outputs[found.outputs :]:
        if name:
            operation.refuse("output", name)
    return found


def to_tensor(stored: StoredTensor, label: str) -> Tensor:
    """Return a constant's values in the file's own data type, in memory of their own.

    Raises:
        CheckpointError: that data type cannot be computed with.
    """
    dtype = TORCH_DTYPES.get(stored.dtype)
    if dtype is None:
        refuse_setting(label, "data type", stored.dtype)
    return torch.from_numpy(stored.read().copy()).to(dtype).reshape(stored.shape)


def integers(values: Tensor | Sequence[int] | int) -> list[int]:
    """The values of an input or attribute that holds sizes, axes or positions."""
    if isinstance(values, Tensor):
        return [int(value) for value in values.reshape(-1).tolist()]
    return [int(values)] if isinstance(values, int) else [int(value) for value in values]


def broadcast(operation: OnnxOperation, *inputs: Tensor) -> tuple[int, ...]:
    """Return the shape that inputs have together.

    Raises:
        CheckpointError: it has too many elements.
    """
    shape = torch.broadcast_shapes(*(each.shape for each in inputs))
    operation.bounded(shape)
    return tuple(shape)


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from 0.

    Raises:
        ValueError: there is no such axis.
    """
    if not -rank <= axis < rank:
        raise ValueError("axis")
    return axis % rank
