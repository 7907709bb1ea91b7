"""A checkpoint's contents before any tensor is loaded: names, shapes, dtypes and how to read the values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import numpy as np
import torch

from models.checkpoints.parsing.errors import CheckpointError

if TYPE_CHECKING:
    from models.checkpoints.graphs.graph_module import GraphModule

T = TypeVar("T")

MAX_AXES, MAX_SIDE = 64, 1 << 48
"""The most axes of a tensor, and the largest size of one."""
INTEGER_DTYPES = ("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool")
FLOAT_DTYPES = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")


@dataclass(frozen=True)
class Limits:
    """Upper bounds on what opening a file may cost. Uncompressed tensors need no memory until they are accessed.

    Attributes:
        file_size: bytes of the file itself.
        unpacked: bytes of all compressed members after decompression, together.
        header: bytes of any one header: JSON, or a pickle that lists tensors.
        operations: opcodes of a pickle, entries of a directory, nodes of a graph.
        tensors: number of tensors.
        work: items that are visited: opcodes, fields, entries of JSON, nodes, layers, symbols (``work_budget``).
        decoded: bytes of all tensors as they are in memory, together; a file may always have four times its own size.
        memory, seconds: bytes and processor time for the separate process that parses a file.
    """

    file_size: int = 16 << 30
    unpacked: int = 512 << 20
    header: int = 16 << 20
    operations: int = 1_000_000
    tensors: int = 20_000
    work: int = 4_000_000
    decoded: int = 1 << 30
    memory: int = 1 << 30
    seconds: float = 20.0


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor in a file, not loaded yet.

    Attributes:
        shape: its sizes.
        dtype: the file's own dtype, by torch's name, such as ``"bfloat16"``.
        read: returns the values: read-only, float16 and bfloat16 as float32.
        in_file: whether the file contains it; False for the zero bias added to a layer that has only one of two biases.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]
    in_file: bool = True

    @classmethod
    def zeros(cls, size: int) -> StoredTensor:
        """Return a bias (size) of zeros that is not in the file."""
        return cls((size,), "float32", lambda: np.zeros(size, dtype=np.float32), in_file=False)

    @property
    def is_float(self) -> bool:
        """Return whether its dtype is a floating-point type."""
        return self.dtype in FLOAT_DTYPES

    @property
    def size(self) -> int:
        """The number of elements."""
        return element_count(self.shape)

    @property
    def memory(self) -> int:
        """The bytes of the values as ``read`` returns them; 0 for a dtype that is only listed."""
        if self.is_float:
            return self.size * max(4, item_size(self.dtype))
        return self.size * item_size(self.dtype) if self.dtype in INTEGER_DTYPES else 0


@dataclass(frozen=True, eq=False)
class FoundLayer:
    """One recurrent layer in one direction, not loaded yet.

    Attributes:
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        parts: its tensors by the field names of ``LayerWeights``, in PyTorch's shapes and gate order.
        sources: the names of these tensors in the file.
        options: further arguments of ``LayerWeights``, such as activations.
        certainty: confidence from 0 to 1 that these tensors are this layer.
        assumed: the options that the file does not specify, such as ``("nonlinearity",)``.
        unexplained: the names of float tensors in the layer's own module that its equations do not have, such as a norm's.
            Where there are any, the layer's gates and states are not the network's own.
        order: the gates in the order of their blocks in the file, where it is known to differ from PyTorch's.
    """

    kind: str
    parts: Mapping[str, StoredTensor]
    sources: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    certainty: float = 1.0
    assumed: tuple[str, ...] = ()
    unexplained: tuple[str, ...] = ()
    order: tuple[str, ...] = ()


@dataclass(frozen=True)
class MatrixUse:
    """One use of a matrix in a graph that the file states.

    Attributes:
        role: ``"dense"`` if values are multiplied with it, ``"embedding"`` if ids look its rows up.
        bias: the name of the vector that is added to the product, or None.
        transposed: whether it is stored as (inputs, outputs).
    """

    role: Literal["dense", "embedding"]
    bias: str | None = None
    transposed: bool = False


@dataclass(frozen=True, eq=False)
class Contents:
    """The result of a format's ``open``.

    Attributes:
        format: the format's display name, such as ``"PyTorch"``.
        tensors: every tensor, by its name in the file.
        layers: the recurrent layers, or None if the format does not describe them and tensor names have to identify them.
        provenance: the file's own metadata: producer, version, epoch, ...
        vocabularies: lists of symbols in the order of their ids, by their path in the file.
        layer_metadata: stored kind and options of layers, by name (``models.core.layer_metadata``).
        predicts: what the network predicts, if the file states it (``models.networks.network_metadata``).
        graph: builds the network that the file states as a graph, or raises ``CheckpointError``; None where it states none.
        matrix_uses: the uses of each matrix in that graph, by name; None where only names can say what a matrix is for.
        opaque: the classes and functions that a pickle names and that are neither imported nor called.
        unapplied: settings of the cells that the file states and that are not applied, as ``"zoneout = 0.1 (...)"``.
    """

    format: str
    tensors: Mapping[str, StoredTensor]
    layers: Mapping[str, FoundLayer] | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    vocabularies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    layer_metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    predicts: str | None = None
    graph: Callable[[], GraphModule] | None = None
    matrix_uses: Mapping[str, tuple[MatrixUse, ...]] | None = None
    opaque: tuple[str, ...] = ()
    unapplied: tuple[str, ...] = ()


class LazyMapping(Mapping[str, T], Generic[T]):
    """A mapping whose values are computed on first access and then cached."""

    def __init__(self, names: tuple[str, ...], make: Callable[[str], T]) -> None:
        """Map each of ``names`` to ``make(name)``."""
        self._names, self._make = dict.fromkeys(names), make
        self._made: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._made:
            if name not in self._names:
                raise KeyError(name)
            try:
                self._made[name] = self._make(name)
            except (CheckpointError, MemoryError):
                raise
            except Exception as error:  # the data may be damaged although the headers are not
                raise CheckpointError(
                    "The values of {name} in this file are damaged. Copy the file again.", name=name
                ) from error
        return self._made[name]

    @property
    def loaded(self) -> Mapping[str, T]:
        """The values that have been computed, by name."""
        return self._made

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<{', '.join(self._names)}>"


def decode_array(
    data: memoryview, dtype: str, shape: tuple[int, ...], strides: tuple[int, ...] | None = None, offset: int = 0
) -> np.ndarray:
    """Return little-endian ``data`` as a read-only array; ``strides`` and ``offset`` count elements.

    The data is copied only for dtypes that numpy lacks or that are widened to float32.

    Raises:
        ValueError: the array does not fit within ``data``.
    """
    storage_name = {"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}.get(dtype, dtype)
    storage = np.dtype(storage_name).newbyteorder("<")
    byte_strides = None if strides is None else tuple(stride * storage.itemsize for stride in strides)
    values: np.ndarray = np.ndarray(shape, storage, data, offset * storage.itemsize, byte_strides)
    if dtype == "bfloat16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    elif dtype.startswith("float8"):
        values = torch.from_numpy(values.copy()).view(getattr(torch, dtype)).float().numpy()
    elif dtype == "float16":
        values = values.astype(np.float32)
    values.setflags(write=False)
    return values


def element_count(shape: tuple[int, ...]) -> int:
    """Return the number of elements of a tensor of this shape.

    Raises:
        ValueError: it has more axes, or a larger one, than any tensor: such numbers are not multiplied.
    """
    if len(shape) > MAX_AXES or any(not 0 <= side <= MAX_SIDE for side in shape):
        raise ValueError("no shape of a tensor")
    return math.prod(shape)


def item_size(dtype: str) -> int:
    """Return the bytes of one element."""
    return 2 if dtype == "bfloat16" else 1 if dtype.startswith("float8") else np.dtype(dtype).itemsize
