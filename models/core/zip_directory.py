"""The list of members at the end of a zip archive: how many there are, before they are parsed."""

from __future__ import annotations

import struct
from collections.abc import Callable

TAIL = (1 << 16) + 22
"""Bytes at the end of a file that contain the end of its list of members, if it is a zip archive."""


def directory_size(tail: bytes, read_at: Callable[[int, int], bytes]) -> tuple[int, int]:
    """Return the number of entries in the list of members, and its bytes, as its end states them.

    Args:
        tail: the last ``TAIL`` bytes of the file, or all of them.
        read_at: returns the bytes of the file at an offset: (offset, size).

    Raises:
        ValueError: there is no list of members.

    Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.14 to 4.3.16.
    """
    whole = len(tail) >= 22 and tail[-22:-18] == b"PK\x05\x06" and tail[-2:] == b"\0\0"
    at = len(tail) - 22 if whole else tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 16 > len(tail):
        raise ValueError("no list of members")
    count, size = struct.unpack_from("<HL", tail, at + 10)
    if tail[at - 20 : at - 16] == b"PK\x06\x07":  # of more than 65,535 members, or of more than 4 GB
        (place,) = struct.unpack_from("<Q", tail, at - 12)
        end = read_at(place, 56)
        if end[:4] == b"PK\x06\x06" and len(end) == 56:
            count, size = struct.unpack_from("<QQ", end, 32)
    return count, size
