"""Recordings of layers' runs, on the CPU or on the device where the layer ran."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from models.core.output_gradients import OutputGradientCollector, OutputGradients

MAX_PINNED = 2**28
"""The largest number of bytes that are copied into page-locked memory, which is faster but limited."""


@dataclass(frozen=True, eq=False)
class Recording:
    """Recording of a layer's run, from which every other quantity follows: copies, on the CPU.

    Attributes:
        input: (B, T, D), the layer's input.
        hidden: (B, T, P), its hidden states, by position in the sequence.
        hidden_prev: (B, T, P), the hidden state before each step.
        initial_cell: (B, H), an LSTM's cell state before the first step; None for zeros.
        recorded: further quantities that were recorded rather than computed, (B, T, H) each.
        lengths: (B), if sequences of several lengths were packed together.
        dropout: (B, T, P), the factors of the layer's output before the next layer in training (0 where dropped,
            1 / (1 - p) elsewhere), or None if nothing was dropped.
        output_gradients: the gradients that backward passes brought to its outputs, or None.
        clamped: by quantity, (T, units) bool, where an edit replaced the computed value, which then depends on no input.
    """

    input: Tensor
    hidden: Tensor
    hidden_prev: Tensor
    initial_cell: Tensor | None = None
    recorded: dict[str, Tensor] = field(default_factory=dict)
    lengths: Tensor | None = None
    dropout: Tensor | None = None
    output_gradients: OutputGradientCollector | OutputGradients | None = None
    clamped: dict[str, Tensor] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """(B, T)."""
        return self.hidden.shape[0], self.hidden.shape[1]

    @property
    def gathered_gradients(self) -> OutputGradients | None:
        """The gradients that have been brought to its outputs so far, or None."""
        return None if self.output_gradients is None else self.output_gradients.gather()


class DeviceRecording(Recording):
    """A recording on another device than the CPU; each field is its copy on the CPU, made on first access.

    ``dataclasses.replace`` returns a ``Recording`` on the CPU.

    """

    _make: Callable[[], Recording]

    def __new__(cls, *args: Any, **fields: Any) -> Any:
        """Return a ``Recording``: see ``of``."""
        return Recording(*args, **fields)

    @classmethod
    def of(
        cls, make: Callable[[], Recording], output_gradients: OutputGradientCollector | OutputGradients | None
    ) -> DeviceRecording:
        """Return the recording of the fields that ``make()`` returns on another device; it is called on first access."""
        made: DeviceRecording = object.__new__(cls)
        vars(made).update(_make=make, output_gradients=output_gradients, clamped={})
        return made

    @cached_property
    def device(self) -> Recording:
        """The same fields where they are."""
        return self._make()

    def __getattribute__(self, name: str) -> Any:
        """Return a field on the CPU."""
        own = object.__getattribute__(self, "__dict__")
        if name not in FIELDS or name in own:
            return object.__getattribute__(self, name)
        values = getattr(self.device, name)
        if isinstance(values, dict):
            found: Any = {key: to_cpu(each) for key, each in values.items()}
        else:
            found = None if values is None else to_cpu(values)
        return own.setdefault(name, found)

    @property
    def shape(self) -> tuple[int, int]:
        """(B, T)."""
        return self.device.shape

    def __reduce__(self) -> tuple:
        return Recording, tuple(getattr(self, name) for name in FIELDS)


FIELDS = tuple(each.name for each in fields(Recording))


def to_cpu(values: Tensor) -> Tensor:
    """Return ``values`` on the CPU: from a GPU through page-locked memory, of which torch keeps a store."""
    if not values.is_cuda or not 0 < values.nbytes <= MAX_PINNED:
        return values.cpu()
    values = values.detach().contiguous()
    found = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    found.copy_(values, non_blocking=True)
    torch.cuda.current_stream(values.device).synchronize()
    return found
