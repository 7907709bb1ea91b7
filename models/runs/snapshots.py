"""Snapshots of a module's weights during training, as ``.safetensors`` files that any of the app's pages opens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from models.core.layer_metadata import layer_metadata, zoneout_metadata
from models.runs.parameter_statistics import LayerParameters
from models.runs.run_folder import SNAPSHOTS, is_plain_file, replace_file

FILE_NAME = re.compile(r"([0-9]{1,15})\.(safetensors|keras)", re.ASCII)
MAX_LISTED = 10_000
"""The most snapshots that are listed."""


class SnapshotWriter:
    """The writer of a run's snapshots: the first one, the last one, and others at equal distances between them.

    Where there would be more than ``most``, every second one is removed, and the distance doubles.

    Attributes:
        most: the number of snapshots to keep.
        stride: the distance between two of them in training steps.
    """

    def __init__(self, folder: Path, most: int, every: int) -> None:
        """Continue after the snapshots that the folder has.

        Args:
            folder: of the run.
            most: the number of snapshots to keep; 0 for none.
            every: the number of training steps between two recorded ones.
        """
        self._folder, self.most = folder / SNAPSHOTS, most
        self.stride = every
        if most:
            self._folder.mkdir(parents=True, exist_ok=True)
            for path in self._folder.glob(".*.part"):
                path.unlink(missing_ok=True)
        self._steps = dict(list_snapshots(folder))
        while len(self._on_stride()) > max(most, 1):
            self.stride *= 2

    def _on_stride(self) -> list[int]:
        return [step for step in self._steps if step % self.stride == 0]

    def due(self, step: int) -> bool:
        """Return whether a snapshot is to be written at a training step."""
        return self.most > 0 and step % self.stride == 0 and step not in self._steps

    def has(self, step: int) -> bool:
        """Return whether there is a snapshot of a training step."""
        return step in self._steps

    def write(self, step: int, data: bytes, suffix: str = "safetensors") -> None:
        """Write a snapshot, and remove those that are then too many."""
        if not self.most:
            return
        path = self._folder / f"{step}.{suffix}"
        replace_file(path, data)
        self._steps[step] = path
        while len(self._steps) > self.most and len(self._steps) > 1:
            rest = [each for each in self._steps if each % self.stride and each != step]
            if rest:
                self._remove(rest[0])
            elif len(self._on_stride()) <= 1 or self.stride > step:
                self._remove(min(each for each in self._steps if each != step))
            else:
                self.stride *= 2

    def _remove(self, step: int) -> None:
        self._steps.pop(step).unlink(missing_ok=True)

    def cut(self, step: int) -> None:
        """Remove the snapshots after training step ``step``."""
        for each in [each for each in self._steps if each > step]:
            self._remove(each)


def list_snapshots(folder: Path) -> dict[int, Path]:
    """Return the snapshots in a run folder by their training step, in order."""
    root = folder / SNAPSHOTS
    if root.is_symlink() or not root.is_dir():
        return {}
    found = {}
    for path in root.iterdir():
        match = FILE_NAME.fullmatch(path.name)
        if match is not None and is_plain_file(path):
            found[int(match[1])] = path
        if len(found) >= MAX_LISTED:
            break
    return dict(sorted(found.items()))


def snapshot_bytes(
    module: nn.Module, layers: list[LayerParameters], settings: Mapping[str, Any] | None = None
) -> bytes:
    """Return a module's parameters and buffers as a safetensors file.

    ``module.load_state_dict(safetensors.torch.load_file(path))`` loads it; its metadata name the kind and the options of the
    recurrent layers, and the rates of zoneout among ``settings``, which no tensor shows.
    """
    tensors: dict[str, Tensor] = {}
    used: set[int] = set()
    for name, values in module.state_dict().items():
        if not isinstance(values, Tensor) or values.layout != torch.strided:
            continue
        values = values.detach()
        place = values.untyped_storage().data_ptr()
        # The format has no tensors that share memory, as tied weights do.
        tensors[name] = values.clone() if place in used else values.contiguous()
        used.add(place)
    about = {
        layer.name if layer.suffix else layer.name.removesuffix("l0").removesuffix("."): (layer.kind, layer.options)
        for layer in layers
    }
    return save(tensors, {"format": "pt", **layer_metadata(about), **zoneout_metadata(settings or {})})
