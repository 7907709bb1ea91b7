"""The states of a network over a batch of sequences, at little more than the cost of its forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.capturing.capture import capture
from models.core.messages import Problem
from models.networks.network import Network

STATES = ("hidden", "cell")
"""The quantities that can be indexed."""


class _EnoughError(Exception):
    """Ends a forward pass after the last layer that is read."""


class StateReader:
    """A reader of the states of some layers of a network.

    The hidden state of the last layer of a module of PyTorch is its output, and is taken from there; others are captured.

    Attributes:
        layers: H, the units of each layer that is read.
        quantities: what is read of each.
        can_pad: whether a sequence's states do not depend on what follows it, so that sequences of several lengths can be
            run together.
    """

    def __init__(
        self, network: Network, layers: Sequence[str] | None = None, quantities: Sequence[str] = ("hidden",)
    ) -> None:
        """Run the network on one token to find its layers.

        Args:
            network: that is run.
            layers: their names, as in a trace; None for all.
            quantities: some of ``STATES``; a layer without a cell state has only the hidden one.

        Raises:
            Problem: there is no recurrent layer, no such layer, or no such quantity.
        """
        self.network, self._module = network, network.module
        unknown = [each for each in quantities if each not in STATES]
        if unknown or not quantities:
            raise Problem(
                "“{name}” is not a state. Choose from: {states}.", name=", ".join(unknown), states=", ".join(STATES)
            )
        if network.layout is not None and network.layout.steps is not None:
            raise Problem(
                "{name} accepts sequences of {count} time steps alone, so a corpus cannot be indexed with it.",
                name=network.titled_name,
                count=network.layout.steps,
            )
        with torch.inference_mode(), capture(self._module) as trace:
            _run(network, _probe(network))
        reads_all = network.card.predicts != "sequence"
        found = {name: layer for name, layer in trace.layers.items() if reads_all or name.startswith("encoder")}
        if not found:
            raise Problem("{name} has no recurrent layer.", name=network.titled_name)
        chosen = list(found) if layers is None else list(layers)
        for name in chosen:
            if name not in found:
                raise Problem(
                    "{network} has no layer “{name}”. Choose from: {layers}.",
                    network=network.titled_name, name=name, layers=", ".join(found),
                )  # fmt: skip
        self.layers = {name: found[name].shape[2] for name in chosen}
        self.quantities = tuple(quantities)
        self.read = {
            name: tuple(each for each in quantities if each in found[name].quantities or each == "hidden")
            for name in chosen
        }
        self.can_pad = self._is_causal()
        self._outputs = self._plain_outputs(found)

    def _plain_outputs(self, found: dict[str, Any]) -> dict[str, nn.Module] | None:
        """Return by layer the module whose output is its hidden state; None if something else is read too."""
        if any(quantities != ("hidden",) for quantities in self.read.values()):
            return None
        result: dict[str, nn.Module] = {}
        for name in self.layers:
            path, _dot, suffix = name.rpartition(".")
            module = dict(self._module.named_modules()).get(path)
            if type(module) not in (nn.RNN, nn.LSTM, nn.GRU):
                return None
            assert isinstance(module, nn.RNNBase)
            is_last = suffix == f"l{module.num_layers - 1}" and not module.bidirectional
            if not is_last or not module.batch_first or found[name].shape[0] != 1:
                return None
            result[name] = module
        return result

    def _is_causal(self) -> bool:
        """Return whether the states at a step are the same whatever follows it, found by running the network."""
        self._outputs = None
        long = _random_input(self.network)
        other = long.clone()
        other[:, 4:] = other[:, 4:].flip(0)
        try:
            whole, changed, short = (self.states(each) for each in (long, other, long[:, :5]))
        except Exception:  # a module that accepts some lengths only
            return False
        return all(
            np.allclose(whole[name][each][:, :4], found[name][each][:, :4], rtol=0, atol=1e-5)
            for name, quantities in self.read.items()
            for each in quantities
            for found in (changed, short)
        )

    def states(self, given: Tensor) -> dict[str, dict[str, np.ndarray]]:
        """Return by layer and quantity the states (B, T, H) float32 for ids (B, T) int64 or values (B, T, D) float32."""
        with torch.inference_mode():
            if self._outputs is not None:
                return {name: {"hidden": values} for name, values in self._read_outputs(given, self._outputs).items()}
            with capture(self._module) as trace:
                _run(self.network, given)
            return {
                name: {each: trace.layers[name][each] for each in quantities} for name, quantities in self.read.items()
            }

    def _read_outputs(self, given: Tensor, modules: dict[str, nn.Module]) -> dict[str, np.ndarray]:
        """Return the outputs of modules; the forward pass ends after the last of them."""
        found: dict[str, np.ndarray] = {}

        def hook(name: str, output: Any) -> None:
            found[name] = output[0].numpy()
            if len(found) == len(modules):
                raise _EnoughError

        hooks = [
            module.register_forward_hook(lambda _module, _inputs, output, name=name: hook(name, output))
            for name, module in modules.items()
        ]
        try:
            _run(self.network, given)
        except _EnoughError:
            pass
        finally:
            for each in hooks:
                each.remove()
        return found


def _run(network: Network, given: Tensor) -> None:
    """Run a network; of one that generates a sequence, the encoder and one step of the decoder."""
    if network.card.predicts == "sequence":
        network.module(given, torch.zeros(len(given), 1, dtype=torch.int64))
    else:
        network.run(given)


def _probe(network: Network, steps: int = 2) -> Tensor:
    """Return an input of ``steps`` steps."""
    if network.vocabulary is None:
        return torch.zeros(1, steps, network.card.columns)
    return torch.full((1, steps), min(1, len(network.vocabulary) - 1))


def _random_input(network: Network) -> Tensor:
    """Return two different sequences of eight steps, the same each time."""
    generator = torch.Generator().manual_seed(0)
    if network.vocabulary is None:
        return torch.randn(2, 8, network.card.columns, generator=generator)
    return torch.randint(min(1, len(network.vocabulary) - 1), len(network.vocabulary), (2, 8), generator=generator)
