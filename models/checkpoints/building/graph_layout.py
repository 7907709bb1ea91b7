"""How a sequence becomes the inputs of a file's own graph, and the graph's outputs become scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from models.capturing.capture import capture
from models.checkpoints.graphs.graph_module import GraphInput, GraphModule
from models.core.messages import Problem

OutputForm = Literal["steps", "time_first", "rows", "sequence"]
"""The shape of an output for one sequence: (1, T, C), (T, 1, C), (T, C), or (1, C) of the whole sequence."""

PROBES = (5, 8)
"""Numbers of steps on which a graph is run to find the layout of its inputs and outputs."""

PROBABILITIES = ("softmax", "sigmoid")
LOGITS = ("linear", "log_softmax")
"""Functions at the end of outputs whose softmax is a distribution, as they are (``LOGITS``) or after a logarithm."""


@dataclass(frozen=True, eq=False)
class GraphLayout:
    """The layout of a graph for one sequence. Implements ``models.networks.network.SequenceLayout``.

    Attributes:
        graph_inputs: all inputs of the graph.
        index: which of them the sequence becomes.
        time_first: whether it is (T, B) instead of (B, T).
        steps: the only number of steps that the graph accepts; None for any.
        output: which output the scores are.
        form: that output's form; None where no output has a form that is known.
        size: C, the number of its values.
        function: the function that it ends in, as in ``GraphModule.output_functions``; where that is not known, a softmax or
            its logarithm if the values are such a distribution.
        fixed: names of the other inputs, which are 0.
        names: the names of all outputs.
        scored: whether the output of that form is scores of steps or classes, and not only values of the whole sequence.
        symbols: V where ids are one-hot encoded, else 0.
        distribution: whether the scores are those of a distribution over symbols or classes.
    """

    graph_inputs: tuple[GraphInput, ...]
    index: int
    time_first: bool
    steps: int | None
    output: int
    form: OutputForm | None
    size: int
    function: str | None
    fixed: tuple[str, ...]
    names: tuple[str, ...]
    scored: bool = True
    symbols: int = 0
    distribution: bool = False

    def inputs(self, given: Tensor) -> tuple[Tensor, ...]:
        """Return all inputs of the graph for ids (1, T) or values (1, T, D).

        Raises:
            Problem: the graph does not accept so many steps.
        """
        if self.steps is not None and given.shape[1] != self.steps:
            raise Problem(
                "The input has {count} time steps, but this network accepts only sequences of exactly {steps}. Enter "
                "{steps} time steps.",
                count=given.shape[1],
                steps=self.steps,
            )
        return graph_inputs(self.graph_inputs, self.index, self.time_first, self._encoded(given))

    def scores(self, outputs: Any) -> Tensor:
        """Return the scores (1, T, C) of every step, or (1, C) of the whole sequence; of a single class score (1, 2).

        Probabilities become their logarithms where a distribution is scored, so that a softmax returns them unchanged.
        """
        chosen: Tensor = outputs[self.output] if isinstance(outputs, tuple) else outputs
        if self.form is None:
            return chosen.flatten()[None]
        scored = (
            chosen.transpose(0, 1) if self.form == "time_first" else chosen[None] if self.form == "rows" else chosen
        )
        if not self.distribution:
            return scored
        least = torch.finfo(scored.dtype).tiny
        if self.size == 1:
            pair = (torch.zeros_like(scored), scored)
            if self.function == "sigmoid":
                pair = ((1 - scored).clamp_min(least).log(), scored.clamp_min(least).log())
            return torch.cat(pair, -1)
        return scored.clamp_min(least).log() if self.function in PROBABILITIES else scored

    def further_outputs(self, outputs: Any) -> dict[str, Tensor]:
        """Return the outputs by name, without the one that the scores are."""
        values = outputs if isinstance(outputs, tuple) else (outputs,)
        return {
            name: value
            for index, (name, value) in enumerate(zip(self.names, values, strict=True))
            if not (self.scored and index == self.output)
        }

    def _encoded(self, given: Tensor) -> Tensor:
        return one_hot(given, self.symbols).float() if self.symbols else given


def graph_inputs(inputs: Sequence[GraphInput], index: int, time_first: bool, given: Tensor) -> tuple[Tensor, ...]:
    """Return ``given`` as the input ``index``, and zeros as every other input; an axis of any size has the batch's size."""
    batch = given.shape[0]
    return tuple(
        (given.transpose(0, 1) if time_first else given)
        if place == index
        else torch.zeros([batch if side is None else side for side in each.shape])
        for place, each in enumerate(inputs)
    )


