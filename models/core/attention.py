"""What an attention did: which source positions each target position asked, and what it fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from models.core.weights import frozen


@dataclass(frozen=True, eq=False)
class AttentionParts:
    """What an attention computed, from which the rest follows. Tensors of its own, on the CPU.

    Attributes:
        scores: (B, heads, Tt, Ts), before the softmax; -inf where masked.
        query: (B, heads, Tt, dk).
        key: (B, heads, Ts, dk).
        value: (B, heads, Ts, dv).
        dropout: (B, heads, Tt, Ts), what the weights were multiplied by in training (0 where dropped, 1 / (1 - p)
            elsewhere), or None where nothing was dropped or where that cannot be known.
        unsure: whether something was dropped and it cannot be known what.
        empty: what the weights of a target are that may read nothing: NaN as of a softmax, or 0.
    """

    scores: Tensor
    query: Tensor
    key: Tensor
    value: Tensor
    dropout: Tensor | None = None
    unsure: bool = False
    empty: float = 0.0

    def parts(self) -> AttentionParts:
        """Itself."""
        return self

    def repeats(self, last: Any) -> bool:
        """Never: the bundled networks' own attentions are asked for each target once."""
        return False

    def goes_on(self, last: AttentionCall) -> bool:
        """Whether it asks for one more target after ``last``, of the same sources or of those and more."""
        if not isinstance(last, AttentionParts) or self.query.shape[2] != 1 or last.query.shape[2] != 1:
            return False
        return grown(last.key, self.key) and grown(last.value, self.value)


class AttentionCall(Protocol):
    """One call of an attention, kept so that what it computed can be told later."""

    def parts(self) -> AttentionParts:
        """What it computed."""

    def goes_on(self, last: Any) -> bool:
        """Whether it asks for one more target after ``last``, of the same sources or of those and more."""

    def repeats(self, last: Any) -> bool:
        """Whether it asks for all targets of ``last`` once more, and for others after them."""


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
    """One attention over one run. Arrays are read-only float32 (float64 of a float64 network), made when first asked for.

    B sequences, Tt target positions that ask, Ts source positions that are asked. A source position that the module adds of
    itself (``add_bias_kv``, ``add_zero_attn``) comes last. Where targets were asked for one after the other while sources
    were added, the sources that were not there yet count as masked.

    Attributes:
        name: the module's name, such as ``"decoder.layers.0.multihead_attn"``; further runs are ``"...#2"``.
        calls: what was kept, one call, or several of one target each.

    Example:
        >>> with capture(net) as trace:
        ...     net(x)
        >>> trace.attention["attention"].weights[0, 0].argmax(-1)  # where does each step look?
    """

    name: str
    calls: Sequence[AttentionCall]

    @cached_property
    def scores(self) -> np.ndarray:
        """(B, heads, Tt, Ts), before the softmax; -inf where masked."""
        return frozen(self._parts.scores)

    @cached_property
    def weights(self) -> np.ndarray:
        """(B, heads, Tt, Ts), the softmax of the scores over the source; see ``dropout`` for what training dropped."""
        return frozen(self._weights)

    @cached_property
    def query(self) -> np.ndarray:
        """(B, heads, Tt, dk), what each target asks."""
        return frozen(self._parts.query)

    @cached_property
    def key(self) -> np.ndarray:
        """(B, heads, Ts, dk), what each source is asked by."""
        return frozen(self._parts.key)

    @cached_property
    def value(self) -> np.ndarray:
        """(B, heads, Ts, dv), what each source gives."""
        return frozen(self._parts.value)

    @cached_property
    def context(self) -> np.ndarray:
        """(B, heads, Tt, dv), what each target fetched: ``weights @ value``, after dropout where it is known."""
        dropout = self._parts.dropout
        return frozen((self._weights if dropout is None else self._weights * dropout) @ self._parts.value)

    @cached_property
    def dropout(self) -> np.ndarray | None:
        """(B, heads, Tt, Ts), what the weights were multiplied by in training, or None: see ``AttentionParts``."""
        return None if self._parts.dropout is None else frozen(self._parts.dropout)

    @property
    def unsure(self) -> bool:
        """Whether training dropped weights here and it cannot be known which: then ``context`` is that of none dropped."""
        return self._parts.unsure

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(B, heads, Tt, Ts)."""
        batch, heads, targets, sources = self._parts.scores.shape
        return batch, heads, targets, sources

    @cached_property
    def _parts(self) -> AttentionParts:
        return joined([call.parts() for call in self.calls])

    @cached_property
    def _weights(self) -> Tensor:
        weights = self._parts.scores.softmax(-1)
        nothing = self._parts.scores.isneginf().all(-1, keepdim=True)
        return weights.masked_fill(nothing, self._parts.empty)

    def __reduce__(self) -> tuple:  # without what was computed
        return AttentionTrace, (self.name, tuple(self.calls))

    def __repr__(self) -> str:
        return "<attention {}: batch {}, {} heads, {} targets, {} sources>".format(self.name, *self.shape)


def joined(calls: Sequence[AttentionParts]) -> AttentionParts:
    """Calls one after the other as one: their targets in a row, the last one's sources."""
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
        unsure=any(each.unsure for each in calls),
        empty=last.empty,
    )


