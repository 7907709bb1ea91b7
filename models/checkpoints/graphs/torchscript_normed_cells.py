"""Layer-norm LSTM cells of a TorchScript archive, recognized by what their code computes.

A cell with the parts of ``LayerNormLSTMCell`` in PyTorch's benchmark ``custom_lstms`` is run by our own code on random inputs
and states of several sizes. Where every result equals the equations of ``models.core.cells``, its calls are run by those, so
that ``capture`` records them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from models.checkpoints.graphs.graph_module import GraphModule
from models.checkpoints.graphs.torchscript_archive import ScriptObject, literal
from models.checkpoints.layers.normed_cells import EPSILON, NORM_TENSORS
from models.checkpoints.parsing.contents import FoundLayer
from models.checkpoints.parsing.errors import CheckpointError
from models.core.stepwise_modules import StepwiseLSTM

SIZES = (0.0, 1e-4, 1e-2, 1.0, 30.0)
"""Sizes of the inputs and states of the comparison; the smallest ones show the epsilon."""
ROWS, TOLERANCE = 4, 1e-4

CellCall = Callable[[ScriptObject, Sequence[Any]], Any]
"""Runs a module's ``forward`` with these arguments."""


def normed_cell(each: ScriptObject, run: CellCall) -> StepwiseLSTM | None:
    """Return the layer that a module's ``forward`` computes one step of, or None if it computes something else."""
    weights = _weights(each)
    if weights is None:
        return None
    units, inputs = weights["weight_hh"].shape[1], weights["weight_ih"].shape[1]
    for epsilon in _epsilons(each):
        made = StepwiseLSTM(
            inputs, units, bias=False, norm=epsilon, cell_norm=True, device="meta", dtype=weights["weight_ih"].dtype
        )
        made.load_state_dict({f"{name}_l0": values for name, values in weights.items()}, assign=True)
        if _is_same(made, each, run):
            made.is_cell = True
            return made
    return None


def with_stated_norms(layers: Mapping[str, FoundLayer], build: Callable[[], GraphModule]) -> dict[str, FoundLayer]:
    """Return the layers of an archive whose layer norms were assumed by their names, with the epsilon that its code states.

    Args:
        layers: the layers.
        build: builds the network that the code states; where it cannot be run, nothing changes.
    """
    try:
        module = build()
    except CheckpointError:
        return dict(layers)
    cells: Mapping[str, str] = getattr(module, "normed_cells", {})
    found = dict(layers)
    for name, layer in layers.items():
        own = cells.get(name.removesuffix(".l0"))
        if own is not None and "norm" in layer.assumed:
            epsilon = module.get_submodule(own).kernel.options["norm"]  # type: ignore[union-attr, index]
            kept = tuple(each for each in layer.assumed if each != "norm")
            found[name] = replace(layer, options={**layer.options, "norm": epsilon}, assumed=kept)
    return found


def norm_places(each: ScriptObject) -> Iterator[tuple[ScriptObject, str, str]]:
    """Generate each tensor of a cell's norms: the module that has it, its name there, and its name in the layer."""
    for part, name in NORM_TENSORS.items():
        norm, _, own = name.partition(".")
        yield each.parts[norm], own, f"{part}_l0"


def run_normed_cell(module: StepwiseLSTM, x: Tensor, state: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return what the cell's ``forward`` would: the hidden state, and both states."""
    output, (hidden, cell) = module(x[None], (state[0][None], state[1][None]))
    return output[0], (hidden[0], cell[0])


def _weights(each: ScriptObject) -> dict[str, Tensor] | None:
    """Return the tensors of a cell with these parts by the layer's names; None for other parts or shapes."""
    if "forward" not in each.type.methods or len(each.type.methods["forward"].args.args) != 3:
        return None
    found = {name: each.values.get(name) for name in ("weight_ih", "weight_hh")}
    for part, name in NORM_TENSORS.items():
        norm, _, own = name.partition(".")
        found[part] = each.parts[norm].values.get(own) if norm in each.parts else None
    tensors = {
        name: values for name, values in found.items() if isinstance(values, Tensor) and values.is_floating_point()
    }
    if len(tensors) < len(found) or len({values.dtype for values in tensors.values()}) > 1:
        return None
    incoming, recurrent = tensors["weight_ih"].shape, tensors["weight_hh"].shape
    if len(incoming) != 2 or len(recurrent) != 2 or not recurrent[1] or recurrent[0] != 4 * recurrent[1] != incoming[0]:
        return None
    rows = {part: recurrent[1] if part.endswith("_c") else recurrent[0] for part in NORM_TENSORS}
    return tensors if all(tensors[part].shape == (rows[part],) for part in NORM_TENSORS) else None


def _epsilons(each: ScriptObject) -> list[float]:
    """Return the numbers in the code and the attributes of the first norm that may be its epsilon."""
    norm = each.parts[next(iter(NORM_TENSORS.values())).partition(".")[0]]
    named = [norm.values.get("eps"), norm.type.constants.get("eps"), EPSILON]
    written = [
        literal(node)
        for method in norm.type.methods.values()
        for node in ast.walk(method)
        if isinstance(node, ast.Constant)
    ]
    return list(dict.fromkeys(value for value in (*named, *written) if isinstance(value, float) and 0 < value < 0.1))[
        :8
    ]


def _is_same(made: StepwiseLSTM, each: ScriptObject, run: CellCall) -> bool:
    random = torch.Generator().manual_seed(0)
    for size in SIZES:
        shapes = ((ROWS, made.input_size), (ROWS, made.hidden_size), (ROWS, made.hidden_size))
        x, hidden, cell = (
            size * torch.randn(shape, generator=random, dtype=made.get_parameter("weight_ih_l0").dtype)
            for shape in shapes
        )
        try:
            theirs = run(each, (x, (hidden, cell)))
            flat = [theirs[0], *theirs[1]]
        except (CheckpointError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
            return False
        output, states = run_normed_cell(made, x, (hidden, cell))
        for mine, other in zip((output, *states), flat, strict=False):
            if not isinstance(other, Tensor) or mine.shape != other.shape:
                return False
            if not torch.allclose(mine, other, rtol=TOLERANCE, atol=TOLERANCE):
                return False
        if len(flat) != 3:
            return False
    return True
