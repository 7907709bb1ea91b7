"""Hooks on recurrent modules that hand a recorder what each call read and put out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from operator import itemgetter, methodcaller
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from models.capturing.kernel_calls import KernelCalls
from models.capturing.recorder import Recorder, Run, Step
from models.core.output_gradients import Flow

FUSED_MODULES: tuple[type[nn.Module], ...] = (nn.RNN, nn.LSTM, nn.GRU)
CELL_MODULES: tuple[type[nn.Module], ...] = (nn.RNNCell, nn.LSTMCell, nn.GRUCell)
KINDS = dict(zip(FUSED_MODULES + CELL_MODULES, ("RNN", "LSTM", "GRU") * 2, strict=True))

_entered = threading.local()
"""``.calls``: the KernelCalls entered in this thread by module, so that nested captures share one."""


class Watch:
    """Hooks on one module, for calls from one thread, until ``remove``."""

    def __init__(self, name: str, module: Any, recorder: Recorder, thread: int) -> None:
        """Watch ``module``, called ``name``, when it is called from ``thread``."""
        self.name, self.module, self.recorder, self.thread = name, module, recorder, thread
        self.handles: list[Any] = []

    def remove(self) -> None:
        """Take the hooks away."""
        for handle in self.handles:
            handle.remove()

    def before_call(self, hook: Callable[[], None]) -> None:
        """Have ``hook()`` called before the module runs."""

        def here(module: nn.Module, args: tuple) -> None:
            if module is self.module and threading.get_ident() == self.thread:
                hook()

        self.handles.append(self.module.register_forward_pre_hook(here))

    def after_call(self, hook: Callable[[tuple, dict, Any], None], always: bool = False) -> None:
        """Have ``hook(args, kwargs, output)`` called after the module ran; ``always``: with None if it raised.

        It comes before any other hook, which might change the output. A copy of the module made inside the block
        has the hooks too, but they do nothing there.
        """

        # Torch sets and removes a hook and its with_kwargs flag one after the other: in between, another thread that runs
        # the same module calls the hook without kwargs.
        def here(module: nn.Module, args: tuple, *rest: Any) -> None:
            if module is self.module and threading.get_ident() == self.thread:
                kwargs, output = rest
                hook(args, kwargs, output)

        self.handles.append(self.module.register_forward_hook(here, prepend=True, with_kwargs=True, always_call=always))


class ForwardWatch(Watch):
    """Counts the calls of a whole network, so that one forward's steps are told from the next's."""

    def __init__(self, module: nn.Module, recorder: Recorder, thread: int) -> None:
        """Count the calls of ``module``."""
        super().__init__("", module, recorder, thread)
        self.before_call(self.count)

    def count(self) -> None:
        """One call more."""
        self.recorder.forward += 1


class RecurrentWatch(Watch):
    """Watches a recurrent module: from outside where its arguments and output tell all, else the kernel's calls too."""

    calls: KernelCalls | None = None
    owner = False

    def __init__(self, name: str, module: Any, recorder: Recorder, thread: int) -> None:
        """Set the hooks."""
        super().__init__(name, module, recorder, thread)
        self.inside = self.needs_kernel()
        if self.inside:
            self.before_call(self.enter)
        self.after_call(self.record, always=self.inside)

    def needs_kernel(self) -> bool:
        """Whether the module's arguments and output may not tell what its kernel did, as of a subclass (or parametrized)."""
        return type(self.module) not in KINDS

    def remove(self) -> None:
        """Take the hooks away, and stop looking at the kernel's calls."""
        super().remove()
        self.leave()

    def enter(self) -> None:
        """Look at the kernel's calls from here on."""
        self.leave()  # a call that was interrupted may have been left unfinished
        entered = vars(_entered).setdefault("calls", {})
        self.owner = self.module not in entered
        if self.owner:
            entered[self.module] = KernelCalls()
            entered[self.module].__enter__()
        self.calls = entered[self.module]

    def leave(self) -> KernelCalls | None:
        """Undo that; what was seen meanwhile, None if nothing was looked at."""
        calls, self.calls = self.calls, None
        if calls is not None and self.owner:
            del _entered.calls[self.module]
            calls.__exit__(None, None, None)
        return calls

    def record(self, args: tuple, kwargs: dict, output: Any) -> None:
        """Keep what the call did; nothing if it raised."""
        raise NotImplementedError


