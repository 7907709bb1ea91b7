"""Files that were opened while the app runs: known to the whole server, by their content.

A file is opened once. How its network is to be run (which embedding, decoder, vocabulary) and what the reader corrected
in it are part of the name under which lenses and links know it: ``lm.pt~3f2a9c01b7de``.
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
from models.checkpoints.building.build import CompatibleParts, Setup, build_network, compatible_parts, default_setup
from models.checkpoints.building.checkpoint_module import CheckpointModule as Runnable
from models.core.cells import Kind
from models.networks.network import Network

SETTINGS = {"UNROLLED_UNPACKED": ("unpacked", 1 << 20), "UNROLLED_TENSORS": ("tensors", 1)}
"""Limits that the environment may set, and their units: MB that a file unpacks to, and tensors in it."""

COUNT, BYTES = 32, 2 << 30
"""How many ways to run files, and how much of uploaded files, are kept for all sessions together."""

LARGE = 128 << 20
"""Bytes of a file that is read as a whole only when that is asked for."""

WHOLE = 64 << 20
"""A file on this machine up to this size is known by all of its bytes, a larger one by some of them."""
PIECE, PIECES = 1 << 16, 64

LONGEST = 100
NAME = re.compile(r".+~[0-9a-f]{12}", re.DOTALL)


@dataclass(frozen=True)
class Correction:
    """What the reader knows of a layer that its file does not say: arguments of ``Checkpoint.corrected``."""

    layer: str
    kind: Kind | None = None
    order: tuple[str, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, eq=False)
class File:
    """A file that was opened.

    Attributes:
        name: its own, fit for an address.
        digest: tells its content from any other.
        size: bytes.
        held: bytes of it that are kept in memory; those of a large file on this machine are read when looked at.
        checkpoint: what is in it.
    """

    name: str
    digest: str
    size: int
    held: int
    checkpoint: Checkpoint


@dataclass(frozen=True, eq=False)
class OpenedCheckpoint:
    """A file, as the reader corrected it, and how it is to be run.

    Attributes:
        file: what was opened.
        corrections: in the order in which they were made.
        chosen: how to run it; None for the best guess.
    """

    file: File
    corrections: tuple[Correction, ...] = ()
    chosen: Setup | None = None

    @cached_property
    def name(self) -> str:
        """What lenses and links call it."""
        told = repr((self.file.digest, self.corrections, self.chosen))
        return f"{self.file.name}~{sha256(told.encode()).hexdigest()[:12]}"

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """What is in the file, corrected. Raises CheckpointError: a correction does not fit."""
        checkpoint = self.file.checkpoint
        for each in self.corrections:
            checkpoint = checkpoint.corrected(each.layer, kind=each.kind, order=each.order, **dict(each.options))
        return checkpoint

    @property
    def large(self) -> bool:
        """Whether it takes a while to read all of it; then nothing but what is asked for is read."""
        return self.file.size > LARGE

    @cached_property
    def fit(self) -> CompatibleParts:
        """What the file's tensors allow."""
        return compatible_parts(self.checkpoint)

    @cached_property
    def setup(self) -> Setup:
        """How it is run. Raises CheckpointError: nothing in it can be."""
        return self.chosen or default_setup(self.fit)

    @cached_property
    def network(self) -> Network:
        """The network, from the file's own tensors. Raises CheckpointError: it cannot be run."""
        network = build_network(self.checkpoint, self.setup, self.name)
        title = dict.fromkeys(network.card.title, self.file.name)
        return replace(network, card=replace(network.card, title=title))

    @cached_property
    def runs_as(self) -> dict[str, str]:
        """The names that the layers have in a run, by those in the file. Raises CheckpointError: it cannot be run."""
        setup, module = self.setup, self.network.module
        if setup.target is None:
            modules = dict(zip(self.fit.stack(setup.stack).modules, cast(Runnable, module).stack_names, strict=True))
        else:  # one part reads, another writes
            names = {setup.stack: "encoder", setup.target.stack: "decoder"}
            modules = {self.fit.stack(stack).modules[0]: name for stack, name in names.items()}
        return {
            layer: f"{name}.l{level}{suffix}"
            for part, name in modules.items()
            for level, layers in enumerate(part.levels)
            for layer, suffix in zip(layers, ("", "_reverse"), strict=False)
        }

    def corrected(self, correction: Correction) -> OpenedCheckpoint:
        """With one correction more; how it was to be run is open again. Raises CheckpointError: it does not fit."""
        others = tuple(each for each in self.corrections if each.layer != correction.layer)
        opened = OpenedCheckpoint(self.file, (*others, correction))
        assert opened.checkpoint
        return _store.put(opened)

    def run_as(self, setup: Setup) -> OpenedCheckpoint:
        """The same, run in this way. Raises CheckpointError: it cannot be; of a large file that is told when it is run."""
        opened = replace(self, chosen=setup)
        if not self.large:
            assert opened.network
        return _store.put(opened)


