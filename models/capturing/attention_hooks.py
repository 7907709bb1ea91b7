"""See what attentions do while a network runs.

A hook on a part of ``nn.TransformerEncoderLayer`` would make torch leave its fused kernel, whose output differs in the last
digits and at padding. So for the time of a capture the two classes' own ``forward`` is stepped around instead; in threads
and modules that are not watched it is called as ever.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import torch
from torch import nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.nn.functional import layer_norm

from models.capturing.hooks import Watch
from models.capturing.multihead_attention import multihead_call
from models.capturing.recorder import Recorder, copied
from models.core.attention import AttentionCall, AttentionParts, AttentionTrace, ScoreAttention

ATTENTIONS = (nn.MultiheadAttention, ScoreAttention)
ATTENTION = inspect.signature(nn.MultiheadAttention.forward)
LAYER = inspect.signature(nn.TransformerEncoderLayer.forward)


@dataclass(eq=False)
class AttentionRecorder(Mapping[str, AttentionTrace]):
    """The attentions recorded so far, by name.

    Attributes:
        recorder: of the recurrent layers of the same capture, which counts the calls of the whole network.
    """

    recorder: Recorder
    _calls: dict[str, list[AttentionCall]] = field(default_factory=dict)
    _newest: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By module: the name of its newest record, and in which call of the whole network it ran."""
    _traces: dict[str, AttentionTrace] = field(default_factory=dict)

    def __getitem__(self, name: str) -> AttentionTrace:
        if name not in self._traces:
            self._traces[name] = AttentionTrace(name, tuple(self._calls[name]))
        return self._traces[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._calls)

    def __len__(self) -> int:
        return len(self._calls)

    def newest(self, module: str) -> AttentionCall | None:
        """The last call of a module, or None."""
        name, _ = self._newest.get(module, ("", 0))
        return self._calls[name][-1] if name else None

    def record(self, module: str, call: AttentionCall) -> None:
        """Keep one call of a module: as more targets of its last run, or as a run of its own."""
        name, forward = self._newest.get(module, ("", -1))
        if forward == self.recorder.forward:
            last = self._calls[name][-1]
            again = call.repeats(last)
            if again or call.goes_on(last):
                self._calls[name][-1 if again else len(self._calls[name]) :] = [call]
                self._traces.pop(name, None)
                return
        shown = module or "attention"
        runs = sum(each == shown or each.startswith(f"{shown}#") for each in self._calls)
        name = shown if runs == 0 else f"{shown}#{runs + 1}"
        self._calls[name] = [call]
        self._newest[module] = name, self.recorder.forward


class ScoreWatch(Watch):
    """Watches one of the bundled networks' own attentions."""

    def __init__(self, name: str, module: ScoreAttention, attentions: AttentionRecorder, thread: int) -> None:
        """Set the hook."""
        super().__init__(name, module, attentions.recorder, thread)
        self.attentions = attentions
        self.after_call(self.record)

    def record(self, args: tuple, kwargs: dict, output: Any) -> None:
        """Keep what the call computed."""
        given = inspect.signature(self.module.forward).bind(*args, **kwargs).arguments
        with torch.no_grad():
            scores = self.module.scores(**given)
            query, key = self.module.query(given["query"]), self.module.key(given["memory"])
        scores, query, key, value = (copied(each)[:, None] for each in (scores, query, key, given["memory"]))
        self.attentions.record(self.name, AttentionParts(scores, query, key, value))


class MultiheadWatch:
    """Watches every ``nn.MultiheadAttention`` among ``modules``, for calls from one thread, until ``remove``."""

    def __init__(self, modules: Mapping[str, nn.Module], attentions: AttentionRecorder, root: nn.Module) -> None:
        """Watch ``modules`` (by name) when they are called from this thread; ``root`` is the whole network."""
        self.names = {module: name for name, module in modules.items()}
        self.attentions, self.root = attentions, root
        self.seen = 0
        _here().append(self)
        _step_around()

    def remove(self) -> None:
        """Watch no more."""
        _here().remove(self)
        _step_back()

    def record(self, module: Any, given: Mapping[str, Any], output: Any, random: Any) -> None:
        """Keep one call of ``module``."""
        self.seen += 1
        with torch.no_grad():
            name = self.names[module]
            last = self.attentions.newest(name)
            self.attentions.record(name, multihead_call(module, given, output, random, last))


