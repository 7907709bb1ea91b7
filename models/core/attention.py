"""Attention traces: scores, weights, queries, keys, values and contexts, and the calls that they are computed from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from models.core.archive import checked_name
from models.core.weights import read_only


@dataclass(frozen=True, eq=False)
class AttentionParts:
    """Tensors that an attention computed, from which the rest follows: copies, on the CPU.

    Attributes:
        scores: (B, heads, Tt, Ts), before the softmax; -inf where masked.
        query: (B, heads, Tt, dk).
        key: (B, heads, Ts, dk).
        value: (B, heads, Ts, dv).
        dropout: (B, heads, Tt, Ts), the factors of the weights in training (0 where dropped, 1 / (1 - p) elsewhere), or None
            if nothing was dropped or the factors are unknown.
        dropout_unknown: whether weights were dropped and the factors are unknown.
        empty_weight: the weights of a target whose sources are all masked: NaN as of a softmax, or 0.
    """

    scores: Tensor
    query: Tensor
    key: Tensor
    value: Tensor
    dropout: Tensor | None = None
    dropout_unknown: bool = False
    empty_weight: float = 0.0

    def parts(self) -> AttentionParts:
        """Return itself."""
        return self

    def extends(self, last: Any) -> bool:
        """Return False: a ``ScoreAttention`` computes each target once."""
        return False

    def continues(self, last: AttentionCall) -> bool:
        """Return whether it is the next target after ``last``, with the same sources or with more at the end."""
        if not isinstance(last, AttentionParts) or self.query.shape[2] != 1 or last.query.shape[2] != 1:
            return False
        return has_prefix(last.key, self.key) and has_prefix(last.value, self.value)


class AttentionCall(Protocol):
    """A recorded call of an attention, from which its tensors can be computed later."""

    def parts(self) -> AttentionParts:
        """Return the tensors that it computed."""

    def continues(self, last: Any) -> bool:
        """Return whether it is the next target after ``last``, with the same sources or with more at the end."""

    def extends(self, last: Any) -> bool:
        """Return whether it computes all targets of ``last`` again, and more after them."""


class ScoreAttention(nn.Module):
    """Base class of attention modules that ``capture`` records: ``softmax(scores(query, memory, mask)) @ memory``.

    Attributes:
        query: projection of the queries, a module; ``nn.Identity`` for none.
        key: projection of the memory to the keys, likewise.
    """

    query: nn.Module
    key: nn.Module

    def forward(self, query: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the context (B, Tt, M): for each target step the weighted sum of the memory.

        Args:
            query: (B, Tt, N), the decoder's states.
            memory: (B, Ts, M), the encoder's states.
            mask: (B, Ts), True at positions that are excluded; None if there are none.
        """
        return self.scores(query, memory, mask).softmax(-1) @ memory

    def scores(self, query: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the scores before the softmax (B, Tt, Ts), -inf where masked; arguments as of ``forward``."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, repr=False)
class AttentionTrace:
    """One attention over one run. Arrays are read-only float32 (float64 of a float64 network), computed on first access.

    B sequences, Tt target positions (queries), Ts source positions (keys). A source position that the module itself adds
    (``add_bias_kv``, ``add_zero_attn``) comes last. If targets were computed one after the other while sources were added,
    the sources that were added later count as masked.

    Attributes:
        name: the module's name, such as ``"decoder.layers.0.multihead_attn"``; further runs are ``"...#2"``.
        calls: the recorded calls, one, or several of one target each.

    Example:
        >>> with capture(net) as trace:
        ...     net(x)
        >>> trace.attention["attention"].weights[0, 0].argmax(-1)  # the source of each step's largest weight
    """

    name: str
    calls: Sequence[AttentionCall]

    @cached_property
    def scores(self) -> np.ndarray:
        """Scores (B, heads, Tt, Ts), before the softmax; -inf where masked."""
        return read_only(self._parts.scores)

    @cached_property
    def weights(self) -> np.ndarray:
        """Attention weights (B, heads, Tt, Ts), the softmax of the scores over the source, before any ``dropout``."""
        return read_only(self._weights)

    @cached_property
    def query(self) -> np.ndarray:
        """Queries (B, heads, Tt, dk), one for each target."""
        return read_only(self._parts.query)

    @cached_property
    def key(self) -> np.ndarray:
        """Keys (B, heads, Ts, dk), one for each source."""
        return read_only(self._parts.key)

    @cached_property
    def value(self) -> np.ndarray:
        """Values (B, heads, Ts, dv), one for each source."""
        return read_only(self._parts.value)

    @cached_property
    def context(self) -> np.ndarray:
        """Context vectors (B, heads, Tt, dv): ``weights @ value``, after dropout if its factors are known."""
        dropout = self._parts.dropout
        return read_only((self._weights if dropout is None else self._weights * dropout) @ self._parts.value)

    @cached_property
    def dropout(self) -> np.ndarray | None:
        """Dropout factors of the weights (B, heads, Tt, Ts), or None: see ``AttentionParts``."""
        return None if self._parts.dropout is None else read_only(self._parts.dropout)

    @property
    def dropout_unknown(self) -> bool:
        """Return whether training dropped weights and it is unknown which: then ``context`` is computed without dropout."""
        return self._parts.dropout_unknown

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the weights, (B, heads, Tt, Ts)."""
        batch, heads, targets, sources = self._parts.scores.shape
        return batch, heads, targets, sources

    @cached_property
    def _parts(self) -> AttentionParts:
        return concatenate_calls([call.parts() for call in self.calls])

    @cached_property
    def _weights(self) -> Tensor:
        weights = self._parts.scores.softmax(-1)
        all_masked = self._parts.scores.isneginf().all(-1, keepdim=True)
        return weights.masked_fill(all_masked, self._parts.empty_weight)

    def __reduce__(self) -> tuple:  # without the cached arrays
        return AttentionTrace, (self.name, tuple(self.calls))

    def __repr__(self) -> str:
        return "<attention {}: batch {}, {} heads, {} targets, {} sources>".format(self.name, *self.shape)


def concatenate_calls(calls: Sequence[AttentionParts]) -> AttentionParts:
    """Return consecutive calls as one: all targets, and the sources of the last call."""
    if len(calls) == 1:
        return calls[0]
    last = calls[-1]
    sources = last.scores.shape[-1]

    def row(tensors: Sequence[Tensor], beyond: float) -> Tensor:
        return torch.cat([pad(each, (0, sources - each.shape[-1]), value=beyond) for each in tensors], dim=2)

    dropout = None
    if any(each.dropout is not None for each in calls):
        dropout = row([torch.ones_like(each.scores) if each.dropout is None else each.dropout for each in calls], 0.0)
    return AttentionParts(
        scores=row([each.scores for each in calls], -torch.inf),
        query=torch.cat([each.query for each in calls], dim=2),
        key=last.key,
        value=last.value,
        dropout=dropout,
        dropout_unknown=any(each.dropout_unknown for each in calls),
        empty_weight=last.empty_weight,
    )


def has_prefix(before: Tensor, now: Tensor, same: Callable[[Tensor, Tensor], bool] = torch.equal) -> bool:
    """Return whether ``now`` (..., T, units) begins with all of ``before`` (..., T', units).

    Args:
        before: the shorter tensor.
        now: the longer tensor.
        same: compares ``before`` with the beginning of ``now``.
    """
    shapes = before.shape[:-2], now.shape[:-2], before.shape[-1], now.shape[-1]
    if shapes[0] != shapes[1] or shapes[2] != shapes[3] or before.shape[-2] > now.shape[-2]:
        return False
    return same(before, now[..., : before.shape[-2], :])


class AttentionTraces(Mapping[str, AttentionTrace]):
    """Attention traces by module name."""

    def __init__(self, found: Mapping[str, AttentionTrace], missing: Callable[[], str] | None = None) -> None:
        """Wrap ``found``, a mapping that may still grow; ``missing()`` says in one sentence what was not recorded."""
        self._found, self._missing = found, missing

    def __getitem__(self, name: str) -> AttentionTrace:
        if name not in self._found:
            missing = "" if self._missing is None else self._missing()
            missing = missing or "recorded are nn.MultiheadAttention and classes that derive from ScoreAttention"
            raise KeyError(f"no attention {name!r}; there are {', '.join(self._found) or 'none'}; {missing}")
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __reduce__(self) -> tuple:  # a copy does not grow
        return AttentionTraces, (dict(self),)


SAVED = ("scores", "query", "key", "value", "dropout")


def attention_to_arrays(found: Mapping[str, AttentionTrace]) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Return ``found`` for an archive: an entry for each in its header, and arrays."""
    entries = [
        {"name": name, "unsure": each.dropout_unknown, "empty": str(each._parts.empty_weight)}
        for name, each in found.items()
    ]
    arrays = {
        f"attention/{name}/{key}": values
        for name, each in found.items()
        for key in SAVED
        if (values := getattr(each, key)) is not None
    }
    return entries, arrays


def attention_from_arrays(entries: Sequence[Mapping[str, Any]], arrays: Mapping[str, np.ndarray]) -> AttentionTraces:
    """Return the attention traces of an archive, as ``attention_to_arrays`` saved them.

    Raises:
        KeyError, TypeError, ValueError: an entry has no such arrays, or arrays that do not fit.
    """
    found = {}
    for entry in entries:
        name, beginning = checked_name(entry["name"]), f"attention/{entry['name']}/"
        if name in found:
            raise ValueError("it names an attention twice")
        own = {key: arrays[beginning + key] for key in SAVED if key != "dropout" or beginning + key in arrays}
        batch, heads, targets, sources = own["scores"].shape
        rows = {"query": targets, "key": sources, "value": sources, "scores": targets, "dropout": targets}
        width = {"key": own["query"].shape[-1], "scores": sources, "dropout": sources}
        for key, array in own.items():
            expected = (batch, heads, rows[key], width.get(key, array.shape[-1]))
            if array.shape != expected or array.dtype not in (np.float32, np.float64):
                raise ValueError(f"{beginning}{key} is {array.dtype} {array.shape}, not float {expected}.")
        tensors = {key: torch.from_numpy(array) for key, array in own.items()}
        unknown, empty_weight = bool(entry["unsure"]), float(entry["empty"])
        parts = AttentionParts(**tensors, dropout_unknown=unknown, empty_weight=empty_weight)
        found[name] = AttentionTrace(name, (parts,))
    return AttentionTraces(found)
