"""The symbols of a network's input: found beside its tensors, parsed from a separate file, or typed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from models.checkpoints.parsing.contents import Limits
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.pickles import OpaqueCall
from models.checkpoints.parsing.work_budget import parse_json, spend, work_budget
from models.core.messages import Problem

MAX_FILE_BYTES = 16 << 20
"""The maximum size of a vocabulary file in bytes."""
MAX_SYMBOLS = 1_000_000
"""The maximum number of symbols."""
MAX_SYMBOL_LENGTH = 200
"""The maximum number of characters of one symbol."""

UNKNOWN_SYMBOLS = ("<unk>", "<UNK>", "[UNK]", "<unknown>", "<oov>", "<OOV>", "UNK", "unk", "\ufffd")
"""Usual names of the symbol for out-of-vocabulary input."""


def as_symbols(value: Any) -> tuple[str, ...] | None:
    """Return the symbols that a plain value lists, in the order of their ids, or None if it is not such a list.

    Args:
        value: a list of symbols, ``{symbol: id}`` or ``{id: symbol}``. An unused id gets the symbol ``"#id"``.
    """
    if isinstance(value, list | tuple):
        symbols = tuple(_text(symbol) for symbol in value)
    elif isinstance(value, Mapping) and value:
        pairs = [_by_id(_text(key), _text(entry)) for key, entry in value.items()]
        ids: dict[int, Any] = dict(pair for pair in pairs if pair is not None)
        if len(ids) < len(value) or min(ids) < 0 or max(ids) > 2 * len(ids) + 100:
            return None
        symbols = tuple(ids.get(each, f"#{each}") for each in range(max(ids) + 1))
    else:
        return None
    named = all(isinstance(symbol, str) and len(symbol) <= MAX_SYMBOL_LENGTH for symbol in symbols)
    return symbols if 1 < len(symbols) <= MAX_SYMBOLS and named and len(set(symbols)) == len(symbols) else None


def _text(symbol: Any) -> Any:
    """Return a symbol that is stored as bytes in UTF-8 as text; anything else unchanged."""
    if isinstance(symbol, bytes) and len(symbol) <= 4 * MAX_SYMBOL_LENGTH:
        with suppress(UnicodeDecodeError):
            return symbol.decode()
    return symbol


def _by_id(key: Any, entry: Any) -> tuple[int, Any] | None:
    if isinstance(key, str) and type(entry) is int:
        return entry, key
    if isinstance(entry, str) and (type(key) is int or (isinstance(key, str) and key.isascii() and key.isdigit())):
        return (int(key), entry) if len(str(key)) < 10 else None
    return None


def find_vocabularies(value: Any, limit: int = 100_000) -> dict[str, tuple[str, ...]]:
    """Return every list of symbols within nested plain values, by path; at most ``limit`` values are visited."""
    found: dict[str, tuple[str, ...]] = {}
    left = limit
    for name, entry in _walk(value):
        left -= 1
        if left < 0 or len(found) >= 100:
            break
        symbols = as_symbols(entry)
        if symbols is not None:
            found[name or "symbols"] = symbols
    return found


def vocabularies_in_metadata(about: Any) -> dict[str, tuple[str, ...]]:
    """Return the lists of symbols that a file's metadata contain as JSON, by path."""
    parsed = {}
    for name, text in about.items() if isinstance(about, Mapping) else ():
        if isinstance(text, str) and text.lstrip()[:1] in ("[", "{"):
            try:
                parsed[str(name)] = parse_json(text)
            except CheckpointError:
                raise
            except ValueError:  # a text that only begins like JSON
                continue
    return find_vocabularies(parsed)


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Generate (path, container) of nested containers breadth first, each once."""
    pending, seen, walked = deque([("", value)]), set[int](), set[int]()
    while pending:
        name, entry = pending.popleft()
        if isinstance(entry, OpaqueCall):  # an object's state; of TorchScript's typed lists, the list
            typed = entry.name.startswith("torch.jit._pickle.") and entry.args
            entry = entry.args[0] if typed else entry.items or entry.state
        if id(entry) in walked:  # one that several objects share
            continue
        walked.add(id(entry))
        spend(2 * len(entry) if isinstance(entry, Mapping) or _is_list(entry) else 1)
        yield name, entry
        inner = entry.items() if isinstance(entry, Mapping) else enumerate(entry) if _is_list(entry) else ()
        for key, each in inner:
            if (isinstance(each, Mapping | OpaqueCall) or _is_list(each)) and id(each) not in seen:
                seen.add(id(each))
                pending.append((f"{name}.{str(key)[:200]}"[-200:] if name else str(key)[:200], each))


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def read_vocabulary(data: bytes) -> tuple[str, ...]:
    """Parse a vocabulary file: its symbols in the order of their ids.

    Args:
        data: JSON with a list of symbols or ``{symbol: id}``, also nested; or text with one symbol per line.

    Raises:
        Problem: the file is not a vocabulary; one sentence says why.

    Example:
        >>> read_vocabulary(b'{"<unk>": 0, "a": 1}')
        ('<unk>', 'a')
    """
    try:
        with work_budget(Limits()):
            return _read_vocabulary(data)
    except CheckpointError:
        raise Problem("This JSON contains too many items. Use a list of symbols or an object {{symbol: id}}.") from None


def _read_vocabulary(data: bytes) -> tuple[str, ...]:
    if len(data) > MAX_FILE_BYTES:
        raise Problem(
            "This list of symbols has {size} bytes, but the limit is {largest} bytes. Use a shorter list.",
            size=f"{len(data):,}",
            largest=f"{MAX_FILE_BYTES:,}",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Problem(
            "This list of symbols is not UTF-8 text. Save it in UTF-8, as JSON or with one symbol per line."
        ) from None
    if text.lstrip()[:1] in ("[", "{"):
        try:
            parsed = parse_json(text)
        except CheckpointError:
            raise
        except ValueError:
            parsed = None
        listed = [] if parsed is None else sorted(find_vocabularies(parsed).values(), key=len)
        if listed:
            return listed[-1]
        if parsed is not None:
            raise Problem("This JSON contains no list of symbols. Use a list of symbols or an object {{symbol: id}}.")
    _check_count(text.count("\n") + text.count("\r"))
    lines = text.splitlines() if "\r" in text else text.removesuffix("\n").split("\n")
    return _check_symbols(lines)


def parse_typed_vocabulary(text: str) -> tuple[str, ...]:
    """Parse typed symbols: one per line, separated by white space, or a string of single characters.

    Raises:
        Problem: they are not a list of symbols; one sentence says why.

    Example:
        >>> parse_typed_vocabulary("abc"), parse_typed_vocabulary("<unk> the cat")
        (('a', 'b', 'c'), ('<unk>', 'the', 'cat'))
    """
    if text.lstrip()[:1] in ("[", "{") and len(text.strip()) > 1:
        return read_vocabulary(text.encode())
    if len(text) > MAX_FILE_BYTES:
        return read_vocabulary(text.encode())  # which is too long
    if "\n" in text.strip("\n"):
        _check_count(text.count("\n"))
        return _check_symbols(text.strip("\n").split("\n"))
    return _check_symbols(text.split() if " " in text.strip() else list(text.strip()))


def _check_symbols(symbols: list[str]) -> tuple[str, ...]:
    if len(symbols) < 2:
        raise Problem(
            "This list contains fewer than two symbols. Write one symbol per line, in the order of their ids."
        )
    _check_count(len(symbols))
    seen: set[str] = set()
    for symbol in symbols:
        if len(symbol) > MAX_SYMBOL_LENGTH:
            raise Problem(
                "The symbol “{symbol}” is longer than {most} characters. Write one symbol per line.",
                symbol=symbol[:40] + "…",
                most=MAX_SYMBOL_LENGTH,
            )
        if symbol in seen:
            raise Problem("The symbol “{symbol}” occurs twice in the list. Write each symbol once.", symbol=symbol)
        seen.add(symbol)
    return tuple(symbols)


def _check_count(count: int) -> None:
    """Refuse more symbols than are allowed, before they are split."""
    if count > MAX_SYMBOLS:
        raise Problem(
            "This list contains {count} symbols, but at most {most} are allowed. Use a shorter list.",
            count=f"{count:,}",
            most=f"{MAX_SYMBOLS:,}",
        )


def unknown_symbol(vocabulary: tuple[str, ...]) -> str | None:
    """Return the symbol for out-of-vocabulary input, or None if the vocabulary has none of its usual names."""
    return next((name for name in UNKNOWN_SYMBOLS if name in vocabulary), None)


def is_character_level(vocabulary: tuple[str, ...]) -> bool:
    """Return whether at least 80 % of the symbols, apart from those in brackets, are single characters."""
    plain = [
        symbol for symbol in vocabulary if not (len(symbol) > 2 and symbol[0] in "<[#" and symbol[-1] in ">]0123456789")
    ]
    return bool(plain) and sum(len(symbol) == 1 for symbol in plain) >= 0.8 * len(plain)
