"""The gradients of one loss in one layer: by every state, by every gate, and each step's part of the weights' gradients.

A fused kernel's backward pass returns only the sum over all steps. But everything within a layer follows from its recorded
states and from the gradients by its outputs, by one backward scan: backpropagation through time (Werbos 1990), with the
derivatives of ``models.core.local_derivatives``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from models.core.cells import PEEPHOLES, WEIGHT_NAMES
from models.core.gate_evaluation import padding_mask
from models.core.layer_norm import NormDerivative
from models.core.layer_run import LayerRun
from models.core.local_derivatives import LocalDerivatives, activated_cell, local_derivatives
from models.core.output_gradients import OutputGradients
from models.core.weights import read_only


class GradientError(RuntimeError):
    """A missing gradient; the message says in one sentence why."""


def no_gradient(name: str) -> GradientError:
    """Return the error of a layer that no gradient has reached."""
    return GradientError(f"No gradient has come to {name}; call loss.backward() inside the capture block.")


def twice_differentiated(name: str) -> GradientError:
    """Return the error of gradients that were differentiated again."""
    return GradientError(
        f"The gradients of {name} include a gradient that was differentiated a second time (create_graph=True, as in a "
        "gradient penalty), which the recorded states do not determine; run that pass outside the block."
    )


@dataclass(frozen=True, eq=False)
class LayerGradients:
    """The gradients of the loss L in one layer, by position in the sequence; read-only arrays.

    Attributes:
        layer: the layer's run.
        output_gradients: the gradients by its outputs.
    """

    layer: LayerRun
    output_gradients: OutputGradients

    @property
    def hidden(self) -> np.ndarray:
        """dL/dh_t, (B, T, P): through the layer's output and through all later steps."""
        return self._scan[0]

    @property
    def cell(self) -> np.ndarray:
        """dL/dc_t of an LSTM, (B, T, H): through h_t and through all later steps."""
        if self._scan[1] is None:
            raise AttributeError(f"{self.layer.kind} has no cell state.")
        return self._scan[1]

    def preactivation(self, gate: str) -> np.ndarray:
        """Return dL/da of one gate's preactivation, (B, T, H): by the input weights' part of it."""
        return read_only(self._products[0][:, :, self._index(gate)])

    def per_step(
        self, parameter: str, gate: str | None = None, steps: Sequence[int] | slice = slice(None)
    ) -> np.ndarray:
        """Return each step's contribution to the gradient of a parameter; their sum is the parameter's ``.grad``.

        (Its ``.grad`` after these backward passes, of this run alone: a module that ran twice has the sum over both.)

        Args:
            parameter: ``"weight_ih"``, ``"bias_hh"``, ``"weight_ch"`` or another of ``models.core.cells.WEIGHT_NAMES``.
            gate: the rows of one gate; all gates' if None.
            steps: the positions, S of them. All together may need much memory: S times the parameter's size.

        Returns:
            (S, rows, columns), or (S, rows) of a bias, summed over the batch.
        """
        left, right = self._factors(parameter)
        if gate is not None:
            left = left[:, :, self._index(gate, parameter)][:, :, None]
        left = left[:, steps]
        if right is None:
            return read_only(left.sum(dim=0).flatten(1))
        if gate is not None and right.shape[2] > 1:
            right = right[:, :, self._index(gate)][:, :, None]
        return read_only(torch.einsum("bsgr,bsgc->sgrc", left, right[:, steps]).flatten(1, 2))

    def per_step_norms(self, parameter: str) -> np.ndarray:
        """Return the Frobenius norm of each step's contribution to each gate's block of a parameter, (T, gates)."""
        left, right = self._factors(parameter)
        products = torch.einsum("bsgr,ksgr->sgbk", left, left)
        if right is not None:
            products = products * torch.einsum("bsgc,ksgc->sgbk", right, right)
        return read_only(products.sum(dim=(2, 3)).clamp(min=0).sqrt())

    def per_step_inner_products(self, parameter: str, total: np.ndarray | None = None) -> np.ndarray:
        """Return the inner product of each step's contribution with a whole gradient, block by block, (T, gates).

        Args:
            parameter: as in ``per_step``.
            total: the gradient, of the parameter's shape; the sum over the steps if None. Then a step's product divided by
                the sum of all is its share of the block's squared norm: shares add up to 1, and one in the opposite
                direction is negative.
        """
        left, right = self._factors(parameter)
        if right is None:
            right = left.new_ones(*left.shape[:2], 1, 1)
        if total is None:
            whole = torch.einsum("bsgr,bsgc->grc", left, right)
        else:
            whole = torch.tensor(total, dtype=left.dtype).reshape(*left.shape[2:], right.shape[3])
        return read_only(torch.einsum("bsgr,grc,bsgc->sg", left, whole, right))

    def total(self, parameter: str) -> Tensor:
        """Return the sum of all steps' contributions to the gradient of a parameter, of its shape."""
        return self._sum(parameter, lambda values: values)

    def magnitude(self, parameter: str) -> float:
        """Return the norm of the sum of the absolute values of all contributions: the scale of its rounding errors."""
        return float(self._sum(parameter, torch.abs).norm())

    def _sum(self, parameter: str, each: Callable[[Tensor], Tensor]) -> Tensor:
        left, right = self._factors(parameter)
        if right is None:
            return each(left).sum(dim=(0, 1)).flatten()
        return torch.einsum("bsgr,bsgc->grc", each(left), each(right).expand(-1, -1, left.shape[2], -1)).flatten(0, 1)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """The names of the layer's parameters."""
        return tuple(name for name in WEIGHT_NAMES if name in self.layer.weights.tensors)

    def _index(self, gate: str, parameter: str = "weight_hh") -> int:
        gates = self.layer.weights.cell.row_gates(parameter)
        if gate not in gates:
            raise KeyError(f"{self.layer.kind} has no weights of {gate}; it has {', '.join(gates)}.")
        return gates.index(gate)

    def _factors(self, parameter: str) -> tuple[Tensor, Tensor | None]:
        """Return the factors of each step's outer product: (B, T, G, R) and (B, T, G, C), or (B, T, 1, C) for all gates."""
        run = self.layer.recording
        match parameter:
            case "weight_ih":
                return self._before_norm(0), run.input[:, :, None]
            case "weight_hh" if not self.layer.weights.reset_after:
                reset = torch.tensor(self.layer.reset_gate) * run.hidden_prev  # the candidate's input
                return self._products[1], torch.stack([run.hidden_prev, run.hidden_prev, reset], dim=2)
            case "weight_hh" if self.layer.cell_equations.multiplicative:
                return self._products[1], torch.tensor(self.layer["intermediate"])[:, :, None]
            case "weight_hh":
                return self._before_norm(1), run.hidden_prev[:, :, None]
            case "weight_mx" if self.layer.cell_equations.multiplicative:
                return self._by_factor("x"), run.input[:, :, None]
            case "weight_mh" if self.layer.cell_equations.multiplicative:
                return self._by_factor("h"), run.hidden_prev[:, :, None]
            case "bias_ih":
                return self._before_norm(0), None
            case "bias_hh":
                return self._before_norm(1), None
            case "weight_hr":
                unprojected = self.layer.output_gate * activated_cell(self.layer)
                return torch.tensor(self.hidden)[:, :, None], torch.from_numpy(unprojected)[:, :, None]
            case "weight_ch" if self.layer.cell_equations.peepholes:
                states = {"cell_prev": self.layer.cell_prev, "cell": self.layer.cell}
                each = [
                    self._products[0][:, :, self._index(gate)] * torch.tensor(states[PEEPHOLES[gate]])
                    for gate in self.layer.cell_equations.peepholes
                ]
                return torch.stack(each, dim=2), None
            case "gain_ih" | "shift_ih" | "gain_hh" | "shift_hh" | "gain_c" | "shift_c":
                if parameter in self.layer.weights.tensors:
                    return self._norm_factors(parameter), None
        raise KeyError(f"{self.layer.kind} has no {parameter}; it has {', '.join(self.parameter_names)}.")

    def _norm_factors(self, parameter: str) -> Tensor:
        """Return each step's contribution to the gradient of a norm's factors or terms, (B, T, G or 1, H)."""
        norms = self._derivatives.norms
        assert norms is not None
        name, _, part = parameter.partition("_")
        norm = {"ih": norms.input, "hh": norms.recurrent, "c": norms.cell}[part]
        assert norm is not None
        if part == "c":
            by_output = norm.used(torch.tensor(self.cell))[:, :, None]
        else:
            by_output = self._products[part == "hh"]
        return by_output * norm.centred.view_as(by_output) if name == "gain" else by_output

    def _by_factor(self, side: str) -> Tensor:
        """Return dL by one factor of the intermediate state, ``"x"`` or ``"h"``, (B, T, 1, H)."""
        by_intermediate = self._products[1].flatten(2) @ self.layer.weights.tensors["weight_hh"]
        return (by_intermediate * torch.tensor(getattr(self._derivatives.intermediate, side)))[:, :, None]

    def _before_norm(self, side: int) -> Tensor:
        """Return dL by the products of the input weights (0) or of the recurrent ones (1) themselves, (B, T, G, H)."""
        products, norms = self._products[side], self._derivatives.norms
        if norms is None:
            return products
        norm = (norms.input, norms.recurrent)[side]
        return norm.back(products.flatten(2)).view_as(products)

    @property
    def _products(self) -> tuple[Tensor, Tensor]:
        """dL by the products of the input weights, and by those of the recurrent weights, after a norm: (B, T, G, H) each."""
        return self._scan[2]

    @cached_property
    def _derivatives(self) -> LocalDerivatives:
        return local_derivatives(self.layer)

    @cached_property
    def _scan(self) -> tuple[np.ndarray, np.ndarray | None, tuple[Tensor, Tensor]]:
        derivatives = self._derivatives
        hidden, cell, sources = backward_scan(self.layer, self.output_gradients, derivatives)
        assert sources is not None
        by_input = torch.from_numpy(np.stack([slope.x for slope in derivatives.gates.values()], axis=2))
        by_recurrent = torch.from_numpy(np.stack([slope.h for slope in derivatives.gates.values()], axis=2))
        products = sources * by_input, sources * by_recurrent
        return read_only(hidden), None if cell is None else read_only(cell), products


