"""The binary payload for the browser: the numbers of one layer over one sequence in one block of bytes, or two if long.

Layout: uint32 (little endian) length N of the header, N bytes of UTF-8 JSON padded with spaces so that 4 + N
is a multiple of 8, then the arrays, each at its offset from the end of the header. The browser uses the numbers as typed
arrays in place, without parsing them.
"""

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from viz.escape import utf8_bytes

_ALIGNMENT = 8
_INTEGERS = ("top_token", "next_token", "detail_steps", "detail_places", "detail_units")


def pack(
    view_id: str,
    *,
    layer: str,
    kind: str,
    gates: Mapping[str, ArrayLike | None],
    states: Mapping[str, ArrayLike | None],
    tokens: Sequence[str],
    arrays: Mapping[str, ArrayLike | None] | None = None,
    predicts: Literal["symbols", "values", "class", "tags"] | None = None,
    vocabulary: Sequence[str] | None = None,
    unit_names: Sequence[str] | None = None,
    input_names: Sequence[str] | None = None,
    rows: Literal["all"] | Sequence[int] = "all",
    options: Mapping[str, Any] | None = None,
    excerpt: Mapping[str, Any] | None = None,
) -> bytes:
    """Return the payload of one layer.

    Args:
        view_id: the browser's store for it, such as "step".
        layer: the layer's name, such as "rnn.l0".
        kind: "LSTM", "GRU" or "RNN".
        gates: name -> (T, H), in the order in which they are listed; None if its numbers are sent apart (``excerpt``).
        states: name -> (T, H) or None; "hidden" may be (T, P) in a projected LSTM.
        tokens: T strings as they are displayed.
        arrays: other arrays that the components use, by name; None is left out. "input" (T, D); "hidden_before" (P),
            "cell_before" (H): the states before the first step, or, if a step did not start from the result of the
            previous one, "hidden_prev" (T, P), "cell_prev" (T, H); "weight_ih" (R, G, D), "weight_hh" (R, G, P),
            "bias_ih", "bias_hh" (R, G), "weight_ch" (R, gates with a peephole), and of layer norms "gain_ih", "shift_ih",
            "gain_hh", "shift_hh" (R, G), "gain_c", "shift_c" (R, 1), and of an intermediate state "weight_mx" (R, 1, D),
            "weight_mh" (R, 1, P): the weight rows of the listed units; "norm_ih",
            "norm_hh", "norm_c" (T, 2): the mean and the deviation of what each layer norm is applied to; for
            networks of symbols "top_token", "top_probability" (T, K), "next_token" (T,), -1 for none, "next_probability"
            (T,), "surprise" (T,) in bits, NaN for none; for taggers "top_token", "top_probability" (T, K) of classes; for
            networks of numbers "prediction" (T, Dout) and, if they predict
            the next value, "truth" (T, Dout), NaN for none.
        predicts: what the network predicts, if anything.
        vocabulary: the symbol of each id.
        unit_names, input_names: names to show for units and inputs.
        rows: the units whose weight rows are in `arrays`.
        options: passed through, such as the options in which the cell differs from PyTorch's default.
        excerpt: of a run that is too large to be sent as a whole, what is sent of it (``viz.payloads.excerpt``).

    Raises:
        ValueError: an array whose first dimension is not the number of tokens.
    """
    content = {
        name: _contiguous(name, array)
        for name, array in {**gates, **states, **(arrays or {})}.items()
        if array is not None
    }
    for name, array in content.items():
        if not _has_no_steps(name) and array.shape[0] != len(tokens):
            raise ValueError(f"{name} has {array.shape[0]} steps, but there are {len(tokens)} tokens.")
    return _assemble(
        {
            "view_id": view_id,
            "layer": layer,
            "kind": kind,
            "gates": list(gates),
            "states": list(states),
            "tokens": list(tokens),
            "predicts": predicts,
            "vocabulary": None if vocabulary is None else list(vocabulary),
            "top": content["top_token"].shape[1] if "top_token" in content else 0,
            "unit_names": None if unit_names is None else list(unit_names),
            "input_names": None if input_names is None else list(input_names),
            "rows": rows if rows == "all" else [int(row) for row in rows],
            "options": dict(options or {}),
            "excerpt": None if excerpt is None else dict(excerpt),
        },
        content,
    )


def pack_nearby(
    payload: bytes, *, steps: tuple[int, int], stay: tuple[int, int], arrays: Mapping[str, ArrayLike | None]
) -> bytes:
    """Return the numbers of all units at some steps, which the browser adds to an excerpt of the run.

    Args:
        payload: of the excerpt.
        steps: the first step, and the one after the last.
        stay: the steps at which the browser requests no others, likewise.
        arrays: as for ``pack``, of these steps only.
    """
    header = _header(payload)[0]
    content = {name: _contiguous(name, array) for name, array in arrays.items() if array is not None}
    for name, array in content.items():
        if not _has_no_steps(name) and array.shape[0] != steps[1] - steps[0]:
            raise ValueError(f"{name} has {array.shape[0]} steps, not those of {steps}.")
    return _assemble({"view_id": header["view_id"], "of": header["id"], "steps": steps, "stay": stay}, content)


def _assemble(header: dict[str, Any], content: dict[str, NDArray[Any]]) -> bytes:
    places, offset = {}, 0
    for name, array in content.items():
        places[name] = {"shape": list(array.shape), "offset": offset, "dtype": array.dtype.name}
        offset += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    header["arrays"] = places
    body = [part for array in content.values() for part in (array.data, bytes(-array.nbytes % _ALIGNMENT))]
    # The id is a hash of the content: the browser keeps its trace if the content is the same.
    digest = hashlib.blake2b(json.dumps(header, sort_keys=True).encode(), digest_size=16)
    for part in body:
        digest.update(part)
    header["id"] = digest.hexdigest()
    text = utf8_bytes(json.dumps(header, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    text += b" " * (-(4 + len(text)) % _ALIGNMENT)
    return b"".join([struct.pack("<I", len(text)), text, *body])


def unpack(payload: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header and the arrays of a payload, by name; the browser does the same."""
    header, length = _header(payload)
    arrays = {}
    for name, place in header["arrays"].items():
        dtype = np.dtype(place["dtype"]).newbyteorder("<")
        count = int(np.prod(place["shape"], dtype=np.int64))
        start = 4 + length + place["offset"]
        arrays[name] = np.frombuffer(payload, dtype, count, start).reshape(place["shape"])
    return header, arrays


def _header(payload: bytes) -> tuple[dict[str, Any], int]:
    (length,) = struct.unpack_from("<I", payload)
    return json.loads(payload[4 : 4 + length]), length


def finite_list(values: ArrayLike) -> list[float | None]:
    """Return numbers for the header, with None for NaN and infinity, which JSON lacks; NaN in the browser."""
    return [float(value) if np.isfinite(value) else None for value in np.asarray(values)]


def _has_no_steps(name: str) -> bool:
    return name.startswith(
        ("weight_", "bias_", "gain_", "shift_", "detail_", "column:", "map:", "source_")
    ) or name.endswith("_before")


def _contiguous(name: str, array: ArrayLike) -> NDArray[Any]:
    return np.ascontiguousarray(array, dtype="<i4" if name.partition(":")[0] in _INTEGERS else "<f4")
