"""Record the recurrent layers and the attentions of any module while it runs.

The module's own fused kernel computes as usual; its inputs and outputs are recorded, and gates are computed from them on
first access. On the CPU a stacked module is run one layer at a time, by the same kernel, so that the hidden states between
its layers, and their dropout, can be recorded. On a GPU it runs as one kernel, and these states are computed when they are
read: see ``models.capturing.kernel_runs``.
"""

from __future__ import annotations

import threading
import warnings
from collections import ChainMap
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, Protocol

import torch
from torch import nn

from models.capturing.attention_hooks import ATTENTION_MODULES, AttentionRecorder, MultiheadPatch, hook_attentions
from models.capturing.custom_hooks import CustomHooks
from models.capturing.hooks import CELL_MODULES, FUSED_MODULES, CellHooks, ForwardCounter, FusedHooks, ModuleHooks
from models.capturing.recordable import CaptureWarning
from models.capturing.recorder import Recorder
from models.core.attention import AttentionTraces, ScoreAttention
from models.core.custom_cell import CellEquations
from models.core.trace import LayerTraces, Trace

RECURRENT_MODULES = FUSED_MODULES + CELL_MODULES
CAPTURED_MODULES = RECURRENT_MODULES + ATTENTION_MODULES


class CaptureError(TypeError):
    """A module that cannot be captured; the message names it and says in one sentence why."""


class HasModule(Protocol):
    """A wrapper of a module, such as ``models.networks.network.Network``."""

    @property
    def module(self) -> nn.Module:
        """The wrapped module."""


class capture:
    """``with capture(net) as trace: net(x)`` fills ``trace`` with every gate and state of every recurrent layer.

    ``net`` is any ``nn.Module`` (or bundled network) that contains ``nn.RNN``, ``nn.LSTM``, ``nn.GRU`` or their ``Cell``
    forms, unmodified: stacked, bidirectional, projected, ``batch_first`` or not, unbatched, fed with a
    ``PackedSequence``, in eval or train mode, of any float type, on any device. Layers are named as PyTorch names
    their weights (``"encoder.rnn.l0_reverse"``). A Cell called in a loop, or a module fed step by step with its own
    last state, becomes one trace of all the steps; a call with a new state is a separate run (``"rnn.l0#2"``). Only
    calls in the thread that entered the block are recorded.

    On a GPU the copies stay there and gates are computed there: ``layer.tensor("forget_gate")`` returns one where it is;
    ``layer.forget_gate`` copies it to the CPU.

    ``cells`` are the equations of cells of one's own: ``capture(net, cells={MyCell: CellEquations(...)})``. Their traces have
    the gates and states that the equations name, and their gradients.

    ``trace.attention`` has every ``nn.MultiheadAttention``, also those inside ``nn.Transformer`` and its layers, by its
    module name: scores, weights of each head, queries, keys, values; and every attention that derives from
    ``models.core.attention.ScoreAttention``. An attention that computes one target a call, with the same sources or with
    more each time, becomes one trace of all the targets; so does one that computes all targets so far and one more in each
    call.

    The outputs are unchanged. Calls that cannot be recorded run as they would without a capture: inside a transform of
    ``torch.func``, compiled or traced, or without values (meta and fake tensors). On leaving the block one ``CaptureWarning``
    names them. Calls that activation checkpointing repeats belong to the record of the first call. The trace contains copies,
    so it does not change when the weights later do; on leaving the block, also by an exception, no hook or patch remains.

    Raises:
        CaptureError: the module contains no recurrent layer and no attention, or a scripted or compiled one.

    Example:
        >>> with capture(net) as trace:
        ...     y = net(x)
        >>> trace.layers["rnn.l0"].forget_gate.shape
        (8, 50, 64)
    """

    def __init__(
        self, module: nn.Module | HasModule, cells: Mapping[type[nn.Module], CellEquations] | None = None
    ) -> None:
        """Find the layers of ``module``; no hook is registered before the block is entered.

        Args:
            module: the network.
            cells: the equations of cells of one's own, by their class.
        """
        self._module = module if isinstance(module, nn.Module) else module.module
        own = cells or {}
        self._custom = {
            name: (part, next(own[base] for base in type(part).__mro__ if base in own))
            for name, part in (self._module.named_modules() if own else ())
            if any(base in own for base in type(part).__mro__)
        }
        self._modules = captured_modules(self._module, without=self._custom)
        self._hooks: list[ModuleHooks | MultiheadPatch] = []
        self._recorders: list[tuple[Recorder, AttentionRecorder]] = []

    def __enter__(self) -> Trace:
        recorder, thread = Recorder(), threading.get_ident()
        others = {name: part for name, part in self._modules.items() if not isinstance(part, FUSED_MODULES)}
        counted = "" not in self._modules | self._custom and not isinstance(self._module, nn.TransformerEncoderLayer)
        if counted and (others or self._custom):
            self._hooks.append(ForwardCounter(self._module, recorder, thread))
        self._hooks += [
            FusedHooks(name, part, recorder, thread) for name, part in self._modules.items() if name not in others
        ]
        attentions = {name: part for name, part in others.items() if isinstance(part, ATTENTION_MODULES)}
        self._hooks += [
            CellHooks(name, part, recorder, thread) for name, part in others.items() if name not in attentions
        ]
        found = AttentionRecorder(recorder)
        self._recorders.append((recorder, found))
        if attentions:
            self._hooks += hook_attentions(attentions, found, self._module, thread)
        custom = [CustomHooks(name, *each, recorder, thread) for name, each in self._custom.items()]
        self._hooks += custom
        # a ChainMap iterates over its last map first
        found_layers: Any = ChainMap(*reversed(custom), recorder) if custom else recorder  # type: ignore[arg-type]
        layers = LayerTraces(found_layers, recorder.missing)
        return Trace(layers, attention=AttentionTraces(found, recorder.missing))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        custom = [name for hooks in self._hooks if isinstance(hooks, CustomHooks) for name in hooks]
        while self._hooks:
            self._hooks.pop().remove()
        while self._recorders:
            recorder, attentions = self._recorders.pop()
            recorder.close()
            if error is None:
                warn_missing(recorder, [*attentions, *custom], self._modules | self._custom)


