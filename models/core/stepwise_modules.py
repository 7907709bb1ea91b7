"""torch's recurrent modules for cells that its kernels do not run: other activations, peepholes, clipped preactivations,
layer norm, a GRU that resets before its product, a multiplicative LSTM.

    net = StepwiseLSTM(3, 5, batch_first=True, recurrent_activation="hard_sigmoid")

They have the arguments, the parameters and the outputs of the modules that they derive from, with another kernel, which runs
the equations step by step. ``models.capturing.capture`` records it like torch's own kernels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.overrides import TorchFunctionMode, handle_torch_function, has_torch_function

from models.core.cells import KERNEL_NAMES, Cell, Kind, cell_of, lstm
from models.core.stepwise import ClampSchedule, run_layer

KERNELS = ("lstm", "gru", "rnn_tanh", "rnn_relu")
TORCH_CELLS: dict[Kind, tuple[dict[str, Any], ...]] = {
    "RNN": ({"nonlinearity": "tanh"}, {"nonlinearity": "relu"}),
    "LSTM": ({"activation": "tanh", "recurrent_activation": "sigmoid"},),
    "GRU": ({"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True},),
}
"""Options (of ``models.core.cells.cell_of``) of the cells for which torch has a kernel."""


def recurrent_module(
    kind: Kind, inputs: int, units: int, options: Mapping[str, Any], *, reverse: bool = False, **shape: Any
) -> nn.RNNBase:
    """Return torch's own module if it has a kernel for these cells, otherwise one that runs step by step.

    Args:
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        inputs: D. units: H.
        options: of the cell, ``LayerWeights.options``.
        reverse: whether it runs from the last step to the first, without a partner that runs forward. Its output is in the
            order of the input; its last state is that after step 0.
        shape: further arguments of torch's modules: ``num_layers``, ``bias``, ``batch_first``, ``bidirectional``, ...
    """
    if dict(options) in TORCH_CELLS[kind] and not reverse:
        own = {"nonlinearity": options["nonlinearity"]} if kind == "RNN" else {}
        return {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}[kind](inputs, units, **own, **shape)
    made: Any = {"RNN": StepwiseRNN, "LSTM": StepwiseLSTM, "GRU": StepwiseGRU}[kind]
    module: StepwiseModule = made(inputs, units, **options, **shape)
    module.kernel = replace(module.kernel, reverse=reverse)
    return module


@dataclass(frozen=True, eq=False)
class StepwiseKernel:
    """A kernel with the arguments of ``torch.lstm``, ``torch.gru`` and ``torch.rnn_tanh`` that runs any equations.

    Attributes:
        kind: of the cell.
        options: of ``models.core.cells.cell_of``.
        reverse: whether the only direction runs from the last step to the first.
    """

    kind: Kind
    options: Mapping[str, Any]
    reverse: bool = False

    def __call__(self, *given: Any) -> tuple[Tensor, ...]:
        """Return the output and the states after the last step, as torch's kernels do."""
        if has_torch_function(given[:1]):  # modes that intercept torch's kernels intercept this one too
            return handle_torch_function(self, given[:1], *given)
        if packed := isinstance(given[3], list | tuple):
            x, batch_sizes, states, weights, biases, layers, dropout, training, bidirectional = given
            batch_first = False
        else:
            x, states, weights, biases, layers, dropout, training, bidirectional, batch_first = given
            batch_sizes = None
        if batch_first:
            x = x.transpose(0, 1)
        states = tuple(states) if self.kind == "LSTM" else (states,)
        directions = 2 if bidirectional else 1
        each = len(weights) // (layers * directions)
        ends: list[list[Tensor]] = [[] for _ in states]
        for level in range(layers):
            outputs = []
            padded, lengths = _padded(x, batch_sizes) if packed else (x.transpose(0, 1), None)
            for direction in range(directions):
                index = level * directions + direction
                own = name_weights(weights[index * each : (index + 1) * each], biases, self.options)
                begin = dict(zip(("hidden", "cell"), (state[index] for state in states), strict=False))
                backwards = self.reverse or direction == 1
                rows, _ = run_layer(self.cell(own), own, padded, begin, ClampSchedule(), backwards, lengths)
                outputs.append(torch.stack(rows["hidden"]))
                for end, name in zip(ends, begin, strict=True):
                    end.append(rows[name][0 if backwards else -1])
            x = torch.cat(outputs, -1)
            if lengths is not None:
                x = pack_padded_sequence(x, lengths).data
            if training and dropout > 0 and level < layers - 1:
                x = torch.dropout(x, dropout, True)
        return (x.transpose(0, 1) if batch_first else x, *(torch.stack(end) for end in ends))

    def cell(self, weights: Mapping[str, Tensor]) -> Cell:
        """Return the equations for these weights."""
        return cell_of(self.kind, projected="weight_hr" in weights, **self.options)


