"""What an edit did to a run, as the browser draws it: a gate or state and the predictions, before and after."""

import numpy as np

from models.edits.edit_effects import StepOrigins, layer_origins, state_difference
from models.networks.forward_run import ClassPrediction, Reading, SymbolPrediction, ValuePrediction
from viz.edit_text import fixed_spans
from viz.payloads.binary_payload import pack

TOP, ROWS = 5, 7
"""Symbols that are looked at on each side, and those that are shown of both together."""


def changed_names(quantity: str) -> tuple[str, str, str]:
    """What the quantity is called in the payload: before, after, and after less before."""
    return f"before:{quantity}", f"after:{quantity}", f"{quantity}:change"


def changed_payload(
    view_id: str, before: Reading, after: Reading, layer: str, quantity: str, origin: StepOrigins = None
) -> bytes:
    """The payload of one gate or state of ``layer``, as three quantities (``changed_names``), and of the predictions.

    Args:
        view_id: the store that it is for.
        before, after: the readings.
        layer: the layer.
        quantity: the gate or state.
        origin: which step of ``before`` each step that is read was; None where they are the same.
    """
    traced, own = after.trace.layers[layer], layer_origins(before, after, layer, origin)
    new = _values(after, layer, quantity)
    old = _aligned(_values(before, layer, quantity), own)
    arrays: dict[str, np.ndarray] = {}
    names = changed_names(quantity)
    marks = [mark for mark in fixed_spans(after, layer) if mark["quantity"] == quantity]
    options: dict[str, object] = {
        "reverse": traced.reverse,
        "held": [mark | {"quantity": name} for mark in marks for name in names[1:]],
        "alike": names[:2],
    }
    predicts, vocabulary = None, None
    first, second = before.prediction_of(layer), after.prediction_of(layer)
    if isinstance(first, SymbolPrediction) and isinstance(second, SymbolPrediction):
        predicts, vocabulary = "symbols", second.vocabulary
        arrays = _symbols(first, second, own)
    elif isinstance(first, ValuePrediction) and isinstance(second, ValuePrediction):
        predicts = "values"
        arrays = {"value_before": _aligned(first.value, own), "value_after": second.value, "truth": second.following}
    elif isinstance(first, ClassPrediction) and isinstance(second, ClassPrediction):
        predicts = "class"
        sides = (first.probability.tolist(), second.probability.tolist())
        options |= {"classes": second.classes, "class_before": sides[0], "class_after": sides[1]}
    return pack(
        view_id,
        layer=layer,
        kind=traced.kind,
        gates={},
        states=dict(zip(names, (old, new, state_difference(before, after, layer, quantity, origin)), strict=True)),
        tokens=after.labels_of(layer),
        arrays=arrays,
        predicts=predicts,  # type: ignore[arg-type]
        vocabulary=vocabulary,
        options=options,
    )


def _symbols(before: SymbolPrediction, after: SymbolPrediction, origin: StepOrigins) -> dict[str, np.ndarray]:
    """At each step the most probable symbols of both, -1 for none, with both probabilities; and of what came next."""
    past = _aligned(before.probability, origin)
    count = min(TOP, past.shape[1])
    known = np.where(np.isnan(past), -1, past)
    new, old = after.top(count), np.argsort(-known, axis=1, kind="stable")[:, :count]
    told_already = (old[:, :, None] == new[:, None, :]).any(axis=2) | np.isnan(past[:, :1])
    old = np.where(told_already, -1, old)
    last = np.argsort(told_already, axis=1, kind="stable")[:, : ROWS - TOP]
    tokens = np.concatenate([new, np.take_along_axis(old, last, axis=1)], axis=1)
    arrays = {"pair_token": tokens}
    following = after.following[:, None]
    for name, values in (("before", past), ("after", after.probability)):
        arrays[f"pair_{name}"] = _chosen(values, tokens)
        arrays[f"next_{name}"] = _chosen(values, following)[:, 0]
    return arrays | {"next_token": after.following}


def _chosen(values: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """(T, K) of ``values`` (T, V), NaN where the id is -1."""
    return np.where(ids < 0, np.nan, np.take_along_axis(values, np.maximum(ids, 0), axis=1))


def _values(reading: Reading, layer: str, quantity: str) -> np.ndarray:
    traced = reading.trace.layers[layer]
    return traced[quantity][reading.row, : int(traced.lengths[reading.row])]


def _aligned(old: np.ndarray, origin: StepOrigins) -> np.ndarray:
    """What was at each step of the edited sequence; NaN at inserted steps."""
    if origin is None:
        return old
    result = np.full((len(origin), *old.shape[1:]), np.nan, old.dtype)
    there = [step for step, was in enumerate(origin) if was is not None]
    result[there] = old[[was for was in origin if was is not None]]
    return result
