"""A runnable module of a checkpoint's tensors: an embedding or one-hot input, recurrent layers, a decoder."""

from __future__ import annotations

import re
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, one_hot

PredictionKind = Literal["next", "class", "tag", "values", "nothing"]
Readout = Literal["last", "last_output", "mean", "max", "attention"]


class TiedDecoder(nn.Module):
    """A decoder tied to the embedding matrix (Press and Wolf 2017)."""

    def __init__(self, bias: Tensor | None) -> None:
        """Create it with a bias (V), or None."""
        super().__init__()
        self.bias = None if bias is None else nn.Parameter(bias)

    def forward(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        """Return scores (..., V) of ``hidden`` (..., P) by an embedding matrix (V, P)."""
        return linear(hidden, embedding, self.bias)


class MappedEmbedding(nn.Module):
    """An embedding too large to copy: it shares the file's memory. It cannot be edited; copies share it too."""

    def __init__(self, weight: Tensor) -> None:
        """Look up vectors in ``weight`` (V, D)."""
        super().__init__()
        self._weight = (weight,)  # in a tuple: neither a parameter nor a buffer, which would be copied

    @property
    def weight(self) -> Tensor:
        """The matrix (V, D)."""
        return self._weight[0]

    def forward(self, ids: Tensor) -> Tensor:
        """Return the vectors (..., D) of ``ids`` (...)."""
        return self.weight[ids]

    def __deepcopy__(self, memo: dict) -> MappedEmbedding:
        return MappedEmbedding(self.weight)


def attend_steps(layers: list[nn.Module], outputs: Tensor) -> Tensor:
    """Return the sum (B, P) of outputs (B, T, P), each times its attention weight: the softmax over the steps of its score.

    One linear layer scores by ``w h + b``; two score by ``v tanh(W h + b)`` (Bahdanau et al. 2015, Yang et al. 2016).
    """
    scores = layers[-1](layers[0](outputs).tanh() if len(layers) > 1 else outputs)
    return (torch.softmax(scores, 1) * outputs).sum(1)


class LearnedStates(nn.Module):
    """Learned initial states of a recurrent module.

    Attributes:
        hidden: (L * directions, P), h_0 of every layer.
        cell: (L * directions, H), c_0 of an LSTM, or None.
    """

    def __init__(self, hidden: Tensor, cell: Tensor | None) -> None:
        """Create it from the states of all layers."""
        super().__init__()
        self.hidden = nn.Parameter(hidden)
        self.cell = None if cell is None else nn.Parameter(cell)

    def forward(self, batch: int) -> Tensor | tuple[Tensor, Tensor]:
        """Return the states of a batch, as recurrent modules take them: (L * directions, B, units) each."""
        hidden = self.hidden[:, None].expand(-1, batch, -1).contiguous()
        return hidden if self.cell is None else (hidden, self.cell[:, None].expand(-1, batch, -1).contiguous())


class CheckpointModule(nn.Module):
    """The network of a checkpoint file; submodules are named as in the file.

    Attributes:
        embedding_name: the name of the embedding, or None.
        symbols: V if ids are one-hot encoded, else 0.
        stack_names: the names of the recurrent submodules, in the order in which they run.
        decoder_name: the name of the submodule that computes the scores, or None.
        predicts: what the scores predict, as in ``models.networks.network.ModelCard``.
        readout: what the scores of a class are computed from: the ``"last"`` state of each direction, the ``"last_output"``
            (of both directions at the last step), the ``"mean"`` or ``"max"`` of the outputs over the steps, or their sum
            weighted by ``"attention"``.
        attention_names: the names of the linear layers that score the steps for this attention.
        initial_names: the names of the submodules with the initial states of recurrent submodules, by the latter's names.
    """

    def __init__(
        self,
        parts: dict[str, nn.Module],
        embedding: str | None,
        symbols: int,
        stack: tuple[str, ...],
        decoder: str | None,
        predicts: PredictionKind,
        readout: Readout = "last",
        attention: tuple[str, ...] = (),
    ) -> None:
        """Add ``parts`` as submodules by name; the other arguments name their roles."""
        super().__init__()
        for name, part in parts.items():
            add_submodule(self, name, part)
        self.embedding_name, self.symbols, self.stack_names = embedding, symbols, stack
        self.decoder_name, self.predicts, self.readout = decoder, predicts, readout
        self.attention_names = attention
        self.initial_names: dict[str, str] = {}

    def add_initial_states(self, stack: str, name: str, states: LearnedStates) -> None:
        """Add the states from which the recurrent submodule ``stack`` starts, as the submodule ``name``."""
        add_submodule(self, name, states)
        self.initial_names[stack] = name

    def forward(self, given: Tensor) -> Tensor:
        """Return scores (B, T, V) of every step, or (B, C) of the whole sequence; without a decoder the output (B, T, P).

        Args:
            given: ids (B, T) int64, or values (B, T, D).
        """
        x, last = self.vectors(given), given.new_zeros(0)
        for name in self.stack_names:
            part = self.get_submodule(name)
            begin = self.initial_names.get(name)
            x, final = part(x) if begin is None else part(x, self.get_submodule(begin)(len(x)))
            hidden = final[0] if isinstance(final, tuple) else final
            last = hidden[-2:] if part.bidirectional else hidden[-1:]
        if self.decoder_name is None:
            return x
        if self.predicts != "class":
            return self.scores(x)
        if self.readout == "last":  # as Keras without return_sequences
            return self.scores(last.transpose(0, 1).flatten(1))
        if self.readout == "attention":
            return self.scores(attend_steps([self.get_submodule(name) for name in self.attention_names], x))
        return self.scores(
            x[:, -1] if self.readout == "last_output" else x.mean(1) if self.readout == "mean" else x.amax(1)
        )

    def vectors(self, given: Tensor) -> Tensor:
        """Return the input of the first recurrent layer, (B, T, D)."""
        if self.embedding_name is not None:
            return self.get_submodule(self.embedding_name)(given)
        return one_hot(given, self.symbols).to(self.dtype) if self.symbols else given.to(self.dtype)

    def scores(self, hidden: Tensor) -> Tensor:
        """Return the decoder's scores (..., V) of ``hidden`` (..., P)."""
        assert self.decoder_name is not None
        decoder = self.get_submodule(self.decoder_name)
        if isinstance(decoder, TiedDecoder):
            scored = decoder(hidden, self.get_submodule(str(self.embedding_name)).weight)
        else:
            scored = decoder(hidden)
        # a single score is a binary classifier: its sigmoid equals the softmax of (0, score)
        if self.predicts in ("class", "tag") and scored.shape[-1] == 1:
            return torch.cat([torch.zeros_like(scored), scored], -1)
        return scored

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the recurrent weights."""
        return next(self.get_submodule(self.stack_names[0]).parameters()).dtype


def add_submodule(root: nn.Module, name: str, part: nn.Module) -> None:
    """Add ``part`` as the submodule ``name`` of ``root``, with an empty module for each dotted prefix."""
    *above, own = name.split(".")
    for step in above:
        if step not in root._modules:
            root.add_module(step, nn.Module())
        root = root.get_submodule(step)
    root.add_module(own, part)


def unique_module_name(name: str, taken: set[str]) -> str:
    """Return ``name`` changed to a valid, unused submodule name that an edit can spell; it is added to ``taken``."""
    steps = [re.sub(r"\W", "_", step, flags=re.ASCII) for step in name.split(".") if step]
    free = (
        ".".join(
            f"{step}_" if hasattr(nn.Module(), step) or hasattr(CheckpointModule, step) else step for step in steps
        )
        or "part"
    )
    while any(free == other or free.startswith(f"{other}.") or other.startswith(f"{free}.") for other in taken):
        # "rnn.weight" cannot be a module inside the module "rnn": it becomes "rnn_weight"
        inside = next((other for other in taken if free.startswith(f"{other}.")), None)
        free = f"{free}_" if inside is None else f"{inside}_{free.removeprefix(f'{inside}.')}"
    taken.add(free)
    return free
