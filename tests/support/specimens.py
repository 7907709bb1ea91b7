"""Checkpoint files with defects, made from the bundled networks, for pictures of the Checkpoint lens."""

import io
from copy import deepcopy

import torch
from safetensors.torch import save
from torch import nn

from models import load_network
from models.architectures.language_model import LanguageModel


def specimens() -> dict[str, bytes]:
    """Return the files' contents by name."""
    return {"sick.pt": _saved(_sick()), "broken.pt": _saved(_broken()), "guessed.safetensors": _guessed()}


def _saved(module: nn.Module) -> bytes:
    file = io.BytesIO()
    torch.save({"state_dict": module.state_dict(), "epoch": 40}, file)
    return file.getvalue()


@torch.no_grad()
def _sick() -> nn.Module:
    """Return a network whose forget gates start closed, with a dead and a duplicate unit."""
    module = deepcopy(load_network("recall-lstm").module)
    rnn, size = module.rnn, module.rnn.hidden_size
    rnn.bias_ih_l0[size : 2 * size], rnn.bias_hh_l0[size : 2 * size] = -3, 0
    for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        blocks = getattr(rnn, f"{part}_l0").view(4, size, -1)
        blocks[:, 3] = 0
        blocks[:, 6] = blocks[:, 5]
    rnn.weight_hh_l0[:, 3] = 0
    module.head.weight[:, 3] = 0
    return module


@torch.no_grad()
def _broken() -> nn.Module:
    """Return a network with a NaN weight and an infinite one."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = LanguageModel(97, "LSTM", 128, layers=2, embedding=64)
    module.rnn.weight_hh_l1[10, 4], module.rnn.weight_ih_l1[0, 0] = float("nan"), float("inf")
    return module


def _guessed() -> bytes:
    """Return the file of a GRU whose tensor names say nothing."""
    rnn = load_network("recall-gru").module.rnn
    names = {"weight_ih_l0": "a.x", "weight_hh_l0": "a.y", "bias_ih_l0": "a.z1", "bias_hh_l0": "a.z2"}
    return save({names[name]: values.contiguous() for name, values in rnn.state_dict().items()})
