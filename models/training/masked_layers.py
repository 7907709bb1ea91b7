"""Recurrent layers with dropout along time and zoneout: torch's modules, with a loop over the time steps where these act.

    layer = MaskedLSTM(8, 32, batch_first=True, rates=DropoutRates(time=0.3, kind="variational"))

Parameters, arguments and outputs are those of ``nn.RNN``, ``nn.LSTM`` and ``nn.GRU``. In evaluation, and without such rates,
torch's own kernel runs, except that zoneout in evaluation takes the expectation: ``h_t = z h_{t-1} + (1 - z) h~_t``. In
training, each step is computed by the equations of ``models.core.cells``:

- The recurrent product is ``W_h (m_t * h_{t-1})`` with a mask m_t; a GRU's ``z_t * h_{t-1}`` has no mask, as in Keras.
- With zoneout, ``c_t`` and ``h_t`` are ``d_t s_{t-1} + (1 - d_t) s~_t``, where ``h~_t`` is computed from ``c~_t`` before
  zoneout (Krueger et al. 2016, section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from models.core.cells import Cell, Kind, cell_of
from models.core.stepwise import StepEvaluation, StepwiseLayer
from models.core.weights import TORCH_MODULES
from models.training.dropout_masks import DropoutRates, LayerMasks, draw_layer_masks

Drawn = list[LayerMasks]


class GateProducts(StepwiseLayer):
    """A layer's weights and products with a mask for each gate, where ``masks`` has one."""

    def __init__(self, cell: Cell, weights: Mapping[str, Tensor], x: Tensor, masks: LayerMasks) -> None:
        """Compute the products of the input (B, T, D) with the input's masks."""
        self.masks = masks
        super().__init__(cell, weights, x[:, :0])
        self.separate = True  # the recurrent product is computed by ``recurrent_at``
        self.input_products = self._masked_product(x, masks.input).add(weights["bias_ih"]).unbind(1)
        self._steps = x.shape[1]

    def _masked_product(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return the products (B, T, G H) of the input, without biases."""
        weight = self.weights["weight_ih"]
        if mask is None:
            return linear(x, weight)
        if mask.shape[2] == 1:
            return linear(x * mask[:, :, 0], weight)
        blocks = weight.chunk(len(self.cell.gates))
        return torch.cat([linear(x * mask[:, :, gate], block) for gate, block in enumerate(blocks)], -1)

    def recurrent_at(self, t: int, hidden: Tensor) -> Tensor:
        """Return ``W_h (m_t * h) + b_h`` of all gates, (B, G H)."""
        mask = self.masks.hidden
        if mask is None or mask.shape[2] == 1:
            return self.recurrent(hidden if mask is None else hidden * mask[:, t, 0])
        blocks = self.weights["weight_hh"].chunk(len(self.cell.gates))
        product = torch.cat([linear(hidden * mask[:, t, gate], block) for gate, block in enumerate(blocks)], -1)
        return product + self.weights["bias_hh"]


class MaskedStep(StepEvaluation):
    """One step with masked products."""

    def __init__(self, layer: GateProducts, t: int, states: Mapping[str, Tensor]) -> None:
        """Prepare position ``t``, from the states before it, by name."""
        self._layer = layer
        for name, values in states.items():
            setattr(self, f"{name}_prev", values)
        self._x = layer.split(layer.input_products[t])
        self._operand, self._products = self.hidden_prev, layer.split(layer.recurrent_at(t, self.hidden_prev))


def run_masked_layer(
    cell: Cell,
    weights: Mapping[str, Tensor],
    x: Tensor,
    states: Mapping[str, Tensor],
    masks: LayerMasks,
    rates: DropoutRates,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Run one layer forward in time with masks; autograd differentiates it.

    Args:
        cell: the equations.
        weights: by PyTorch's names without the layer's suffix.
        x: (B, T, D), before the input's masks.
        states: before the first step, by name, (B, H) each.
        masks: of the run. Where ``rates`` have zoneout and there is no mask, the expectation is taken.
        rates: of the layer.

    Returns:
        The hidden states (B, T, H), and the states after the last step by name.
    """
    layer, states, hidden = GateProducts(cell, weights, x, masks), dict(states), []
    zoneout = {"hidden": (rates.zoneout, masks.keep_hidden), "cell": (rates.zoneout_cell, masks.keep_cell)}
    for t in range(x.shape[1]):
        step = MaskedStep(layer, t, states)
        for name, equation in cell.equations.items():
            setattr(step, name, equation(step))
        for name in cell.states:
            rate, keep = zoneout[name]
            new = getattr(step, name)
            if keep is not None:
                new = torch.where(keep[:, t], states[name], new)
            elif rate > 0:
                new = rate * states[name] + (1 - rate) * new
            states[name] = new
        hidden.append(states["hidden"])
    return torch.stack(hidden, 1), states


class MaskedModule(nn.RNNBase):
    """Base class of the modules below: ``batch_first``, in one direction, with biases.

    Attributes:
        rates: of each layer.
        given_masks: masks to use instead of drawing them, one for each layer; None to draw.
    """

    kind: Kind
    rates: tuple[DropoutRates, ...]
    given_masks: Drawn | None = None

    def set_rates(self, *rates: DropoutRates) -> None:
        """Set the rates of each layer."""
        self.rates = rates

    @property
    def _loops(self) -> bool:
        """Whether a loop over the time steps is needed now."""
        if self.training:
            return self.given_masks is not None or any(rates.stepwise or rates.input for rates in self.rates)
        return any(rates.zoneout or rates.zoneout_cell for rates in self.rates)

    def draw_masks(self, batch: int, steps: int) -> Drawn:
        """Draw the masks of a training step for B sequences of T time steps, for each layer, as ``forward`` does."""
        like: Any = self.weight_ih_l0
        return [
            draw_layer_masks(
                rates,
                batch,
                steps,
                self.input_size if level == 0 else self.hidden_size,
                self.hidden_size,
                len(cell_of(self.kind).gates),
                like,
            )
            for level, rates in enumerate(self.rates)
        ]

    def forward(self, given: Any, hx: Any = None) -> Any:
        """Run the layers on (B, T, D), as torch's module does."""
        if not self._loops:
            return super().forward(given, hx)
        batch, steps = given.shape[:2]
        masks: Drawn = [LayerMasks()] * self.num_layers
        if self.training:
            masks = self.given_masks or self.draw_masks(batch, steps)
        cell = cell_of(self.kind)
        zeros = given.new_zeros(self.num_layers, batch, self.hidden_size)
        begin = dict.fromkeys(cell.states, zeros)
        if hx is not None:
            begin = dict(zip(("hidden", "cell"), hx if isinstance(hx, tuple) else (hx,), strict=False))
        ends: dict[str, list[Tensor]] = {name: [] for name in begin}
        x = given
        for level in range(self.num_layers):
            states = {name: values[level] for name, values in begin.items()}
            x, after = self._run_level(level, cell, x, states, masks[level])
            for name, found in ends.items():
                found.append(after[name])
        last = {name: torch.stack(found) for name, found in ends.items()}
        return x, (last["hidden"], last["cell"]) if self.kind == "LSTM" else last["hidden"]

    def _run_level(
        self, level: int, cell: Cell, x: Tensor, states: Mapping[str, Tensor], masks: LayerMasks
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Run one layer by torch's kernel where only its input has a mask, else step by step."""
        rates = self.rates[level]
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weights = {name: getattr(self, f"{name}_l{level}") for name in names}
        by_gate = masks.input is not None and masks.input.shape[2] > 1
        zoneout = rates.zoneout or rates.zoneout_cell
        if (
            masks.hidden is not None
            or masks.keep_hidden is not None
            or masks.keep_cell is not None
            or by_gate
            or zoneout
        ):
            return run_masked_layer(cell, weights, x, states, masks, rates)
        x = x if masks.input is None else x * masks.input[:, :, 0]
        kernel: Any = {"RNN": torch.rnn_tanh, "LSTM": torch.lstm, "GRU": torch.gru}[self.kind]
        own = [values[None] for values in states.values()]
        begin = [states["hidden"][None], states["cell"][None]] if self.kind == "LSTM" else own[0]
        with torch._C.DisableTorchFunction():  # a capture would record each level as layer 0
            out, *ends = kernel(x, begin, list(weights.values()), True, 1, 0.0, self.training, False, True)
        return out, dict(zip(("hidden", "cell"), (end[0] for end in ends), strict=False))


class MaskedRNN(MaskedModule, nn.RNN):
    """An ``nn.RNN`` with tanh, masks and zoneout."""

    kind = "RNN"


class MaskedLSTM(MaskedModule, nn.LSTM):
    """An ``nn.LSTM`` with masks and zoneout."""

    kind = "LSTM"


class MaskedGRU(MaskedModule, nn.GRU):
    """An ``nn.GRU`` with masks and zoneout."""

    kind = "GRU"


def masked_module(kind: Kind, inputs: int, units: int, rates: tuple[DropoutRates, ...]) -> nn.RNNBase:
    """Return L layers with these rates: torch's own module if no layer has any that it lacks.

    Args:
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        inputs: D. units: H.
        rates: of each layer. A fresh mask of the same rate on the input of each layer but the first is torch's own dropout.
    """
    between = {each.input for each in rates[1:]}
    plain = (
        all(not each.stepwise and (each.kind == "fresh" or each.input == 0) for each in rates) and rates[0].input == 0
    )
    if plain and len(between) <= 1:
        return TORCH_MODULES[kind](
            inputs, units, num_layers=len(rates), batch_first=True, dropout=max(between, default=0.0)
        )
    made: Any = {"RNN": MaskedRNN, "LSTM": MaskedLSTM, "GRU": MaskedGRU}[kind]
    module: MaskedModule = made(inputs, units, num_layers=len(rates), batch_first=True)
    module.set_rates(*rates)
    return module
