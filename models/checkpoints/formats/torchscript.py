"""TorchScript archives (``torch.jit.save``): tensors only; the code is not executed."""

from __future__ import annotations

import io

from models.checkpoints.building.vocabulary import find_vocabularies
from models.checkpoints.formats.pytorch import archive_root
from models.checkpoints.parsing.contents import CheckpointError, Contents
from models.checkpoints.parsing.file_source import FileSource
from models.checkpoints.parsing.pickle_tensors import TensorCollector
from models.checkpoints.parsing.pickles import load_pickle


def match(source: FileSource) -> bool:
    """Return whether it is an archive with a ``data.pkl`` beside the constants of its code."""
    root = archive_root(source)
    return root is not None and f"{root}constants.pkl" in source.members


def open(source: FileSource) -> Contents:
    """Parse the attributes of the modules; their classes are names only and are never imported."""
    root = archive_root(source)
    described = load_pickle(io.BytesIO(source.read_small_member(f"{root}data.pkl")), source.limits.operations)
    reader = TensorCollector(lambda key: source.read_member(f"{root}data/{key}"), source.limits)
    tensors, _ = reader.collect_state(described)
    if not tensors:
        raise CheckpointError("This TorchScript archive contains no tensors. Save a network that has weights.")
    return Contents("TorchScript", tensors, vocabularies=find_vocabularies(described))
