"""Recurrent networks that can be looked into: usable from a notebook or a training script alone."""

from models.archive import ArchiveError
from models.attention import AttentionTrace
from models.capturing.capture import CaptureError, capture
from models.checkpoints import Checkpoint, CheckpointError, load_checkpoint
from models.decoding import decode
from models.edits.edit import Edits
from models.edits.network import EditedNetwork, read_edited
from models.edits.text import read_edits, write_edits
from models.gradients.gradient_map import gradient_map
from models.network import Network, load_network, network_names
from models.problem import Problem
from models.reading import Reading, read
from models.trace import LayerTrace, Trace, load_trace
from models.weights import LayerWeights

__all__ = [
    "ArchiveError",
    "AttentionTrace",
    "CaptureError",
    "Checkpoint",
    "CheckpointError",
    "EditedNetwork",
    "Edits",
    "LayerTrace",
    "LayerWeights",
    "Network",
    "Problem",
    "Reading",
    "Trace",
    "capture",
    "decode",
    "gradient_map",
    "load_checkpoint",
    "load_network",
    "load_trace",
    "network_names",
    "read",
    "read_edited",
    "read_edits",
    "write_edits",
]
