"""What the Checkpoint lens looks at and computes, kept for all sessions and never written to."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from models.checkpoints import Checkpoint, load_checkpoint
from models.checkpoints.contents import Contents, FoundLayer, Stored
from models.network import network_names
from models.trace import Trace
from models.zoo import FOLDER
from viz.pages import opened as checkpoints
from viz.pages import sources

KEPT = 16


@dataclass(frozen=True)
class Looked:
    """What is looked at: two are the same if their numbers are.

    Attributes:
        net: name of the network.
        edits: that are switched on, as a text; "" for none.
        run: the saved run that it is, if it is one.
    """

    net: str
    edits: str = ""
    run: Path | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """What is in it. Raises Problem: it cannot be opened."""
        opened = checkpoints.find(self.net)
        return opened.checkpoint if opened is not None and not self.edits else _checkpoint(self)

    @property
    def opened(self) -> checkpoints.Opened | None:
        """The opened file that it is, if it is one."""
        return checkpoints.find(self.net)

    @property
    def title(self) -> str:
        """The file's own name."""
        opened = self.opened
        return opened.file.name if opened else f"{self.net}.safetensors" if self.net in network_names() else self.net

    @property
    def size(self) -> int:
        """Bytes of the file."""
        opened = self.opened
        if opened:
            return opened.file.size
        return (self.run or FOLDER / f"{self.net}.safetensors").stat().st_size


@st.cache_resource(show_spinner=False, max_entries=KEPT)
def _checkpoint(looked: Looked) -> Checkpoint:
    if looked.run is not None:
        return of_run(sources.opened(looked.run))
    if looked.edits:
        return load_checkpoint(sources.edited(looked.net, looked.edits).save())
    return load_checkpoint(FOLDER / f"{looked.net}.safetensors")


def of_run(trace: Trace) -> Checkpoint:
    """The weights that a saved run was made with, as a checkpoint."""
    found = {}
    for name, layer in trace.layers.items():
        weights = layer.weights
        parts = {part: _stored(values) for part, values in weights.arrays().items()}
        options = {"nonlinearity": weights.nonlinearity, "reset_after": weights.reset_after}
        found[name] = FoundLayer(weights.kind, parts, tuple(f"{name}/{part}" for part in parts), options)
    return Checkpoint.of(Contents("Unrolled", {}), found)


def _stored(values: np.ndarray) -> Stored:
    return Stored(values.shape, str(values.dtype), lambda: values)
