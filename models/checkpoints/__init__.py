"""Open trained networks from the files that people have.

Each format is one file with two functions: ``match(source)`` says by its content whether it is one, and
``open(source)`` finds what is in it. Nothing in a file is ever run.
"""

from __future__ import annotations

from dataclasses import replace
from os import PathLike

from models.checkpoints.checkpoint import Checkpoint
from models.checkpoints.formats import keras, npz, onnx, pytorch, safetensors, torch_export, torchscript
from models.checkpoints.layers.find_by_name import find_layers, unwrapped
from models.checkpoints.layers.find_by_shape import guess_layers
from models.checkpoints.layers.weight_norm import effective
from models.checkpoints.parsing.contents import CheckpointError, Limits
from models.checkpoints.parsing.file_source import Source
from models.checkpoints.parsing.quantized import unpacked
from models.core.layer_metadata import with_told

__all__ = ["Checkpoint", "CheckpointError", "Limits", "load_checkpoint"]

FORMATS = (safetensors, torch_export, torchscript, pytorch, keras, npz, onnx)
"""In the order in which they are asked."""


def load_checkpoint(source: str | PathLike[str] | bytes, *, limits: Limits | None = None) -> Checkpoint:
    """Open a trained network's file, whatever its format; its name does not matter.

    Args:
        source: a path, or the file's bytes.
        limits: how much the file may ask for.

    Raises:
        CheckpointError: it cannot be opened; one sentence says what was found and what to do.

    Example:
        >>> checkpoint = load_checkpoint("model.safetensors")
        >>> checkpoint.layers["rnn.l0"].weight_hh
    """
    try:
        return _load(Source(source, limits or Limits()))
    except CheckpointError:
        raise
    except Exception as error:  # a hostile file may trip what no header check foresaw
        raise CheckpointError("This file is damaged; copy or save it again.") from error


def _load(source: Source) -> Checkpoint:
    for format in FORMATS:
        if format.match(source):
            contents = format.open(source)
            break
    else:
        raise CheckpointError(
            "This is no checkpoint of a known format; open a PyTorch, safetensors, ONNX, Keras or npz file."
        )
    if contents.layers is not None:
        return Checkpoint.of(contents, contents.layers)
    tensors = effective(unpacked(unwrapped(contents.tensors)))
    found = with_told(find_layers(tensors) or guess_layers(tensors), contents.told)
    return Checkpoint.of(replace(contents, tensors=tensors), found)
