"""Load trained networks from checkpoint files of many formats.

Each format is one module in ``formats`` with two functions: ``match(source)`` detects the format by the file's content, and
``open(source)`` lists what the file contains. No code in a file is ever executed.
"""

from __future__ import annotations

from dataclasses import replace
from os import PathLike

from models.checkpoints.checkpoint import Checkpoint
from models.checkpoints.formats import keras, npz, onnx, pytorch, safetensors, torch_export, torchscript
from models.checkpoints.layers.find_by_name import find_layers, strip_wrapper_prefixes
from models.checkpoints.layers.find_by_shape import guess_layers
from models.checkpoints.layers.stored_options import with_stored_options
from models.checkpoints.layers.unexplained import with_unexplained
from models.checkpoints.layers.weight_drop import undo_weight_drop
from models.checkpoints.layers.weight_norm import undo_parametrizations
from models.checkpoints.parsing.contents import Limits
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.file_source import FileSource
from models.checkpoints.parsing.quantized import unpack_quantized

__all__ = ["Checkpoint", "CheckpointError", "Limits", "load_checkpoint"]

FORMATS = (safetensors, torch_export, torchscript, pytorch, keras, npz, onnx)
"""In the order in which ``match`` is tried."""


def load_checkpoint(source: str | PathLike[str] | bytes, *, limits: Limits | None = None) -> Checkpoint:
    """Load a checkpoint of any supported format; the format is detected by content, not by the file's name.

    Args:
        source: a path, or the file's bytes.
        limits: upper bounds on sizes, counts and time.

    Raises:
        CheckpointError: the file cannot be opened; one sentence says what was found and what to do.

    Example:
        >>> checkpoint = load_checkpoint("model.safetensors")
        >>> checkpoint.layers["rnn.l0"].weight_hh
    """
    try:
        return _load(FileSource(source, limits or Limits()))
    except CheckpointError:
        raise
    except Exception as error:  # a malicious file may raise an error that no header check covers
        raise CheckpointError("This file is damaged. Copy or save it again.") from error


def _load(source: FileSource) -> Checkpoint:
    """Detect the format, open the file and find its recurrent layers."""
    for format in FORMATS:
        if format.match(source):
            contents = format.open(source)
            break
    else:
        raise CheckpointError("Unknown checkpoint format. Open a PyTorch, safetensors, ONNX, Keras or npz file.")
    if contents.layers is not None:
        is_graph = contents.matrix_uses is not None  # then each layer's tensors are the inputs of its node
        layers = contents.layers if is_graph else with_unexplained(contents.layers, contents.tensors)
        return Checkpoint.from_contents(contents, layers)
    tensors = undo_weight_drop(undo_parametrizations(unpack_quantized(strip_wrapper_prefixes(contents.tensors))))
    found = with_stored_options(find_layers(tensors) or guess_layers(tensors), contents.layer_metadata, tensors)
    return Checkpoint.from_contents(replace(contents, tensors=tensors), with_unexplained(found, tensors))
