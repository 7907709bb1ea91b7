"""Open the recurrent layers of any module while it runs.

The module's own fused kernel computes, as ever; what it read and what it put out is kept, and gates are computed from that
when they are looked at. A stacked module is run one layer at a time, by the same kernel, so that the hidden states
between its layers, and what dropout did to them, are seen.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from types import TracebackType

import torch
from torch import nn

from models.recorder import Recorder
from models.trace import Layers, Trace
from models.watch import CELL_MODULES, FUSED_MODULES, CellWatch, ForwardWatch, FusedWatch


class CaptureError(TypeError):
    """The module cannot be opened; the message names it and says in one sentence why."""


class capture:  # noqa: N801 (used like a function, as torch.no_grad is)
    """``with capture(net) as trace: net(x)`` fills ``trace`` with every gate and state of every recurrent layer.

    ``net`` is any ``nn.Module`` that holds ``nn.RNN``, ``nn.LSTM``, ``nn.GRU`` or their ``Cell`` forms, unmodified: stacked,
    bidirectional, projected, ``batch_first`` or not, unbatched, fed with a ``PackedSequence``, in eval or train mode,
    of any float type, on any device. Layers are named as PyTorch names their weights (``"encoder.rnn.l0_reverse"``).
    A Cell called in a loop, or a module fed step by step with its own last state, becomes one trace of all the steps;
    a call that starts anew is a run of its own (``"rnn.l0#2"``). Only calls made in the thread that entered the block count.

    The outputs are unchanged. The trace keeps copies, so it never changes when the weights later do; on leaving the
    block, also by an exception, no hook or patch remains.

    Raises:
        CaptureError: the module holds no recurrent layer, or a scripted or compiled one.

    Example:
        >>> with capture(net) as trace:
        ...     y = net(x)
        >>> trace.layers["rnn.l0"].forget_gate.shape
        (8, 50, 64)
    """

    def __init__(self, module: nn.Module) -> None:
        """Look for the recurrent layers of ``module``; nothing is touched before the block is entered."""
        self._module, self._modules = module, recurrent_modules(module)
        self._recorder = Recorder()
        self._stack = ExitStack()

    def __enter__(self) -> Trace:
        thread = threading.get_ident()
        with ExitStack() as stack:  # if a hook cannot be set, those already set are taken away
            for name, module in self._modules.items():
                watch = FusedWatch if isinstance(module, FUSED_MODULES) else CellWatch
                stack.enter_context(watch(name, module, self._recorder, thread))
                if watch is CellWatch and module is not self._module:
                    stack.enter_context(ForwardWatch("", self._module, self._recorder, thread))
            self._stack = stack.pop_all()
        return Trace(Layers(self._recorder))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()
        self._recorder.close()


def recurrent_modules(module: nn.Module) -> dict[str, nn.Module]:
    """The recurrent modules in the tree of ``module``, by name ("" for ``module`` itself).

    Raises:
        CaptureError: there is none, or one that is scripted or compiled.
    """
    found: dict[str, nn.Module] = {}
    for name, part in module.named_modules():
        shown = f"{name!r} " if name else ""
        if isinstance(part, torch.jit.ScriptModule):
            raise CaptureError(
                f"The module {shown}is scripted ({type(part).__name__}) and cannot be opened; capture the Python module."
            )
        if type(part).__name__ == "OptimizedModule" or getattr(part, "_compiled_call_impl", None) is not None:
            raise CaptureError(
                f"The module {shown}is compiled by torch.compile and cannot be opened; capture the module it was made from."
            )
        if isinstance(part, FUSED_MODULES + CELL_MODULES):
            found[name] = part
    if not found:
        raise CaptureError(f"{type(module).__name__} holds no nn.RNN, nn.LSTM, nn.GRU or Cell to look into.")
    return found
