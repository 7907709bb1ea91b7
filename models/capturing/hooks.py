"""Hooks on recurrent modules that pass the inputs and outputs of each call to a recorder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from operator import itemgetter, methodcaller
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from models.capturing.kernel_calls import KernelCalls
from models.capturing.kernel_runs import CellStep, KernelRun, StackRun, run_shape
from models.capturing.recordable import compiling, failure_of, in_backward, obstacle
from models.capturing.recorded_arrays import in_16_bits
from models.capturing.recorder import Recorder
from models.core.output_gradients import HookedOutput

FUSED_MODULES: tuple[type[nn.Module], ...] = (nn.RNN, nn.LSTM, nn.GRU)
CELL_MODULES: tuple[type[nn.Module], ...] = (nn.RNNCell, nn.LSTMCell, nn.GRUCell)
KINDS = dict(zip(FUSED_MODULES + CELL_MODULES, ("RNN", "LSTM", "GRU") * 2, strict=True))

_entered = threading.local()
"""``.calls``: the KernelCalls entered in this thread by module, so that nested captures share one."""


class ModuleHooks:
    """Hooks on one module, for calls from one thread, until ``remove``."""

    def __init__(self, name: str, module: Any, recorder: Recorder, thread: int) -> None:
        """Prepare hooks on ``module``, named ``name``, for calls from ``thread``."""
        self.name, self.module, self.recorder, self.thread = name, module, recorder, thread
        self.handles: list[Any] = []

    def remove(self) -> None:
        """Remove the hooks."""
        for handle in self.handles:
            handle.remove()

    def concerned(self) -> bool:
        """Return whether the current call may be recorded: in this thread, or in one of autograd's as a repeated call."""
        return threading.get_ident() == self.thread or in_backward()

    def before_call(self, hook: Callable[[], None]) -> None:
        """Register ``hook()`` to be called before the module runs."""

        self.handles.append(self.module.register_forward_pre_hook(OwnCalls(self, lambda args: hook())))

    def after_call(self, hook: Callable[[tuple, dict, Any], None], always: bool = False) -> None:
        """Register ``hook(args, kwargs, output)`` to be called after the module ran.

        It runs before any other hook, which might change the output.

        Args:
            hook: receives the arguments and the output.
            always: whether to call it with the output None if the module raised.
        """

        self.handles.append(
            self.module.register_forward_hook(
                OwnCalls(self, hook),
                prepend=True,
                with_kwargs=True,
                always_call=always,
            )
        )


class OwnCalls:
    """A hook that torch calls, for the calls of one module from one thread.

    In a copy or a pickle of the module it does nothing. Torch sets and removes a hook and its with_kwargs flag one after the
    other: in between, another thread that runs the same module calls the hook without kwargs.
    """

    def __init__(self, hooks: ModuleHooks, record: Callable[..., None]) -> None:
        """Store the module's hooks, and ``record(args, *rest)`` for torch's further arguments."""
        self.hooks, self.record = hooks, record

    def __call__(self, module: nn.Module, args: tuple, *rest: Any) -> None:
        """Record the call."""
        if not compiling() and module is self.hooks.module and self.hooks.concerned():
            self.record(args, *rest)

    def __reduce__(self) -> tuple:
        return _no_hook, ()


def _no_hook() -> Callable[..., None]:
    return ignore_call


def ignore_call(module: nn.Module, *args: Any) -> None:
    """Do nothing: the hook of a copy."""


class ForwardCounter(ModuleHooks):
    """Hook that counts the calls of a whole network, so that the steps of consecutive forward passes can be separated."""

    def __init__(self, module: nn.Module, recorder: Recorder, thread: int) -> None:
        """Count the calls of ``module``."""
        super().__init__("", module, recorder, thread)
        self.before_call(self.count)

    def count(self) -> None:
        """Add one call."""
        self.recorder.forward_count += 1


