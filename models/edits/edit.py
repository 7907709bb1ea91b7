"""Edits of a network as immutable values: of its weights, of gates and states while it runs, or of its input.

An edit only describes a change. ``models.edits.weight_edits`` applies those of the weights, ``models.edits.interventions``
those of the running computation, ``models.edits.token_edits`` those of the input, and ``models.edits.edited_network`` all
of them; ``models.edits.edit_syntax`` serializes them for URLs. Steps and units count from 0.

Within each of the three groups edits act in the order of the list. Weights are changed first, then the input, and the
computation last, so the steps of a clamped gate are those of the changed sequence.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Place:
    """A part of one matrix or bias, or all incoming or outgoing weights of one unit.

    Attributes:
        name: ``"rnn.l0.weight_hh"`` (a layer's name and ``weight_ih``, ``weight_hh``, ``bias_ih``, ``bias_hh``,
            ``weight_hr`` or another of ``models.core.cells.WEIGHT_NAMES``); any other parameter by PyTorch's name
            (``"head.weight"``); ``"rnn.l0.reads"``: the incoming weights of unit ``row``, its rows in all matrices, biases,
            peepholes and layer norms of its layer; ``"rnn.l0.writes"``: its outgoing weights, the columns of all matrices
            whose input it is.
        gate: the rows of one gate, such as ``"forget_gate"``; None for all.
        row: if rows belong to gates, the unit, in ``gate`` or in every gate; else the row. None for all.
        column: None for all.
    """

    name: str
    gate: str | None = None
    row: int | None = None
    column: int | None = None


@dataclass(frozen=True)
class WeightChange:
    """An edit that sets (``"="``), adds to (``"+="``) or multiplies (``"*="``) the weights of ``place``."""

    place: Place
    how: Literal["=", "+=", "*="]
    value: float


@dataclass(frozen=True)
class ForgetBias:
    """An edit of an LSTM's forget bias: ``bias_ih`` becomes ``value`` and ``bias_hh`` 0, for one unit or (None) for all.

    With layer norm, the terms after the norms are the biases: ``shift_ih`` and ``shift_hh``.
    """

    layer: str
    value: float
    unit: int | None = None


@dataclass(frozen=True)
class SpectralRadius:
    """An edit that scales each gate's block of ``place`` (a ``weight_hh``, or a gate of it) to spectral radius ``value``."""

    place: Place
    value: float


@dataclass(frozen=True)
class Quantize:
    """An edit that rounds ``place`` to ``bits`` bits: to multiples of max|w| / (2^(bits - 1) - 1), nearest, ties to even."""

    place: Place
    bits: int


@dataclass(frozen=True)
class Noise:
    """An edit that adds independent normal noise of standard deviation ``deviation``, the same for the same ``seed``."""

    place: Place
    deviation: float
    seed: int = 0


@dataclass(frozen=True)
class ReplaceMatrix:
    """An edit that replaces the matrix or bias called ``name``.

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
        """Return the edit that replaces ``name`` by ``values`` (rows, columns) or (rows)."""
        return cls(name, values.shape, np.ascontiguousarray(values, dtype="<f4").tobytes())

    @property
    def values(self) -> np.ndarray:
        """Read-only float32, of ``shape``."""
        return np.frombuffer(self.data, dtype="<f4").reshape(self.shape)


@dataclass(frozen=True)
class Clamp:
    """A gate or state of one unit, or (None) of all units, clamped to ``value`` from step ``first`` to ``last`` inclusive.

    The value replaces the computed one as soon as it is computed, so all later computation uses it. ``last`` None is the
    end of the sequence.
    """

    layer: str
    quantity: str
    value: float
    unit: int | None = None
    first: int = 0
    last: int | None = None


@dataclass(frozen=True)
class Ablate:
    """A unit's hidden state clamped to 0, or to its mean over the sequence in the run without interventions."""

    layer: str
    unit: int
    by: Literal["zero", "mean"] = "zero"
    first: int = 0
    last: int | None = None


@dataclass(frozen=True)
class Patch:
    """Activation patching: ``quantity`` at ``step`` is replaced by its value after step ``source`` of another sequence.

    The other sequence, ``text``, is run through the same network with its edited weights and without interventions. One
    unit, or (None) all. (Vig et al. 2020, "Investigating Gender Bias in Language Models Using Causal Mediation Analysis".)
    """

    layer: str
    quantity: str
    step: int
    text: str
    source: int
    unit: int | None = None


@dataclass(frozen=True)
class InitialState:
    """The state before the first step, h0 (``"hidden"``) or c0 (``"cell"``), set for one unit or (None) for all."""

    layer: str
    state: Literal["hidden", "cell"]
    value: float
    unit: int | None = None


@dataclass(frozen=True)
class TokenEdit:
    """An edit of the input: the token at ``step`` is replaced or deleted (``token`` is then ``""``), or one is inserted.

    Attributes:
        how: the operation; ``"insert"`` puts ``token`` before the one at ``step``.
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
    """An ordered, immutable list of edits: every method returns a new list.

    Example:
        >>> edits = Edits().add(Change(Place("rnn.l0.weight_hh"), "*=", 1.1)).add(Clamp("rnn.l0", "forget_gate", 1.0))
        >>> edits.switch(0, on=False).on
        (Clamp(layer='rnn.l0', quantity='forget_gate', value=1.0, unit=None, first=0, last=None),)
    """

    entries: tuple[Entry, ...] = ()

    def add(self, edit: Edit) -> Edits:
        """Return the list with one more edit, switched on, at the end."""
        return Edits((*self.entries, Entry(edit)))

    def swap(self, index: int, edit: Edit) -> Edits:
        """Return the list with the edit at ``index`` replaced."""
        return self._with(index, replace(self.entries[index], edit=edit))

    def switch(self, index: int, on: bool) -> Edits:
        """Return the list with one edit switched on or off."""
        return self._with(index, replace(self.entries[index], on=on))

    def remove(self, index: int) -> Edits:
        """Return the list without one edit."""
        return self._with(index)

    def move(self, index: int, to: int) -> Edits:
        """Return the list with one edit moved to another position."""
        entries = list(self.entries)
        entries.insert(to, entries.pop(index))
        return Edits(tuple(entries))

    def weights_only(self) -> Edits:
        """Return the list with all edits switched off that are not of the weights, since they belong to one sequence."""
        return Edits(tuple(replace(each, on=each.on and isinstance(each.edit, WeightEdit)) for each in self.entries))

    @property
    def on(self) -> tuple[Edit, ...]:
        """The edits that are switched on, in order."""
        return tuple(entry.edit for entry in self.entries if entry.on)

    @property
    def weights(self) -> tuple[WeightEdit, ...]:
        """The edits of the weights that are switched on."""
        return tuple(edit for edit in self.on if isinstance(edit, WeightEdit))

    @property
    def interventions(self) -> tuple[InterventionEdit, ...]:
        """The edits of the running computation that are switched on."""
        return tuple(edit for edit in self.on if isinstance(edit, InterventionEdit))

    @property
    def tokens(self) -> tuple[TokenEdit, ...]:
        """The edits of the input that are switched on."""
        return tuple(edit for edit in self.on if isinstance(edit, TokenEdit))

    def _with(self, index: int, *entries: Entry) -> Edits:
        if not 0 <= index < len(self.entries):
            raise IndexError(f"There is no edit {index}; there are {len(self.entries)}.")
        return Edits(self.entries[:index] + entries + self.entries[index + 1 :])
