"""Store of the checkpoint files that were opened while the app runs, shared by all sessions.

A file is identified by its content and opened once. Its name on pages and in links, ``lm.pt~3f2a9c01b7de``, is a hash of
the content, of how its network is run (embedding, decoder, vocabulary) and of what the reader corrected in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from threading import Timer
from typing import Any, cast

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from models.checkpoints import Checkpoint, CheckpointError, Limits, load_checkpoint
from models.checkpoints.building.build import FILE_GRAPH, CompatibleParts, Setup, compatible_parts, default_setup
from models.checkpoints.building.checkpoint_module import CheckpointModule
from models.checkpoints.building.file_network import likely_setup, network_of_setup
from models.checkpoints.graphs.graph_module import GraphModule
from models.core.cells import Kind
from models.core.parse_numbers import shorten
from models.networks.network import Network
from viz.pages.bounded_store import CheckpointStore

ENVIRONMENT = {"UNROLLED_UNPACKED": ("unpacked", 1 << 20), "UNROLLED_TENSORS": ("tensors", 1)}
"""Limits that environment variables set, and their units: MB of the unpacked file, and tensors in it."""

UNUSED_SECONDS = 600.0
"""Seconds after which a checkpoint that was opened and not used since is removed."""

PARSE_SECONDS = 2.5
"""Processor time for parsing a file in a separate process; what passes is then parsed here, in about the same time."""

LARGE_FILE, MANY_LAYERS = 128 << 20, 200
"""Size in bytes, and number of recurrent layers, from which a file is read as a whole only on request."""

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
    def memory(self) -> int:
        """The bytes that its decoded tensors and its network take, without the file's own."""
        checkpoint = self.__dict__.get("checkpoint", self.file.checkpoint)
        network = self.__dict__.get("network")
        values = () if network is None else (*network.module.parameters(), *network.module.buffers())
        return checkpoint.decoded_bytes + sum(each.numel() * each.element_size() for each in values)

    @property
    def large(self) -> bool:
        """Return whether the file is so large that only what a page needs is read."""
        return self.file.size > LARGE_FILE or len(self.file.checkpoint.found) > MANY_LAYERS

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
        return _store.put(opened, current_reader())

    def run_as(self, setup: Setup) -> OpenedCheckpoint:
        """Return it with another setup. Raises CheckpointError: it does not fit; of a large file only when run."""
        opened = replace(self, chosen_setup=setup)
        if not self.large:
            assert opened.network
        return _store.put(opened, current_reader())


_store: CheckpointStore[OpenedCheckpoint] = CheckpointStore(unused=UNUSED_SECONDS)
_startup_names: dict[Path, str] = {}


def find(name: str) -> OpenedCheckpoint | None:
    """Return the opened checkpoint of this name, or None."""
    return _store.get(name, current_reader())


def current_reader() -> str:
    """Return what identifies the reader whose page runs; "" outside of a page."""
    context = get_script_run_ctx(suppress_warning=True)
    return "" if context is None else context.session_id


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
    checkpoint = load_checkpoint(path, limits=file_limits(), isolated=True)
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
        known = _store.with_file(digest)
        checkpoint = known.file.checkpoint if known else load_checkpoint(content, limits=limits, isolated=True)
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
            _write_upload(Path(folder), name, content)
        checkpoint = load_checkpoint(Path(folder) / indices[0], limits=limits, isolated=True)
    digest = sha256(b"".join(sha256(files[name]).digest() for name in sorted(files))).hexdigest()
    size = sum(map(len, files.values()))
    return _store_file(indices[0], digest, size, size, checkpoint)


def _write_upload(folder: Path, name: str, content: bytes) -> None:
    """Write an uploaded file into ``folder``. Raises CheckpointError: its name is not that of a file in it."""
    try:
        if PurePath(name).name != name or name in ("", ".", "..") or "\\" in name:
            raise ValueError(name)
        (folder / name).write_bytes(content)
    except (OSError, ValueError):
        raise CheckpointError(
            "A file of this upload is called “{name}”, which is not a valid file name. Rename it and upload all again.",
            name=shorten(name),
        ) from None


def max_upload_bytes() -> int:
    """Return the maximum size of an uploaded file in bytes."""
    return int(st.get_option("server.maxUploadSize")) << 20


def file_limits(**own: int) -> Limits:
    """Return the limits for a file: those of the app, then environment variables, then ``own``.

    Of a file that may unpack to more than by default, parsing may take as many times more memory and time.
    """
    variables = {
        name: int(value) * unit
        for key, (name, unit) in ENVIRONMENT.items()
        if (value := os.environ.get(key, "")).isascii() and value.isdigit()
    }
    factor = max(1.0, variables.get("unpacked", 0) / Limits.unpacked)
    bounds = {"memory": int(factor * Limits.memory), "seconds": factor * PARSE_SECONDS}
    return Limits(**(bounds | variables | own))  # type: ignore[arg-type]


def _store_file(name: str, digest: str, size: int, memory: int, checkpoint: Checkpoint) -> OpenedCheckpoint:
    known = _store.with_file(digest)
    file = known.file if known else None
    if file is None or file.name != address_name(name):
        file = CheckpointFile(address_name(name), digest, size, memory, file.checkpoint if file else checkpoint)
    _remove_unused_later()
    return _store.put(OpenedCheckpoint(file), current_reader())


def _remove_unused_later() -> None:
    """Look for checkpoints that nobody has used, once, in ``UNUSED_SECONDS``."""
    timer = Timer(UNUSED_SECONDS + 1, _store.remove_unused)
    timer.daemon = True
    timer.start()


def address_name(name: str) -> str:
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
