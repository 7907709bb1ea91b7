"""Losses of a network's run, and the backward pass from them.

The gradients of a loss by every state are then in the trace (``layer.hidden_grad``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.capturing.capture import capture, recurrent_modules
from models.capturing.module_copy import copy_module
from models.core.layer_gradients import LayerGradients
from models.core.messages import Problem
from models.core.output_gradients import OutputGradients
from models.core.trace import LayerTrace, Trace
from models.networks.network import Network

LossKind = Literal["next", "every", "answer", "unit", "saved"]


@dataclass(frozen=True)
class Loss:
    """A scalar function of a run, from which the backward pass starts.

    Attributes:
        kind: ``"next"``: the negative log-likelihood of the next symbol after ``step`` (of a network of numbers: the
            squared error of the next value; of one that generates a sequence: of the symbol generated at ``step``; of a
            tagger: of the class at ``step``);
            ``"every"``: the sum of that over all steps whose next symbol is given by the sequence, of a tagger over all;
            ``"answer"``: the negative log-likelihood of the class or of the symbol ``target`` after the last step;
            ``"unit"``: the value of a unit after ``step``; ``"saved"``: the loss of the backward pass that was run before
            the trace was saved.
        step: from 0.
        target: id of the symbol or class; None for the symbol that follows in the sequence.
        classes: of a tagger, the index of the correct class at each step, -1 for the predicted one; None for the predicted
            classes.
        unit: the index of a unit of the selected layer, from 0.
        quantity: ``"hidden"`` or, in an LSTM, ``"cell"``.
    """

    kind: LossKind
    step: int = 0
    target: int | None = None
    classes: tuple[int, ...] | None = None
    unit: int = 0
    quantity: Literal["hidden", "cell"] = "hidden"


@dataclass(frozen=True, eq=False)
class DifferentiatedRun:
    """A run after its backward pass.

    Attributes:
        trace: the layers, with the gradients of every state.
        value: the loss.
        module: a copy of the network's module, whose parameters have their ``.grad``.
        target: the target of the last step: id of the symbol or class; None in a network of numbers and in a tagger.
    """

    trace: Trace
    value: float
    module: nn.Module
    target: int | None


def default_target(network: Network, given: Tensor, output: Tensor) -> int:
    """Return the id of the target of the last step when none is chosen: a class, or a symbol.

    It is the first word for the recall networks, the city, and the most probable one for any other network.

    Args:
        network: which network.
        given: (1, T) ids.
        output: its scores, (1, T, V), or (1, C) of classes.
    """
    if network.card.answer_step is not None:
        return int(given[0, network.card.answer_step])
    scores = output[0] if network.card.predicts == "class" else output[0, -1]
    return int(scores.argmax())


def differentiate(network: Network, text: str, loss: Loss) -> DifferentiatedRun:
    """Run ``network`` on ``text`` and backpropagate ``loss`` (of any kind but ``"unit"``).

    The network's own ``.grad`` are not changed: a copy is differentiated.

    Raises:
        Problem: the network or the text has no such loss; one sentence says why.
    """
    module, given = copy_module(network.module), network.encode(text)
    with torch.enable_grad(), capture(module) as trace:
        output = network.run(given, module)
        value = loss_value(network, given, output, loss)
        value.backward()
    return DifferentiatedRun(trace, float(value.detach()), module, last_target(network, given, output, loss))


def last_target(network: Network, given: Tensor, output: Tensor, loss: Loss) -> int | None:
    """Return the target of the last step of a loss, as in ``DifferentiatedRun``; arguments as of ``loss_value``."""
    if loss.target is not None or network.vocabulary is None or network.card.predicts == "tag":
        return loss.target
    return default_target(network, given, output)


def loss_value(network: Network, given: Tensor, output: Tensor, loss: Loss) -> Tensor:
    """Return the loss, (), of the module's ``output`` for ``given`` (1, T) or (1, T, D).

    Raises:
        Problem: the network's output has no target, or nothing follows the step.
    """
    if network.card.predicts in ("values", "nothing"):
        raise Problem(
            "The output of {name} has no target, so no loss can be computed. Choose the value of a unit instead.",
            name=network.titled_name,
        )
    if network.card.predicts == "sequence":
        return _generated_loss(output, loss)
    if loss.kind == "answer":
        target = default_target(network, given, output) if loss.target is None else loss.target
        scores = output[0] if network.card.predicts == "class" else output[0, -1]
        return -scores.log_softmax(-1)[target]
    steps = step_losses(network, given, output, loss.target, loss.classes)
    if loss.kind == "every":
        tags = network.card.predicts == "tag"
        known = steps if network.vocabulary is None or tags else steps[: given.shape[1] - 1]
        if not len(known):
            raise Problem("The sequence has only one time step, so no next token is known. Type a longer text.")
        return known.sum()
    if loss.step >= len(steps):
        raise Problem(
            "No value follows the last time step, so its prediction error cannot be computed. Choose an earlier "
            "time step."
        )
    return steps[loss.step]


def _generated_loss(output: Tensor, loss: Loss) -> Tensor:
    """Return the loss, (), of a network that generated the most probable symbols of ``output`` (1, Tt, V')."""
    logs, generated = output[0].log_softmax(-1), output[0].detach().argmax(-1)
    if loss.kind != "next":
        return -logs.gather(-1, generated[:, None]).sum()
    if loss.step >= len(logs):
        raise Problem(
            "Time step {step} does not exist. The answer ends at time step {count}.",
            step=loss.step + 1,
            count=len(logs),
        )
    return -logs[loss.step, generated[loss.step] if loss.target is None else loss.target]


def step_losses(
    network: Network,
    given: Tensor,
    output: Tensor,
    target: int | None = None,
    classes: Sequence[int] | None = None,
) -> Tensor:
    """Return the loss at every step: (T), or (T - 1) in a network of numbers, whose last step has no next value.

    Args:
        network: which network; one that predicts the next symbol or value, or a class at each step.
        given: (1, T) ids, or (1, T, D) values.
        output: the scores for ``given``.
        target: the target of the last step; None for ``default_target``.
        classes: as in ``Loss``.

    Raises:
        Problem: ``classes`` are not one class of the network for each step.
    """
    if network.card.predicts == "tag":
        return _tag_losses(output[0], classes)
    if network.vocabulary is None:
        return (output[0, :-1] - given[0, 1:]).square().sum(-1)
    last = default_target(network, given, output) if target is None else target
    targets = torch.cat([given[0, 1:], torch.tensor([last])])
    return -output[0].log_softmax(-1).gather(-1, targets[:, None])[:, 0]


def _tag_losses(scores: Tensor, classes: Sequence[int] | None) -> Tensor:
    """Return -ln p (T) of ``classes``, or where there are none or -1 of the predicted classes, by scores (T, C)."""
    steps, count = scores.shape
    targets = scores.detach().argmax(-1)
    if classes is not None:
        if len(classes) != steps:
            raise Problem(
                "There are {given} correct classes, but {count} time steps. Give one class per time step.",
                given=len(classes),
                count=steps,
            )
        if not all(-1 <= each < count for each in classes):
            raise Problem("A class is a number from 0 to {last}. Give one class per time step.", last=count - 1)
        correct = torch.tensor(classes, device=scores.device)
        targets = torch.where(correct < 0, targets, correct)
    return -scores.log_softmax(-1).gather(-1, targets[:, None])[:, 0]


def output_loss_grad(
    network: Network,
    module: nn.Module,
    given: Tensor,
    recurrent_output: Tensor | None = None,
    paths: Sequence[str] = (),
    classes: Sequence[int] | None = None,
) -> Tensor:
    """Return (1, T, P), the derivative of the loss at each step by a recurrent module's output at the same step.

    0 where there is no loss. P counts both directions.

    Args:
        network: which network.
        module: its module.
        given: (1, T) ids, or (1, T, D) values.
        recurrent_output: (1, T, P), the recurrent module's output if it differs from the module's own, as in a run with
            clamped values.
        paths: of that module and before it of those below, each of which is the next one's only input; () for the network's
            last recurrent module.
        classes: of a tagger, as in ``Loss``.

    Raises:
        Problem: no loss belongs to a single step of that output: the network generates a sequence, or what follows the
            recurrent module combines several steps, or the loss depends on the modules below in another way too.
    """
    if network.card.predicts == "sequence":
        raise Problem(
            (
                "{name} is an encoder–decoder, so its layers have no loss at each time step. Choose the value of a "
                "unit instead."
            ),
            name=network.titled_name,
        )
    own = copy_module(module)  # a copy, because the hook below changes its output
    parts = recurrent_modules(own)
    part = parts[paths[-1]] if paths else [*parts.values()][-1]
    below = [weights.requires_grad_() for path in paths[:-1] for weights in parts[path].parameters()]
    time_first = not getattr(part, "batch_first", True)
    leaves: list[Tensor] = []
    shift: Tensor | float = 0.0

    def detach_output(part: nn.Module, args: tuple, output: Any) -> Any:
        values = output[0] if isinstance(output, tuple) else None
        if not isinstance(values, Tensor) or values.ndim != 3 or leaves:
            raise _not_separate(network)
        values = values.transpose(0, 1) if time_first else values
        leaves.append((values if recurrent_output is None else recurrent_output.clone()).detach().requires_grad_())
        moved = leaves[-1] + shift
        return moved.transpose(0, 1) if time_first else moved, output[1]

    part.register_forward_hook(detach_output)
    with torch.enable_grad():
        losses = step_losses(network, given, network.run(given, own), classes=classes)
        # each step's loss depends on its own step's output alone, so the sum's gradient keeps the steps apart
        grad, *others = torch.autograd.grad(losses.sum(), [leaves[-1], *below], allow_unused=True)
    if any(each is not None for each in others):
        raise _not_separate(network)
    if network.layout is not None:
        step, shift = len(losses) // 2, torch.zeros_like(leaves.pop())
        shift[:, step] = 1.0
        moved = (step_losses(network, given, network.run(given, own), classes=classes) - losses).abs()
        moved[step : step + 1] = 0
        if bool((moved > 1e-5 * (1 + losses.abs())).any()):
            raise _not_separate(network)
    return torch.zeros_like(leaves[-1]) if grad is None else grad


def _not_separate(network: Network) -> Problem:
    return Problem(
        "In {name}, the loss at a time step depends on this layer in more ways than by its output at that step. Choose the "
        "value of a unit instead.",
        name=network.titled_name,
    )


def gradients_of_unit(layer: LayerTrace, loss: Loss) -> LayerGradients:
    """Return the gradients of the value of one unit of ``layer``, without the module and without a second run.

    A unit's value depends on nothing above its layer and on nothing later, so these are the whole network's gradients.

    Args:
        layer: the layer's run, of one sequence.
        loss: of the kind ``"unit"``; its step is the position in the sequence.
    """
    hidden = torch.zeros_like(layer.recording.hidden)
    cell = hidden.new_zeros(layer.shape) if layer.kind == "LSTM" else None
    chosen = hidden if cell is None or loss.quantity == "hidden" else cell
    chosen[0, loss.step, loss.unit] = 1.0
    return LayerGradients(layer, OutputGradients(hidden, cell, (False,) * layer.shape[1]))


def select_sequence(layer: LayerTrace, row: int) -> LayerTrace:
    """Return sequence ``row`` of ``layer``'s batch as a separate run, (1, its own length, units)."""
    kept, steps = layer.recording, slice(0, int(layer.lengths[row]))
    rows = slice(row, row + 1)
    if layer.shape[0] == 1 and kept.lengths is None:
        return layer
    output_gradients = kept.gathered_gradients
    if output_gradients is not None:
        cell = None if output_gradients.cell is None else output_gradients.cell[rows, steps]
        output_gradients = replace(
            output_gradients,
            hidden=output_gradients.hidden[rows, steps],
            cell=cell,
            call_ends=output_gradients.call_ends[steps],
        )
    recording = replace(
        kept,
        input=kept.input[rows, steps],
        hidden=kept.hidden[rows, steps],
        hidden_prev=kept.hidden_prev[rows, steps],
        initial_cell=None if kept.initial_cell is None else kept.initial_cell[rows],
        recorded={name: values[rows, steps] for name, values in kept.recorded.items()},
        lengths=None,
        dropout=None if kept.dropout is None else kept.dropout[rows, steps],
        output_gradients=output_gradients,
    )
    return replace(layer, recording=recording)
