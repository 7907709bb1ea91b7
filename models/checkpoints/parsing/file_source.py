"""The bytes of a checkpoint file, and the members of a zip archive."""

from __future__ import annotations

import io
import mmap
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import BinaryIO, cast

from models.checkpoints.parsing.contents import Limits
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.work_budget import spend
from models.core.zip_directory import TAIL, directory_size

MMAP_THRESHOLD = 64 << 20
"""Files of at least this many bytes are memory-mapped, smaller ones are loaded."""


@dataclass(frozen=True, eq=False)
class StoredBytes:
    """A part of a file that is unpacked when it is read.

    Attributes:
        size: bytes after unpacking.
        read: returns them.
        packed: whether reading them takes unpacking.
    """

    size: int
    read: Callable[[], memoryview]
    packed: bool = False

    @classmethod
    def of(cls, data: memoryview) -> StoredBytes:
        """Return a part that is not packed."""
        return cls(len(data), lambda: data)


class FileSource:
    """A checkpoint's bytes, in memory or memory-mapped.

    Attributes:
        data: all bytes.
        total: their number; of an index, with those of the files that it lists.
        path: the file's path, or None if it was passed as bytes.
        limits: upper bounds on sizes, counts and time.
    """

    def __init__(self, source: str | PathLike[str] | bytes, limits: Limits) -> None:
        """Open a path, or use bytes.

        Raises:
            CheckpointError: the file does not exist, cannot be read, is empty or is too large.
        """
        self.path: Path | None = None
        self.limits = limits
        self._unpacked: tuple[str, memoryview] = ("", memoryview(b""))
        self._bytes: bytes | mmap.mmap
        if isinstance(source, bytes | bytearray | memoryview):
            self._bytes = bytes(source)
            self._check(len(self._bytes))
        else:
            self.path = Path(source)
            try:
                with self.path.open("rb") as file:
                    self._check(size := self.path.stat().st_size)
                    self._bytes = (
                        file.read() if size < MMAP_THRESHOLD else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                    )
            except CheckpointError:
                raise
            except FileNotFoundError:
                raise CheckpointError("File not found: {file}. Check its name.", file=self.path.name) from None
            except IsADirectoryError:
                raise CheckpointError(
                    "{file} is a folder. Choose the checkpoint in it, or its .index.json file.", file=self.path.name
                ) from None
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or "it is no regular file"  # without the file's path
                raise CheckpointError("{file} cannot be read: {reason}.", file=self.path.name, reason=reason) from None
        self.data = memoryview(self._bytes)
        self.total = len(self.data)

    def _check(self, size: int) -> None:
        if not size:
            raise CheckpointError("This file is empty. Choose another file, or save it again.")
        if size > self.limits.file_size:
            raise CheckpointError(
                (
                    "This file has {size} bytes, but the limit is {largest} bytes. Save only the weights, or raise the "
                    "limit."
                ),
                size=f"{size:,}",
                largest=f"{self.limits.file_size:,}",
            )

    def starts_with(self, *signatures: bytes) -> bool:
        """Return whether the file starts with one of these byte strings."""
        return any(self.data[: len(signature)] == signature for signature in signatures)

    @cached_property
    def members(self) -> dict[str, zipfile.ZipInfo]:
        """The members of the zip archive by name; empty if the file is not a zip archive.

        Raises:
            CheckpointError: there are too many members, or they decompress to too many bytes.
        """
        if not self.starts_with(b"PK\x03\x04", b"PK\x05\x06"):
            return {}
        try:
            count, size = self._directory()
            spend(count)
            found = [] if size > self.limits.header else self._zip.infolist()
        except (CheckpointError, MemoryError):
            raise
        except Exception as error:
            raise CheckpointError(
                "This archive is truncated or damaged: its list of members is missing. Copy the file again."
            ) from error
        if size > self.limits.header or len(found) > self.limits.tensors * 2:
            raise CheckpointError(
                "This archive has {count} members, more than allowed. Save only the weights, or raise the limit.",
                count=f"{max(count, len(found)):,}",
            )
        packed = sum(member.file_size for member in found if member.compress_type != zipfile.ZIP_STORED)
        if packed > self.limits.unpacked:
            raise CheckpointError(
                (
                    "This file unpacks to {size} bytes, but the limit is {largest} bytes. Save only the weights, or raise "
                    "the limit."
                ),
                size=f"{packed:,}",
                largest=f"{self.limits.unpacked:,}",
            )
        return {member.filename: member for member in found}

    def _directory(self) -> tuple[int, int]:
        """Return the number of entries in the list of members, and its bytes."""
        tail = bytes(self.data[max(0, len(self.data) - TAIL) :])
        return directory_size(tail, lambda at, size: bytes(self.data[at : at + size]))

    def as_file(self) -> BinaryIO:
        """Return all bytes as a file object at position 0, without copying them."""
        if isinstance(self._bytes, bytes):
            return io.BytesIO(self._bytes)
        self._bytes.seek(0)
        return cast(BinaryIO, self._bytes)

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.as_file())

    def read_member(self, name: str) -> memoryview:
        """Return the bytes of one member; of an uncompressed member a view of ``data``, without copying.

        Raises:
            CheckpointError: the member is missing, encrypted or damaged.
        """
        try:
            found = self.members[name]
            if found.flag_bits & 1:
                raise CheckpointError("This archive is encrypted. Save it without a password.")
            if found.compress_type == zipfile.ZIP_STORED:
                start = found.header_offset
                head = self.data[start : start + 30]
                if head[:4] != b"PK\x03\x04":
                    raise ValueError("no local header")
                start += 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
                if found.file_size != found.compress_size or start + found.file_size > len(self.data):
                    raise ValueError("outside the file")
                return self.data[start : start + found.file_size]
            with self._zip.open(found) as file:
                unpacked = file.read(found.file_size)
            if len(unpacked) != found.file_size:
                raise ValueError("too short")
            return memoryview(unpacked)
        except (CheckpointError, MemoryError):
            raise
        except Exception as error:
            raise CheckpointError(
                "{name} in this archive is missing or damaged. Copy the file again.", name=name
            ) from error

    def member(self, name: str) -> StoredBytes:
        """Return a member that is unpacked when it is read; the last one that was read stays unpacked.

        Raises:
            CheckpointError: there is no such member.
        """
        found = self.members.get(name)
        if found is None:
            raise CheckpointError("{name} in this archive is missing or damaged. Copy the file again.", name=name)
        if found.compress_type == zipfile.ZIP_STORED:
            return StoredBytes.of(self.read_member(name))

        def read() -> memoryview:
            if self._unpacked[0] != name:
                self._unpacked = (name, self.read_member(name))
            return self._unpacked[1]

        return StoredBytes(found.file_size, read, packed=True)

    def read_start(self, name: str, size: int) -> bytes:
        """Return the first ``size`` bytes of a member, without unpacking the others.

        Raises:
            CheckpointError: as of ``read_member``.
        """
        found = self.members.get(name)
        if found is None or found.flag_bits & 1 or found.compress_type == zipfile.ZIP_STORED:
            return bytes(self.read_member(name)[:size])
        try:
            with self._zip.open(found) as file:
                return file.read(size)
        except Exception as error:
            raise CheckpointError(
                "{name} in this archive is missing or damaged. Copy the file again.", name=name
            ) from error

    def read_small_member(self, name: str) -> bytes:
        """Return the bytes of a member that is parsed as a whole, such as JSON.

        Raises:
            CheckpointError: as of ``read_member``, or it is larger than ``limits.header``.
        """
        if name in self.members and self.members[name].file_size > self.limits.header:
            raise CheckpointError(
                "{name} in this archive is too large. Save only the weights, or raise the limit.",
                name=name,
            )
        return bytes(self.read_member(name))