def find_layout(graph: GraphModule) -> GraphLayout | None:
    """Return the layout of a graph; None where none of its inputs is one sequence that its recurrent layers run over.

    The graph is run on short sequences in each possible layout; the states of its layers show which axis the steps are.
    """
    # of several layouts, one whose steps are an axis of size 1 comes last: that axis is the batch
    for index, time_first, steps in sorted(_candidates(graph), key=lambda each: each[2] == 1):
        counts = PROBES if steps is None else (steps,)
        probes = [each for count in counts if (each := _probe(graph, index, time_first, count)) is not None]
        if len(probes) < len(counts):
            continue
        output, form, size = _choose_output([[tuple(each.shape) for each in probe] for probe in probes], counts)
        function = graph.output_functions[output] if output < len(graph.output_functions) else None
        if function is None and form is not None:
            function = _distribution([probe[output] for probe in probes])
        return GraphLayout(
            graph.inputs,
            index,
            time_first,
            steps,
            output,
            form,
            size,
            function,
            tuple(each.name for place, each in enumerate(graph.inputs) if place != index),
            graph.outputs,
        )
    return None


def _candidates(graph: GraphModule) -> Iterator[tuple[int, bool, int | None]]:
    """Generate the inputs that may be a sequence, with the order of their first two axes and the fixed number of steps."""
    for index, each in enumerate(graph.inputs):
        rank = 2 if each.kind == "ids" else 3
        if len(each.shape) != rank or (each.kind == "values" and not each.shape[-1]):
            continue
        for time_first in (False, True):
            batch, steps = each.shape[:2][:: -1 if time_first else 1]
            if batch in (None, 1) and steps != 0:
                yield index, time_first, steps


def _distribution(outputs: Sequence[Tensor]) -> str | None:
    """Return the function whose values an output has along its last axis: a softmax, its logarithm, or None."""
    values = torch.cat([each.double().flatten(0, -2) for each in outputs])
    if values.shape[-1] < 2:
        return None
    for function, probability in (("softmax", values), ("log_softmax", values.exp())):
        if bool((probability >= 0).all()) and torch.allclose(probability.sum(-1), probability.new_ones(()), atol=1e-4):
            return function
    return None


def _probe(graph: GraphModule, index: int, time_first: bool, steps: int) -> tuple[Tensor, ...] | None:
    """Return the outputs for one sequence; None if no layer runs over it, or the graph does not accept it."""
    source = graph.inputs[index]
    if source.kind == "ids":
        given = torch.arange(steps)[None] % max(2, source.vocabulary or 2)
    else:
        given = torch.linspace(-1, 1, steps * int(source.shape[-1] or 1)).view(1, steps, -1)
    try:
        with torch.inference_mode(), capture(graph) as trace:
            outputs = graph(*graph_inputs(graph.inputs, index, time_first, given))
    except (RuntimeError, ValueError, IndexError, TypeError):
        return None
    if not trace.layers or any(layer.hidden.shape[0] != 1 for layer in trace.layers.values()):
        return None
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _choose_output(
    shapes: Sequence[Sequence[tuple[int, ...]]], counts: Sequence[int]
) -> tuple[int, OutputForm | None, int]:
    """Return the first output of a known form, its form and size; the form is None if no output has one."""
    for output in range(len(shapes[0])):
        sizes = {probe[output][-1:] for probe in shapes}
        forms = {_form(probe[output], count) for probe, count in zip(shapes, counts, strict=True)}
        if len(sizes) == len(forms) == 1 and None not in forms:
            return output, forms.pop(), shapes[0][output][-1]
    return 0, None, 0


def _form(shape: tuple[int, ...], steps: int) -> OutputForm | None:
    """Return the form of an output for one sequence of ``steps``; None if it is another one."""
    if len(shape) == 3 and shape[:2] in ((1, steps), (steps, 1)):
        return "steps" if shape[0] == 1 else "time_first"
    if len(shape) == 2 and shape[0] in (1, steps):
        return "sequence" if shape[0] == 1 else "rows"
    return None
