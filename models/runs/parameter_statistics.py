"""Statistics of parameters during training: norms of gradients and updates, and of the recurrent weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from models.capturing.hooks import CELL_MODULES
from models.core.cells import Cell, Kind, cell_of
from models.core.stepwise_modules import cell_kind_of

MAX_EXACT_UNITS = 1024
"""The largest number of units for which a spectral radius is computed: all eigenvalues take about a second."""
SPECTRA_EVERY, LARGE_SPECTRA_EVERY, LARGE_UNITS = 10, 40, 128
"""Spectral radii are computed at each recorded step of so many, more seldom for layers of more than ``LARGE_UNITS``: the
eigenvalues of 256 units take as long as a training step."""

SAFE_NORMS = 1e-15, 1e18
"""Bounds of a norm whose squares float32 can add."""


@dataclass(frozen=True, eq=False)
class LayerParameters:
    """One layer of a recurrent module, in one direction.

    Attributes:
        name: as in a trace, such as ``"encoder.rnn.l0_reverse"``.
        module: that has the parameters.
        suffix: of the parameters' names: ``"_l0_reverse"``, or ``""`` in a Cell.
    """

    name: str
    module: nn.Module
    suffix: str

    @property
    def kind(self) -> Kind:
        """``"RNN"``, ``"LSTM"`` or ``"GRU"``."""
        return cell_kind_of(self.module)[0]

    @property
    def options(self) -> dict[str, Any]:
        """The options of the cell, such as an RNN's nonlinearity."""
        return dict(cell_kind_of(self.module)[1])

    @property
    def cell(self) -> Cell:
        """The equations of its cell."""
        return cell_of(self.kind, self.parameter("weight_hr") is not None, **self.options)

    def parameter(self, name: str) -> Tensor | None:
        """Return ``weight_hh``, ``bias_ih`` or another parameter; None if the layer has no such parameter."""
        found = getattr(self.module, f"{name}{self.suffix}", None)
        return found.detach() if isinstance(found, Tensor) else None

    def recurrent_blocks(self) -> dict[str, Tensor]:
        """Return the square recurrent weights of each gate; with a projection, ``W_hr W_h?``."""
        weight, projection = self.parameter("weight_hh"), self.parameter("weight_hr")
        if weight is None:
            return {}
        blocks = dict(zip(self.cell.gates, weight.chunk(len(self.cell.gates)), strict=True))
        return blocks if projection is None else {gate: projection @ block for gate, block in blocks.items()}

    def description(self) -> dict[str, object]:
        """Return what ``run.json`` stores about the layer."""
        weight_ih, weight_hh = self.parameter("weight_ih"), self.parameter("weight_hh")
        gates = len(self.cell.gates)
        return {
            "kind": self.kind,
            "options": self.options,
            "inputs": None if weight_ih is None else weight_ih.shape[1],
            "units": None if weight_hh is None else weight_hh.shape[0] // gates,
            "outputs": None if weight_hh is None else weight_hh.shape[1],
        }


def layers_of(modules: Mapping[str, nn.Module]) -> list[LayerParameters]:
    """Return the layers of recurrent modules, named as in a trace."""
    found = []
    for name, module in modules.items():
        path = f"{name}." if name else ""
        if isinstance(module, CELL_MODULES):
            found.append(LayerParameters(f"{path}l0", module, ""))
            continue
        assert isinstance(module, nn.RNNBase)
        for level in range(module.num_layers):
            for direction in ("", "_reverse")[: 2 if module.bidirectional else 1]:
                found.append(LayerParameters(f"{path}l{level}{direction}", module, f"_l{level}{direction}"))
    return found


def to_floats(values: Mapping[str, Tensor]) -> dict[str, float]:
    """Return numbers that are tensors as floats; each device is waited for once."""
    found: dict[str, float] = {}
    for device in {each.device for each in values.values()}:
        own = {name: each for name, each in values.items() if each.device == device}
        stacked = torch.stack(
            [each.detach().double() if device.type != "mps" else each.detach() for each in own.values()]
        )
        found |= dict(zip(own, stacked.tolist(), strict=True))
    return {name: found[name] for name in values}


def vector_norm(values: Tensor, dim: int | None = None) -> Tensor:
    """Return the L2 norm of a tensor, or along one dimension, on its device, in float32 or float64.

    The squares of an exploding or vanishing gradient are outside the range of float32: its norm would be infinite at 1e20 and
    0 at 1e-25. They are then summed in float64, which takes several times longer on a CPU. MPS has no float64.
    """
    values = values.detach()
    if values.layout != torch.strided:
        values = values.coalesce().values()
    if values.device.type in ("cpu", "mps"):
        norm = torch.linalg.vector_norm(values.float() if values.dtype.itemsize < 4 else values, dim=dim)
        least, most = SAFE_NORMS
        if values.device.type == "mps" or bool(((norm > least) & (norm < most)).all()):
            return norm
    return torch.linalg.vector_norm(values, dim=dim, dtype=torch.float64)


def total_norm(norms: Iterable[float]) -> float:
    """Return the norm of several tensors together from the norm of each."""
    return sqrt(sum(norm * norm for norm in norms))


def spectra_interval(units: int) -> int:
    """Return the number of recorded steps from one spectral radius of a layer to the next."""
    return SPECTRA_EVERY if units <= LARGE_UNITS else LARGE_SPECTRA_EVERY


@torch.no_grad()
def weight_statistics(layers: Iterable[LayerParameters], recorded: int) -> dict[str, float]:
    """Return the scalars of the layers' weights at a recorded step, counted from 0.

    ``weight_norm/LAYER``: the Frobenius norm of W_hh. ``forget_bias/LAYER``: the mean of an LSTM's b_if + b_hf.
    At one recorded step of ``spectra_interval``: ``spectral_radius/LAYER/GATE`` of each square block, and
    ``spectral_radius/LAYER``, the largest of them.
    """
    found: dict[str, Tensor] = {}
    for layer in layers:
        weight = layer.parameter("weight_hh")
        if weight is None:
            continue
        found[f"weight_norm/{layer.name}"] = vector_norm(weight)
        biases = layer.parameter("bias_ih"), layer.parameter("bias_hh")
        if layer.kind == "LSTM" and biases[0] is not None and biases[1] is not None:
            found[f"forget_bias/{layer.name}"] = (biases[0] + biases[1]).chunk(4)[1].mean()
        due = recorded % spectra_interval(weight.shape[1]) == 0 and weight.shape[1] <= MAX_EXACT_UNITS
        blocks = layer.recurrent_blocks() if due else {}
        radii = {gate: spectral_radius_of(block) for gate, block in blocks.items()}
        if len(radii) > 1:
            found |= {f"spectral_radius/{layer.name}/{gate}": radius for gate, radius in radii.items()}
        if radii:
            found[f"spectral_radius/{layer.name}"] = torch.stack(list(radii.values())).max()
    return to_floats(found)


def spectral_radius_of(block: Tensor) -> Tensor:
    """Return the largest magnitude of an eigenvalue of a square matrix; NaN if it has NaN or infinity."""
    block = block.cpu() if block.device.type == "mps" else block
    wide = block.float() if block.dtype.itemsize < 4 else block
    if not wide.isfinite().all():
        return torch.tensor(torch.nan)
    return torch.linalg.eigvals(wide).abs().max().cpu()
