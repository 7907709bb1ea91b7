"""Protocol buffers as they lie on the wire: fields by number, without a schema and without a copy.

Source: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

FieldValue = int | memoryview

MAX_FIELDS = 1_000_000
"""Fields that one message may have."""


def read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at ``at``, and where it ends.

    Raises:
        ValueError: it does not end.
    """
    value = 0
    for index in range(10):
        if at + index >= len(data):
            break
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at + index + 1
    raise ValueError("a number does not end")


def iterate_fields(data: memoryview) -> Iterator[tuple[int, FieldValue]]:
    """(number, value) of every field: an int, or the bytes of a text, a message, a packed list or a fixed-size number.

    Raises:
        ValueError: this is no message, or one of too many fields.
    """
    at = count = 0
    while at < len(data):
        count += 1
        if count > MAX_FIELDS:
            raise ValueError("there are too many fields")
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if not number:
            raise ValueError("a field has no number")
        if kind == 0:
            value, at = read_varint(data, at)
            yield number, value
            continue
        if kind == 2:
            length, at = read_varint(data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError("a field is of no known kind")
        if at + length > len(data):
            raise ValueError("a field does not end")
        yield number, data[at : at + length]
        at += length


def parse_message(data: memoryview) -> dict[int, list[FieldValue]]:
    """All values by field number."""
    found: dict[int, list[FieldValue]] = {}
    for number, value in iterate_fields(data):
        found.setdefault(number, []).append(value)
    return found


def decode_text(values: list[FieldValue] | None) -> str:
    """The last of the values, as a text; empty where there is none."""
    return bytes(values[-1]).decode("utf-8", "replace") if values and isinstance(values[-1], memoryview) else ""


def decode_integers(values: list[FieldValue] | None) -> list[int]:
    """Signed numbers, packed or one a field."""
    found = []
    for value in values or ():
        if isinstance(value, int):
            found.append(value)
            continue
        at = 0
        while at < len(value):
            number, at = read_varint(value, at)
            found.append(number)
    return [number - (1 << 64) if number >> 63 else number for number in found]


def decode_floats(values: list[FieldValue] | None) -> list[float]:
    """32-bit floats, packed or one a field."""
    data = b"".join(value for value in values or () if not isinstance(value, int))
    return [number for (number,) in struct.iter_unpack("<f", data)]
