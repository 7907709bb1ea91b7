"""The gradients of one loss in one layer: by every state, by every gate, and each step's part of the weights' gradients.

A fused kernel's backward pass returns only the sum over all steps. But everything within a layer follows from the states that
were recorded and from the gradients that came to its outputs, by one scan backwards: backpropagation through time
(Werbos 1990), with the derivatives of ``models.core.local_derivatives``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from models.core.gate_evaluation import past
from models.core.layer_run import LayerRun
from models.core.local_derivatives import LocalDerivatives, activated_cell, local_derivatives
from models.core.output_gradients import Arrived
from models.core.weights import NAMES, frozen


class GradientError(RuntimeError):
    """There is no gradient to show; the message says in one sentence why."""


@dataclass(frozen=True, eq=False)
class LayerGradients:
    """The gradients of the loss L in one layer, by position in the sequence; read-only arrays.

    Attributes:
        layer: what ran.
        arrived: what came to its outputs.
    """

    layer: LayerRun
    arrived: Arrived

    @property
    def hidden(self) -> np.ndarray:
        """dL/dh_t, (B, T, P): through the layer's output and through all later steps."""
        return self._flow[0]

    @property
    def cell(self) -> np.ndarray:
        """dL/dc_t of an LSTM, (B, T, H): through h_t and through all later steps."""
        if self._flow[1] is None:
            raise AttributeError(f"{self.layer.kind} has no cell state.")
        return self._flow[1]

    def gate(self, gate: str) -> np.ndarray:
        """dL/da of one gate's preactivation, (B, T, H): by what its input weights add to it."""
        return frozen(self._products[0][:, :, self._index(gate)])

    def of_step(
        self, parameter: str, gate: str | None = None, steps: Sequence[int] | slice = slice(None)
    ) -> np.ndarray:
        """What each step added to the gradient of a parameter; the sum over all steps is the parameter's ``.grad``.

        (Its ``.grad`` after these backward passes, of this run alone: a module that ran twice has the sum over both.)

        Args:
            parameter: ``"weight_ih"``, ``"weight_hh"``, ``"bias_ih"``, ``"bias_hh"`` or ``"weight_hr"``.
            gate: the rows of one gate; all gates' if None.
            steps: the positions, S of them. All together may need much memory: S times the parameter's size.

        Returns:
            (S, rows, columns), or (S, rows) of a bias, summed over the batch.
        """
        left, right = self._factors(parameter)
        if gate is not None:
            left = left[:, :, self._index(gate)][:, :, None]
        left = left[:, steps]
        if right is None:
            return frozen(left.sum(dim=0).flatten(1))
        if gate is not None and right.shape[2] > 1:
            right = right[:, :, self._index(gate)][:, :, None]
        return frozen(torch.einsum("bsgr,bsgc->sgrc", left, right[:, steps]).flatten(1, 2))

    def norms(self, parameter: str) -> np.ndarray:
        """The Frobenius norm of what each step added to each gate's block of a parameter, (T, gates)."""
        left, right = self._factors(parameter)
        products = torch.einsum("bsgr,ksgr->sgbk", left, left)
        if right is not None:
            products = products * torch.einsum("bsgc,ksgc->sgbk", right, right)
        return frozen(products.sum(dim=(2, 3)).clamp(min=0).sqrt())

    def inner(self, parameter: str, total: np.ndarray | None = None) -> np.ndarray:
        """The inner product of what each step added with a whole gradient, block by block, (T, gates).

        Args:
            parameter: as in ``of_step``.
            total: the gradient, as the parameter; the sum over the steps if None. Then a step's product over the sum of
                all is its share of the block's squared norm: shares add up to 1, and one that pulls back is negative.
        """
        left, right = self._factors(parameter)
        if right is None:
            right = left.new_ones(*left.shape[:2], 1, 1)
        if total is None:
            whole = torch.einsum("bsgr,bsgc->grc", left, right)
        else:
            whole = torch.tensor(total, dtype=left.dtype).reshape(*left.shape[2:], right.shape[3])
        return frozen(torch.einsum("bsgr,grc,bsgc->sg", left, whole, right))

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the layer's parameters."""
        return tuple(name for name in NAMES if name in self.layer.weights.tensors)

    def _index(self, gate: str) -> int:
        gates = self.layer.weights.cell.gates
        if gate not in gates:
            raise KeyError(f"{self.layer.kind} has no weights of {gate}; it has {', '.join(gates)}.")
        return gates.index(gate)

    def _factors(self, parameter: str) -> tuple[Tensor, Tensor | None]:
        """The two sides of each step's outer product: (B, T, G, R) and (B, T, G, C), or (B, T, 1, C) for all gates."""
        kept = self.layer.recording
        match parameter:
            case "weight_ih":
                return self._products[0], kept.input[:, :, None]
            case "weight_hh" if not self.layer.weights.reset_after:
                read = torch.tensor(self.layer.reset_gate) * kept.hidden_prev  # by the candidate
                return self._products[1], torch.stack([kept.hidden_prev, kept.hidden_prev, read], dim=2)
            case "weight_hh":
                return self._products[1], kept.hidden_prev[:, :, None]
            case "bias_ih":
                return self._products[0], None
            case "bias_hh":
                return self._products[1], None
            case "weight_hr":
                handed_on = self.layer.output_gate * activated_cell(self.layer)
                return torch.tensor(self.hidden)[:, :, None], torch.from_numpy(handed_on)[:, :, None]
        raise KeyError(f"{self.layer.kind} has no {parameter}; it has {', '.join(self.parameters)}.")

    @property
    def _products(self) -> tuple[Tensor, Tensor]:
        """dL by what the input weights make, and by what the recurrent weights make: (B, T, G, H) each."""
        return self._flow[2]

    @cached_property
    def _flow(self) -> tuple[np.ndarray, np.ndarray | None, tuple[Tensor, Tensor]]:
        derivatives = local_derivatives(self.layer)
        hidden, cell, sources = flow_back(self.layer, self.arrived, derivatives)
        by_input = torch.from_numpy(np.stack([slope.x for slope in derivatives.gates.values()], axis=2))
        by_recurrent = torch.from_numpy(np.stack([slope.h for slope in derivatives.gates.values()], axis=2))
        products = sources * by_input, sources * by_recurrent
        return frozen(hidden), None if cell is None else frozen(cell), products