def state_gradients(layer: LayerRun, output_gradients: OutputGradients) -> tuple[Tensor, Tensor | None]:
    """Return dL/dh_t (B, T, P) and dL/dc_t (B, T, H), None without a cell: as ``LayerGradients`` does, at less cost."""
    hidden, cell, _ = backward_scan(layer, output_gradients, local_derivatives(layer), keep_sources=False)
    return hidden, cell


def backward_scan(
    layer: LayerRun, output_gradients: OutputGradients, derivatives: LocalDerivatives, keep_sources: bool = True
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Propagate the gradients by a layer's outputs backwards through its steps.

    Returns:
        dL/dh_t (B, T, P); dL/dc_t (B, T, H), None without a cell; and for every gate the gradient by the state that depends
        on it, still to be multiplied by the gate's local derivative, (B, T, G, H), or None without ``keep_sources``.
    """
    weights, (batch, steps, size) = layer.weights, layer.shape
    recurrent, project = weights.tensors["weight_hh"], weights.tensors.get("weight_hr")
    dtype, gates, norms = recurrent.dtype, list(derivatives.gates.values()), derivatives.norms
    by_gate = [_time_first(slope.h).unbind(0) for slope in gates]
    carry, resets = (None if each is None else _time_first(each) for each in (derivatives.carry, derivatives.reset))
    hidden = output_gradients.hidden.to(dtype, copy=True).transpose(0, 1)
    sources = hidden.new_empty(steps if keep_sources else 0, batch, len(gates), size)
    products = hidden.new_empty(batch, len(gates), size)
    blocks, states = products.unbind(1), hidden.unbind(0)
    factors = None if derivatives.intermediate is None else _time_first(derivatives.intermediate.h)
    cells: CellBackward | None = None
    if output_gradients.cell is not None:
        assert derivatives.cell_to_hidden is not None and carry is not None
        cell = output_gradients.cell.to(dtype, copy=True).transpose(0, 1)
        to_hidden = _time_first(derivatives.cell_to_hidden) * (not output_gradients.cell_includes_hidden)
        cells = CellBackward(cell, carry, to_hidden, None if norms is None else norms.cell)

    back: Tensor | None = None  # the gradient by h_{t-1} from the following step
    for t in range(steps) if layer.reverse else reversed(range(steps)):
        if output_gradients.call_ends[t]:
            back = None
        state = states[t]
        if back is not None:
            state += back
        unit = inner = state if project is None else state @ project
        if cells is not None:
            inner = cells.step(t, unit, continues=back is not None)
        for gate, slope in enumerate(gates):
            source = inner if slope.target == "cell" else unit
            torch.mul(source, by_gate[gate][t], out=blocks[gate])
            if keep_sources:
                sources[t, :, gate] = source
        if factors is not None:
            back = (products.flatten(1) @ recurrent * factors[t]) @ weights.tensors["weight_mh"]
        elif norms is not None:
            back = norms.recurrent[:, t].back(products.flatten(1)) @ recurrent
        elif resets is None:
            back = products.flatten(1) @ recurrent
        else:  # the candidate, the last gate, has r h_{t-1} as its input
            by_product = blocks[-1] @ recurrent[-size:]
            torch.mul(by_product, by_gate[0][t], out=blocks[0])
            if keep_sources:
                sources[t, :, 0] = by_product
            back = products[:, :-1].flatten(1) @ recurrent[:-size] + by_product * resets[t]
        if cells is None and carry is not None:
            back.addcmul_(unit, carry[t])

    found = [values.transpose(0, 1).contiguous() for values in (hidden, sources)]
    found += [cells.grad.transpose(0, 1).contiguous()] if cells is not None else []
    if layer.recording.lengths is not None:
        padding = padding_mask(layer.recording.lengths, steps)
        for values in found if keep_sources else (found[0], *found[2:]):
            values.masked_fill_(padding if values.dim() == 3 else padding[..., None], 0)
    return found[0], found[2] if cells is not None else None, found[1] if keep_sources else None


def _time_first(values: np.ndarray) -> Tensor:
    """Return read-only values (B, T, H) as (T, B, H), copied where torch would warn of them."""
    return (torch.from_numpy(values) if values.flags.writeable else torch.tensor(values)).transpose(0, 1)


@dataclass
class CellBackward:
    """The backward scan of an LSTM's cell states, time first.

    Attributes:
        grad: (T, B, H), dL/dc_t once the step was reached; before that the gradient from outside the layer.
        carry: (T, B, H), c_t's derivative by c_{t-1}.
        to_hidden: (T, B, H), the hidden state's derivative by c_t; 0 if ``grad`` already includes the path through it.
        norm: of the cell state, (B, T), or None.
    """

    grad: Tensor
    carry: Tensor
    to_hidden: Tensor
    norm: NormDerivative | None = None
    _back: Tensor | None = None

    def step(self, t: int, unit: Tensor, continues: bool) -> Tensor:
        """Propagate through step ``t``: from dL by the hidden state (B, H) to dL by the cell before its norm, (B, H)."""
        grad = self.grad[t]
        if continues and self._back is not None:
            grad += self._back
        grad.addcmul_(unit, self.to_hidden[t])
        inner = grad if self.norm is None else self.norm[:, t].back(grad)
        self._back = inner * self.carry[t]
        return inner
