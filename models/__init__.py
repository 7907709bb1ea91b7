"""Recurrent networks that can be looked into: usable from a notebook or a training script alone."""

from models.capturing.capture import CaptureError, capture
from models.checkpoints import Checkpoint, CheckpointError, load_checkpoint
from models.core.archive import ArchiveError
from models.core.attention import AttentionTrace
from models.core.messages import Problem
from models.core.trace import LayerTrace, Trace, load_trace
from models.core.weights import LayerWeights
from models.decoding import decode
from models.edits.edit import Edits
from models.edits.edit_syntax import read_edits, write_edits
from models.edits.edited_network import EditedNetwork, read_edited
from models.gradients.gradient_map import gradient_map
from models.networks.forward_run import Reading, read
from models.networks.network import Network, load_network, network_names

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
