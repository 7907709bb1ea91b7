"""What a checkpoint holds before anything is read from it: names, shapes and where the numbers lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from models.core.messages import Problem

T = TypeVar("T")

FLOAT_DTYPES = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")


class CheckpointError(Problem):
    """The file cannot be opened as a checkpoint; one sentence says what was found and what to do."""


@dataclass(frozen=True)
class Limits:
    """How much a file may ask for. Tensors that lie in the file as they are need no memory until they are looked at.

    Attributes:
        file_size: bytes of the file itself.
        unpacked: bytes of everything in it that has to be unpacked, together.
        header: bytes of any one header: JSON, or a pickle that lists tensors.
        operations: steps of a pickle, entries of a directory, nodes of a graph.
        tensors: how many there may be.
        seconds: how long another process may take to read HDF5.
    """

    file_size: int = 16 << 30
    unpacked: int = 512 << 20
    header: int = 16 << 20
    operations: int = 1_000_000
    tensors: int = 20_000
    seconds: float = 20.0


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor in a file, not read yet.

    Attributes:
        shape: its sizes.
        dtype: the file's own type, by torch's name, such as ``"bfloat16"``.
        read: gives its values: read-only, float16 and bfloat16 as float32.
        held: whether the file holds it; not so for a bias of zeros that a layer of one bias has beside its own.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]
    in_file: bool = True

    @classmethod
    def zeros(cls, size: int) -> StoredTensor:
        """A bias (size) that the file does not hold."""
        return cls((size,), "float32", lambda: np.zeros(size, dtype=np.float32), in_file=False)

    @property
    def is_float(self) -> bool:
        """Whether it can be a weight."""
        return self.dtype in FLOAT_DTYPES

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return element_count(self.shape)


@dataclass(frozen=True, eq=False)
class FoundLayer:
    """One recurrent layer in one direction, not read yet.

    Attributes:
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        parts: the tensors that it is made of, by the names of ``LayerWeights``, in its shapes and order.
        sources: the names that these tensors have in the file.
        options: what else ``LayerWeights`` takes.
        certainty: from 0 to 1, how sure it is that these tensors are this layer.
        assumed: what the file does not say and was assumed, such as ``("nonlinearity",)``.
    """

    kind: str
    parts: Mapping[str, StoredTensor]
    sources: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    certainty: float = 1.0
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Contents:
    """What a format's ``open`` found.

    Attributes:
        format: its name as people say it, such as ``"PyTorch"``.
        tensors: every tensor, by its name in the file.
        layers: what the format itself says of recurrent layers, or None where the names of the tensors must tell.
        provenance: what the file says of itself: producer, version, epoch, ...
        vocabularies: lists of symbols in the order of their ids, by where they stand in the file.
        told: what the file says of layers that are found by their tensors (``models.core.layer_metadata``).
    """

    format: str
    tensors: Mapping[str, StoredTensor]
    layers: Mapping[str, FoundLayer] | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    vocabularies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    layer_metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class LazyMapping(Mapping[str, T], Generic[T]):
    """Values by name, each made when it is first looked at."""

    def __init__(self, names: tuple[str, ...], make: Callable[[str], T]) -> None:
        """Hold ``make(name)`` for every one of ``names``."""
        self._names, self._make = dict.fromkeys(names), make
        self._made: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._made:
            if name not in self._names:
                raise KeyError(name)
            try:
                self._made[name] = self._make(name)
            except CheckpointError:
                raise
            except Exception as error:  # the numbers themselves may be damaged, behind headers that are not
                raise CheckpointError(
                    "The values of {name} in this file are damaged. Copy the file again.", name=name
                ) from error
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<{', '.join(self._names)}>"


def decode_array(
    data: memoryview, dtype: str, shape: tuple[int, ...], strides: tuple[int, ...] | None = None, offset: int = 0
) -> np.ndarray:
    """The numbers that lie in ``data``, little endian, as an array; ``strides`` and ``offset`` count elements.

    No copy is made, except of the types that numpy does not have.

    Raises:
        ValueError: they do not lie within ``data``.
    """
    plain = {"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}.get(dtype, dtype)
    kind = np.dtype(plain).newbyteorder("<")
    steps = None if strides is None else tuple(stride * kind.itemsize for stride in strides)
    values: np.ndarray = np.ndarray(shape, kind, data, offset * kind.itemsize, steps)
    if dtype == "bfloat16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    elif dtype.startswith("float8"):
        values = torch.from_numpy(values.copy()).view(getattr(torch, dtype)).float().numpy()
    elif dtype == "float16":
        values = values.astype(np.float32)
    values.setflags(write=False)
    return values


def element_count(shape: tuple[int, ...]) -> int:
    """How many numbers a tensor of this shape holds."""
    return math.prod(shape)


def item_size(dtype: str) -> int:
    """Bytes of one number."""
    return 2 if dtype == "bfloat16" else 1 if dtype.startswith("float8") else np.dtype(dtype).itemsize