class Store:
    """What is open: a bounded number, the one that was not looked at for longest leaves first. Safe between threads."""

    def __init__(self, count: int = COUNT, size: int = BYTES) -> None:
        """Keep at most ``count`` of them, and ``size`` bytes of their files; always the newest."""
        self.count, self.size = count, size
        self._kept: OrderedDict[str, OpenedCheckpoint] = OrderedDict()
        self._lock = Lock()

    def put(self, opened: OpenedCheckpoint) -> OpenedCheckpoint:
        """Keep one; the one that is there already, if it is."""
        with self._lock:
            opened = self._kept.setdefault(opened.name, opened)
            self._kept.move_to_end(opened.name)
            gone = False
            while len(self._kept) > 1 and (len(self._kept) > self.count or self._held() > self.size):
                self._kept.popitem(last=False)
                gone = True
        if gone:
            st.cache_resource.clear()  # what was computed from its weights holds them
        return opened

    def get(self, name: str) -> OpenedCheckpoint | None:
        """The one of this name, if it is open."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
            return self._kept.get(name)

    def file(self, digest: str) -> File | None:
        """The open file with this content."""
        with self._lock:
            return next((each.file for each in self._kept.values() if each.file.digest == digest), None)

    def _held(self) -> int:
        return sum({each.file.digest: each.file.held for each in self._kept.values()}.values())


_store = Store()
_named: dict[Path, str] = {}


def find(name: str) -> OpenedCheckpoint | None:
    """What is open under this name, or None."""
    return _store.get(name)


def named(path: Path) -> OpenedCheckpoint:
    """The file that was named on the command line, opened once. Raises CheckpointError: it cannot be opened."""
    opened = find(_named.get(path, ""))
    if opened is None:
        opened = open_path(path)
        _named[path] = opened.name
    return opened


def is_name(net: str) -> bool:
    """Whether a network's name is that of an opened file, here or elsewhere."""
    return NAME.fullmatch(net) is not None


def open_path(path: Path) -> OpenedCheckpoint:
    """Open a file on this machine. Raises CheckpointError: it cannot be opened."""
    checkpoint = load_checkpoint(path, limits=allowed())
    size = path.stat().st_size
    held = size if size <= WHOLE else 0
    return _keep(path.name, _digest(path, size), size, held, checkpoint)


def open_upload(files: Mapping[str, bytes]) -> OpenedCheckpoint:
    """Open an uploaded file, or the files of one sharded checkpoint with their index.

    Args:
        files: contents by name.

    Raises:
        CheckpointError: it cannot be opened; one sentence says what was found.
    """
    limits = allowed(file_size=limit())
    if len(files) == 1:
        ((name, content),) = files.items()
        digest = sha256(content).hexdigest()
        known = _store.file(digest)
        checkpoint = known.checkpoint if known else load_checkpoint(content, limits=limits)
        return _keep(name, digest, len(content), len(content), checkpoint)
    indices = [name for name in files if name.endswith(".index.json")]
    if len(indices) != 1:
        raise CheckpointError(
            (
                "You chose {count} files. Open one at a time, or all files of one checkpoint together with their "
                ".index.json."
            ),
            count=len(files),
        )
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # what is mapped of them stays while it is used
        for name, content in files.items():
            if PurePath(name).name == name and "\\" not in name:
                (Path(folder) / name).write_bytes(content)
        checkpoint = load_checkpoint(Path(folder) / indices[0], limits=limits)
    digest = sha256(b"".join(sha256(files[name]).digest() for name in sorted(files))).hexdigest()
    size = sum(map(len, files.values()))
    return _keep(indices[0], digest, size, size, checkpoint)


def limit() -> int:
    """Bytes that an uploaded file may have."""
    return int(st.get_option("server.maxUploadSize")) << 20


def allowed(**own: int) -> Limits:
    """What a file may ask for: as ``Limits`` says, but for ``own`` and for what a whole number in the environment says."""
    told = {
        name: int(said) * unit
        for key, (name, unit) in SETTINGS.items()
        if (said := os.environ.get(key, "")).isascii() and said.isdigit()
    }
    return Limits(**(told | own))


def _keep(name: str, digest: str, size: int, held: int, checkpoint: Checkpoint) -> OpenedCheckpoint:
    file = _store.file(digest)
    if file is None or file.name != _plain(name):
        file = File(_plain(name), digest, size, held, file.checkpoint if file else checkpoint)
    return _store.put(OpenedCheckpoint(file))


def _plain(name: str) -> str:
    """A file's name as an address can carry it."""
    shown = "".join(letter if letter.isprintable() else "_" for letter in PurePath(name.replace("\\", "/")).name)
    return shown[-LONGEST:] or "checkpoint"


def _digest(path: Path, size: int) -> str:
    if size <= WHOLE:
        return sha256(path.read_bytes()).hexdigest()
    told = sha256(f"{path.resolve()} {size} {path.stat().st_mtime_ns}".encode())
    with path.open("rb") as file:
        for at in range(PIECES):
            file.seek(at * (size - PIECE) // (PIECES - 1))
            told.update(file.read(PIECE))
    return told.hexdigest()
