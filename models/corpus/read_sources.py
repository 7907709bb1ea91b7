"""The documents of a corpus: text files, JSON Lines, CSV and Parquet, single, in folders or by a glob.

Any address that fsspec opens is read: a local path, ``s3://bucket/*.jsonl``, ``https://...``. Files are read one after the
other, rows as they come, so that memory holds one text file or one batch of rows.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from models.core.messages import Problem
from models.networks.sequence_files import parse_sequence

MAX_FILE = 1 << 30
"""Bytes of one text file, which is read as a whole."""

MAX_ROW = 64 << 20
"""Bytes of one row of a table."""

ROWS = 1000
"""Rows of Parquet that are read at a time."""

MAX_SIGNAL = 1_000_000
"""Steps of one file of numbers."""

VERSIONS = ("mtime", "ETag", "etag", "LastModified", "last_modified", "updated", "created")
"""What the file systems of fsspec name what changes with a file; the first that there is counts."""

TEXT_COLUMNS = ("text", "content", "sentence", "body")
"""The columns of a table that are taken as its text if none is named, in this order."""


MAX_WHOLE = 1 << 53
"""The largest whole number up to which float64 has all."""

NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
"""A number in a column of a CSV."""


@dataclass(frozen=True)
class Document:
    """A document of a corpus.

    Attributes:
        source: the address of its file, with the number of its row, from 1, if the file is a table: ``"a.jsonl:3"``.
        text: what the network reads.
        annotations: the row's other columns: one value for the document, or a list with one for each of its tokens.
    """

    source: str
    text: str
    annotations: Mapping[str, Any] = field(default_factory=dict)


def read_documents(address: str, text_column: str | None = None) -> Iterator[Document]:
    """Yield the documents of a corpus, in the order of the addresses of their files.

    Args:
        address: of a file, a folder (with all that is in it) or a glob.
        text_column: the column of a table that contains the text; None for the first of ``TEXT_COLUMNS`` that it has.

    Raises:
        Problem: nothing is there, a file cannot be read, is not text, or is a table without a column of texts.
    """
    for system, path in _files(address):
        name = system.unstrip_protocol(path) if "://" in address else path
        ending = path.rsplit(".", 1)[-1].lower()
        try:
            with system.open(path, "rb") as file:
                numeric: frozenset[str] = frozenset()
                if ending in ("jsonl", "ndjson"):
                    rows = _json_rows(file, name)
                elif ending in ("csv", "tsv"):
                    separator = "\t" if ending == "tsv" else ","
                    with system.open(path, "rb") as before:
                        numeric = _numeric_columns(_csv_rows(before, name, separator))
                    rows = _csv_rows(file, name, separator)
                elif ending == "parquet":
                    rows = _parquet_rows(file, name)
                else:
                    yield Document(name, _whole_text(file, name))
                    continue
                yield from _table_documents(rows, name, text_column, numeric)
        except OSError as error:
            raise _unreadable(name, error) from error


def sources_state(address: str) -> str:
    """Return the hash of the names, sizes and times of change of a corpus's files, which changes when one of them does.

    Raises:
        Problem: nothing is there.
    """
    digest = hashlib.sha256()
    for system, path in _files(address):
        try:
            found = system.info(path)
        except OSError as error:
            raise _unreadable(path, error) from error
        version = next((found[each] for each in VERSIONS if each in found), None)
        digest.update(ascii((path, found.get("size"), str(version))).encode())
    return digest.hexdigest()


def _unreadable(name: str, error: OSError) -> Problem:
    return Problem("“{file}” cannot be read: {reason}.", file=name, reason=error.strerror or str(error))


def read_signals(address: str, columns: int) -> Iterator[Document]:
    """Yield the sequences of numbers of a corpus for a network with D inputs: one for each CSV or ``.npy`` file.

    JSON Lines, Parquet and text files are read as by ``read_documents``: their texts are numbers.

    Raises:
        Problem: as ``read_documents``, or a file has other columns.
    """
    for system, path in _files(address):
        if path.rsplit(".", 1)[-1].lower() not in ("csv", "tsv", "npy"):
            yield from read_documents(system.unstrip_protocol(path) if "://" in address else path)
            continue
        try:
            data = system.cat_file(path)
        except OSError as error:
            raise _unreadable(path, error) from error
        values = parse_sequence(data, columns, MAX_SIGNAL)
        yield Document(path, "\n".join(" ".join(map(repr, row)) for row in values.tolist()))


def _files(address: str) -> list[tuple[Any, str]]:
    """Return the file system and the path of each file at an address, sorted by path; hidden files are left out."""
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(address)
        if any(sign in path for sign in "*?["):
            paths = [found for found in system.glob(path) if system.isfile(found)]
        elif system.isdir(path):
            paths = system.find(path)
        else:
            paths = [path] if system.exists(path) else []
    except (OSError, ValueError, ImportError) as error:
        raise Problem("“{address}” cannot be opened: {reason}.", address=address, reason=error) from error
    fixed = re.split(r"[*?\[]", path)[0]  # hidden folders that the address itself names are read
    fixed = fixed if fixed == path else fixed[: fixed.rfind("/") + 1]
    shown = [found for found in sorted(paths) if not _is_hidden(found[len(fixed) :])]
    if not shown:
        raise Problem(
            "There is no file at “{address}”. Give a file, a folder or a pattern such as texts/*.txt.", address=address
        )
    return [(system, found) for found in shown]


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _decode(data: bytes, name: str) -> str:
    """Return text from UTF-8, or UTF-16 with its mark."""
    try:
        text = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem("“{file}” is not text in UTF-8. Leave it out, or convert it.", file=name) from error
    if "\0" in text:
        raise Problem("“{file}” is a binary file, not text. Leave it out.", file=name)
    return text


def _whole_text(file: Any, name: str) -> str:
    data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise Problem(
            "“{file}” is larger than {limit} MB. Split it into several files.", file=name, limit=MAX_FILE >> 20
        )
    return _decode(data, name)


def _json_rows(file: Any, name: str) -> Iterator[Mapping[str, Any]]:
    number = 0
    while line := file.readline(MAX_ROW + 1):
        number += 1
        if len(line) > MAX_ROW:
            raise Problem(
                "Line {line} of “{file}” is larger than {limit} MB.", line=number, file=name, limit=MAX_ROW >> 20
            )
        if not line.strip():
            continue
        decoded = _decode(line, name)
        try:
            row = json.loads(decoded)
        except (ValueError, RecursionError) as error:
            raise Problem("Line {line} of “{file}” is not valid JSON.", line=number, file=name) from error
        if not isinstance(row, dict):
            raise Problem(
                'Line {line} of “{file}” is not a JSON object. Write {example} on each line.',
                line=number, file=name, example='{"text": "…"}',
            )  # fmt: skip
        yield row


def _csv_rows(file: Any, name: str, separator: str) -> Iterator[Mapping[str, Any]]:
    csv.field_size_limit(MAX_ROW)  # of one text; without it 128 KB
    lines = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        for row in csv.DictReader(lines, delimiter=separator):
            row.pop(None, None)  # values past the last heading
            yield row
    except UnicodeDecodeError as error:
        raise Problem("“{file}” is not text in UTF-8. Leave it out, or convert it.", file=name) from error
    except csv.Error as error:
        raise Problem("“{file}” is not a valid CSV file: {reason}.", file=name, reason=error) from error


def _numeric_columns(rows: Iterator[Mapping[str, Any]]) -> frozenset[str]:
    """Return the columns of a CSV whose values are numbers or empty, and not all empty.

    One with whole numbers above 2^53, as of identifiers, is text: two of them may be one float64.
    """
    filled: set[str] = set()
    other: set[str] = set()
    for row in rows:
        for name, value in row.items():
            if value and name not in other:
                (filled if _is_float(value) else other).add(name)
    return frozenset(filled - other)


def _is_float(value: str) -> bool:
    """Return whether a text is a number, and no whole number that float64 rounds."""
    if not NUMBER.fullmatch(value):
        return False
    digits = value.strip().lstrip("+-")
    return not (digits.isdigit() and (len(digits) > len(str(MAX_WHOLE)) or int(digits) > MAX_WHOLE))


def _parquet_rows(file: Any, name: str) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        for batch in parquet.ParquetFile(file).iter_batches(batch_size=ROWS):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise Problem("“{file}” is not a valid Parquet file.", file=name) from error


def _table_documents(
    rows: Iterator[Mapping[str, Any]], name: str, column: str | None, numeric: frozenset[str]
) -> Iterator[Document]:
    """Yield a document for each row with a text; the values of the columns ``numeric`` are numbers, written as text."""
    for number, row in enumerate(rows, start=1):
        chosen = column if column is not None else next((each for each in TEXT_COLUMNS if each in row), None)
        if chosen is None or chosen not in row:
            raise Problem(
                "“{file}” has no column “{column}”. It has {columns}; name the one with the texts.",
                file=name,
                column=column or TEXT_COLUMNS[0],
                columns=", ".join(f"“{each}”" for each in list(row)[:12]),
            )
        text = row[chosen]
        if text is None or text == "":
            continue
        if not isinstance(text, str):
            raise Problem(
                "Row {row} of “{file}” has no text in its column “{column}”.", row=number, file=name, column=chosen
            )
        annotations = {key: value for key, value in row.items() if key != chosen}
        annotations |= {
            key: float(annotations[key]) if annotations[key] else None for key in numeric & annotations.keys()
        }
        yield Document(f"{name}:{number}", text, annotations)
