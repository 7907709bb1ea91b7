"""Find the tensors of a readout by attention over the time steps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from models.checkpoints.building.compatibility import DecoderMatrix
from models.checkpoints.parsing.contents import StoredTensor
from models.checkpoints.parsing.errors import CheckpointError

ATTENTION_NAME = re.compile(r"att(n|ention)", re.IGNORECASE)
SEQUENTIAL_NAMES = (("0", "2"), ("0", "1"))
"""Numbers of the two linear layers in an ``nn.Sequential`` with a tanh between them, or in an ``nn.ModuleList``."""


@dataclass(frozen=True)
class StepAttention:
    """The linear layers that score the time steps of a recurrent layer's outputs.

    Attributes:
        matrices: as ``checkpoint_module.attend_steps`` runs them: one matrix (1, P), or (A, P) and (1, A), with their biases.
    """

    matrices: tuple[DecoderMatrix, ...]

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names of its tensors."""
        return tuple(name for each in self.matrices for name in (each.name, each.bias) if name is not None)

    @property
    def formula(self) -> str:
        """The scores as a formula with the names of the matrices: ``"attention.weight · h"``."""
        first, *second = (each.name for each in self.matrices)
        return f"{second[0]} · tanh({first} · h)" if second else f"{first} · h"


def find_step_attention(stored: Mapping[str, StoredTensor], width: int) -> StepAttention | None:
    """Return the attention over outputs of ``width`` P that a file's tensors define; None if they have another reading.

    All tensors with an attention's name must be one linear layer with one output, or two layers of which the second has one
    output and takes what the first puts out. Queries, keys, norms or a third matrix are another attention.

    Args:
        stored: every tensor of the file that belongs to no recurrent layer.
        width: P.
    """
    named = {name: each.shape for name, each in stored.items() if ATTENTION_NAME.search(name) and each.is_float}
    matrices = {name: shape for name, shape in named.items() if len(shape) == 2 and name.endswith("weight")}
    layers = []
    for name, (rows, _columns) in matrices.items():
        bias = f"{name.removesuffix('weight')}bias"
        layers.append(DecoderMatrix(name, bias if named.get(bias) == (rows,) else None, False, rows))
    found = StepAttention(tuple(sorted(layers, key=lambda each: each.rows == 1)))
    if set(found.tensors) != set(named):
        return None
    shapes = [matrices[each.name] for each in found.matrices]
    if shapes == [(1, width)]:
        return found
    if len(shapes) != 2 or shapes[0][0] == 1 or shapes[0][1] != width or shapes[1] != (1, shapes[0][0]):
        return None
    return found if _in_order(found.matrices[0].name, found.matrices[1].name) else None


def require_step_attention(stored: Mapping[str, StoredTensor], stack: str, width: int) -> StepAttention:
    """Return the attention over the outputs of ``stack``, as ``find_step_attention`` does.

    Raises:
        CheckpointError: the file's tensors do not define one.
    """
    found = find_step_attention(stored, width)
    if found is None:
        raise CheckpointError(
            "The tensors of this file do not define one attention over the time steps of {stack}. Choose another readout.",
            stack=stack,
        )
    return found


def _in_order(first: str, second: str) -> bool:
    """Return whether two layers that have numbers in one module have those of layers with at most a tanh between them."""
    numbers = [re.fullmatch(r"(.*\.)?(\d+)\.weight", name) for name in (first, second)]
    if None in numbers:
        return True
    (above, one), (other, two) = (each.groups() for each in numbers if each)
    return above == other and (one, two) in SEQUENTIAL_NAMES
