"""The network of a checkpoint: from the graph that the file states, or from its tensors and choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.checkpoints.building.build import build_network, compatible_parts, default_setup
from models.checkpoints.building.graph_network import build_graph_network
from models.checkpoints.checkpoint import Checkpoint
from models.networks.network import Network

GRAPH_CHOICES = ("vocabulary", "kind", "predicts", "classes")
"""Choices that a graph leaves open; all others need the network to be built from tensors."""
TENSOR_CHOICES = ("stack", "embedding", "decoder", "target", "readout")


def network_of_file(checkpoint: Checkpoint, name: str, choices: Mapping[str, Any]) -> Network:
    """Build the network of a checkpoint with ``choices``, fields of ``Setup`` by name; see ``Checkpoint.network``.

    Raises:
        CheckpointError: it cannot be run; one sentence says why.
        TypeError: there is no choice of that name.
    """
    unknown = set(choices) - {*GRAPH_CHOICES, *TENSOR_CHOICES}
    if unknown:
        raise TypeError(f"unknown choices: {', '.join(sorted(unknown))}")
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in choices.items()}
    if checkpoint.graph is not None and not set(given) & {*TENSOR_CHOICES}:
        return build_graph_network(checkpoint, checkpoint.graph(), name, **given)
    setup = default_setup(compatible_parts(checkpoint), given.get("stack"), given.get("vocabulary"))
    assumed = tuple(each for each in setup.assumed if each not in given)
    return build_network(checkpoint, replace(setup, **given, assumed=assumed), name)
