"""Calls that cannot be recorded, and why: the user's own call then runs as it would without a capture."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import peek_interpreter_stack
from torch.nn.utils.rnn import PackedSequence
from torch.utils._python_dispatch import _disable_current_modes

COMPILED = "torch.compile ran it as compiled code; capture the module that is not compiled"
TRANSFORMED = "it ran inside a transform of torch.func such as grad or vmap; call the module without the transform"
TRACED = "it was traced (torch.export, make_fx, torch.jit.trace) rather than run; call the module without tracing it"
GRAPHED = "it was captured in a CUDA graph, which runs later without hooks; call the module outside the graph"
NO_VALUES = "its tensors have no values (meta or fake tensors); run it on real ones"


class CaptureWarning(UserWarning):
    """Calls inside a capture that were not recorded; one sentence names the modules and says why."""


def compiling() -> bool:
    """Return whether torch.compile or torch.export is tracing the caller: then no other code of ours may run."""
    return torch.compiler.is_dynamo_compiling()


def obstacle(*values: Any) -> str | None:
    """Return why a call with these arguments and outputs cannot be recorded; None if it can."""
    if torch.compiler.is_compiling():
        return TRACED if torch.compiler.is_exporting() else COMPILED
    if peek_interpreter_stack() is not None:
        return TRANSFORMED
    tracer = sys.modules.get("torch.fx.experimental.proxy_tensor")
    if torch._C._get_tracing_state() is not None or (tracer is not None and tracer.get_proxy_mode() is not None):
        return TRACED
    for value in values:
        if isinstance(value, PackedSequence):
            value = value.data
        if isinstance(value, Tensor):
            if value.is_cuda and torch.cuda.is_current_stream_capturing():
                return GRAPHED
            if value.is_meta or type(value).__name__ == "FakeTensor":
                return NO_VALUES
    return None


def in_backward() -> bool:
    """Return whether the caller runs inside a backward pass, as the calls that activation checkpointing repeats do."""
    return torch._C._current_graph_task_id() != -1


def class_name(module: object) -> str:
    """Return the name of a module's class, with its package if torch has a class of the same name."""
    kind = type(module)
    return f"{kind.__module__}.{kind.__name__}" if hasattr(torch.nn, kind.__name__) else kind.__name__


@contextmanager
def without_modes() -> Iterator[None]:
    """Run a block in which no mode of the user's (a counter of operations, a default device) receives torch's calls."""
    with torch._C.DisableTorchFunction():
        if torch._C._len_torch_dispatch_stack():
            with _disable_current_modes():
                yield
        else:
            yield


def failure_of(record: Callable[[], str | None]) -> str | None:
    """Call ``record()`` without the user's modes; return why it failed, or what it returned: the user's call has to go on."""
    try:
        if torch._C._len_torch_dispatch_stack():
            with without_modes():
                return record()
        with torch._C.DisableTorchFunction():
            return record()
    except Exception as error:
        return f"{type(error).__name__}: {error}".rstrip(".")
