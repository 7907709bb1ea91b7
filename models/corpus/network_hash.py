"""The hash of a network, by which an index names the one that it was made with."""

from __future__ import annotations

import hashlib

import torch

from models.networks.network import Network


def network_hash(network: Network) -> str:
    """Return the SHA-256 of a network's tensors, its kind of tokens and its vocabulary, as 64 hexadecimal digits.

    Its name is not part of it: the same network under another name has the same states.
    """
    digest = hashlib.sha256(repr((network.kind, network.vocabulary, network.card.unknown)).encode())
    for name, tensor in sorted(network.module.state_dict().items()):
        if isinstance(tensor, torch.Tensor):
            values = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
            digest.update(values.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