def watches(
    modules: Mapping[str, nn.Module], attentions: AttentionRecorder, root: nn.Module, thread: int
) -> Iterator[ScoreWatch | MultiheadWatch]:
    """Watch all of ``modules``, the attentions of ``root`` by name, when they are called from this ``thread``."""
    multihead = {name: part for name, part in modules.items() if isinstance(part, nn.MultiheadAttention)}
    if multihead:
        yield MultiheadWatch(multihead, attentions, root)
    for name, part in modules.items():
        if isinstance(part, ScoreAttention):
            yield ScoreWatch(name, part, attentions, thread)


def _attention_forward(original: Callable) -> Callable:
    """``nn.MultiheadAttention.forward`` that tells those who watch it."""

    @wraps(original)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        watching = [each for each in _here() if self in each.names]
        if not watching:
            return original(self, *args, **kwargs)
        random = torch.get_rng_state() if self.training and self.dropout > 0 else None
        output = original(self, *args, **kwargs)
        given = ATTENTION.bind(self, *args, **kwargs)
        given.apply_defaults()
        if not is_functorch_wrapped_tensor(output[0]):  # inside vmap or grad of torch.func there are no values to keep
            for each in watching:
                each.record(self, given.arguments, output[0], random)
        return output

    return forward


def _layer_forward(original: Callable) -> Callable:
    """``nn.TransformerEncoderLayer.forward`` that tells what its fused kernel did, which never calls the attention."""

    @wraps(original)
    def forward(self: Any, src: Any, *args: Any, **kwargs: Any) -> Any:
        watching = [each for each in _here() if getattr(self, "self_attn", None) in each.names]
        for each in watching:
            each.attentions.recorder.forward += each.root is self  # a hook on it to count its calls would slow it down
        before = [each.seen for each in watching]
        output = original(self, src, *args, **kwargs)
        for each, count in zip(watching, before, strict=True):
            if each.seen == count:
                each.record(self.self_attn, _fused(self, LAYER.bind(self, src, *args, **kwargs)), output, None)
        return output

    return forward


def _fused(layer: Any, bound: inspect.BoundArguments) -> dict[str, Any]:
    """What the attention of a layer was given in its fused kernel."""
    bound.apply_defaults()
    given, norm = bound.arguments, layer.norm1
    with torch.no_grad():
        read = given["src"]
        if layer.norm_first:
            read = layer_norm(read, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
    masks = {"attn_mask": given["src_mask"], "key_padding_mask": given["src_key_padding_mask"]}
    # the kernel goes by the mask, never by the hint that it is causal
    return {"query": read, "key": read, "value": read, "is_causal": False, "need_weights": False} | masks


_local = threading.local()
_lock = threading.Lock()
_watches = 0
_originals: dict[Any, tuple[Callable, Callable]] = {}


def _here() -> list[MultiheadWatch]:
    """Who watches in this thread."""
    return vars(_local).setdefault("watching", [])


def _step_around() -> None:
    """Put our ``forward`` in the place of the two classes', if nobody has."""
    global _watches
    with _lock:
        _watches += 1
        if _watches == 1:
            kinds: dict[Any, Callable] = {
                nn.MultiheadAttention: _attention_forward,
                nn.TransformerEncoderLayer: _layer_forward,
            }
            for kind, around in kinds.items():
                _originals[kind] = kind.forward, around(kind.forward)
                kind.forward = _originals[kind][1]


def _step_back() -> None:
    """Undo that, when the last one leaves."""
    global _watches
    with _lock:
        _watches -= 1
        if _watches == 0:
            for kind, (original, ours) in _originals.items():
                if kind.forward is ours:
                    kind.forward = original
            _originals.clear()
