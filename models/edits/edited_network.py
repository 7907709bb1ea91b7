"""A network with edits: run, differentiated and saved like any other, without changing the network that it is made from.

With edits of weights and input alone, the edited network is a torch module with the edited weights, recorded by
``capture``. Layers run step by step only if something is clamped, ablated or patched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from models.capturing.capture import capture, recurrent_modules
from models.core.cells import Kind
from models.core.layer_metadata import layer_metadata
from models.core.messages import Problem
from models.core.stepwise import ClampSchedule
from models.core.stepwise_modules import StepwiseModule, cell_kind_of
from models.core.trace import Trace
from models.decoding.decode import decode_sequence
from models.decoding.run_network import decoded_run
from models.edits.edit import Edits
from models.edits.edit_syntax import write_edits
from models.edits.interventions import build_clamp_schedules, intervene
from models.edits.token_edits import edited_sequence
from models.edits.weight_edits import edited_module, parameters_of, unknown_unit
from models.gradients.losses import DifferentiatedRun, Loss, last_target, loss_value
from models.networks.forward_run import ForwardRun, prediction_of
from models.networks.input_sequence import InputSequence
from models.networks.network import Network
from models.networks.network_metadata import network_metadata


@dataclass(frozen=True, eq=False)
class EditedNetwork:
    """A network and edits of it, immutable; several threads may edit one network at once.

    Attributes:
        base: the network without edits; never changed.
        edits: the edits.

    Example:
        >>> edits = read_edits("rnn.l0.forget_gate@3-8=0")
        >>> EditedNetwork(load_network("recall-lstm"), edits).read(text).prediction.top(1)
    """

    base: Network
    edits: Edits

    @cached_property
    def network(self) -> Network:
        """The network with edited weights in a separate module: for ``capture``, a backward pass, or further training.

        It does not contain clamps, ablations, patches and token edits.

        Raises:
            Problem: an edit does not fit; one sentence says why. The methods below raise it too.
        """
        return replace(self.base, module=edited_module(self.base.module, self.edits.weights))

    def sequence(self, text: str) -> InputSequence:
        """Return the input for ``text``, after the token edits."""
        return edited_sequence(self.base, text, self.edits.tokens)

    def read(self, text: str) -> ForwardRun:
        """Run the edited network on ``text`` after the token edits."""
        inputs = self.sequence(text)
        if self.base.card.predicts == "sequence":
            self._check_no_interventions()
            return decoded_run(decode_sequence(self.network, inputs))
        module = edited_module(self.base.module, self.edits.weights)  # a copy, because the run registers hooks on it
        trace: Trace
        with torch.inference_mode():
            if self.edits.interventions:
                with intervene(module, self._clamp_schedules(module, inputs.given)) as run:
                    scores, outputs = self.base.run_with_outputs(inputs.given, module)
                trace = run.trace
            else:
                with capture(module) as trace:
                    scores, outputs = self.base.run_with_outputs(inputs.given, module)
        prediction = prediction_of(self.base, inputs.given[0], scores[0])
        return ForwardRun(
            replace(trace, tokens=inputs.labels),
            inputs.labels,
            prediction,
            inputs.unknown,
            self.base.input_names,
            interventions=self.edits.interventions,
            outputs={name: value.numpy() for name, value in outputs.items()},
        )

    def differentiate(self, text: str, loss: Loss, layer: str | None = None) -> DifferentiatedRun:
        """Run the edited network on ``text`` and backpropagate ``loss``.

        With interventions every layer runs step by step, and the trace has dL/dh_t and dL/dc_t from autograd: no gradient
        passes through a clamped value. (dL/da of a clamped gate is 0: its preactivation was not used.)

        Args:
            text: as it would be typed.
            loss: of any kind but ``"saved"``.
            layer: the layer of the unit of a ``"unit"`` loss.

        Raises:
            Problem: the edits do not fit, or the network or the text has no such loss; one sentence says why.
        """
        given = self.sequence(text).given
        if self.base.card.predicts == "sequence":
            self._check_no_interventions(loss)
        module = edited_module(self.base.module, self.edits.weights)
        schedules = self._clamp_schedules(module, given) if self.edits.interventions else {}
        if schedules or loss.kind == "unit":
            schedules = {name: schedules.get(name, ClampSchedule()) for name in parameters_of(module).cells}
        trace: Trace
        with torch.enable_grad():
            if schedules:
                with intervene(module, schedules) as run:
                    output = self.base.run(given, module)
                    run.retain_grads()
                    value = self._value(run, given, output, loss, layer)
                    value.backward()
                trace = run.trace_with_grads()
            else:
                with capture(module) as trace:
                    output = self.base.run(given, module)
                    value = loss_value(self.base, given, output, loss)
                    value.backward()
        return DifferentiatedRun(trace, float(value.detach()), module, last_target(self.base, given, output, loss))

    def sensitivity(self, text: str, loss: Loss, layer: str | None = None) -> dict[str, np.ndarray]:
        """Return |dL/dW| of every parameter, float32 of its shape, by the names that edits use (``"rnn.l0.weight_hh"``).

        Arguments and errors as of ``differentiate``. A parameter that the loss does not depend on has zeros.
        """
        return weight_sensitivity(self.differentiate(text, loss, layer))

    def weights(self) -> dict[str, np.ndarray]:
        """Return the edited parameters, by the names that edits use."""
        return {name: values.numpy() for name, values in parameters_of(self.network.module).arrays.items()}

    def save(self) -> bytes:
        """Return the edited weights as a ``.safetensors`` file with PyTorch's names.

        Its metadata contain all edits as a text, each recurrent layer's options that its weights do not determine, such
        as the activations, and what the network predicts.

        ``module.load_state_dict(safetensors.torch.load(data))`` loads them again.
        """
        module = self.network.module
        tensors = {name: values.detach().contiguous() for name, values in module.state_dict().items()}
        parts = recurrent_modules(module)
        layers = {name: _stored_cell(parts[name.rpartition(".")[0]]) for name in parameters_of(module).cells}
        card = self.base.card
        about = {
            "format": "pt",
            "network": self.base.name,
            "edits": write_edits(self.edits),
            **layer_metadata(layers),
            **network_metadata(card.predicts, None if card.classes is None else card.classes["en"], card.vocabulary),
        }
        return save(tensors, about)

    def _check_no_interventions(self, loss: Loss | None = None) -> None:
        """Check that no layer has to run step by step: the number of a decoder's steps depends on its output."""
        if self.edits.interventions:
            raise Problem(
                (
                    "{name} is a sequence-to-sequence network, so its values cannot be fixed. Edit its weights or its input "
                    "instead."
                ),
                name=self.base.name,
            )
        if loss is not None and loss.kind == "unit":
            raise Problem(
                (
                    "{name} is a sequence-to-sequence network, so the gradient of a single unit cannot be computed here. "
                    "Choose another loss."
                ),
                name=self.base.name,
            )

    def _clamp_schedules(self, module: nn.Module, given: Tensor) -> dict[str, ClampSchedule]:
        """Return the interventions of each layer."""

        def run(sequence: Tensor) -> Trace:
            with torch.inference_mode(), capture(module) as trace:
                self.base.run(sequence, module)
            return trace

        plain: Callable[[], Trace] = cache(lambda: run(given))
        other: Callable[[str], Trace] = cache(lambda text: run(self.base.encode(text)))
        return build_clamp_schedules(self.edits.interventions, parameters_of(module), given.shape[1], plain, other)

    def _value(self, run: intervene, given: Tensor, output: Any, loss: Loss, layer: str | None) -> Tensor:
        if loss.kind != "unit":
            return loss_value(self.base, given, output, loss)
        values = run.stacked[layer or next(iter(run.stacked))][loss.quantity][0]
        steps, units = values.shape
        if loss.step >= steps:
            raise Problem(
                "Time step {step} does not exist. The sequence ends at time step {count}.",
                step=loss.step + 1,
                count=steps,
            )
        if loss.unit >= units:
            raise unknown_unit(str(layer), loss.unit, units)
        return values[loss.step, loss.unit]


def _stored_cell(part: nn.Module) -> tuple[Kind, dict[str, Any]]:
    """Return the kind of a recurrent module's layers, and their options with its direction if it runs backward."""
    kind, options = cell_kind_of(part)
    backward = isinstance(part, StepwiseModule) and part.kernel.reverse
    return kind, {**options, **({"reverse": True} if backward else {})}


def weight_sensitivity(done: DifferentiatedRun) -> dict[str, np.ndarray]:
    """Return |dL/dW| of every parameter of a differentiated run, as ``EditedNetwork.sensitivity`` does."""
    known, own = parameters_of(done.module), dict(done.module.named_parameters())
    found = {}
    for name, values in known.arrays.items():
        grad = own[known.own_names[name]].grad
        found[name] = (torch.zeros_like(values) if grad is None else grad.abs()).numpy()
    return found


def run_edited(network: Network, text: str, edits: Edits) -> ForwardRun:
    """Run ``network`` with ``edits`` on ``text``: ``EditedNetwork(network, edits).read(text)``.

    Raises:
        Problem: the text cannot be encoded, or an edit does not fit; one sentence says why.
    """
    return EditedNetwork(network, edits).read(text)
