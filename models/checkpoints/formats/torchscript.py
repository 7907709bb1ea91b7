"""TorchScript archives (``torch.jit.save``): tensors, and the network that the code states, interpreted by our own code."""

from __future__ import annotations

import io
from collections.abc import Callable

import torch
from torch import Tensor

from models.checkpoints.building.vocabulary import find_vocabularies
from models.checkpoints.formats.pytorch import archive_root
from models.checkpoints.graphs.graph_module import GraphModule
from models.checkpoints.graphs.onnx_registry import to_tensor
from models.checkpoints.graphs.torchscript_archive import ScriptCode
from models.checkpoints.graphs.torchscript_graph import build_script_network
from models.checkpoints.parsing.contents import Contents
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.file_source import FileSource
from models.checkpoints.parsing.pickle_tensors import TensorCollector
from models.checkpoints.parsing.pickles import OpaqueCall, PersistentId, load_pickle


def match(source: FileSource) -> bool:
    """Return whether it is an archive with a ``data.pkl`` beside the constants of its code."""
    root = archive_root(source)
    return root is not None and f"{root}constants.pkl" in source.members


def open(source: FileSource) -> Contents:
    """Parse the attributes of the modules; their classes are names only and are never imported."""
    root = archive_root(source) or ""
    described = _pickle(source, f"{root}data.pkl")
    reader = TensorCollector(lambda key: source.member(f"{root}data/{key}"), source.limits)
    tensors, _ = reader.collect_state(described)
    if not tensors:
        raise CheckpointError("This TorchScript archive contains no tensors. Save a network that has weights.")
    return Contents(
        "TorchScript", tensors, vocabularies=find_vocabularies(described), graph=_graph(source, root, described)
    )


def _pickle(source: FileSource, member: str) -> object:
    return load_pickle(io.BytesIO(source.read_small_member(member)), source.limits.operations)


def _graph(source: FileSource, root: str, described: object) -> Callable[[], GraphModule] | None:
    """Return what builds the network that the archive's code states; None for an archive of tensors only."""
    if not isinstance(described, OpaqueCall) or not described.name.startswith("__torch__."):
        return None

    def code(path: str) -> bytes | None:
        return source.read_small_member(root + path) if root + path in source.members else None

    def build() -> GraphModule:
        decoded: dict[str, Tensor] = {}  # one for each place in the file, as several attributes may share it

        def decode_from(folder: str) -> Callable[[OpaqueCall], Tensor | None]:
            reader = TensorCollector(lambda key: source.member(f"{root}{folder}/{key}"), source.limits)

            def decode(call: OpaqueCall) -> Tensor | None:
                storage, *place = call.args[:4] if len(call.args) > 3 else (None,)
                key = f"{folder} {storage.key[1:3]} {place}" if isinstance(storage, PersistentId) else ""
                if not key or key not in decoded:
                    stored = reader.rebuild(call, "tensor")
                    if stored is None:
                        return None
                    decoded[key] = to_tensor(stored, "tensor")
                return decoded[key]

            return decode

        try:
            constants = _pickle(source, f"{root}constants.pkl")
            read = decode_from("constants")
            values = [read(each) if isinstance(each, OpaqueCall) else each for each in _listed(constants)]
            with torch.no_grad():
                return build_script_network(described, values, ScriptCode(code), decode_from("data"))
        except (CheckpointError, MemoryError):
            raise
        except Exception as error:  # code or attributes that torch does not write
            raise CheckpointError(
                "This TorchScript archive is damaged: its code is incomplete. Save the network again."
            ) from error

    return build


def _listed(constants: object) -> list:
    return list(constants) if isinstance(constants, list | tuple) else []
