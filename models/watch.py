"""Hooks on recurrent modules that hand a recorder what each call read and put out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from models.recorder import Recorder, Run
from models.stacked import StackedCalls

KINDS = {nn.RNN: "RNN", nn.LSTM: "LSTM", nn.GRU: "GRU"}
KINDS_OF_CELLS = {nn.RNNCell: "RNN", nn.LSTMCell: "LSTM", nn.GRUCell: "GRU"}
FUSED_MODULES, CELL_MODULES = tuple(KINDS), tuple(KINDS_OF_CELLS)


class Watch:
    """Hooks on one module, for calls from one thread, as long as the block lasts."""

    def __init__(self, name: str, module: Any, recorder: Recorder, thread: int) -> None:
        """Watch ``module``, called ``name``, when it is called from ``thread``."""
        self.name, self.module, self.recorder, self.thread = name, module, recorder, thread
        self.handles: list[Any] = []

    def __enter__(self) -> Watch:
        self.set_hooks()
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()

    def set_hooks(self) -> None:
        """Set the hooks that are needed."""
        raise NotImplementedError

    def before_call(self, hook: Callable[[tuple, dict], None]) -> None:
        """Have ``hook(args, kwargs)`` called before the module runs."""

        def here(module: nn.Module, args: tuple, kwargs: dict) -> None:
            if threading.get_ident() == self.thread:
                hook(args, kwargs)

        self.handles.append(self.module.register_forward_pre_hook(here, with_kwargs=True))

    def after_call(self, hook: Callable[[tuple, dict, Any], None], always: bool = False) -> None:
        """Have ``hook(args, kwargs, output)`` called after the module ran; ``always``: also, with None, if it raised."""

        def here(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
            if threading.get_ident() == self.thread:
                hook(args, kwargs, output)

        self.handles.append(self.module.register_forward_hook(here, with_kwargs=True, always_call=always))


class ForwardWatch(Watch):
    """Counts the calls of a whole network, so that one forward's steps are told from the next's."""

    def set_hooks(self) -> None:
        """Count before each call."""
        self.before_call(self.count)

    def count(self, args: tuple, kwargs: dict) -> None:
        """One call more."""
        self.recorder.forward += 1


class FusedWatch(Watch):
    """Watches an ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``.

    One layer is told from the module's arguments and output; of a stack, only the call of the kernel tells enough.
    """

    stacked: StackedCalls | None = None

    def set_hooks(self) -> None:
        """Look after each call; for a stack, also into it."""
        if self.module.num_layers > 1:
            self.before_call(self.enter_stack)
        self.after_call(self.record, always=self.module.num_layers > 1)

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.leave_stack()

    def enter_stack(self, args: tuple, kwargs: dict) -> None:
        """Make the kernel's call one layer at a time from here on."""
        self.stacked = StackedCalls()
        self.stacked.__enter__()

    def leave_stack(self) -> list[Run]:
        """Undo that; what was seen meanwhile."""
        stacked, self.stacked = self.stacked, None
        if stacked is None:
            return []
        stacked.__exit__(None, None, None)
        return stacked.runs

    def record(self, args: tuple, kwargs: dict, output: Any) -> None:
        """Keep what the call did; nothing if it raised."""
        runs = self.leave_stack()
        if output is None:
            return
        given = args[0] if args else kwargs["input"]
        if self.module.num_layers == 1:
            states = args[1] if len(args) > 1 else kwargs.get("hx")
            runs = [only_run(self.module, given, states, output[0])]
        order = given.unsorted_indices if isinstance(given, PackedSequence) else None
        for run in runs:
            self.recorder.record(self.name, run, order)


def only_run(module: Any, given: Tensor | PackedSequence, states: Any, output: Any) -> Run:
    """What a module of one layer did, told from what it was given and its output (both as the module's own)."""
    x, out, batch_sizes = given, output, None
    if states is not None and not isinstance(states, tuple):
        states = (states,)
    if isinstance(given, PackedSequence):
        x, out, batch_sizes = given.data, output.data, given.batch_sizes
        if (
            states is not None and given.sorted_indices is not None
        ):  # the kernel reads the longest sequence first
            states = tuple(state[:, given.sorted_indices] for state in states)
    elif given.dim() == 2:  # one sequence without a batch
        x, out = given[:, None], output[:, None]
        if states is not None:
            states = tuple(state[:, None] for state in states)
    elif module.batch_first:
        x, out = given.transpose(0, 1), output.transpose(0, 1)
    return Run(
        kind=next(kind for base, kind in KINDS.items() if isinstance(module, base)),
        nonlinearity=getattr(module, "nonlinearity", "tanh"),
        layer=0,
        directions=2 if module.bidirectional else 1,
        biases=module.bias,
        weights=tuple(module._flat_weights),
        input=x,
        states=states,
        output=out,
        batch_sizes=batch_sizes,
    )


class CellWatch(Watch):
    """Watches an ``nn.RNNCell``, ``nn.LSTMCell`` or ``nn.GRUCell``: each call is one step."""

    def set_hooks(self) -> None:
        """Look after each call."""
        self.after_call(self.record)

    def record(self, args: tuple, kwargs: dict, output: Any) -> None:
        """Keep the step."""
        x = args[0] if args else kwargs["input"]
        given = args[1] if len(args) > 1 else kwargs.get("hx")
        after = output if isinstance(output, tuple) else (output,)
        before = given if isinstance(given, tuple) else (given,)
        if given is None:
            before = tuple(torch.zeros_like(state) for state in after)
        if x.dim() == 1:  # one step without a batch
            x, before, after = x[None], [state[None] for state in before], [state[None] for state in after]
        module = self.module
        weights = [module.weight_ih, module.weight_hh]
        if module.bias:
            weights += [module.bias_ih, module.bias_hh]
        kind = next(kind for base, kind in KINDS_OF_CELLS.items() if isinstance(module, base))
        nonlinearity = getattr(module, "nonlinearity", "tanh")
        self.recorder.record_step(self.name, kind, nonlinearity, weights, x, before, after, given is None)
