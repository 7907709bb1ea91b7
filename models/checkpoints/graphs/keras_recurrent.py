"""Keras's recurrent layers: ``LSTM``, ``GRU``, ``SimpleRNN``, ``RNN`` of one or several cells, ``Bidirectional``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models.checkpoints.graphs.graph_module import refuse, refuse_setting
from models.checkpoints.graphs.keras_layer import Builder, KerasLayer, LayerEntry, Value
from models.checkpoints.graphs.keras_topology import layer_entry
from models.checkpoints.graphs.masked_recurrence import Outputs, run_masked
from models.checkpoints.layers.keras_cells import KIND_OF_CLASS, NORM_FOLDERS, NORMED_CELL, KernelGroup, cell_config
from models.checkpoints.layers.keras_folders import snake_case
from models.checkpoints.layers.keras_kernels import layer_from_kernels
from models.checkpoints.layers.read_weights import read_layer_weights
from models.checkpoints.parsing.contents import StoredTensor
from models.core.cells import GATE_COUNTS
from models.core.stepwise_modules import recurrent_module
from models.core.weights import LayerWeights

CELL_SETTINGS = frozenset((
    "units", "activation", "recurrent_activation", "use_bias", "unit_forget_bias", "dropout", "recurrent_dropout",
    "implementation", "reset_after", "norm_epsilon",
))  # fmt: skip
LAYER_SETTINGS = frozenset((
    "return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask", "use_cudnn", "cell",
    "input_dim", "input_length",
))  # fmt: skip
RECURRENT_TYPES = ("SimpleRNN", "LSTM", "GRU", "CuDNNLSTM", "CuDNNGRU", "RNN")
CELL_TYPES = ("SimpleRNNCell", "LSTMCell", "GRUCell", NORMED_CELL)


class CellNorm(KerasLayer):
    """The factors and terms of one of the layer norms in a cell, which the cell applies itself."""

    own = ("gamma", "beta")


class CellLayer(KerasLayer):
    """One cell: a recurrent layer's own, or one of a stack."""

    settings = CELL_SETTINGS | LAYER_SETTINGS
    own: tuple[str, ...] = ("kernel", "recurrent_kernel", "bias")

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Read units, activations and biases."""
        super().__init__(entry, builder)
        self.kind = KIND_OF_CLASS[entry.type]
        self.units = self.count("units")
        if not self.setting("use_bias", bool, True):
            self.own = ("kernel", "recurrent_kernel")
        self.setting("reset_after", bool, True)
        if entry.type == NORMED_CELL:
            for name in NORM_FOLDERS.values():
                self.children[name] = CellNorm(
                    LayerEntry(name, f"{self.label}.{name}", "LayerNormalization", {}), builder
                )
        self.cell_config = cell_config(entry.type, self.config, self.version)

    def weights(self) -> LayerWeights:
        """Return the weights in PyTorch's layout."""
        variables = self.variables
        kernel, recurrent = variables["kernel"], variables["recurrent_kernel"]
        gates = GATE_COUNTS[self.kind]
        if (
            len(kernel.shape) != 2
            or recurrent.shape != (self.units, gates * self.units)
            or kernel.shape[1] != gates * self.units
        ):
            raise self.wrong_call()
        norms = {
            f"{part}_{side}": self.children[name].variables[own]
            for side, name in NORM_FOLDERS.items()
            if name in self.children
            for part, own in (("gain", "gamma"), ("shift", "beta"))
        }
        group = KernelGroup(self.label, "l0", kernel, recurrent, variables.get("bias"), (), norms=norms)
        found = layer_from_kernels(self.label, group, self.cell_config, True, self.version.major)
        return read_layer_weights(self.label, found)