def name_weights(weights: Sequence[Tensor], biases: bool, options: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return one layer's weights, in the order of torch's kernels, by name; ``options`` are those of its cell."""
    names = [name for name in KERNEL_NAMES if biases or not name.startswith("bias")]
    if not options.keys() & {"peepholes", "norm", "multiplicative"}:
        return dict(zip(names, weights, strict=False))
    further = cell_of("LSTM", **options).further_weights
    if len(weights) < len(names) + len(further):
        names.remove("weight_hr")
    return dict(zip((*names, *further), weights, strict=True))


def _padded(x: Tensor, batch_sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Return packed values as (B, T, units), and the sequences' lengths."""
    return pad_packed_sequence(PackedSequence(x, batch_sizes), batch_first=True)


class _ReplacedKernel(TorchFunctionMode):
    """Mode in which ``kernel`` runs instead of torch's kernels."""

    def __init__(self, kernel: StepwiseKernel) -> None:
        super().__init__()
        self._kernel = kernel

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if getattr(func, "__name__", "") not in KERNELS:
            return func(*args, **(kwargs or {}))
        return self._kernel(*args)


class StepwiseModule(nn.RNNBase):
    """Base class of the modules below.

    Attributes:
        kernel: runs instead of torch's.
        is_cell: whether the network calls it for one step at a time, as a Cell.
    """

    kernel: StepwiseKernel
    is_cell: bool = False

    def flatten_parameters(self) -> None:
        """Do nothing: only torch's kernels need weights in one buffer."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run torch's module with another kernel."""
        with _ReplacedKernel(self.kernel):
            return super().forward(*args, **kwargs)


class StepwiseRNN(StepwiseModule, nn.RNN):
    """An ``nn.RNN`` with any activation."""

    def __init__(self, *args: Any, nonlinearity: str = "tanh", clip: float | None = None, **shape: Any) -> None:
        """Accept the arguments of ``nn.RNN``, with any ``nonlinearity`` of ``models.core.activations``, and ``clip``."""
        super().__init__(*args, **shape)
        self.nonlinearity = nonlinearity
        self.kernel = StepwiseKernel("RNN", {"nonlinearity": nonlinearity} | _clip_option(clip))


class StepwiseLSTM(StepwiseModule, nn.LSTM):
    """An ``nn.LSTM`` with any activations, peepholes, layer norm and a coupled forget gate; or a multiplicative one."""

    def __init__(
        self,
        *args: Any,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        clip: float | None = None,
        peepholes: bool = False,
        norm: float | None = None,
        cell_norm: bool = False,
        coupled: bool = False,
        multiplicative: bool = False,
        **shape: Any,
    ) -> None:
        """Accept the arguments of ``nn.LSTM``, and the options of ``LayerWeights``."""
        super().__init__(*args, **shape)
        options: dict[str, Any] = {"activation": activation, "recurrent_activation": recurrent_activation}
        options |= {"peepholes": True} if peepholes else {}
        options |= {} if norm is None else {"norm": norm, "cell_norm": cell_norm}
        options |= ({"coupled": True} if coupled else {}) | ({"multiplicative": True} if multiplicative else {})
        self.kernel = StepwiseKernel("LSTM", options | _clip_option(clip))
        if peepholes or norm is not None or multiplicative:
            self._add_weights(lstm(**self.kernel.options))

    def _add_weights(self, cell: Cell) -> None:
        """Add the weights that torch's kernels do not have to each layer's, as the last: gains of 1 and shifts of 0."""
        for names in self._all_weights:
            for own in cell.further_weights:
                name = names[0].replace("weight_ih", own)
                like = {"weight_mx": names[0], "weight_mh": names[1]}.get(own)
                columns = () if like is None else (getattr(self, like).shape[1],)
                rows = len(cell.row_gates(own)) * self.hidden_size
                setattr(self, name, nn.Parameter(getattr(self, names[0]).new_empty(rows, *columns)))
                names.append(name)
        self._flat_weights_names = [name for names in self._all_weights for name in names]
        self._init_flat_weights()
        self.reset_parameters()
        with torch.no_grad():
            for name, values in self.named_parameters():
                if name.startswith(("gain_", "shift_")):
                    values.fill_(name.startswith("gain_"))


class StepwiseGRU(StepwiseModule, nn.GRU):
    """An ``nn.GRU`` with any activations, and the reset gate before or after the recurrent product."""

    def __init__(
        self,
        *args: Any,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        reset_after: bool = True,
        clip: float | None = None,
        **shape: Any,
    ) -> None:
        """Accept the arguments of ``nn.GRU``, and the options of ``LayerWeights``."""
        super().__init__(*args, **shape)
        options = {"activation": activation, "recurrent_activation": recurrent_activation, "reset_after": reset_after}
        self.kernel = StepwiseKernel("GRU", options | _clip_option(clip))


def _clip_option(clip: float | None) -> dict[str, Any]:
    return {} if clip is None else {"clip": clip}


def cell_kind_of(part: nn.Module) -> tuple[Kind, Mapping[str, Any]]:
    """Return the kind of a recurrent module's cells, and their options (``models.core.cells.cell_of``)."""
    if isinstance(part, StepwiseModule):
        return part.kernel.kind, part.kernel.options
    if isinstance(part, nn.LSTM | nn.LSTMCell):
        return "LSTM", {}
    return ("GRU", {}) if isinstance(part, nn.GRU | nn.GRUCell) else ("RNN", {"nonlinearity": part.nonlinearity})
