"""The text syntax of edits: short and readable in a URL; parsing is the exact inverse of writing.

One line of each kind, steps and units from 0::

    rnn.l0.weight_hh[forget_gate.3,5]=1     an entry: gate and unit, column; also += and *=
    rnn.l0.weight_hh[forget_gate.3]=0       a row;  [forget_gate] a gate's block;  [:,5] a column;  [3] unit 3's rows
    head.weight[3,5]*=2                     of any other parameter: row, column
    rnn.l0.reads[3]=0                       all incoming weights of unit 3;  rnn.l0.writes[3]=0: all outgoing ones
    rnn.l0.forget_bias=1                    [3]: of one unit
    rnn.l0.weight_hh.radius=1.1             weight_hh[candidate].radius=1.1: of one block
    rnn.l0.weight_hh.bits=4
    rnn.l0.weight_hh.noise=0.1/7            standard deviation / seed
    rnn.l0.weight_hh.values=8x2:eJxj...     rows x columns, then float32 compressed (zlib) in URL-safe base64
    rnn.l0.forget_gate[3]@2-8=1             clamped from step 2 to 8;  @2-: to the end;  @2: one step;  without: always
    rnn.l0.ablate[3]=mean                   or zero; steps as above
    rnn.l0.cell[3]@5<7:text                 at step 5, its value after step 7 of another text
    rnn.l0.h0[3]=0.5                        or c0
    token[5]=x   token[5]+=x   token[5]-    replace; insert before; delete

They are joined by ``;``. One that is switched off has ``!`` before it; in a text or token, ``;`` and ``\\`` have a ``\\``
before them.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import zlib

import numpy as np

from models.core.messages import Problem
from models.core.parse_numbers import parse_number, shorten
from models.edits import edit as kinds
from models.edits.edit import Edit, Edits, Entry

QUANTITIES = (
    "input_gate", "forget_gate", "candidate", "output_gate", "reset_gate", "update_gate", "preactivation", "intermediate",
    "cell", "hidden",
)  # fmt: skip
TOKEN_SIGNS = {"replace": "=", "insert": "+=", "delete": "-"}
MAX_MATRIX_VALUES = 2**24
"""The largest number of values of a matrix in a text."""

EDIT = re.compile(
    r"(?P<name>[^\[\]@=<;!]*?)"
    r"(?:\[(?P<at>[^\]]*)\])?(?:\.(?P<verb>radius|bits|noise|values))?"
    r"(?:@(?P<first>\d{1,9})(?P<to>-(?P<last>\d{1,9})?)?)?"
    r"(?P<how>\+=|\*=|=|<|-$)(?P<value>.*)",
    re.DOTALL,
)
AT = re.compile(r"(?::|(?P<gate>[a-z_]+)?(?:(?(gate)\.)(?P<row>\d{1,9}))?)(?:,(?P<column>\d{1,9}))?")


def write_edits(edits: Edits) -> str:
    """Return the list as one text; ``""`` for an empty list."""
    return ";".join(("" if entry.on else "!") + write_edit(entry.edit) for entry in edits.entries)


def write_edit(edit: Edit) -> str:
    """Return one edit as a text."""
    match edit:
        case kinds.WeightChange(place, how, value):
            return f"{_place(place)}{how}{_number_text(value)}"
        case kinds.ForgetBias(layer, value, unit):
            return f"{layer}.forget_bias{_unit(unit)}={_number_text(value)}"
        case kinds.SpectralRadius(place, value):
            return f"{_place(place)}.radius={_number_text(value)}"
        case kinds.Quantize(place, bits):
            return f"{_place(place)}.bits={bits}"
        case kinds.Noise(place, deviation, seed):
            return f"{_place(place)}.noise={_number_text(deviation)}/{seed}"
        case kinds.ReplaceMatrix(name, shape, data):
            packed = base64.urlsafe_b64encode(zlib.compress(data, 9)).decode().rstrip("=")
            return f"{name}.values={'x'.join(map(str, shape))}:{packed}"
        case kinds.Clamp(layer, quantity, value, unit, first, last):
            return f"{layer}.{quantity}{_unit(unit)}{_steps(first, last)}={_number_text(value)}"
        case kinds.Ablate(layer, unit, by, first, last):
            return f"{layer}.ablate{_unit(unit)}{_steps(first, last)}={by}"
        case kinds.Patch(layer, quantity, step, text, source, unit):
            return f"{layer}.{quantity}{_unit(unit)}@{step}<{source}:{_escaped(text)}"
        case kinds.InitialState(layer, state, value, unit):
            return f"{layer}.{'h0' if state == 'hidden' else 'c0'}{_unit(unit)}={_number_text(value)}"
        case kinds.TokenEdit(how, step, token):
            return f"token[{step}]{TOKEN_SIGNS[how]}{_escaped(token)}"


def read_edits(text: str) -> Edits:
    """Parse a list of edits, the inverse of ``write_edits``.

    Raises:
        Problem: a piece is not an edit; one sentence names it.
    """
    pieces = [text[match.start() : match.end()] for match in re.finditer(r"(?:\\.|[^;\\])+", text, re.DOTALL)]
    if len(";".join(pieces)) != len(text):
        raise _not_an_edit(text)
    return Edits(tuple(Entry(read_edit(piece.removeprefix("!")), not piece.startswith("!")) for piece in pieces))


def read_edit(text: str) -> Edit:
    """Parse one edit, the inverse of ``write_edit``.

    Raises:
        Problem: the text is not an edit; one sentence says why.
    """
    found = EDIT.fullmatch(text)
    at = AT.fullmatch(found["at"] or "") if found else None
    if not found or at is None:
        raise _not_an_edit(text)
    try:
        return _read(found, at, text)
    except (KeyError, ValueError, OverflowError, binascii.Error, zlib.error) as error:
        if isinstance(error, Problem):
            raise
        raise _not_an_edit(text) from error


def _read(found: re.Match[str], at: re.Match[str], text: str) -> Edit:
    name, how, value = found["name"], found["how"], found["value"]
    layer, _, last_part = name.rpartition(".")
    gate, row, column = at["gate"], *(None if at[key] is None else int(at[key]) for key in ("row", "column"))
    if not name or (found["at"] is not None and not found["at"]):
        raise _not_an_edit(text)
    plain = gate is None and column is None
    if name == "token" and found["first"] is None and found["verb"] is None:
        if not plain or row is None or (how == "-") != (not value) or how not in ("=", "+=", "-"):
            raise _not_an_edit(text)
        return kinds.TokenEdit(
            "replace" if how == "=" else "insert" if how == "+=" else "delete", row, _unescaped(value)
        )
    timed = found["first"] is not None
    if last_part in (*QUANTITIES, "ablate", "forget_bias", "h0", "c0") and layer and not found["verb"] and plain:
        if last_part in QUANTITIES and how == "<" and timed and not found["to"]:
            source, colon, other = value.partition(":")
            if not (colon and source.isascii() and source.isdigit() and len(source) <= 9):
                raise _not_an_edit(text)
            return kinds.Patch(layer, last_part, int(found["first"]), _unescaped(other), int(source), row)
        if how != "=":
            raise _not_an_edit(text)
        first = int(found["first"]) if timed else 0
        last = int(found["last"]) if found["last"] else None if found["to"] or not timed else first
        if last is not None and last < first:
            raise _not_an_edit(text)
        if last_part == "ablate":
            if row is None or value not in ("zero", "mean"):
                raise _not_an_edit(text)
            return kinds.Ablate(layer, row, "zero" if value == "zero" else "mean", first, last)
        if last_part in QUANTITIES:
            return kinds.Clamp(layer, last_part, parse_number(value), row, first, last)
        if timed:
            raise _not_an_edit(text)
        if last_part == "forget_bias":
            return kinds.ForgetBias(layer, parse_number(value), row)
        return kinds.InitialState(layer, "hidden" if last_part == "h0" else "cell", parse_number(value), row)
    if timed or how not in ("=", "+=", "*=") or (found["verb"] and how != "="):
        raise _not_an_edit(text)
    place = kinds.Place(name, gate, row, column)
    match found["verb"]:
        case "radius":
            return kinds.SpectralRadius(place, parse_number(value))
        case "bits":
            return kinds.Quantize(place, int(value))
        case "noise":
            deviation, _, seed = value.partition("/")
            if not re.fullmatch(r"\d{1,9}", seed, re.ASCII):
                raise _not_an_edit(text)
            return kinds.Noise(place, parse_number(deviation), int(seed))
        case "values":
            return _matrix(name, value, text) if place == kinds.Place(name) else _refuse(text)
    return kinds.WeightChange(place, "=" if how == "=" else "+=" if how == "+=" else "*=", parse_number(value))


def _matrix(name: str, value: str, text: str) -> kinds.ReplaceMatrix:
    size, _, packed = value.partition(":")
    if not re.fullmatch(r"\d{1,8}(x\d{1,8})?", size, re.ASCII):
        raise _not_an_edit(text)
    shape = tuple(map(int, size.split("x")))
    wanted = 4 * math.prod(shape)
    if wanted > 4 * MAX_MATRIX_VALUES:
        raise _not_an_edit(text)
    padded = packed.encode("ascii") + b"=" * (-len(packed) % 4)
    data = zlib.decompressobj().decompress(base64.b64decode(padded, altchars=b"-_", validate=True), wanted + 1)
    if len(data) != wanted or not np.isfinite(np.frombuffer(data, "<f4")).all():
        raise _not_an_edit(text)
    return kinds.ReplaceMatrix(name, shape, data)


def _not_an_edit(text: str) -> Problem:
    return Problem(
        "“{text}” is not a valid edit. Use the form rnn.l0.weight_hh[forget_gate.3,5]=1.", text=shorten(text) or "…"
    )


def _refuse(text: str) -> Edit:
    raise _not_an_edit(text)


def _number_text(value: float) -> str:
    """Return the shortest text that parses to ``value``: 1 and not 1.0."""
    return repr(float(value)).removesuffix(".0")


def _unit(unit: int | None) -> str:
    return "" if unit is None else f"[{unit}]"


def _steps(first: int, last: int | None) -> str:
    if last is None:
        return f"@{first}-" if first else ""
    return f"@{first}" if first == last else f"@{first}-{last}"


def _place(place: kinds.Place) -> str:
    rows = ".".join(str(part) for part in (place.gate, place.row) if part is not None)
    column = "" if place.column is None else f",{place.column}"
    return place.name + (f"[{rows or ':'}{column}]" if rows or column else "")


def _escaped(text: str) -> str:
    return re.sub(r"([\\;])", r"\\\1", text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
