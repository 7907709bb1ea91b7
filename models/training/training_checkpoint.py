"""The state of a run from which it goes on exactly: weights, the optimizer's state, and what the loop has counted.

One safetensors file, replaced as a whole. Batches, masks and samples depend on the seed and the step alone, so no state of a
random generator is needed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from models.core.messages import Problem
from models.runs.run_folder import replace_file

CHECKPOINT = "checkpoint.safetensors"


@dataclass
class LoopState:
    """The counts of a training loop.

    Attributes:
        step: finished training steps.
        seconds: spent in training.
        validated: the step of the last validation, -1 before the first.
        best, wait, validations: of early stopping.
    """

    step: int = 0
    seconds: float = 0.0
    validated: int = -1
    best: float | None = None
    wait: int = 0
    validations: int = 0


def own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers of a module by name; a tensor with two names once."""
    return dict(module.named_parameters()) | dict(module.named_buffers())


def save_checkpoint(folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer, state: LoopState) -> None:
    """Write the checkpoint of a run.

    Raises:
        OSError: it cannot be written, as on a full disk; the last checkpoint then remains.
    """
    tensors = {f"module/{name}": values for name, values in own_tensors(module).items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{key}": each for key, each in values.items() if isinstance(each, Tensor)}
    copied = {name: values.detach().clone().contiguous() for name, values in tensors.items()}
    replace_file(folder / CHECKPOINT, save(copied, {"state": json.dumps(asdict(state))}))


def load_checkpoint_state(folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> LoopState:
    """Restore a module and its optimizer in place, and return what the loop had counted.

    Raises:
        Problem: there is no checkpoint, or it belongs to another network.
    """
    try:
        with safe_open(folder / CHECKPOINT, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            values = json.loads((file.metadata() or {})["state"])
        state = LoopState(**values)
        load_tensors(module, {name[7:]: each for name, each in tensors.items() if name.startswith("module/")})
        found: dict[int, dict[str, Any]] = {}
        for name, each in tensors.items():
            if name.startswith("optimizer/"):
                _, index, key = name.split("/")
                found.setdefault(int(index), {})[key] = each
        optimizer.load_state_dict({"state": found, "param_groups": optimizer.state_dict()["param_groups"]})
    except Problem:
        raise
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise Problem("This run has no checkpoint to go on from. Start it again.") from error
    return state


def load_tensors(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copy tensors by name into a module, in place.

    Raises:
        Problem: the names or the shapes are not those of the module.
    """
    own = own_tensors(module)
    if tensors.keys() != own.keys() or any(tensors[name].shape != values.shape for name, values in own.items()):
        raise Problem("The weights of this run do not fit the network of its settings. Choose another run.")
    with torch.no_grad():
        for name, values in own.items():
            values.copy_(tensors[name])
