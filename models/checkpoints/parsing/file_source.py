"""A file's bytes, and the members of a zip archive among them."""

from __future__ import annotations

import io
import mmap
import zipfile
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import BinaryIO, cast

from models.checkpoints.parsing.contents import CheckpointError, Limits

MAPPED = 64 << 20
"""Files from this size on are mapped into memory, smaller ones are read."""


class Source:
    """A checkpoint's bytes, read or mapped.

    Attributes:
        data: all of them.
        path: where they come from, or None.
        limits: how much may be asked for.
    """

    def __init__(self, source: str | PathLike[str] | bytes, limits: Limits) -> None:
        """Open a path, or take bytes.

        Raises:
            CheckpointError: there is no such file, it cannot be read, is empty or too large.
        """
        self.path, self.limits = None, limits
        self._held: bytes | mmap.mmap
        if isinstance(source, bytes | bytearray | memoryview):
            self._held = bytes(source)
            self._check(len(self._held))
        else:
            self.path = Path(source)
            try:
                with self.path.open("rb") as file:
                    self._check(size := self.path.stat().st_size)
                    self._held = file.read() if size < MAPPED else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except FileNotFoundError:
                raise CheckpointError("There is no file {file}; check its name.", file=str(source)) from None
            except IsADirectoryError:
                raise CheckpointError(
                    "{file} is a folder; choose the checkpoint in it, or its .index.json.", file=str(source)
                ) from None
            except (OSError, ValueError) as error:
                raise CheckpointError("{file} cannot be read: {reason}.", file=str(source), reason=error) from None
        self.data = memoryview(self._held)

    def _check(self, size: int) -> None:
        if not size:
            raise CheckpointError("This file is empty; choose another, or save it again.")
        if size > self.limits.file_size:
            raise CheckpointError(
                "This file has {size} bytes, more than the {largest} that are allowed; "
                "save the weights alone, or raise the limit.",
                size=f"{size:,}",
                largest=f"{self.limits.file_size:,}",
            )

    def starts(self, *signatures: bytes) -> bool:
        """Whether its first bytes are one of these."""
        return any(self.data[: len(signature)] == signature for signature in signatures)

    @cached_property
    def members(self) -> dict[str, zipfile.ZipInfo]:
        """The members of the zip archive that it is, by name; none where it is no archive.

        Raises:
            CheckpointError: there are too many, or they unpack to too much.
        """
        if not self.starts(b"PK\x03\x04", b"PK\x05\x06"):
            return {}
        try:
            found = self._zip.infolist()
        except Exception as error:
            raise CheckpointError(
                "This archive is cut short or damaged: it has no list of its members; copy the file again."
            ) from error
        if len(found) > self.limits.tensors * 2:
            raise CheckpointError(
                "This archive has {count} members, more than are allowed; save the weights alone, or raise the limit.",
                count=f"{len(found):,}",
            )
        packed = sum(member.file_size for member in found if member.compress_type != zipfile.ZIP_STORED)
        if packed > self.limits.unpacked:
            raise CheckpointError(
                "This file unpacks to {size} bytes, more than the {largest} that are allowed; "
                "save the weights alone, or raise the limit.",
                size=f"{packed:,}",
                largest=f"{self.limits.unpacked:,}",
            )
        return {member.filename: member for member in found}

    def file(self) -> BinaryIO:
        """All bytes, as a file at its beginning; nothing is copied."""
        if isinstance(self._held, bytes):
            return io.BytesIO(self._held)
        self._held.seek(0)
        return cast(BinaryIO, self._held)

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.file())

    def member(self, name: str) -> memoryview:
        """The bytes of one member: where they lie, if they are not packed.

        Raises:
            CheckpointError: there is no such member, or it is damaged.
        """
        try:
            found = self.members[name]
            if found.flag_bits & 1:
                raise CheckpointError("This archive is encrypted; save it without a password.")
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
        except CheckpointError:
            raise
        except Exception as error:
            raise CheckpointError(
                "The part {name} of this archive is missing or damaged; copy the file again.", name=name
            ) from error

    def small(self, name: str) -> bytes:
        """The bytes of a member that is read as a whole, such as a JSON text."""
        if name in self.members and self.members[name].file_size > self.limits.header:
            raise CheckpointError(
                "The part {name} of this archive is larger than is allowed; "
                "save the weights alone, or raise the limit.",
                name=name,
            )
        return bytes(self.member(name))
