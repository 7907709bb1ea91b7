"""Store of the checkpoint files that were opened while the app runs, shared by all sessions.

A file is identified by its content and opened once. Its name on pages and in links, ``lm.pt~3f2a9c01b7de``, is a hash of
the content, of how its network is run (embedding, decoder, vocabulary) and of what the reader corrected in it.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, cast

import streamlit as st

from models.checkpoints import Checkpoint, CheckpointError, Limits, load_checkpoint
from models.checkpoints.building.build import FILE_GRAPH, CompatibleParts, Setup, compatible_parts, default_setup
from models.checkpoints.building.checkpoint_module import CheckpointModule
from models.checkpoints.building.file_network import likely_setup, network_of_setup
from models.checkpoints.graphs.graph_module import GraphModule
from models.core.cells import Kind
from models.networks.network import Network

ENVIRONMENT = {"UNROLLED_UNPACKED": ("unpacked", 1 << 20), "UNROLLED_TENSORS": ("tensors", 1)}
"""Limits that environment variables set, and their units: MB of the unpacked file, and tensors in it."""

MAX_CHECKPOINTS, MAX_BYTES = 32, 2 << 30
"""Opened checkpoints (a file may be run in several ways), and bytes of uploaded files, that are kept."""

LARGE_FILE = 128 << 20
"""Size in bytes from which a file is read as a whole only on request."""

MAX_HASHED = 64 << 20
"""Size in bytes up to which a file on this machine is hashed as a whole; of a larger one only pieces are hashed."""
PIECE, PIECES = 1 << 16, 64
"""Size in bytes of such a piece, and their number."""

MAX_NAME_LENGTH = 100
NAME = re.compile(r".+~[0-9a-f]{12}", re.DOTALL)


@dataclass(frozen=True)
class Correction:
    """A property of a layer that the file does not contain and the reader set: arguments of ``Checkpoint.corrected``."""

    layer: str
    kind: Kind | None = None
    order: tuple[str, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, eq=False)
class CheckpointFile:
    """A file that was opened.

    Attributes:
        name: file name, valid in an address.
        digest: hash of the content.
        size: in bytes.
        memory: bytes of it that are kept in memory; a large file on this machine is read lazily.
        checkpoint: its content.
    """

    name: str
    digest: str
    size: int
    memory: int
    checkpoint: Checkpoint


@dataclass(frozen=True, eq=False)
class OpenedCheckpoint:
    """A file with the reader's corrections, and how its network is run.

    Attributes:
        file: the file.
        corrections: in the order in which they were made.
        chosen_setup: how the network is run; None for the default.
    """

    file: CheckpointFile
    corrections: tuple[Correction, ...] = ()
    chosen_setup: Setup | None = None

    @cached_property
    def name(self) -> str:
        """The name on pages and in links."""
        contents = repr((self.file.digest, self.corrections, self.chosen_setup))
        return f"{self.file.name}~{sha256(contents.encode()).hexdigest()[:12]}"

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The content of the file with the corrections. Raises CheckpointError: a correction does not fit."""
        checkpoint = self.file.checkpoint
        for each in self.corrections:
            checkpoint = checkpoint.corrected(each.layer, kind=each.kind, order=each.order, **dict(each.options))
        return checkpoint

    @property
    def large(self) -> bool:
        """Return whether the file is so large that only what a page needs is read."""
        return self.file.size > LARGE_FILE

    @cached_property
    def parts(self) -> CompatibleParts:
        """The parts of a network that the file's tensors allow."""
        return compatible_parts(self.checkpoint)

    @cached_property
    def setup(self) -> Setup:
        """The setup of the network. Raises CheckpointError: the file contains nothing to run."""
        if self.chosen_setup is None and not self.corrections and not self.large:
            return likely_setup(self.checkpoint)
        return self.chosen_setup or default_setup(self.parts)

    @cached_property
    def network(self) -> Network:
        """The network with the file's tensors. Raises CheckpointError: it cannot be run."""
        network = network_of_setup(self.checkpoint, self.setup, self.name)
        title = dict.fromkeys(network.card.title, self.file.name)
        return replace(network, card=replace(network.card, title=title))

    @cached_property
    def run_names(self) -> dict[str, str]:
        """The names of the layers in a run, by their names in the file. Raises CheckpointError: it cannot be run."""
        setup, module = self.setup, self.network.module
        if setup.stack == FILE_GRAPH:
            # the file names a layer that only runs backward after its direction; its module is one of a single direction
            found, backward = self.checkpoint.found, "{}_reverse".format
            return {
                backward(name) if name not in found and backward(name) in found else name: name
                for name in cast(GraphModule, module).recurrent_layers
            }
        if setup.target is None:
            modules = dict(
                zip(self.parts.stack(setup.stack).modules, cast(CheckpointModule, module).stack_names, strict=True)
            )
        else:  # an encoder and a decoder
            names = {setup.stack: "encoder", setup.target.stack: "decoder"}
            modules = {self.parts.stack(stack).modules[0]: name for stack, name in names.items()}
        return {
            layer: f"{name}.l{level}{suffix}"
            for part, name in modules.items()
            for level, layers in enumerate(part.levels)
            for layer, suffix in zip(layers, ("", "_reverse"), strict=False)
        }

    def corrected(self, correction: Correction) -> OpenedCheckpoint:
        """Return it with one more correction, and the default setup. Raises CheckpointError: the correction does not fit."""
        others = tuple(each for each in self.corrections if each.layer != correction.layer)
        opened = OpenedCheckpoint(self.file, (*others, correction))
        assert opened.checkpoint
        return _store.put(opened)

    def run_as(self, setup: Setup) -> OpenedCheckpoint:
        """Return it with another setup. Raises CheckpointError: it does not fit; of a large file only when run."""
        opened = replace(self, chosen_setup=setup)
        if not self.large:
            assert opened.network
        return _store.put(opened)


