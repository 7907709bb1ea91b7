"""Open the recurrent layers and the attentions of any module while it runs.

The module's own fused kernel computes, as ever; what it read and what it put out is kept, and gates are computed
from that when they are looked at. A stacked module is run one layer at a time, by the same kernel, so that the hidden
states between its layers, and what dropout did to them, are seen.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Protocol

import torch
from torch import nn

from models.capturing.attention_hooks import ATTENTIONS, AttentionRecorder, MultiheadWatch, watches
from models.capturing.hooks import CELL_MODULES, FUSED_MODULES, CellWatch, ForwardWatch, FusedWatch, Watch
from models.capturing.recorder import Recorder
from models.core.attention import Attentions, ScoreAttention
from models.core.trace import Layers, Trace

RECURRENT = FUSED_MODULES + CELL_MODULES
OPENED = RECURRENT + ATTENTIONS


class CaptureError(TypeError):
    """The module cannot be opened; the message names it and says in one sentence why."""


class HasModule(Protocol):
    """What wraps a module, as ``models.networks.network.Network`` does."""

    @property
    def module(self) -> nn.Module:
        """The module itself."""


class capture:
    """``with capture(net) as trace: net(x)`` fills ``trace`` with every gate and state of every recurrent layer.

    ``net`` is any ``nn.Module`` (or bundled network) that holds ``nn.RNN``, ``nn.LSTM``, ``nn.GRU`` or their ``Cell``
    forms, unmodified: stacked, bidirectional, projected, ``batch_first`` or not, unbatched, fed with a
    ``PackedSequence``, in eval or train mode, of any float type, on any device. Layers are named as PyTorch names
    their weights (``"encoder.rnn.l0_reverse"``). A Cell called in a loop, or a module fed step by step with its own
    last state, becomes one trace of all the steps; a call that starts anew is a run of its own (``"rnn.l0#2"``). Only
    calls made in the thread that entered the block count.

    ``trace.attention`` has every ``nn.MultiheadAttention``, also those inside ``nn.Transformer`` and its layers, by its
    module name: scores, weights of each head, queries, keys, values. One that is asked for one target a call, of the same
    sources or of more each time, becomes one trace of all the targets; so does one that is asked for all targets so far
    and one more in each call.

    The outputs are unchanged. The trace keeps copies, so it never changes when the weights later do; on leaving the
    block, also by an exception, no hook or patch remains.

    Raises:
        CaptureError: the module holds no recurrent layer and no attention, or a scripted or compiled one.

    Example:
        >>> with capture(net) as trace:
        ...     y = net(x)
        >>> trace.layers["rnn.l0"].forget_gate.shape
        (8, 50, 64)
    """

    def __init__(self, module: nn.Module | HasModule) -> None:
        """Look for the layers of ``module``; nothing is touched before the block is entered."""
        self._module = module if isinstance(module, nn.Module) else module.module
        self._modules = opened_modules(self._module)
        self._watches: list[Watch | MultiheadWatch] = []
        self._recorders: list[Recorder] = []

    def __enter__(self) -> Trace:
        recorder, thread = Recorder(), threading.get_ident()
        others = {name: part for name, part in self._modules.items() if not isinstance(part, FUSED_MODULES)}
        if others and "" not in self._modules and not isinstance(self._module, nn.TransformerEncoderLayer):
            self._watches.append(ForwardWatch(self._module, recorder, thread))
        self._watches += [
            FusedWatch(name, part, recorder, thread) for name, part in self._modules.items() if name not in others
        ]
        attentions = {name: part for name, part in others.items() if isinstance(part, ATTENTIONS)}
        self._watches += [
            CellWatch(name, part, recorder, thread) for name, part in others.items() if name not in attentions
        ]
        self._recorders.append(recorder)
        if not attentions:
            return Trace(Layers(recorder))
        found = AttentionRecorder(recorder)
        self._watches += watches(attentions, found, self._module, thread)
        return Trace(Layers(recorder), attention=Attentions(found))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._watches:
            self._watches.pop().remove()
        while self._recorders:
            self._recorders.pop().close()


def recurrent_modules(module: nn.Module) -> dict[str, nn.Module]:
    """The recurrent modules in the tree of ``module``, by name ("" for ``module`` itself).

    Raises:
        CaptureError: there is none, or one that is scripted or compiled.
    """
    found = {name: part for name, part in opened_modules(module).items() if isinstance(part, RECURRENT)}
    if not found:
        raise CaptureError(f"{type(module).__name__} holds no nn.RNN, nn.LSTM, nn.GRU or Cell to look into.")
    return found


def opened_modules(module: nn.Module) -> dict[str, nn.Module]:
    """The recurrent modules and the attentions in the tree of ``module``, by name ("" for ``module`` itself).

    Raises:
        CaptureError: there is none, or one that is scripted or compiled.
    """
    found: dict[str, nn.Module] = {}
    for name, part in module.named_modules():
        how = None
        if isinstance(part, torch.jit.ScriptModule) and (part is module or part.original_name in _opened_names()):
            how = "scripted"
        elif _compiled(part) and any(isinstance(inner, OPENED) for inner in part.modules()):
            how = "compiled by torch.compile"
        if how is not None:
            shown = f"The module {name!r}" if name else f"This {type(part).__name__}"
            raise CaptureError(f"{shown} is {how} and cannot be opened; capture the module it was made from.")
        if isinstance(part, OPENED):
            found[name] = part
    if not found:
        raise CaptureError(
            f"{type(module).__name__} holds no nn.RNN, nn.LSTM, nn.GRU or Cell and no nn.MultiheadAttention to look into."
        )
    return found


def _opened_names() -> set[str]:
    """The class names of the modules that are recorded: what a scripted module keeps of its class."""
    return {kind.__name__ for kind in (*OPENED, *ScoreAttention.__subclasses__())}


def _compiled(part: nn.Module) -> bool:
    """Whether ``part`` came from ``torch.compile(part)``, or ``part.compile()`` was called."""
    return type(part).__name__ == "OptimizedModule" or getattr(part, "_compiled_call_impl", None) is not None
