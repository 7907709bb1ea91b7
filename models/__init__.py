"""Recurrent networks traced, differentiated and edited: the public API, usable from a notebook or a training script alone.

- Bundled networks: ``load_network``, ``network_names``, ``Network``; run on a text: ``run_network`` returns a ``ForwardRun``.
- Any module: ``capture`` fills a ``Trace`` of ``LayerTrace`` and ``AttentionTrace``; ``load_trace`` loads a saved one.
- Checkpoints: ``load_checkpoint`` returns a ``Checkpoint`` with ``LayerWeights`` for each layer.
- Gradients: ``gradient_map`` of all losses by all states; ``first_nonfinite`` finds the first NaN or infinity.
- Edits: ``read_edits`` and ``write_edits`` parse and format ``Edits``; ``EditedNetwork`` and ``run_edited`` run a network
  with them, ``edited_layers`` applies them to ``LayerWeights``; ``edit_effects``, ``state_difference`` and
  ``prediction_difference`` compare a run before with one after.
- Sequence generation: ``decode``.
- Training: ``watch`` records a training loop in a run folder; ``open_run`` returns its ``TrainingRun``.
"""

from models.capturing.capture import CaptureError, capture
from models.capturing.recordable import CaptureWarning
from models.checkpoints import Checkpoint, CheckpointError, load_checkpoint
from models.core.archive import ArchiveError
from models.core.attention import AttentionTrace
from models.core.custom_cell import CellEquations
from models.core.messages import Problem
from models.core.trace import LayerTrace, Trace, load_trace
from models.core.weights import LayerWeights
from models.decoding import decode
from models.decoding.run_network import run_network
from models.edits.edit import Edits
from models.edits.edit_effects import edit_effects, prediction_difference, state_difference
from models.edits.edit_syntax import read_edits, write_edits
from models.edits.edited_network import EditedNetwork, run_edited
from models.edits.weight_edits import edited_layers
from models.gradients.gradient_map import gradient_map
from models.gradients.nonfinite import first_nonfinite
from models.networks.forward_run import ForwardRun
from models.networks.network import Network
from models.runs.open_run import open_run
from models.runs.watch import watch
from models.zoo.catalogue import load_network, network_names

__all__ = [
    "ArchiveError",
    "AttentionTrace",
    "CaptureError",
    "CaptureWarning",
    "CellEquations",
    "Checkpoint",
    "CheckpointError",
    "EditedNetwork",
    "Edits",
    "ForwardRun",
    "LayerTrace",
    "LayerWeights",
    "Network",
    "Problem",
    "Trace",
    "capture",
    "decode",
    "edit_effects",
    "edited_layers",
    "first_nonfinite",
    "gradient_map",
    "load_checkpoint",
    "load_network",
    "load_trace",
    "network_names",
    "open_run",
    "prediction_difference",
    "read_edits",
    "run_edited",
    "run_network",
    "state_difference",
    "watch",
    "write_edits",
]
