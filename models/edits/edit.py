"""A change to a network, as a small value: to its weights, to what it computes while it runs, or to what it reads.

An edit says what is changed and does nothing by itself. ``models.edits.weight_edits`` applies those of the weights,
``models.edits.interventions`` those of the running computation, ``models.edits.token_edits`` those of the input, and
``models.edits.edited_network`` all together; ``models.edits.edit_syntax`` writes them down for an address. Steps and units count from 0.

Within each of the three groups edits act in the order of the list. Weights are changed first, then the input, and the
computation last, so the steps of a held gate are those of the changed sequence.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Place:
    """A part of one matrix or bias, or what one unit reads or writes.

    Attributes:
        name: ``"rnn.l0.weight_hh"`` (a layer's name and ``weight_ih``, ``weight_hh``, ``bias_ih``, ``bias_hh`` or
            ``weight_hr``); any other parameter by PyTorch's name (``"head.weight"``); ``"rnn.l0.reads"``: the rows of unit
            ``row`` in all its layer's matrices and biases; ``"rnn.l0.writes"``: the columns of all matrices that read it.
        gate: the rows of one gate, such as ``"forget_gate"``; None for all.
        row: where rows belong to gates, the unit, in ``gate`` or in every gate; else the row. None for all.
        column: None for all.
    """

    name: str
    gate: str | None = None
    row: int | None = None
    column: int | None = None


@dataclass(frozen=True)
class WeightChange:
    """Set (``"="``), add to (``"+="``) or multiply (``"*="``) the weights of ``place``; zero is set to 0."""

    place: Place
    how: Literal["=", "+=", "*="]
    value: float


@dataclass(frozen=True)
class ForgetBias:
    """Set an LSTM's forget bias: ``bias_ih`` becomes ``value`` and ``bias_hh`` 0, of one unit or (None) of all."""

    layer: str
    value: float
    unit: int | None = None


@dataclass(frozen=True)
class SpectralRadius:
    """Scale each gate's block of ``place`` (a ``weight_hh``, or one gate of it) so that its spectral radius is ``value``."""

    place: Place
    value: float


@dataclass(frozen=True)
class Quantize:
    """Round ``place`` to ``bits`` bits: to multiples of max|w| / (2^(bits - 1) - 1), the nearest, ties to even."""

    place: Place
    bits: int


@dataclass(frozen=True)
class Noise:
    """Add independent normal noise of standard deviation ``deviation``, the same for the same ``seed``."""

    place: Place
    deviation: float
    seed: int = 0


@dataclass(frozen=True)
class ReplaceMatrix:
    """Put a whole matrix or bias in the place of the one called ``name``.

    Attributes:
        name: as in ``Place``.
        shape: (rows, columns), or (rows,) of a bias.
        data: float32, little endian, row by row.
    """

    name: str
    shape: tuple[int, ...]
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, name: str, values: np.ndarray) -> ReplaceMatrix:
        """The edit that puts ``values`` (rows, columns) or (rows) there."""
        return cls(name, values.shape, np.ascontiguousarray(values, dtype="<f4").tobytes())

    @property
    def values(self) -> np.ndarray:
        """Read-only float32, of ``shape``."""
        return np.frombuffer(self.data, dtype="<f4").reshape(self.shape)


@dataclass(frozen=True)
class Clamp:
    """Hold a gate or state of one unit, or (None) of all units, at ``value`` from step ``first`` to ``last`` inclusive.

    The value takes the place of the computed one the moment it is computed, so everything after reads it. ``last`` None
    is the end of the sequence.
    """

    layer: str
    quantity: str
    value: float
    unit: int | None = None
    first: int = 0
    last: int | None = None


@dataclass(frozen=True)
class Ablate:
    """Hold a unit's hidden state at 0, or at its mean over the sequence in the run without held or patched values."""

    layer: str
    unit: int
    by: Literal["zero", "mean"] = "zero"
    first: int = 0
    last: int | None = None