class FusedWatch(RecurrentWatch):
    """Watches an ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``."""

    def needs_kernel(self) -> bool:
        """Also for a stack: what passes between its layers."""
        return self.module.num_layers > 1 or super().needs_kernel()

    def record(self, args: tuple, kwargs: dict, output: Any) -> None:
        """Keep the run of each layer."""
        calls = self.leave()
        if output is None:
            return
        given = args[0] if args else kwargs["input"]
        runs = [] if calls is None else calls.runs
        if not self.inside:
            states = args[1] if len(args) > 1 else kwargs.get("hx")
            runs = [only_run(self.module, given, states, *output)]
        order = given.unsorted_indices if isinstance(given, PackedSequence) else None
        for run in runs:
            self.recorder.record(self.name, run, order)


class CellWatch(RecurrentWatch):
    """Watches an ``nn.RNNCell``, ``nn.LSTMCell`` or ``nn.GRUCell``: each call is one step."""

    def record(self, args: tuple, kwargs: dict, output: Any) -> None:
        """Keep the step."""
        calls = self.leave()
        if output is None:
            return
        given = args[1] if len(args) > 1 else kwargs.get("hx")
        steps = [] if calls is None else calls.steps
        if not self.inside:
            steps = [only_step(self.module, args[0] if args else kwargs["input"], given, output)]
        for step in steps:
            self.recorder.record_step(self.name, step, fresh=given is None)


def only_run(module: Any, given: Tensor | PackedSequence, states: Any, output: Any, ends: Any) -> Run:
    """What a module of one layer did, told from what it was given and what it gave back."""
    states, ends = _together(states), _together(ends)
    x, out, batch_sizes = given, output, None
    laid: Callable[[Any], Any] = _as_it_is
    laid_state = laid
    if isinstance(given, PackedSequence):
        x, out, batch_sizes = given.data, output.data, given.batch_sizes
        if given.sorted_indices is not None:  # the kernel reads the longest sequence first
            laid_state = itemgetter((slice(None), given.sorted_indices))
    elif given.dim() == 2:  # one sequence without a batch
        laid, laid_state = itemgetter(None), itemgetter((slice(None), None))
    elif not module.batch_first:
        laid = methodcaller("transpose", 0, 1)
    return Run(
        kind=KINDS[type(module)],
        options=_options(module),
        layer=0,
        directions=2 if module.bidirectional else 1,
        biases=module.bias,
        weights=tuple(module._flat_weights),
        input=laid(x),
        states=None if states is None else tuple(map(laid_state, states)),
        output=laid(out),
        ends=tuple(map(laid_state, ends)),
        batch_sizes=batch_sizes,
        flows=(Flow(out, laid), *(Flow(state, laid_state) for state in ends)) if out.requires_grad else (),
    )


def only_step(module: Any, x: Tensor, given: Any, output: Any) -> Step:
    """What a Cell did, told from what it was given and what it gave back."""
    after = _together(output)
    before = tuple(torch.zeros_like(state) for state in after) if given is None else _together(given)
    flows = tuple(map(Flow, after))
    if x.dim() == 1:  # one step without a batch
        x = x[None]
        flows = tuple(Flow(state, lambda grad: grad[None]) for state in after)
        before, after = tuple(state[None] for state in before), tuple(state[None] for state in after)
    weights = [module.weight_ih, module.weight_hh]
    if module.bias:
        weights += [module.bias_ih, module.bias_hh]
    return Step(KINDS[type(module)], _options(module), tuple(weights), x, before, after, flows)


def _together(states: Any) -> Any:
    """Hidden and cell state, or a hidden state alone, as a tuple; None stays None."""
    return tuple(states) if isinstance(states, list | tuple) else None if states is None else (states,)


def _as_it_is(values: Tensor) -> Tensor:
    return values


def _options(module: Any) -> dict[str, Any]:
    """What tells torch's cells of one kind apart."""
    return {"nonlinearity": module.nonlinearity} if KINDS[type(module)] == "RNN" else {}