def grown(before: Tensor, now: Tensor, same: Callable[[Tensor, Tensor], bool] = torch.equal) -> bool:
    """Whether ``now`` (..., T, units) begins with all of ``before``."""
    shapes = before.shape[:-2], now.shape[:-2], before.shape[-1], now.shape[-1]
    if shapes[0] != shapes[1] or shapes[2] != shapes[3] or before.shape[-2] > now.shape[-2]:
        return False
    return same(before, now[..., : before.shape[-2], :])


class Attentions(Mapping[str, AttentionTrace]):
    """Attentions by name."""

    def __init__(self, found: Mapping[str, AttentionTrace]) -> None:
        """Show ``found``, which may still be growing."""
        self._found = found

    def __getitem__(self, name: str) -> AttentionTrace:
        if name not in self._found:
            raise KeyError(f"no attention {name!r}; there are {', '.join(self._found) or 'none'}")
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __reduce__(self) -> tuple:  # as they are now
        return Attentions, (dict(self),)


KEPT = ("scores", "query", "key", "value", "dropout")


def packed(found: Mapping[str, AttentionTrace]) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """``found`` for an archive: an entry for each in its header, and arrays."""
    entries = [{"name": name, "unsure": each.unsure, "empty": str(each._parts.empty)} for name, each in found.items()]
    arrays = {
        f"attention/{name}/{key}": values
        for name, each in found.items()
        for key in KEPT
        if (values := getattr(each, key)) is not None
    }
    return entries, arrays


def unpacked(entries: Sequence[Mapping[str, Any]], arrays: Mapping[str, np.ndarray]) -> Attentions:
    """What ``packed`` made, read again.

    Raises:
        KeyError, TypeError, ValueError: an entry has no such arrays, or arrays that do not fit.
    """
    found = {}
    for entry in entries:
        name, beginning = entry["name"], f"attention/{entry['name']}/"
        own = {key: arrays[beginning + key] for key in KEPT if key != "dropout" or beginning + key in arrays}
        batch, heads, targets, sources = own["scores"].shape
        rows = {"query": targets, "key": sources, "value": sources, "scores": targets, "dropout": targets}
        width = {"key": own["query"].shape[-1], "scores": sources, "dropout": sources}
        for key, array in own.items():
            expected = (batch, heads, rows[key], width.get(key, array.shape[-1]))
            if array.shape != expected or array.dtype not in (np.float32, np.float64):
                raise ValueError(f"{beginning}{key} is {array.dtype} {array.shape}, not float {expected}.")
        tensors = {key: torch.from_numpy(array) for key, array in own.items()}
        parts = AttentionParts(**tensors, unsure=bool(entry["unsure"]), empty=float(entry["empty"]))
        found[name] = AttentionTrace(name, (parts,))
    return Attentions(found)