class RecurrentHooks(ModuleHooks):
    """Hooks on a recurrent module that record its arguments and output, and the kernel's calls if these do not suffice.

    Attributes:
        inside: whether the kernel's calls are recorded.
        calls: the kernel's calls while the module runs, else None.
        owner: whether these hooks entered ``calls``, or an outer capture did.
    """

    calls: KernelCalls | None = None
    owner = False

    def __init__(self, name: str, module: Any, recorder: Recorder, thread: int) -> None:
        """Register the hooks."""
        super().__init__(name, module, recorder, thread)
        self.inside = self.needs_kernel()
        if self.inside:
            self.before_call(self.enter)
        self.after_call(self.guarded, always=self.inside)

    def concerned(self) -> bool:
        """Return whether the current call is recorded."""
        return self.recorder.records() and super().concerned()

    def needs_kernel(self) -> bool:
        """Return whether the kernel's calls are needed too: for a subclass, also a parametrized module."""
        return type(self.module) not in KINDS

    def remove(self) -> None:
        """Remove the hooks, and stop recording the kernel's calls."""
        super().remove()
        self.leave()

    def enter(self) -> None:
        """Start recording the kernel's calls."""
        self.leave()  # an interrupted call may not have been left
        if obstacle() is not None:
            return
        entered = vars(_entered).setdefault("calls", {})
        self.owner = self.module not in entered
        if self.owner:
            entered[self.module] = KernelCalls()
            entered[self.module].__enter__()
        self.calls = entered[self.module]

    def leave(self) -> KernelCalls | None:
        """Stop recording the kernel's calls and return them; None if they were not recorded."""
        calls, self.calls = self.calls, None
        if calls is not None and self.owner:
            del _entered.calls[self.module]
            calls.__exit__(None, None, None)
        return calls

    def guarded(self, args: tuple, kwargs: dict, output: Any) -> None:
        """Record one call of the module, unless it raised; note why it was not recorded."""
        calls = self.leave()
        if output is None:
            return
        outputs = output if isinstance(output, tuple) else (output,)
        reason = calls.obstacle if calls is not None else None
        reason = reason or obstacle(*args, *outputs)
        new = threading.get_ident() == self.thread

        def record() -> str | None:
            return None if self.record(args, kwargs, output, calls, new) else own_forward(self.module)

        reason = reason or failure_of(record)
        if reason is not None:
            self.recorder.skip(self.name, reason)

    def record(self, args: tuple, kwargs: dict, output: Any, calls: KernelCalls | None, new: bool) -> bool:
        """Record one call of the module; return whether there was something to record.

        Args:
            args: of the call. kwargs: likewise.
            output: of the call.
            calls: of the kernel inside it, or None.
            new: whether it may begin a run: see ``Recorder.record``.
        """
        raise NotImplementedError

    def record_kernel(self, calls: KernelCalls, order: Tensor | None, fresh: bool, new: bool) -> bool:
        """Record the kernel's calls; return whether there were any."""
        for run in calls.runs:
            if isinstance(run, StackRun):
                self.recorder.record_stack(self.name, run, order, new)
            else:
                self.recorder.record(self.name, run, order, new)
        for index, step in enumerate(calls.steps):
            self.recorder.record_step(self.name, step, fresh and index == 0, new)
        return bool(calls.runs or calls.steps)


class FusedHooks(RecurrentHooks):
    """Hooks on an ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``."""

    def needs_kernel(self) -> bool:
        """Return whether the kernel's calls are needed too: also for a stack, for the values between its layers."""
        return self.module.num_layers > 1 or super().needs_kernel()

    def record(self, args: tuple, kwargs: dict, output: Any, calls: KernelCalls | None, new: bool) -> bool:
        """Record the run of each layer."""
        given = args[0] if args else kwargs["input"]
        states = args[1] if len(args) > 1 else kwargs.get("hx")
        order = given.unsorted_indices if isinstance(given, PackedSequence) else None
        if calls is not None:
            return self.record_kernel(calls, order, states is None, new)
        self.recorder.record(self.name, single_layer_run(self.module, given, states, *output), order, new)
        return True


