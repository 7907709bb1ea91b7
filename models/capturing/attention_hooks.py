"""Record the attentions of a network while it runs.

A hook on a part of ``nn.TransformerEncoderLayer`` would make torch skip its fused kernel, whose output differs in the last
digits and at padding. So during a capture ``forward`` of ``nn.MultiheadAttention`` and ``nn.TransformerEncoderLayer`` is
replaced by a wrapper; for threads and modules outside a capture the wrapper only calls the original.
"""

from __future__ import annotations

import inspect
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import torch
from torch import nn
from torch.nn.functional import layer_norm

from models.capturing.hooks import ModuleHooks
from models.capturing.multihead_attention import multihead_call
from models.capturing.recordable import class_name, compiling, failure_of, in_backward, obstacle
from models.capturing.recorded_arrays import copy_to_cpu
from models.capturing.recorder import Recorder
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

    def concerned(self, module: str, thread: int) -> bool:
        """Return whether a call is to be recorded: not if activation checkpointing repeats it in a backward pass."""
        return threading.get_ident() == thread and not (in_backward() and module in self._latest)

    def guarded(self, module: str, values: tuple, record: Callable[[], None]) -> None:
        """Record one call of a module with ``record()``, or note why it was not recorded; ``values`` are its tensors."""
        reason = obstacle(*values) or failure_of(record)
        if reason is not None:
            self.recorder.skip(module, reason)

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
        if self.attentions.concerned(self.name, self.thread):
            self.attentions.guarded(self.name, (*args, *kwargs.values()), lambda: self._record(args, kwargs))

    def _record(self, args: tuple, kwargs: dict) -> None:
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
        self.attentions, self.root, self.thread = attentions, root, threading.get_ident()
        self.count = 0
        own = {_forward_class(type(module)): _own_forward for module in modules.values()}
        self.wrappers: dict[Any, Callable] = own | {
            nn.MultiheadAttention: _attention_forward,
            nn.TransformerEncoderLayer: _layer_forward,
        }
        _active_patches().append(self)
        _install_wrappers(self.wrappers)

    def remove(self) -> None:
        """Stop recording."""
        _active_patches().remove(self)
        _remove_wrappers(self.wrappers)

    def record(self, module: Any, given: Mapping[str, Any], output: Any, random: Any) -> None:
        """Record one call of ``module``; ``random`` is the generator's state before it, or None."""
        self.count += 1
        name = self.names[module]

        def add() -> None:
            with torch.no_grad():
                call = multihead_call(module, given, output, random, self.attentions.latest(name))
                self.attentions.record(name, call)

        if self.attentions.concerned(name, self.thread):
            self.attentions.guarded(name, (output, *given.values()), add)


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
        if compiling() or not (active := [each for each in _active_patches() if self in each.names]):
            return original(self, *args, **kwargs)
        random = torch.get_rng_state() if self.training and self.dropout > 0 else None
        output = original(self, *args, **kwargs)
        given = ATTENTION_SIGNATURE.bind(self, *args, **kwargs)
        given.apply_defaults()
        for each in active:
            each.record(self, given.arguments, output[0], random)
        return output

    return forward


def _own_forward(original: Callable) -> Callable:
    """Return a subclass's ``forward`` that notes calls which do not reach ``nn.MultiheadAttention.forward``."""

    @wraps(original)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        if compiling() or not (active := [each for each in _active_patches() if self in each.names]):
            return original(self, *args, **kwargs)
        before = [each.count for each in active]
        output = original(self, *args, **kwargs)
        for each, count in zip(active, before, strict=True):
            if each.count == count:
                reason = f"{class_name(self)} computes its attention in a forward of its own"
                each.attentions.recorder.skip(each.names[self], reason)
        return output

    return forward


def _forward_class(kind: type) -> type:
    """Return the class that defines the ``forward`` of ``kind``."""
    return next(base for base in kind.__mro__ if "forward" in vars(base))


def _layer_forward(original: Callable) -> Callable:
    """Return ``nn.TransformerEncoderLayer.forward`` that records its fused kernel, which does not call the attention."""

    @wraps(original)
    def forward(self: Any, src: Any, *args: Any, **kwargs: Any) -> Any:
        if compiling():
            return original(self, src, *args, **kwargs)
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
_installed: Counter[Any] = Counter()
"""How many patches replace ``forward`` of each class."""
_originals: dict[Any, tuple[Callable, Callable]] = {}


def _active_patches() -> list[MultiheadPatch]:
    """Return the patches entered in this thread."""
    return vars(_local).setdefault("patches", [])


def _install_wrappers(wrappers: Mapping[Any, Callable]) -> None:
    """Replace ``forward`` of each class by its wrapper, at the first patch of the class."""
    with _lock:
        for kind, wrapper in wrappers.items():
            _installed[kind] += 1
            if _installed[kind] == 1:
                _originals[kind] = kind.forward, wrapper(kind.forward)
                kind.forward = _originals[kind][1]


def _remove_wrappers(wrappers: Mapping[Any, Callable]) -> None:
    """Restore the original ``forward`` of each class, after the last patch of the class."""
    with _lock:
        for kind in wrappers:
            _installed[kind] -= 1
            if _installed[kind] == 0:
                original, ours = _originals.pop(kind)
                if kind.forward is ours:
                    kind.forward = original