class CheckpointStore:
    """A bounded, thread-safe store of opened checkpoints; the least recently used one is removed first."""

    def __init__(self, count: int = MAX_CHECKPOINTS, size: int = MAX_BYTES) -> None:
        """Keep at most ``count`` checkpoints and ``size`` bytes of their files, and always the newest one."""
        self.count, self.size = count, size
        self._stored: OrderedDict[str, OpenedCheckpoint] = OrderedDict()
        self._lock = Lock()

    def put(self, opened: OpenedCheckpoint) -> OpenedCheckpoint:
        """Add a checkpoint and return it, or the stored one of the same name."""
        with self._lock:
            opened = self._stored.setdefault(opened.name, opened)
            self._stored.move_to_end(opened.name)
            removed = False
            while len(self._stored) > 1 and (len(self._stored) > self.count or self._memory() > self.size):
                self._stored.popitem(last=False)
                removed = True
        if removed:
            st.cache_resource.clear()  # cached results reference its weights
        return opened

    def get(self, name: str) -> OpenedCheckpoint | None:
        """Return the checkpoint of this name, or None."""
        with self._lock:
            if name in self._stored:
                self._stored.move_to_end(name)
            return self._stored.get(name)

    def file(self, digest: str) -> CheckpointFile | None:
        """Return the stored file with this content, or None."""
        with self._lock:
            return next((each.file for each in self._stored.values() if each.file.digest == digest), None)

    def _memory(self) -> int:
        return sum({each.file.digest: each.file.memory for each in self._stored.values()}.values())


_store = CheckpointStore()
_startup_names: dict[Path, str] = {}


def find(name: str) -> OpenedCheckpoint | None:
    """Return the opened checkpoint of this name, or None."""
    return _store.get(name)


def open_startup_file(path: Path) -> OpenedCheckpoint:
    """Open the file named on the command line, once. Raises CheckpointError: it cannot be opened."""
    opened = find(_startup_names.get(path, ""))
    if opened is None:
        opened = open_path(path)
        _startup_names[path] = opened.name
    return opened


def is_checkpoint_name(net: str) -> bool:
    """Return whether a network's name has the form of an opened file's, on this server or another."""
    return NAME.fullmatch(net) is not None


def open_path(path: Path) -> OpenedCheckpoint:
    """Open a file on this machine. Raises CheckpointError: it cannot be opened."""
    checkpoint = load_checkpoint(path, limits=file_limits())
    size = path.stat().st_size
    memory = size if size <= MAX_HASHED else 0
    return _store_file(path.name, _digest(path, size), size, memory, checkpoint)


def open_upload(files: Mapping[str, bytes]) -> OpenedCheckpoint:
    """Open an uploaded file, or the files of one sharded checkpoint with their index.

    Args:
        files: contents by name.

    Raises:
        CheckpointError: it cannot be opened; one sentence says why.
    """
    limits = file_limits(file_size=max_upload_bytes())
    if len(files) == 1:
        ((name, content),) = files.items()
        digest = sha256(content).hexdigest()
        known = _store.file(digest)
        checkpoint = known.checkpoint if known else load_checkpoint(content, limits=limits)
        return _store_file(name, digest, len(content), len(content), checkpoint)
    indices = [name for name in files if name.endswith(".index.json")]
    if len(indices) != 1:
        raise CheckpointError(
            (
                "You chose {count} files. Open one at a time, or all files of one checkpoint together with their "
                ".index.json."
            ),
            count=len(files),
        )
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # mapped memory outlives the folder
        for name, content in files.items():
            if PurePath(name).name == name and "\\" not in name:
                (Path(folder) / name).write_bytes(content)
        checkpoint = load_checkpoint(Path(folder) / indices[0], limits=limits)
    digest = sha256(b"".join(sha256(files[name]).digest() for name in sorted(files))).hexdigest()
    size = sum(map(len, files.values()))
    return _store_file(indices[0], digest, size, size, checkpoint)


def max_upload_bytes() -> int:
    """Return the maximum size of an uploaded file in bytes."""
    return int(st.get_option("server.maxUploadSize")) << 20


def file_limits(**own: int) -> Limits:
    """Return the limits for a file: the defaults of ``Limits``, then environment variables, then ``own``."""
    variables = {
        name: int(value) * unit
        for key, (name, unit) in ENVIRONMENT.items()
        if (value := os.environ.get(key, "")).isascii() and value.isdigit()
    }
    return Limits(**(variables | own))


def _store_file(name: str, digest: str, size: int, memory: int, checkpoint: Checkpoint) -> OpenedCheckpoint:
    file = _store.file(digest)
    if file is None or file.name != _address_name(name):
        file = CheckpointFile(_address_name(name), digest, size, memory, file.checkpoint if file else checkpoint)
    return _store.put(OpenedCheckpoint(file))


def _address_name(name: str) -> str:
    """Return a file's name in a form that is valid in an address."""
    shown = "".join(letter if letter.isprintable() else "_" for letter in PurePath(name.replace("\\", "/")).name)
    return shown[-MAX_NAME_LENGTH:] or "checkpoint"


def _digest(path: Path, size: int) -> str:
    if size <= MAX_HASHED:
        return sha256(path.read_bytes()).hexdigest()
    digest = sha256(f"{path.resolve()} {size} {path.stat().st_mtime_ns}".encode())
    with path.open("rb") as file:
        for at in range(PIECES):
            file.seek(at * (size - PIECE) // (PIECES - 1))
            digest.update(file.read(PIECE))
    return digest.hexdigest()
