"""Recurrent networks that can be looked into: usable from a notebook or a training script alone."""

from models.archive import ArchiveError
from models.capture import CaptureError, capture
from models.trace import LayerTrace, Trace, load_trace
from models.weights import LayerWeights

__all__ = ["ArchiveError", "CaptureError", "LayerTrace", "LayerWeights", "Trace", "capture", "load_trace"]
