"""Protocol buffers in wire format: fields by number, without a schema and without copying.

Source: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

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
    size = len(data)
    while at < size:
        if not count % 64:
            spend(min(64, size - at))
        count += 1
        if count > MAX_FIELDS:
            raise ValueError("too many fields")
        key, at = (data[at], at + 1) if data[at] < 0x80 else read_varint(data, at)
        number, wire_type = key >> 3, key & 7
        if not number:
            raise ValueError("field number 0")
        if wire_type == 0:
            value, at = read_varint(data, at)
            yield number, value
            continue
        if wire_type == 2:
            short = at < size and data[at] < 0x80
            length, at = (data[at], at + 1) if short else read_varint(data, at)
        elif wire_type in (1, 5):
            length = 8 if wire_type == 1 else 4
        else:
            raise ValueError("unknown wire type")
        if at + length > size:
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


def decode_integer_array(values: list[FieldValue]) -> np.ndarray:
    """Return ``decode_integers`` of many numbers as an array of int64.

    Raises:
        ValueError: a number is not terminated.
    """
    packed = [np.frombuffer(_varint(value) if isinstance(value, int) else value, np.uint8) for value in values]
    if any(len(part) and part[-1] >= 0x80 for part in packed):
        raise ValueError("unterminated varint")
    data = np.concatenate([np.zeros(0, np.uint8), *packed])
    ends = np.flatnonzero(data < 0x80)
    starts = np.concatenate([np.zeros(min(1, len(ends)), np.int64), ends[:-1] + 1])
    lengths = ends - starts + 1
    if len(lengths) and lengths.max() > 10:
        raise ValueError("unterminated varint")
    numbers = np.zeros(len(ends), np.uint64)
    for place in range(int(lengths.max(initial=0))):
        longer = lengths > place
        digits = (data[starts[longer] + place] & 0x7F).astype(np.uint64)
        numbers[longer] |= digits << np.uint64(7 * place)
    return numbers.view(np.int64)


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def decode_floats(values: list[FieldValue] | None) -> list[float]:
    """Return 32-bit floats, packed or one per field."""
    data = b"".join(value for value in values or () if not isinstance(value, int))
    return [number for (number,) in struct.iter_unpack("<f", data)]
