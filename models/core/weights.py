"""The weights of one recurrent layer in one direction, in PyTorch's gate order whatever their source."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache, cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.core.cells import KERNEL_NAMES, WEIGHT_NAMES, Cell, Kind, cell_of
from models.core.stepwise_modules import recurrent_module

TORCH_MODULES = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}


def read_only(values: Tensor | np.ndarray) -> np.ndarray:
    """Return a read-only view: float64 and integers as they are, every other float as float32 (then a copy)."""
    if isinstance(values, Tensor):
        view = (values.float() if values.dtype == torch.bfloat16 else values).numpy(force=True)
    else:
        view = values.view()
    if view.dtype.kind == "f" and view.dtype.itemsize not in (4, 8):
        view = view.astype(np.float32, copy=False)
    view.setflags(write=False)
    return view


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """One layer in one direction: immutable, in PyTorch's gate order.

    With G gates, H units, D inputs and P recurrent outputs (P = H unless projected):

    Attributes:
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        weight_ih: (G * H, D), multiplies the input; the rows of gate g are ``g * H`` to ``(g + 1) * H``.
        weight_hh: (G * H, P), multiplies the previous hidden state.
        bias_ih: (G * H), or None in a layer without biases.
        bias_hh: (G * H), or None.
        weight_hr: (P, H), the projection of an LSTM, or None.
        nonlinearity: of an RNN, ``"tanh"``, ``"relu"`` or another of ``models.core.activations``.
        activation: of an LSTM's or GRU's candidate, and of the cell before the output gate multiplies it: another of them.
        recurrent_activation: of the other gates of an LSTM or GRU.
        reset_after: of a GRU, whether the reset gate acts after the recurrent product (PyTorch) or before it.
        weight_ch: (3 * H), the peepholes of an LSTM's input, forget and output gate, or None.
        peepholes: whether there is ``weight_ch``.
        clip: the bound of the gates' preactivations, as in ONNX, or None.
        gain_ih: (4 * H), the factors of the layer norm of an LSTM's input products, or None; shift_ih: its terms.
        gain_hh: (4 * H), likewise of the recurrent products; shift_hh: its terms.
        gain_c: (H), likewise of the cell state; shift_c: its terms.
        norm: the epsilon of the layer norms, or None.
        cell_norm: whether the cell state is normalized.
        coupled: whether an LSTM's forget gate is 1 - i, so that its rows of the weights are not used.
        weight_mx: (H, D), the input's factor of a multiplicative LSTM's intermediate state, which ``weight_hh`` multiplies
            instead of the hidden state; or None.
        weight_mh: (H, H), the hidden state's factor of it, or None.
        multiplicative: whether there are ``weight_mx`` and ``weight_mh``.
    """

    kind: Kind
    weight_ih: np.ndarray
    weight_hh: np.ndarray
    bias_ih: np.ndarray | None = None
    bias_hh: np.ndarray | None = None
    weight_hr: np.ndarray | None = None
    nonlinearity: str = "tanh"
    reset_after: bool = True
    activation: str = "tanh"
    recurrent_activation: str = "sigmoid"
    weight_ch: np.ndarray | None = None
    peepholes: bool = False
    clip: float | None = None
    gain_ih: np.ndarray | None = None
    shift_ih: np.ndarray | None = None
    gain_hh: np.ndarray | None = None
    shift_hh: np.ndarray | None = None
    gain_c: np.ndarray | None = None
    shift_c: np.ndarray | None = None
    norm: float | None = None
    cell_norm: bool = False
    coupled: bool = False
    weight_mx: np.ndarray | None = None
    weight_mh: np.ndarray | None = None
    multiplicative: bool = False

    def __post_init__(self) -> None:
        """Copy arrays that are still writable; check that the shapes fit each other."""
        for name in WEIGHT_NAMES:
            values = getattr(self, name)
            if values is not None:
                shared = isinstance(values, np.ndarray) and not values.flags.writeable
                values = read_only(values)
                object.__setattr__(self, name, values if shared else read_only(values.copy()))
        gates, rows = len(self.cell.gates), self.weight_hh.shape[0]
        if rows % gates or self.weight_ih.shape[0] != rows:
            raise ValueError(
                f"A {self.kind} has {gates} gates, but its weights have {self.weight_ih.shape[0]} and {rows} rows."
            )
        units = rows // gates
        outputs = units if self.weight_hr is None else self.weight_hr.shape[0]
        expected = {
            "weight_ih": (rows, self.weight_ih.shape[-1]),
            "weight_hh": (rows, outputs),
            "bias_ih": (rows,),
            "bias_hh": (rows,),
            "weight_hr": (outputs, units),
        } | {
            name: (len(self.cell.row_gates(name)) * units, *_columns(name, self.input_size, outputs))
            for name in self.cell.further_weights
        }
        if self.norm is not None and not (isinstance(self.norm, float) and self.norm > 0):
            raise ValueError("The epsilon of a layer norm is a float above 0.")
        for name in WEIGHT_NAMES[len(KERNEL_NAMES) :]:
            if (name in expected) != (getattr(self, name) is not None):
                raise ValueError(f"A {self.kind} with these options has {', '.join(expected)}, and no {name}.")
        if (self.bias_ih is None) != (self.bias_hh is None):
            raise ValueError(f"A {self.kind} has both biases or none.")
        for name, values in self.arrays().items():
            if values.shape != expected[name] or values.dtype.kind != "f":
                raise ValueError(
                    f"{name} of a {self.kind} of {units} units is float {expected[name]}, "
                    f"not {values.dtype} {values.shape}."
                )

    @cached_property
    def cell(self) -> Cell:
        """The equations of the cell."""
        return cell_equations(self.kind, self.weight_hr is not None, *self._option_values)

    @property
    def options(self) -> dict[str, Any]:
        """The options of the cell within its kind, arguments of ``models.core.cells.cell_of``."""
        return _options(self.kind, *self._option_values)

    @property
    def _option_values(self) -> tuple[str, bool, str, str, float | None, bool, float | None, bool, bool, bool]:
        return (
            self.nonlinearity,
            self.reset_after,
            self.activation,
            self.recurrent_activation,
            self.clip,
            self.peepholes,
            self.norm,
            self.cell_norm,
            self.coupled,
            self.multiplicative,
        )

    @cached_property
    def hidden_size(self) -> int:
        """H, the number of units."""
        return self.weight_hh.shape[0] // len(self.cell.gates)

    @property
    def input_size(self) -> int:
        """D, the number of inputs."""
        return self.weight_ih.shape[1]

    @property
    def output_size(self) -> int:
        """P, the size of the hidden state: H, or the size of the projection."""
        return self.weight_hh.shape[1]

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """The weights that are not None, as tensors: copies."""
        return {name: torch.tensor(values) for name, values in self.arrays().items()}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights that are not None, by PyTorch's names without the layer's suffix."""
        return {name: getattr(self, name) for name in WEIGHT_NAMES if getattr(self, name) is not None}

    def rows(self, name: str, gate: str) -> np.ndarray:
        """Return the rows of one gate in the matrix or bias called ``name``, such as ``"weight_ih"``."""
        start = self.cell.row_gates(name).index(gate) * self.hidden_size
        return getattr(self, name)[start : start + self.hidden_size]

    def __reduce__(self) -> tuple:  # without the equations, which cannot be pickled
        return LayerWeights, tuple(getattr(self, each.name) for each in fields(LayerWeights))

    def to_module(self) -> nn.RNNBase:
        """Return a ``torch.nn.RNN``, ``LSTM`` or ``GRU`` of one layer with these weights, ``batch_first``.

        If torch has no kernel for the cell, its class is one of ``models.core.stepwise_modules``, which derive from them.

        Example:
            >>> module = load_checkpoint("model.safetensors").layers["rnn.l0"].to_module()
            >>> output, state = module(x)  # x (B, T, D), output (B, T, P)
        """
        shape: dict[str, Any] = {"bias": self.bias_ih is not None, "batch_first": True}
        if self.weight_hr is not None:
            shape["proj_size"] = self.output_size
        module = recurrent_module(self.kind, self.input_size, self.hidden_size, self.options, **shape)
        module = module.to(self.tensors["weight_hh"].dtype)
        module.load_state_dict({f"{name}_l0": values for name, values in self.tensors.items()})
        return module


