"""Record the attentions of a network while it runs.

A hook on a part of ``nn.TransformerEncoderLayer`` would make torch skip its fused kernel, whose output differs in the last
digits and at padding. So during a capture ``forward`` of ``nn.MultiheadAttention`` and ``nn.TransformerEncoderLayer`` is
replaced by a wrapper; for threads and modules outside a capture the wrapper only calls the original.
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

from models.capturing.hooks import ModuleHooks
from models.capturing.multihead_attention import multihead_call
from models.capturing.recorder import Recorder, copy_to_cpu
from models.core.attention import AttentionCall, AttentionParts, AttentionTrace, ScoreAttention

ATTENTION_MODULES = (nn.MultiheadAttention, ScoreAttention)
ATTENTION_SIGNATURE = inspect.signature(nn.MultiheadAttention.forward)
LAYER_SIGNATURE = inspect.signature(nn.TransformerEncoderLayer.forward)


@dataclass(eq=False)
class AttentionRecorder(Mapping[str, AttentionTrace]):
    """The attentions recorded so far, by name.

    Attributes:
        recorder: of the recurrent layers of the same capture; it counts the calls of the whole network.
    """

    recorder: Recorder
    _calls: dict[str, list[AttentionCall]] = field(default_factory=dict)
    _latest: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By module: the name of its latest record, and the number of the network's call in which it ran."""
    _traces: dict[str, AttentionTrace] = field(default_factory=dict)

    def __getitem__(self, name: str) -> AttentionTrace:
        if name not in self._traces:
            self._traces[name] = AttentionTrace(name, tuple(self._calls[name]))
        return self._traces[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._calls)

    def __len__(self) -> int:
        return len(self._calls)

    def latest(self, module: str) -> AttentionCall | None:
        """Return the last call of a module, or None."""
        name, _ = self._latest.get(module, ("", 0))
        return self._calls[name][-1] if name else None

    def record(self, module: str, call: AttentionCall) -> None:
        """Record one call of a module: as more targets of its last run, or as a new run."""
        name, forward = self._latest.get(module, ("", -1))
        if forward == self.recorder.forward_count:
            last = self._calls[name][-1]
            again = call.extends(last)
            if again or call.continues(last):
                self._calls[name][-1 if again else len(self._calls[name]) :] = [call]
                self._traces.pop(name, None)
                return
        shown = module or "attention"
        runs = sum(each == shown or each.startswith(f"{shown}#") for each in self._calls)
        name = shown if runs == 0 else f"{shown}#{runs + 1}"
        self._calls[name] = [call]
        self._latest[module] = name, self.recorder.forward_count


class ScoreAttentionHooks(ModuleHooks):
    """Hook on a ``ScoreAttention``."""

    def __init__(self, name: str, module: ScoreAttention, attentions: AttentionRecorder, thread: int) -> None:
        """Register the hook."""
        super().__init__(name, module, attentions.recorder, thread)
        self.attentions = attentions
        self.after_call(self.record)

    def record(self, args: tuple, kwargs: dict, output: Any) -> None:
        """Record one call."""
        given = inspect.signature(self.module.forward).bind(*args, **kwargs).arguments
        with torch.no_grad():
            scores = self.module.scores(**given)
            query, key = self.module.query(given["query"]), self.module.key(given["memory"])
        scores, query, key, value = (copy_to_cpu(each)[:, None] for each in (scores, query, key, given["memory"]))
        self.attentions.record(self.name, AttentionParts(scores, query, key, value))


class MultiheadPatch:
    """Patch that records every ``nn.MultiheadAttention`` among ``modules``, for calls from one thread, until ``remove``.

    Attributes:
        names: of the modules.
        attentions: where calls are recorded.
        root: the whole network.
        count: how many calls have been recorded.
    """

    def __init__(self, modules: Mapping[str, nn.Module], attentions: AttentionRecorder, root: nn.Module) -> None:
        """Record ``modules`` (by name) when they are called from this thread; ``root`` is the whole network."""
        self.names = {module: name for name, module in modules.items()}
        self.attentions, self.root = attentions, root
        self.count = 0
        _active_patches().append(self)
        _install_wrappers()

    def remove(self) -> None:
        """Stop recording."""
        _active_patches().remove(self)
        _remove_wrappers()

    def record(self, module: Any, given: Mapping[str, Any], output: Any, random: Any) -> None:
        """Record one call of ``module``; ``random`` is the generator's state before it, or None."""
        self.count += 1
        with torch.no_grad():
            name = self.names[module]
            last = self.attentions.latest(name)
            self.attentions.record(name, multihead_call(module, given, output, random, last))


