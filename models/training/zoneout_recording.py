"""The run of a network with zoneout on its recorded sequence, as a trace of cells whose equations have the zoneout in them.

In evaluation zoneout takes the expectation: ``h_t = z h_{t-1} + (1 - z) h~_t``, and likewise the cell state. No cell of
``models.core.cells`` computes that, so the trace has the form of one of cells of the user's own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.capturing.capture import capture
from models.core.cells import Kind, cell_of
from models.core.custom_cell import CellEquations
from models.core.messages import Problem
from models.core.trace import Trace
from models.networks.network import Network
from models.training.dropout_masks import DropoutRates, LayerMasks
from models.training.masked_layers import MaskedModule, run_masked_layer
from models.training.trained_network import probe_of, snapshot_network

GATE_LETTERS: dict[str, str] = {"RNN": "h", "LSTM": "ifgo", "GRU": "rzn"}
"""The second letter of each gate's weights, as in W_if and W_hf, in the order of the weights' rows."""


class ZoneoutCell(nn.Module):
    """One step of a layer with zoneout in evaluation; its linear layers are ``i?`` and ``h?`` for each gate.

    Attributes:
        rates: of the layer. units: H.
        zoneout, zoneout_cell: of the hidden and of the cell state.
    """

    kind: Kind

    def __init__(self, weights: Mapping[str, Tensor], rates: DropoutRates) -> None:
        """Copy a layer's weights, by PyTorch's names without the layer's suffix."""
        super().__init__()
        self.rates, self.zoneout, self.zoneout_cell = rates, rates.zoneout, rates.zoneout_cell
        self.units = weights["weight_hh"].shape[1]
        for side in ("i", "h"):
            rows, bias = weights[f"weight_{side}h"], weights[f"bias_{side}h"]
            count = len(GATE_LETTERS[self.kind])
            for letter, part, own in zip(GATE_LETTERS[self.kind], rows.chunk(count), bias.chunk(count), strict=True):
                linear = nn.Linear(part.shape[1], part.shape[0])
                linear.load_state_dict({"weight": part, "bias": own})
                self.add_module(side + letter, linear)

    def forward(self, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the states (B, H) after a step with the input ``x`` (B, D), as the trained layer computes them."""
        cell = cell_of(self.kind)
        weights = {
            f"{parameter}_{side}h": torch.cat(
                [getattr(self.get_submodule(side + letter), parameter) for letter in GATE_LETTERS[self.kind]]
            )
            for side in ("i", "h")
            for parameter in ("weight", "bias")
        }
        before = dict(zip(("hidden", "cell"), states, strict=False))
        _, after = run_masked_layer(cell, weights, x[:, None], before, LayerMasks(), self.rates)
        # copies: where a rate is 0, the state is the very tensor before zoneout, with that one's gradient
        return tuple(after[name].clone() for name in before)


class ZoneoutRNN(ZoneoutCell):
    """A step of an RNN."""

    kind = "RNN"


class ZoneoutLSTM(ZoneoutCell):
    """A step of an LSTM."""

    kind = "LSTM"


class ZoneoutGRU(ZoneoutCell):
    """A step of a GRU."""

    kind = "GRU"


CELL_CLASSES: dict[str, type[ZoneoutCell]] = {each.kind: each for each in (ZoneoutRNN, ZoneoutLSTM, ZoneoutGRU)}


def _sum(letter: str) -> Callable[[Any], Any]:
    """Return the equation of a gate's preactivation."""
    return lambda s: getattr(s, f"i{letter}")(s.input) + getattr(s, f"h{letter}")(s.hidden_prev)


def _gate(letter: str) -> Callable[[Any], Any]:
    return lambda s: _sum(letter)(s).sigmoid()


def _hidden(s: Any) -> Any:
    return s.zoneout * s.hidden_prev + (1 - s.zoneout) * s.new_hidden


ZONEOUT_CELLS: dict[type[nn.Module], CellEquations] = {
    ZoneoutRNN: CellEquations(
        {"preactivation": _sum("h"), "new_hidden": lambda s: s.preactivation.tanh(), "hidden": _hidden}
    ),
    ZoneoutLSTM: CellEquations(
        {
            "input_gate": _gate("i"),
            "forget_gate": _gate("f"),
            "candidate": lambda s: _sum("g")(s).tanh(),
            "output_gate": _gate("o"),
            "new_cell": lambda s: s.forget_gate * s.cell_prev + s.input_gate * s.candidate,
            "new_hidden": lambda s: s.output_gate * s.new_cell.tanh(),
            "cell": lambda s: s.zoneout_cell * s.cell_prev + (1 - s.zoneout_cell) * s.new_cell,
            "hidden": _hidden,
        },
        states=("hidden", "cell"),
    ),
    ZoneoutGRU: CellEquations(
        {
            "reset_gate": _gate("r"),
            "update_gate": _gate("z"),
            "candidate": lambda s: (getattr(s, "in")(s.input) + s.reset_gate * s.hn(s.hidden_prev)).tanh(),
            "new_hidden": lambda s: (1 - s.update_gate) * s.candidate + s.update_gate * s.hidden_prev,
            "hidden": _hidden,
        }
    ),
}
"""The equations; ``new_hidden`` and ``new_cell`` are the states before zoneout."""


class ZoneoutLayers(nn.ModuleList):
    """The layers of a ``MaskedModule`` in evaluation, as cells in a loop over the time steps."""

    def __init__(self, module: MaskedModule) -> None:
        """Copy the weights."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        super().__init__(
            CELL_CLASSES[module.kind]({name: getattr(module, f"{name}_l{level}").detach() for name in names}, rates)
            for level, rates in enumerate(module.rates)
        )

    def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the hidden states (B, T, H) of the last layer for (B, T, D), and its last states (B, H)."""
        states: tuple[Tensor, ...] = ()
        for each in self:
            assert isinstance(each, ZoneoutCell)
            zeros = x.new_zeros(len(x), each.units)
            states, hidden = (zeros,) * (2 if each.kind == "LSTM" else 1), []
            for step in x.unbind(1):
                states = each(step, states)
                hidden.append(states[0])
            x = torch.stack(hidden, 1)
        return x, states


def replace_probe(network: Network, text: str) -> Network:
    """Return a network whose loss is that of another text.

    Raises:
        Problem: the text cannot be its input, or has no next token to predict.
    """
    card, steps = network.card, network.encode(text).shape[1]
    if card.predicts == "next" and steps < 2:
        raise Problem("The loss of the next token needs a text of two tokens or more. Type a longer text.")
    return replace(network, card=replace(card, default=replace(card.default, text=text)))


def record_zoneout(folder: str | Path, training_step: int | None = None, text: str | None = None) -> Trace:
    """Return the run of a snapshot's network with zoneout on a sequence, with the gradients of its loss.

    Args:
        folder: of the run.
        training_step: as of ``network_of``.
        text: the sequence, as a reader types it; None for the one that was recorded during training.

    Raises:
        Problem: the folder has no such run, no snapshot, or damaged files; or the text cannot be the network's input.
    """
    network = snapshot_network(folder, training_step)
    if text is not None:
        network = replace_probe(network, text)
    given, loss = probe_of(network)
    module: Any = copy.deepcopy(network.module)
    module.rnn = ZoneoutLayers(module.rnn)
    with torch.enable_grad(), capture(module, cells=ZONEOUT_CELLS) as trace:
        loss(module(given), given).backward()
    return trace.with_tokens(network.labels(network.card.default.text)[: given.shape[1]])
