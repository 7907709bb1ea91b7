"""TorchScript archives (``torch.jit.save``): their tensors are read, their code is not."""

from __future__ import annotations

import io

from models.checkpoints.building.vocabulary import vocabularies_in
from models.checkpoints.formats.pytorch import root_of
from models.checkpoints.parsing.contents import CheckpointError, Contents
from models.checkpoints.parsing.file_source import Source
from models.checkpoints.parsing.pickle_tensors import Reader
from models.checkpoints.parsing.pickles import is_plain, load_pickle


def match(source: Source) -> bool:
    """An archive with a data.pkl beside the constants of its code."""
    root = root_of(source)
    return root is not None and f"{root}constants.pkl" in source.members


def open(source: Source) -> Contents:
    """Read the attributes of the modules, whose classes are only names here."""
    root = root_of(source)
    described = load_pickle(io.BytesIO(source.small(f"{root}data.pkl")), source.limits.operations, _is_known)
    reader = Reader(lambda key: source.member(f"{root}data/{key}"), source.limits)
    tensors, _ = reader.state(described)
    if not tensors:
        raise CheckpointError("This TorchScript archive holds no tensors; save a network that has weights.")
    return Contents("TorchScript", tensors, vocabularies=vocabularies_in(described))


def _is_known(module: str, name: str) -> bool:
    return module.split(".")[0] == "__torch__" or module == "torch.jit._pickle" or is_plain(module, name)