def _columns(name: str, inputs: int, outputs: int) -> tuple[int, ...]:
    """Return the columns of one of a cell's further weights; () of a vector."""
    return {"weight_mx": (inputs,), "weight_mh": (outputs,)}.get(name, ())


def _options(
    kind: str,
    nonlinearity: str,
    reset_after: bool,
    activation: str,
    recurrent_activation: str,
    clip: float | None,
    peepholes: bool,
    norm: float | None,
    cell_norm: bool,
    coupled: bool,
    multiplicative: bool,
) -> dict[str, Any]:
    rare = {} if clip is None else {"clip": clip}
    if kind == "LSTM":
        rare |= ({"peepholes": True} if peepholes else {}) | (
            {} if norm is None else {"norm": norm, "cell_norm": cell_norm}
        )
        rare |= ({"coupled": True} if coupled else {}) | ({"multiplicative": True} if multiplicative else {})
    if kind == "RNN":
        return {"nonlinearity": nonlinearity} | rare
    through = {"activation": activation, "recurrent_activation": recurrent_activation}
    return through | ({"reset_after": reset_after} if kind == "GRU" else {}) | rare


@cache
def cell_equations(kind: Kind, projected: bool, *values: Any) -> Cell:
    """Return the equations of a cell, from the values of its options in their order in ``LayerWeights``."""
    return cell_of(kind, projected, **_options(kind, *values))