class CellStackLayer(KerasLayer):
    """``StackedRNNCells``: each cell takes the output of the one before it at the same step."""

    settings = frozenset(("cells",))

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Make the cells, called as Keras 3 calls them in the file."""
        super().__init__(entry, builder)
        counts: dict[str, int] = {}
        for raw in self.setting("cells", list, []):
            cell = cell_layer(layer_entry(raw, label=self.label), builder)
            group = snake_case(cell.entry.type.rpartition(">")[2])
            counts[group] = counts.get(group, -1) + 1
            self.children[f"cells/{group}" + (f"_{counts[group]}" if counts[group] else "")] = cell
        if not self.children:
            refuse_setting(self.label, "cells", [])


def cell_layer(entry: LayerEntry, builder: Builder) -> CellLayer:
    """Return the cell of a configuration.

    Raises:
        CheckpointError: it is not one of Keras's.
    """
    if entry.type not in CELL_TYPES:
        refuse(entry.label, entry.type)
    return CellLayer(entry, builder)


class RecurrentLayer(KerasLayer):
    """A layer that runs one or several cells over a sequence. ``stateful`` needs nothing: a call starts from zeros."""

    settings = CELL_SETTINGS | LAYER_SETTINGS
    arguments = frozenset(("mask", "initial_state"))

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Make the cells, and read what the layer returns."""
        super().__init__(entry, builder)
        self._layer_name = builder.layer_name
        inner: KerasLayer
        if entry.type != "RNN":
            inner = CellLayer(entry, builder)
        elif (cell := layer_entry(self.config.get("cell"), label=entry.label)).type == "StackedRNNCells":
            inner = CellStackLayer(cell, builder)
        else:
            inner = cell_layer(cell, builder)
        self.children["cell"] = inner
        self.cells = [each for each in inner.walk() if isinstance(each, CellLayer)]
        self.sequences, self.states, self.backwards, self.zero_masked = (
            bool(self.setting(name, bool, False))
            for name in ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask")
        )
        self.trains = any(cell.config.get(name) for cell in self.cells for name in ("dropout", "recurrent_dropout"))
        self.joined = False
        """Return whether the layer around it runs its cell."""

    def make(self, variables: Mapping[str, StoredTensor]) -> dict[str, nn.Module]:
        """One module with a level for each cell where torch has such, otherwise a module for each cell."""
        if self.joined:
            return {}
        weights = [cell.weights() for cell in self.cells]
        if len({_shape(each) for each in weights}) == 1 and all(w.input_size == w.hidden_size for w in weights[1:]):
            return {"": module_of([[each] for each in weights], self.backwards).to(self.dtype)}
        return {str(index): module_of([[each]], self.backwards).to(self.dtype) for index, each in enumerate(weights)}

    def module_name(self, part: str) -> str:
        """The name that the layer has in ``Checkpoint.layers``."""
        known = self._layer_name(self.cells[0].sources["kernel"])
        own = known.rpartition(".")[0] if known else self.label
        return f"{own}.cell_{part}" if part else own

    def run(
        self, net: nn.Module, x: Tensor, mask: Tensor | None, states: list[Tensor] | None, zero_masked: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the output, by steps in the order of computation or of the last step, and the last states."""
        reverse, ends, given = (self.backwards,), [], list(states or [])
        done = Outputs([x], [x], [])
        for name in self._paths:
            module = self.part(net, name)
            count = 2 if module.mode == "LSTM" else 1
            own = [given.pop(0) for _ in range(count * module.num_layers)] if states else []
            begin = [torch.stack(own[index::count]) for index in range(count)] if own else None
            done = run_masked(module, done.sequences[0], begin, mask, reverse, zero_masked)
            ends += [state[level] for level in range(module.num_layers) for state in done.states]
        output = done.sequences[0].flip(1) if self.backwards else done.sequences[0]
        return (output if self.sequences else done.last[0]), ends

    def call(self, net: nn.Module, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
        """(B, T, U), or (B, U) of the last step; with ``return_state`` a list with the states after it."""
        x, mask, states = self.inputs(args, kwargs)
        output, ends = self.run(net, x.tensor.to(self.dtype), mask, states, self.zero_masked)
        return self.outputs([output], ends, x.mask)

    def inputs(self, args: list[Any], kwargs: Mapping[str, Any]) -> tuple[Value, Tensor | None, list[Tensor] | None]:
        """Return the sequence with the mask that its output gets, the mask (B, T) to run with, and the first states."""
        first, *others = args if len(args) in (1, 2) else [None]
        if isinstance(first, list) and first and not others and kwargs.get("initial_state") is None:
            first, *others = first  # Keras 2: the states are in a list with the sequence
        given = kwargs.get("initial_state")
        states = list(_values(others if given is None else given))
        if not isinstance(first, Value) or (given is not None and others):
            raise self.wrong_call()
        named = kwargs.get("mask")
        mask = named.tensor if isinstance(named, Value) else first.mask
        used = mask
        if states and self.version.major >= 3 and not isinstance(named, Value):
            used = None  # with first states Keras 3 looks up no mask
        if used is not None:
            used = (used[..., 0] if used.dim() == 3 and used.shape[-1] == 1 else used).bool()
            if used.shape != first.tensor.shape[:2]:
                raise self.wrong_call()
        begin = [state.tensor.to(self.dtype) for state in states] or None
        return Value(first.tensor, mask), used, begin

    def outputs(self, tensors: list[Tensor], ends: list[Tensor], mask: Tensor | None) -> Any:
        """Return what Keras does: the output, or several, and with ``return_state`` the states."""
        values = [Value(tensor, mask if self.sequences else None) for tensor in tensors]
        if self.states:
            return [*values, *map(Value, ends)]
        return values if len(values) > 1 else values[0]


class BidirectionalLayer(KerasLayer):
    """``Bidirectional``: a layer and one that runs the other way, merged."""

    settings = frozenset(("layer", "backward_layer", "merge_mode"))
    arguments = frozenset(("mask", "initial_state"))

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Make both layers; the second is the first the other way, unless it is configured."""
        super().__init__(entry, builder)
        raw = self.config.get("layer")
        first = self._direction(raw, builder)
        back = self.config.get("backward_layer")
        if back is None:
            other = dict(first.config) | {"go_backwards": not first.backwards}
            back = {**raw, "config": other} if isinstance(raw, dict) else raw
        second = self._direction(back, builder)
        self.children = {"forward_layer": first, "backward_layer": second}
        self.both = (first, second)
        if first.backwards == second.backwards:
            refuse_setting(self.label, "go_backwards", first.backwards)
        self.require("merge_mode", "concat", "sum", "ave", "mul", None)
        self.mode = self.config.get("merge_mode", "concat")
        # Keras before 2.4 repeated the output before a masked step here too
        self.zero_masked = first.sequences and not self.version.standalone
        cells = first.cells + second.cells
        same = len(cells) == 2 and cells[0].kind == cells[1].kind and cells[0].cell_config == cells[1].cell_config
        self.fused = same and second.backwards and cells[0].units == cells[1].units and cells[0].own == cells[1].own
        first.joined = second.joined = self.fused
        self.trains = first.trains or second.trains

    def _direction(self, raw: Any, builder: Builder) -> RecurrentLayer:
        entry = layer_entry(raw, label=self.label)
        if entry.type not in RECURRENT_TYPES:
            refuse(self.label, entry.type)
        return RecurrentLayer(entry, builder)

    def make(self, variables: Mapping[str, StoredTensor]) -> dict[str, nn.Module]:
        """One module of both directions, where their cells are alike."""
        if not self.fused:
            return {}
        return {"": module_of([[layer.cells[0].weights() for layer in self.both]]).to(self.dtype)}

    def module_name(self, part: str) -> str:
        """The name that the layer has in ``Checkpoint.layers``."""
        return self.both[0].module_name(part)

    def call(self, net: nn.Module, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
        """(B, T, U) or (B, U) of both directions merged; the second's steps are put back in the order of the first's."""
        first, second = self.both
        x, mask, states = first.inputs(args, kwargs)
        sequence, half = x.tensor.to(self.dtype), len(states or []) // 2
        if self.fused:
            begin = None if not states else [torch.stack([states[at], states[half + at]]) for at in range(half)]
            done = run_masked(self.part(net), sequence, begin, mask, (False, True), self.zero_masked)
            merged = done.sequences if first.sequences else done.last
            ends = [state[direction] for direction in (0, 1) for state in done.states]
        else:
            one, ends = first.run(net, sequence, mask, states and states[:half], self.zero_masked)
            other, more = second.run(net, sequence, mask, states and states[half:], self.zero_masked)
            merged, ends = [one, other.flip(1) if first.sequences else other], ends + more
        a, b = merged
        match self.mode:
            case "concat":
                merged = [torch.cat([a, b], -1)]
            case "sum":
                merged = [a + b]
            case "ave":
                merged = [(a + b) / 2]
            case "mul":
                merged = [a * b]
        return first.outputs(merged, ends, x.mask)


def module_of(levels: list[list[LayerWeights]], reverse: bool = False) -> nn.RNNBase:
    """Return a ``batch_first`` module with these weights, level by level, forward and maybe reverse in each."""
    first = levels[0][0]
    module = recurrent_module(
        first.kind, first.input_size, first.hidden_size, first.options, reverse=reverse, num_layers=len(levels),
        bidirectional=len(levels[0]) > 1, bias=first.bias_ih is not None, batch_first=True,
        device="meta", dtype=first.tensors["weight_hh"].dtype,
    )  # fmt: skip
    state = {
        f"{name}_l{level}{suffix}": values
        for level, directions in enumerate(levels)
        for suffix, weights in zip(("", "_reverse"), directions, strict=False)
        for name, values in weights.tensors.items()
    }
    module.load_state_dict(state, assign=True)
    return module


def _shape(weights: LayerWeights) -> tuple:
    return weights.kind, weights.hidden_size, weights.bias_ih is None, str(weights.options)


def _values(tree: Any) -> list[Value]:
    if isinstance(tree, Value):
        return [tree]
    return [value for each in tree for value in _values(each)] if isinstance(tree, list) else []


RECURRENT_LAYERS: dict[str, type[KerasLayer]] = {
    **dict.fromkeys(RECURRENT_TYPES, RecurrentLayer),
    "Bidirectional": BidirectionalLayer,
}
"""By the names of their classes."""