def hook_attentions(
    modules: Mapping[str, nn.Module], attentions: AttentionRecorder, root: nn.Module, thread: int
) -> Iterator[ScoreAttentionHooks | MultiheadPatch]:
    """Yield recording hooks on ``modules``, the attentions of ``root`` by name, for calls from this ``thread``."""
    multihead = {name: part for name, part in modules.items() if isinstance(part, nn.MultiheadAttention)}
    if multihead:
        yield MultiheadPatch(multihead, attentions, root)
    for name, part in modules.items():
        if isinstance(part, ScoreAttention):
            yield ScoreAttentionHooks(name, part, attentions, thread)


def _attention_forward(original: Callable) -> Callable:
    """Return ``nn.MultiheadAttention.forward`` with recording."""

    @wraps(original)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        active = [each for each in _active_patches() if self in each.names]
        if not active:
            return original(self, *args, **kwargs)
        random = torch.get_rng_state() if self.training and self.dropout > 0 else None
        output = original(self, *args, **kwargs)
        given = ATTENTION_SIGNATURE.bind(self, *args, **kwargs)
        given.apply_defaults()
        if not is_functorch_wrapped_tensor(output[0]):  # inside vmap or grad of torch.func there are no values
            for each in active:
                each.record(self, given.arguments, output[0], random)
        return output

    return forward


def _layer_forward(original: Callable) -> Callable:
    """Return ``nn.TransformerEncoderLayer.forward`` that records its fused kernel, which does not call the attention."""

    @wraps(original)
    def forward(self: Any, src: Any, *args: Any, **kwargs: Any) -> Any:
        active = [each for each in _active_patches() if getattr(self, "self_attn", None) in each.names]
        for each in active:
            each.attentions.recorder.forward_count += (
                each.root is self
            )  # a hook on it to count its calls would slow it down
        before = [each.count for each in active]
        output = original(self, src, *args, **kwargs)
        for each, count in zip(active, before, strict=True):
            if each.count == count:
                each.record(
                    self.self_attn, _fused(self, LAYER_SIGNATURE.bind(self, src, *args, **kwargs)), output, None
                )
        return output

    return forward


def _fused(layer: Any, bound: inspect.BoundArguments) -> dict[str, Any]:
    """Return the arguments of the attention inside a layer's fused kernel."""
    bound.apply_defaults()
    given, norm = bound.arguments, layer.norm1
    with torch.no_grad():
        x = given["src"]
        if layer.norm_first:
            x = layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
    masks = {"attn_mask": given["src_mask"], "key_padding_mask": given["src_key_padding_mask"]}
    # the kernel uses the mask and ignores the hint that it is causal
    return {"query": x, "key": x, "value": x, "is_causal": False, "need_weights": False} | masks


_local = threading.local()
_lock = threading.Lock()
_installed = 0
_originals: dict[Any, tuple[Callable, Callable]] = {}


def _active_patches() -> list[MultiheadPatch]:
    """Return the patches entered in this thread."""
    return vars(_local).setdefault("patches", [])


def _install_wrappers() -> None:
    """Replace ``forward`` of the two classes by the wrappers, at the first patch."""
    global _installed
    with _lock:
        _installed += 1
        if _installed == 1:
            kinds: dict[Any, Callable] = {
                nn.MultiheadAttention: _attention_forward,
                nn.TransformerEncoderLayer: _layer_forward,
            }
            for kind, wrapper in kinds.items():
                _originals[kind] = kind.forward, wrapper(kind.forward)
                kind.forward = _originals[kind][1]


def _remove_wrappers() -> None:
    """Restore the original ``forward`` of the two classes, after the last patch."""
    global _installed
    with _lock:
        _installed -= 1
        if _installed == 0:
            for kind, (original, ours) in _originals.items():
                if kind.forward is ours:
                    kind.forward = original
            _originals.clear()
