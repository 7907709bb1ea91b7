"""The bundled networks by name: trained, as their training found them, and what the recall networks were trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from safetensors.torch import load_file
from torch import Tensor, nn

from models.architectures.language_model import init_forget_bias
from models.core.messages import Problem
from models.core.seeded_random import seeded_random
from models.networks.network import ModelCard, Network
from models.zoo import ARCHITECTURES, FOLDER, NETWORKS, recall

RECALL_TEXTS, RECALL_DISTANCE = 320, 24
"""Texts in a batch of ``recall_batches``, and the words between the first word and the end."""


def network_names() -> tuple[str, ...]:
    """The names that ``load_network`` accepts, in the order of the menu."""
    return tuple(NETWORKS)


def load_network(name: str) -> Network:
    """Return a bundled network with its trained weights, loaded from ``models/zoo``.

    Raises:
        ValueError: no network has that name; the sentence lists the names.
    """
    if name not in NETWORKS:
        raise Problem("Unknown network “{name}”. Choose one of these: {names}.", name=name, names=", ".join(NETWORKS))
    card = ModelCard.load(FOLDER / f"{name}.json")
    with seeded_random():
        module = build_module(card.architecture)
    module.load_state_dict(load_file(FOLDER / f"{name}.safetensors"))
    return Network(name, module.eval(), card.vocabulary, card)


def build_module(architecture: Mapping[str, Any]) -> nn.Module:
    """Return a new module of a card's ``architecture``: its ``"class"`` and that class's arguments."""
    arguments = dict(architecture)
    return ARCHITECTURES[arguments.pop("class")](**arguments)


def initial_network(network: Network) -> Network:
    """Return a recall network with its weights before the first training step, from the seed on its card."""
    with seeded_random(network.card.training["seed"]):
        module = build_module(network.card.architecture)
    init_forget_bias(module)  # as models.zoo.recall does before its first step
    return replace(network, module=module.eval())


def recall_batches(network: Network) -> Callable[[int, Literal["en", "ko"]], Tensor] | None:
    """Return a generator of the texts that a recall network was trained on; None for any other network.

    Returns:
        (seed, language) -> ids (B, T + 1) of texts of one length, whose last token is their first one again.
    """
    if NETWORKS.get(network.name) != recall.__name__:
        return None
    return lambda seed, language: recall.sample_recall_batch(
        np.random.default_rng((seed, 9)), RECALL_DISTANCE, RECALL_TEXTS, language
    )
