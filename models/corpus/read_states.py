"""The states of a network over a batch of sequences, at little more than the cost of its forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.capturing.capture import capture
from models.core.gate_evaluation import SequenceEvaluation, previous_states
from models.core.messages import Problem
from models.core.weights import LayerWeights
from models.networks.network import Network

STATES = ("hidden", "cell")
"""The quantities that can be indexed."""

States = dict[tuple[str, str], Tensor]
"""Values (B, T, H) by layer and quantity."""

PIECE_VALUES = 1 << 20
"""Gates that are computed at a time, for a cell state: so few that they stay in the processor's cache."""


class _EnoughError(Exception):
    """Ends a forward pass after the last layer that is read."""


class StateReader:
    """A reader of the states of some layers of a network.

    The hidden state of the last layer of a module of PyTorch is its output, and is taken from there; the cell state of an
    LSTM of one layer is computed from its input and output. Everything else is captured. Where it can be taken is found by
    running the network, and compared with what is captured.

    Attributes:
        layers: H, the units of each layer that is read.
        read: the layer and the quantity of each state that is read.
        can_pad: whether a sequence's states do not depend on what follows it, so that sequences of several lengths can be
            run together.
    """

    def __init__(
        self, network: Network, layers: Sequence[str] | None = None, quantities: Sequence[str] = ("hidden",)
    ) -> None:
        """Run the network on a few tokens to find its layers.

        Args:
            network: that is run.
            layers: their names, as in a trace; None for all.
            quantities: some of ``STATES``; a layer without a cell state has only the hidden one.

        Raises:
            Problem: there is no recurrent layer, no such layer, or no such quantity.
        """
        self.network = network
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
        with torch.inference_mode(), capture(network.module) as trace:
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
        self.read = [
            (name, each) for name in chosen for each in quantities if each in found[name].quantities or each == "hidden"
        ]
        self.can_pad = self._is_causal()
        self._modules = self._outer_modules()

    def states(self, given: Tensor) -> States:
        """Return the states for ids (B, T) int64 or values (B, T, D) float32."""
        with torch.inference_mode():
            return self._captured(given) if self._modules is None else self._from_outputs(given, self._modules)

    def _captured(self, given: Tensor) -> States:
        with torch.inference_mode(), capture(self.network.module) as trace:
            _run(self.network, given)
        return {(name, each): trace.layers[name].tensor(each) for name, each in self.read}

    def _is_causal(self) -> bool:
        """Return whether the states at a step are the same whatever follows it."""
        long = _random_input(self.network)
        other = long.clone()
        other[:, 4:] = other[:, 4:].flip(0)
        try:
            whole, changed, short = (self._captured(each) for each in (long, other, long[:, :5]))
        except Exception:  # a module that accepts some lengths only
            return False
        return all(_agree(whole[name][:, :4], found[name][:, :4]) for name in self.read for found in (changed, short))

    def _outer_modules(self) -> dict[str, nn.RNNBase] | None:
        """Return by layer the module from whose input and output its states follow; None if there is not one for each."""
        result: dict[str, nn.RNNBase] = {}
        modules = dict(self.network.module.named_modules())
        for name, quantity in self.read:
            path, _dot, suffix = name.rpartition(".")
            module = modules.get(path)
            if not isinstance(module, nn.RNN | nn.LSTM | nn.GRU) or not module.batch_first or module.bidirectional:
                return None
            if suffix != f"l{module.num_layers - 1}" or (
                quantity == "cell" and (module.num_layers > 1 or module.proj_size)
            ):
                return None
            result[name] = module
        given = _random_input(self.network)
        try:
            captured, found = self._captured(given), self._from_outputs(given, result)
        except Exception:  # a module that is called in another way than with a batch of whole sequences
            return None
        return result if all(name in found and _agree(captured[name], found[name]) for name in captured) else None

    def _from_outputs(self, given: Tensor, modules: dict[str, nn.RNNBase]) -> States:
        """Return the states that follow from the outputs of modules; the forward pass ends after the last of them."""
        found: States = {}

        def read(name: str) -> Callable[..., None]:
            def hook(module: nn.RNNBase, inputs: tuple[Tensor, ...], output: Any) -> None:
                found[name, "hidden"] = output[0]
                if (name, "cell") in self.read:
                    found[name, "cell"] = cell_states(module, inputs[0], output[0])
                if len(found) == len(self.read):
                    raise _EnoughError

            return hook

        hooks = [module.register_forward_hook(read(name)) for name, module in modules.items()]
        try:
            _run(self.network, given)
        except _EnoughError:
            pass
        finally:
            for each in hooks:
                each.remove()
        return {name: found[name] for name in self.read}


def cell_states(module: nn.RNNBase, given: Tensor, hidden: Tensor) -> Tensor:
    """Return the cell states (B, T, H) of an LSTM of one layer that began with zeros, by the equations of its cell.

    Args:
        module: the LSTM, ``batch_first``.
        given: its input (B, T, D).
        hidden: its output (B, T, H).
    """
    tensors = [each.detach().numpy() for each in module.all_weights[0]]
    weights = LayerWeights(
        "LSTM",
        tensors[0],
        tensors[1],
        bias_ih=tensors[2] if module.bias else None,
        bias_hh=tensors[3] if module.bias else None,
    )
    result = torch.empty_like(hidden)
    values = result.numpy()
    batch, steps, units = hidden.shape
    size = max(1, PIECE_VALUES // (4 * units * batch))
    before, cell = hidden.new_zeros(batch, units), None
    for start in range(0, steps, size):
        piece = slice(start, start + size)
        previous = previous_states(hidden[:, piece], before, reverse=False, lengths=None)
        evaluated = SequenceEvaluation(weights, given[:, piece], hidden[:, piece], previous, cell)
        values[:, piece] = evaluated.quantity("cell")
        before, cell = hidden[:, piece][:, -1], result[:, piece][:, -1].contiguous()
    return result


def _agree(some: Tensor, others: Tensor) -> bool:
    return some.shape == others.shape and torch.allclose(some, others, rtol=0, atol=1e-5)


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
