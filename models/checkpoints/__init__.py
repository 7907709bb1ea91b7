"""Load trained networks from checkpoint files of many formats.

Each format is one module in ``formats`` with two functions: ``match(source)`` detects the format by the file's content, and
``open(source)`` lists what the file contains. No code in a file is ever executed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from os import PathLike
from pathlib import Path
from threading import BoundedSemaphore, Lock
from types import ModuleType
from uuid import uuid4

from models.checkpoints.checkpoint import Checkpoint
from models.checkpoints.graphs.graph_module import GraphModule
from models.checkpoints.graphs.torchscript_normed_cells import with_stated_norms
from models.checkpoints.layers.find_by_name import find_layers, strip_wrapper_prefixes
from models.checkpoints.layers.find_by_shape import guess_layers
from models.checkpoints.layers.keras_names import find_keras_layers
from models.checkpoints.layers.multiplicative_cells import find_multiplicative_cells
from models.checkpoints.layers.normed_cells import with_layer_norms
from models.checkpoints.layers.separate_gates import find_flax_cells
from models.checkpoints.layers.stored_options import with_stored_options
from models.checkpoints.layers.unexplained import with_unexplained
from models.checkpoints.layers.weight_drop import undo_weight_drop
from models.checkpoints.layers.weight_norm import undo_parametrizations
from models.checkpoints.parsing.contents import Limits
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.file_source import FileSource
from models.checkpoints.parsing.parser_pool import PROCESSES, ask_parser
from models.checkpoints.parsing.quantized import unpack_quantized
from models.checkpoints.parsing.tensor_limits import check_tensors, too_much_memory
from models.checkpoints.parsing.work_budget import work_budget

__all__ = ["Checkpoint", "CheckpointError", "Limits", "load_checkpoint"]

FORMATS = ("safetensors", "torch_export", "torchscript", "pytorch", "keras", "npz", "onnx")
"""The modules of ``formats``, in the order in which ``match`` is tried. They are imported when the first file is loaded."""

_slots = BoundedSemaphore(PROCESSES)
"""Bounds the files that are parsed at a time, in separate processes and then here."""


def load_checkpoint(
    source: str | PathLike[str] | bytes, *, limits: Limits | None = None, isolated: bool = False
) -> Checkpoint:
    """Load a checkpoint of any supported format; the format is detected by content, not by the file's name.

    Args:
        source: a path, or the file's bytes.
        limits: upper bounds on sizes, counts and time.
        isolated: parse the file first in a separate process with limits on memory and time, as the app does: what would
            take for ever, or all memory, is then refused. A second or two more, once; then about twice the time. A graph
            is built at most once: all networks of the checkpoint share its module.

    Raises:
        CheckpointError: the file cannot be opened; one sentence says what was found and what to do.

    Example:
        >>> checkpoint = load_checkpoint("model.safetensors")
        >>> checkpoint.layers["rnn.l0"].weight_hh
    """
    limits = limits or Limits()
    with _one_sentence(limits):
        return load_source(FileSource(source, limits), isolated=isolated)


def load_source(file: FileSource, *, isolated: bool = False) -> Checkpoint:
    """Load a checkpoint from a file that is open already; see ``load_checkpoint``."""
    limits = file.limits
    import_formats()  # before the limits on work and time apply
    with _one_sentence(limits):
        with _slots if isolated else nullcontext():
            ask = _ask_first(file) if isolated else None
            if ask is not None:
                ask("open")
            with work_budget(limits):
                checkpoint = _load(file)
        if checkpoint.graph is None:
            return checkpoint
        build = partial(_build_graph, checkpoint.graph, limits, ask)
        return replace(checkpoint, graph=_build_once(build) if isolated else build)


@contextmanager
def _one_sentence(limits: Limits) -> Iterator[None]:
    """Raise a CheckpointError instead of any other error."""
    try:
        yield
    except CheckpointError:
        raise
    except MemoryError:
        raise too_much_memory(limits) from None
    except Exception as error:  # a malicious file may raise an error that no header check covers
        raise CheckpointError("This file is damaged. Copy or save it again.") from error


def _ask_first(file: FileSource) -> Callable[[str], object]:
    """Return what lets a separate process do its part of the work first, within the limits."""
    return partial(_ask, file.path or file.data, uuid4().hex, file.limits)


def _ask(data: Path | memoryview, key: str, limits: Limits, do: str) -> None:
    ask_parser(do, data, key, limits)


def _build_graph(build: Callable[[], GraphModule], limits: Limits, ask: Callable[[str], object] | None) -> GraphModule:
    """Build the network of a file's graph.

    Raises:
        CheckpointError: it cannot be built, or that takes too much work, time or memory.
    """
    with nullcontext() if ask is None else _slots:
        if ask is not None:
            ask("graph")
        try:
            with work_budget(limits):
                return build()
        except MemoryError:
            raise too_much_memory(limits) from None


def _build_once(build: Callable[[], GraphModule]) -> Callable[[], GraphModule]:
    """Return a function that builds a graph at its first call, and then returns the same one, or raises the same error."""
    found: list[GraphModule | CheckpointError] = []
    lock = Lock()

    def graph() -> GraphModule:
        with lock:
            if not found:
                try:
                    found.append(build())
                except CheckpointError as error:
                    found.append(CheckpointError(error.sentence, **error.values))
        result = found[0]
        if isinstance(result, CheckpointError):
            raise CheckpointError(result.sentence, **result.values)
        return result

    return graph


@cache
def import_formats() -> tuple[ModuleType, ...]:
    """Import the modules of the formats, and return them in the order of ``FORMATS``."""
    return tuple(import_module(f"{__name__}.formats.{name}") for name in FORMATS)


def _load(source: FileSource) -> Checkpoint:
    """Detect the format, open the file and find its recurrent layers."""
    for format in import_formats():
        if format.match(source):
            contents = format.open(source)
            check_tensors(contents.tensors, source)
            break
    else:
        raise CheckpointError("Unknown checkpoint format. Open a PyTorch, safetensors, ONNX, Keras or npz file.")
    if contents.layers is not None:
        is_graph = contents.matrix_uses is not None  # then each layer's tensors are the inputs of its node
        layers = contents.layers if is_graph else with_unexplained(contents.layers, contents.tensors)
        return Checkpoint.from_contents(contents, layers)
    tensors = undo_weight_drop(undo_parametrizations(unpack_quantized(strip_wrapper_prefixes(contents.tensors))))
    named = (
        find_layers(tensors)
        | find_multiplicative_cells(tensors)
        | find_flax_cells(tensors)
        | find_keras_layers(tensors)
    )
    layers = with_layer_norms(named or guess_layers(tensors), tensors)
    if contents.graph is not None and any("norm" in layer.assumed for layer in layers.values()):
        layers = with_stated_norms(layers, contents.graph)
    found = with_stored_options(layers, contents.layer_metadata, tensors)
    return Checkpoint.from_contents(replace(contents, tensors=tensors), with_unexplained(found, tensors))
