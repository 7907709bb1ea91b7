"""The number of parameters of a recurrent layer in one direction, by cell and library."""

from __future__ import annotations

from dataclasses import dataclass

from models.core.cells import GATE_COUNTS


@dataclass(frozen=True)
class ParameterCount:
    """The parameters of one layer in one direction.

    Attributes:
        cell: ``"RNN"``, ``"GRU"`` or ``"LSTM"``.
        gates: G, the number of sums.
        biases: vectors of biases for each sum: PyTorch has two, Keras one, of a GRU with ``reset_after`` two.
        inputs, units: D and H.
    """

    cell: str
    gates: int
    biases: int
    inputs: int
    units: int

    @property
    def total(self) -> int:
        """G (H D + H H + biases H)."""
        return self.gates * self.units * (self.inputs + self.units + self.biases)


def recurrent_parameters(
    cell: str, inputs: int, units: int, library: str, *, use_bias: bool = True, reset_after: bool = True
) -> ParameterCount:
    """Return the parameters of a layer with D inputs and H units in ``"keras"`` or ``"pytorch"``."""
    two = library == "pytorch" or (cell == "GRU" and reset_after)
    return ParameterCount(cell, GATE_COUNTS[cell], (2 if two else 1) if use_bias else 0, inputs, units)