class CellHooks(RecurrentHooks):
    """Hooks on an ``nn.RNNCell``, ``nn.LSTMCell`` or ``nn.GRUCell``: each call is one step."""

    def record(self, args: tuple, kwargs: dict, output: Any, calls: KernelCalls | None, new: bool) -> bool:
        """Record the step."""
        given = args[1] if len(args) > 1 else kwargs.get("hx")
        if calls is not None:
            return self.record_kernel(calls, None, given is None, new)
        step = single_step(self.module, args[0] if args else kwargs["input"], given, output)
        self.recorder.record_step(self.name, step, given is None, new)
        return True


def own_forward(module: nn.Module) -> str:
    """Return why a call of a subclass was not recorded: it did not reach torch's kernel."""
    kind = type(module).__name__
    return f"{kind} has a forward of its own that calls no kernel of torch; pass its equations as cells={{{kind}: ...}}"


def single_layer_run(module: Any, given: Tensor | PackedSequence, states: Any, output: Any, ends: Any) -> KernelRun:
    """Return the kernel run of a module of one layer, from its arguments and its output."""
    states, ends = as_tuple(states), as_tuple(ends)
    x, out, batch_sizes = given, output, None
    layout: Callable[[Any], Any] = _identity
    state_layout = layout
    if isinstance(given, PackedSequence):
        x, out, batch_sizes = given.data, output.data, given.batch_sizes
        if given.sorted_indices is not None:  # the kernel orders sequences by length
            state_layout = itemgetter((slice(None), given.sorted_indices))
    elif given.dim() == 2:  # one sequence without a batch
        layout, state_layout = itemgetter(None), itemgetter((slice(None), None))
    elif not module.batch_first:
        layout = methodcaller("transpose", 0, 1)
    x = layout(x)
    return KernelRun(
        kind=KINDS[type(module)],
        options=_options(module),
        layer=0,
        directions=2 if module.bidirectional else 1,
        biases=module.bias,
        weights=tuple(module._flat_weights),
        input=x,
        states=None if states is None else tuple(map(state_layout, states)),
        output=layout(out),
        ends=tuple(map(state_layout, ends)),
        batch_sizes=batch_sizes,
        shape=run_shape(x, batch_sizes),
        low_precision=out.requires_grad and in_16_bits(out),
        hooked=(HookedOutput(out, layout), *(HookedOutput(state, state_layout) for state in ends))
        if out.requires_grad
        else (),
    )


def single_step(module: Any, x: Tensor, given: Any, output: Any) -> CellStep:
    """Return the step of a Cell, from its arguments and its output."""
    after = as_tuple(output)
    before = tuple(torch.zeros_like(state) for state in after) if given is None else as_tuple(given)
    hooked = tuple(map(HookedOutput, after))
    if x.dim() == 1:  # one step without a batch
        x = x[None]
        hooked = tuple(HookedOutput(state, lambda grad: grad[None]) for state in after)
        before, after = tuple(state[None] for state in before), tuple(state[None] for state in after)
    weights = [module.weight_ih, module.weight_hh]
    if module.bias:
        weights += [module.bias_ih, module.bias_hh]
    return CellStep(KINDS[type(module)], _options(module), tuple(weights), x, before, after, hooked)


def as_tuple(states: Any) -> Any:
    """Return hidden and cell state, or a hidden state alone, as a tuple; None stays None."""
    return tuple(states) if isinstance(states, list | tuple) else None if states is None else (states,)


def _identity(values: Tensor) -> Tensor:
    return values


def _options(module: Any) -> dict[str, Any]:
    """Return the options of a torch cell within its kind."""
    return {"nonlinearity": module.nonlinearity} if KINDS[type(module)] == "RNN" else {}