def warn_missing(recorder: Recorder, others: Collection[str], modules: Collection[str]) -> None:
    """Warn of calls that were not recorded, and of an empty trace; ``others`` are further records, by name."""
    missing = recorder.missing()
    if not missing and not recorder and not others:
        names = ", ".join(name or "the module" for name in modules)
        missing = f"nothing was recorded: {names} did not run inside the capture block, or only as compiled code"
    if missing:
        warnings.warn(f"{missing[0].upper()}{missing[1:]}.", CaptureWarning, stacklevel=3)


def recurrent_modules(module: nn.Module) -> dict[str, nn.Module]:
    """Return the recurrent modules in the tree of ``module``, by name ("" for ``module`` itself).

    Raises:
        CaptureError: there are none, or one is scripted or compiled.
    """
    found = {name: part for name, part in captured_modules(module).items() if isinstance(part, RECURRENT_MODULES)}
    if not found:
        raise CaptureError(f"{type(module).__name__} holds no nn.RNN, nn.LSTM, nn.GRU or Cell to look into.")
    return found


def captured_modules(module: nn.Module, without: Collection[str] = ()) -> dict[str, nn.Module]:
    """Return the recurrent modules and the attentions in the tree of ``module``, by name ("" for ``module`` itself).

    Those called ``without`` are left out; if there are any, there need be no others.

    Raises:
        CaptureError: there are none, or one is scripted or compiled.
    """
    found: dict[str, nn.Module] = {}
    for name, part in module.named_modules():
        how = None
        if isinstance(part, torch.jit.ScriptModule) and (part is module or part.original_name in _captured_names()):
            how = "scripted"
        elif _compiled(part) and any(isinstance(inner, CAPTURED_MODULES) for inner in part.modules()):
            how = "compiled by torch.compile"
        if how is not None:
            shown = f"The module {name!r}" if name else f"This {type(part).__name__}"
            raise CaptureError(f"{shown} is {how} and cannot be opened; capture the module it was made from.")
        if isinstance(part, CAPTURED_MODULES) and name not in without:
            found[name] = part
    if not found and not without:
        raise CaptureError(
            f"{type(module).__name__} holds no nn.RNN, nn.LSTM, nn.GRU or Cell and no nn.MultiheadAttention to look into; "
            "pass the equations of a cell of its own as cells={Class: CellEquations(...)}."
        )
    return found


def _captured_names() -> set[str]:
    """Return the class names of the modules that are captured; a scripted module stores only the name of its class."""
    return {kind.__name__ for kind in (*CAPTURED_MODULES, *ScoreAttention.__subclasses__())}


def _compiled(part: nn.Module) -> bool:
    """Return whether ``part`` came from ``torch.compile(part)``, or ``part.compile()`` was called."""
    return type(part).__name__ == "OptimizedModule" or getattr(part, "_compiled_call_impl", None) is not None
