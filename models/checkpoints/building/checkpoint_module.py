"""A checkpoint's tensors as a module that runs: an embedding or one-hot input, recurrent layers, a decoder."""

from __future__ import annotations

import re
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, one_hot

PredictionKind = Literal["next", "class", "values", "nothing"]


class TiedDecoder(nn.Module):
    """A decoder that scores with the embedding's own matrix (Press and Wolf 2017)."""

    def __init__(self, bias: Tensor | None) -> None:
        """With a bias (V), or None."""
        super().__init__()
        self.bias = None if bias is None else nn.Parameter(bias)

    def forward(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        """(..., P) to (..., V), by an embedding's matrix (V, P)."""
        return linear(hidden, embedding, self.bias)


class MappedEmbedding(nn.Module):
    """An embedding too large to be copied: its rows are read where they lie. It cannot be edited; copies share it."""

    def __init__(self, weight: Tensor) -> None:
        """Look vectors up in ``weight`` (V, D)."""
        super().__init__()
        self._held = (weight,)  # neither a parameter nor a buffer, which would be copied

    @property
    def weight(self) -> Tensor:
        """(V, D)."""
        return self._held[0]

    def forward(self, ids: Tensor) -> Tensor:
        """(...) to (..., D)."""
        return self.weight[ids]

    def __deepcopy__(self, memo: dict) -> MappedEmbedding:
        return MappedEmbedding(self.weight)


class CheckpointModule(nn.Module):
    """What a file holds of a network, its parts named as in the file.

    Attributes:
        embedding: the name of the part that turns ids into vectors, or None.
        symbols: V where ids come in as one-hot vectors, else 0.
        stack: the names of the recurrent parts, in the order in which they run.
        decoder: the name of the part that scores, or None.
        predicts: what the scores are of: see ``models.networks.network.Card``.
    """

    def __init__(
        self,
        parts: dict[str, nn.Module],
        embedding: str | None,
        symbols: int,
        stack: tuple[str, ...],
        decoder: str | None,
        predicts: PredictionKind,
    ) -> None:
        """Put the parts together."""
        super().__init__()
        for name, part in parts.items():
            add_submodule(self, name, part)
        self.embedding_name, self.symbols, self.stack_names = embedding, symbols, stack
        self.decoder_name, self.predicts = decoder, predicts

    def forward(self, given: Tensor) -> Tensor:
        """Scores (B, T, V) after every step, or (B, C) of the whole; without a decoder the last layer's output (B, T, P).

        Args:
            given: ids (B, T) int64, or values (B, T, D).
        """
        x, last = self.vectors(given), given.new_zeros(0)
        for name in self.stack_names:
            part = self.get_submodule(name)
            x, ends = part(x)
            hidden = ends[0] if isinstance(ends, tuple) else ends
            last = hidden[-2:] if part.bidirectional else hidden[-1:]
        if self.decoder_name is None:
            return x
        # as classifiers are written, and Keras without return_sequences: the last state of each direction
        read = last.transpose(0, 1).flatten(1) if self.predicts == "class" else x
        return self.scores(read)

    def vectors(self, given: Tensor) -> Tensor:
        """What the first recurrent layer reads, (B, T, D)."""
        if self.embedding_name is not None:
            return self.get_submodule(self.embedding_name)(given)
        return one_hot(given, self.symbols).to(self.dtype) if self.symbols else given.to(self.dtype)

    def scores(self, hidden: Tensor) -> Tensor:
        """What the decoder makes of (..., P): (..., V)."""
        assert self.decoder_name is not None
        decoder = self.get_submodule(self.decoder_name)
        if isinstance(decoder, TiedDecoder):
            scored = decoder(hidden, self.get_submodule(str(self.embedding_name)).weight)
        else:
            scored = decoder(hidden)
        if (
            self.predicts == "class" and scored.shape[-1] == 1
        ):  # one score says yes against no: a sigmoid is a softmax of two
            return torch.cat([torch.zeros_like(scored), scored], -1)
        return scored

    @property
    def dtype(self) -> torch.dtype:
        """Of the recurrent weights."""
        return next(self.get_submodule(self.stack_names[0]).parameters()).dtype


def add_submodule(root: nn.Module, name: str, part: nn.Module) -> None:
    """Make ``part`` the submodule ``name`` of ``root``, with plain modules for the dots in between."""
    *above, own = name.split(".")
    for step in above:
        if step not in root._modules:
            root.add_module(step, nn.Module())
        root = root.get_submodule(step)
    root.add_module(own, part)


def unique_module_name(name: str, taken: set[str]) -> str:
    """``name`` as a module can bear it and an edit can spell it; other than those ``taken``, to which it is added."""
    steps = [re.sub(r"\W", "_", step, flags=re.ASCII) for step in name.split(".") if step]
    free = (
        ".".join(
            f"{step}_" if hasattr(nn.Module(), step) or hasattr(CheckpointModule, step) else step for step in steps
        )
        or "part"
    )
    while any(free == other or free.startswith(f"{other}.") or other.startswith(f"{free}.") for other in taken):
        free += "_"
    taken.add(free)
    return free
