"""The network of a checkpoint: from the graph that the file states, or from its tensors and choices."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from models.checkpoints.building.build import (
    FILE_GRAPH,
    STEPWISE,
    Setup,
    build_network,
    compatible_parts,
    default_setup,
)
from models.checkpoints.building.graph_network import build_graph_network
from models.checkpoints.checkpoint_data import CheckpointData
from models.checkpoints.parsing.errors import CheckpointError
from models.networks.network import Network

GRAPH_CHOICES = ("vocabulary", "kind", "predicts", "classes")
"""Choices that a graph leaves open; all others need the network to be built from tensors."""
TENSOR_CHOICES = ("stack", "embedding", "decoder", "target", "readout")
NONLINEARITY = "nonlinearity"
"""The choice of the activation function of all vanilla RNNs, which their tensors do not show."""


def network_of_setup(checkpoint: CheckpointData, setup: Setup, name: str) -> Network:
    """Build the network of a setup, also of one that runs the file's own graph.

    Raises:
        CheckpointError: it cannot be run, or its steps cannot be shown; one sentence says why.
    """
    if setup.stack != FILE_GRAPH:
        return build_network(checkpoint, setup, name)
    return _graph_network(
        checkpoint, name, vocabulary=setup.vocabulary, kind=setup.kind, predicts=setup.predicts, classes=setup.classes
    )


def _graph_network(checkpoint: CheckpointData, name: str, **choices: Any) -> Network:
    """Build the network of the file's own graph.

    Raises:
        CheckpointError: the file states none, it cannot be run, or its steps cannot be shown.
    """
    if checkpoint.graph is None:
        raise CheckpointError(
            "This file contains only tensors, not how the network is computed. Choose the layers to run."
        )
    network = build_graph_network(checkpoint, checkpoint.graph(), name, **choices)
    if network.layout is None:
        raise CheckpointError(
            "The inputs of this network are not one sequence of time steps, so its steps cannot be shown. Choose one of the "
            "recurrent layers to run on its own."
        )
    return network


def likely_setup(checkpoint: CheckpointData) -> Setup:
    """Return how a file most likely runs: as the graph that it states, or where that cannot be, by its tensors.

    Raises:
        CheckpointError: the file contains no recurrent layers that can run.
    """
    if checkpoint.graph is not None:
        with suppress(CheckpointError):
            return graph_setup(checkpoint)
    return default_setup(compatible_parts(checkpoint))


def graph_setup(checkpoint: CheckpointData) -> Setup:
    """Return the setup of the graph that a file states, with the symbols that the file lists.

    Raises:
        CheckpointError: it states none, or its steps cannot be shown.
    """
    network = _graph_network(checkpoint, "graph")
    symbols = network.vocabulary
    if symbols is None:
        return Setup(FILE_GRAPH, kind="numbers")
    if symbols == tuple(map(str, range(len(symbols)))):
        return Setup(FILE_GRAPH, kind="ids")
    return Setup(FILE_GRAPH, vocabulary=symbols, kind=network.card.kind)


def network_of_file(checkpoint: CheckpointData, name: str, choices: Mapping[str, Any]) -> Network:
    """Build the network of a checkpoint with ``choices``, fields of ``Setup`` by name; see ``Checkpoint.network``.

    Raises:
        CheckpointError: it cannot be run; one sentence says why.
        TypeError: there is no choice of that name.
    """
    unknown = set(choices) - {*GRAPH_CHOICES, *TENSOR_CHOICES, NONLINEARITY}
    if unknown:
        raise TypeError(f"unknown choices: {', '.join(sorted(unknown))}")
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in choices.items()}
    if NONLINEARITY in given:
        checkpoint = _with_nonlinearity(checkpoint, given.pop(NONLINEARITY))
    elif checkpoint.graph is not None and not set(given) & {*TENSOR_CHOICES}:
        return build_graph_network(checkpoint, checkpoint.graph(), name, **given)
    setup = default_setup(compatible_parts(checkpoint), given.get("stack"), given.get("vocabulary"))
    if set(given) & {*TENSOR_CHOICES}:  # what the file states is about other tensors
        setup = replace(setup, predicts=None)
    confirmed = {*given, *(("readout",) if given.get("predicts") in STEPWISE else ())}
    confirmed |= {"initial_states"} if "stack" in given else set()
    assumed = tuple(each for each in setup.assumed if each not in confirmed)
    return build_network(checkpoint, replace(setup, **given, assumed=assumed), name)


def _with_nonlinearity(checkpoint: CheckpointData, nonlinearity: str) -> CheckpointData:
    """Return the checkpoint with this activation function of all its vanilla RNNs.

    Raises:
        CheckpointError: it has none, or the function is not supported.
    """
    layers = [name for name, layer in checkpoint.found.items() if layer.kind == "RNN"]
    if not layers:
        raise CheckpointError("This file has no vanilla RNN. Leave out the choice of an activation function.")
    for layer in layers:
        checkpoint = checkpoint.corrected(layer, nonlinearity=nonlinearity)
    return checkpoint
