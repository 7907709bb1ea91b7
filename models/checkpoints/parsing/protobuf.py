"""Protocol buffers in wire format: fields by number, without a schema and without copying.

Source: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from models.checkpoints.parsing.work_budget import spend

FieldValue = int | memoryview

MAX_FIELDS = 1_000_000
"""The maximum number of fields of one message."""


def read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return the varint that starts at ``at``, and the position after it.

    Raises:
        ValueError: the varint is not terminated.
    """
    value = 0
    for index in range(10):
        if at + index >= len(data):
            break
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at + index + 1
    raise ValueError("unterminated varint")


def iterate_fields(data: memoryview) -> Iterator[tuple[int, FieldValue]]:
    """Generate (number, value) of every field; the value is an int, or the bytes of a string, message, packed list or float.

    Raises:
        ValueError: the data is not a message, or has too many fields.
    """
    at = count = 0
    while at < len(data):
        count += 1
        spend()
        if count > MAX_FIELDS:
            raise ValueError("too many fields")
        key, at = read_varint(data, at)
        number, wire_type = key >> 3, key & 7
        if not number:
            raise ValueError("field number 0")
        if wire_type == 0:
            value, at = read_varint(data, at)
            yield number, value
            continue
        if wire_type == 2:
            length, at = read_varint(data, at)
        elif wire_type in (1, 5):
            length = 8 if wire_type == 1 else 4
        else:
            raise ValueError("unknown wire type")
        if at + length > len(data):
            raise ValueError("truncated field")
        yield number, data[at : at + length]
        at += length


def parse_message(data: memoryview) -> dict[int, list[FieldValue]]:
    """Return all values by field number."""
    found: dict[int, list[FieldValue]] = {}
    for number, value in iterate_fields(data):
        found.setdefault(number, []).append(value)
    return found


def decode_text(values: list[FieldValue] | None) -> str:
    """Return the last of the values as a string; "" if there is none."""
    return bytes(values[-1]).decode("utf-8", "replace") if values and isinstance(values[-1], memoryview) else ""


def decode_integers(values: list[FieldValue] | None) -> list[int]:
    """Return signed integers, packed or one per field."""
    found = []
    for value in values or ():
        if isinstance(value, int):
            found.append(value)
            continue
        spend(len(value) // 4)
        at = 0
        while at < len(value):
            number, at = read_varint(value, at)
            found.append(number)
    return [number - (1 << 64) if number >> 63 else number for number in found]


def decode_floats(values: list[FieldValue] | None) -> list[float]:
    """Return 32-bit floats, packed or one per field."""
    data = b"".join(value for value in values or () if not isinstance(value, int))
    return [number for (number,) in struct.iter_unpack("<f", data)]