def flow_back(layer: LayerRun, arrived: Arrived, derivatives: LocalDerivatives) -> tuple[Tensor, Tensor | None, Tensor]:
    """Carry the gradients that came to a layer's outputs back through its steps.

    Returns:
        dL/dh_t (B, T, P); dL/dc_t (B, T, H), None without a cell; and for every gate the gradient by the state that it makes,
        by which its slope is still to be multiplied, (B, T, G, H).
    """
    weights, (batch, steps, size) = layer.weights, layer.shape
    recurrent, project = weights.tensors["weight_hh"], weights.tensors.get("weight_hr")
    dtype, gates = recurrent.dtype, list(derivatives.gates.values())
    by_gate = torch.tensor(np.stack([slope.h for slope in gates], axis=2)).transpose(0, 1)
    keep, resets = (
        None if each is None else torch.tensor(each).transpose(0, 1) for each in (derivatives.carry, derivatives.reset)
    )
    hidden = arrived.hidden.to(dtype, copy=True).transpose(0, 1)
    sources = hidden.new_empty(steps, batch, len(gates), size)
    cells: Cells | None = None
    if arrived.cell is not None:
        assert derivatives.cell_to_hidden is not None and keep is not None
        cell = arrived.cell.to(dtype, copy=True).transpose(0, 1)
        read = torch.tensor(derivatives.cell_to_hidden).transpose(0, 1) * (not arrived.whole_cell)
        cells = Cells(cell, keep, read, torch.tensor([slope.target == "cell" for slope in gates])[:, None])

    back: Tensor | None = None  # what the step that was computed next passes back
    for t in range(steps) if layer.reverse else reversed(range(steps)):
        if arrived.cuts[t]:
            back = None
        if back is not None:
            hidden[t] += back
        unit = hidden[t] if project is None else hidden[t] @ project
        if cells is not None:
            sources[t] = cells.step(t, unit, goes_on=back is not None)
        else:
            sources[t] = unit[:, None]
        if resets is None:
            back = (sources[t] * by_gate[t]).flatten(1) @ recurrent
        else:  # the candidate, the last gate, reads r h_{t-1}
            sources[t, :, 0] = (unit * by_gate[t, :, -1]) @ recurrent[-size:]
            back = (sources[t] * by_gate[t])[:, :-1].flatten(1) @ recurrent[:-size] + sources[t, :, 0] * resets[t]
        if cells is None and keep is not None:
            back += unit * keep[t]

    found = [values.transpose(0, 1).contiguous() for values in (hidden, sources)]
    found += [cells.grad.transpose(0, 1).contiguous()] if cells is not None else []
    if layer.recording.lengths is not None:
        padding = past(layer.recording.lengths, steps)
        for values in found:
            values.masked_fill_(padding if values.dim() == 3 else padding[..., None], 0)
    return found[0], found[2] if cells is not None else None, found[1]


@dataclass
class Cells:
    """An LSTM's cell states on the way back, time first.

    Attributes:
        grad: (T, B, H), dL/dc_t once the step was reached; before that what came to it from outside.
        keep: (T, B, H), c_t's derivative by c_{t-1}.
        read: (T, B, H), the hidden state's derivative by c_t, 0 where ``grad`` holds what comes through it already.
        makes_cell: (G, 1), which gates make the cell; the others make the hidden state.
    """

    grad: Tensor
    keep: Tensor
    read: Tensor
    makes_cell: Tensor
    _back: Tensor | None = None

    def step(self, t: int, unit: Tensor, goes_on: bool) -> Tensor:
        """Go back through step ``t``: from dL by the hidden state (B, H) to dL by the state each gate makes, (B, G, H)."""
        if goes_on and self._back is not None:
            self.grad[t] += self._back
        self.grad[t] += unit * self.read[t]
        self._back = self.grad[t] * self.keep[t]
        return torch.where(self.makes_cell, self.grad[t][:, None], unit[:, None])