@dataclass(frozen=True)
class Patch:
    """Put what ``quantity`` was after step ``source`` of another sequence in its place at ``step`` (activation patching).

    The other sequence, ``text``, is read by the same network with its changed weights and nothing held. One unit, or
    (None) all. (Vig et al. 2020, "Investigating Gender Bias in Language Models Using Causal Mediation Analysis".)
    """

    layer: str
    quantity: str
    step: int
    text: str
    source: int
    unit: int | None = None


@dataclass(frozen=True)
class InitialState:
    """Set the state before the first step, h0 (``"hidden"``) or c0 (``"cell"``), of one unit or (None) of all."""

    layer: str
    state: Literal["hidden", "cell"]
    value: float
    unit: int | None = None


@dataclass(frozen=True)
class TokenEdit:
    """Replace the token at ``step``, insert one before it, or delete it (``token`` is then ``""``).

    Attributes:
        how: what is done.
        step: from 0; inserting at T appends.
        token: as it would be typed; of a network of numbers, the numbers of one step.
    """

    how: Literal["replace", "insert", "delete"]
    step: int
    token: str = ""


WeightEdit = WeightChange | ForgetBias | SpectralRadius | Quantize | Noise | ReplaceMatrix
InterventionEdit = Clamp | Ablate | Patch | InitialState
Edit = WeightEdit | InterventionEdit | TokenEdit


@dataclass(frozen=True)
class Entry:
    """An edit in a list, switched on or off."""

    edit: Edit
    on: bool = True


@dataclass(frozen=True)
class Edits:
    """An ordered list of edits, immutable: every method gives a new list.

    Example:
        >>> edits = Edits().add(Change(Place("rnn.l0.weight_hh"), "*=", 1.1)).add(Clamp("rnn.l0", "forget_gate", 1.0))
        >>> edits.switch(0, on=False).on
        (Clamp(layer='rnn.l0', quantity='forget_gate', value=1.0, unit=None, first=0, last=None),)
    """

    entries: tuple[Entry, ...] = ()

    def add(self, edit: Edit) -> Edits:
        """With one more, switched on, at the end."""
        return Edits((*self.entries, Entry(edit)))

    def swap(self, index: int, edit: Edit) -> Edits:
        """With another edit in the place of one."""
        return self._with(index, replace(self.entries[index], edit=edit))

    def switch(self, index: int, on: bool) -> Edits:
        """With one switched on or off."""
        return self._with(index, replace(self.entries[index], on=on))

    def remove(self, index: int) -> Edits:
        """Without one."""
        return self._with(index)

    def move(self, index: int, to: int) -> Edits:
        """With one at another position."""
        entries = list(self.entries)
        entries.insert(to, entries.pop(index))
        return Edits(tuple(entries))

    def of_any_text(self) -> Edits:
        """With those of the weights as they are and all others, which belong to a sequence, switched off."""
        return Edits(tuple(replace(each, on=each.on and isinstance(each.edit, WeightEdit)) for each in self.entries))

    @property
    def on(self) -> tuple[Edit, ...]:
        """The edits that are switched on, in order."""
        return tuple(entry.edit for entry in self.entries if entry.on)

    @property
    def weights(self) -> tuple[WeightEdit, ...]:
        """Those of the weights that are switched on."""
        return tuple(edit for edit in self.on if isinstance(edit, WeightEdit))

    @property
    def dynamics(self) -> tuple[InterventionEdit, ...]:
        """Those of the running computation that are switched on."""
        return tuple(edit for edit in self.on if isinstance(edit, InterventionEdit))

    @property
    def tokens(self) -> tuple[TokenEdit, ...]:
        """Those of the input that are switched on."""
        return tuple(edit for edit in self.on if isinstance(edit, TokenEdit))

    def _with(self, index: int, *entries: Entry) -> Edits:
        if not 0 <= index < len(self.entries):
            raise IndexError(f"There is no edit {index}; there are {len(self.entries)}.")
        return Edits(self.entries[:index] + entries + self.entries[index + 1 :])
