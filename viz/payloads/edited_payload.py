"""The payload of the effect of edits: a gate or state and the predictions, before and after."""

import numpy as np

from models.edits.edit_effects import StepOrigins, classes_before, layer_origins
from models.networks.forward_run import ClassPrediction, ForwardRun, SymbolPrediction, TagPrediction, ValuePrediction
from viz.edit_text import fixed_spans
from viz.payloads.binary_payload import finite_list, pack

TOP, ROWS = 5, 7
"""Most probable symbols of each run, and rows that are shown of both together."""


def compared_names(quantity: str) -> tuple[str, str, str]:
    """Return the names of the quantity in the payload: before, after, and after minus before."""
    return f"before:{quantity}", f"after:{quantity}", f"{quantity}:change"


def edited_payload(
    view_id: str,
    before: ForwardRun,
    after: ForwardRun,
    layer: str,
    quantity: str,
    array: str,
    origin: StepOrigins = None,
) -> bytes:
    """Return the payload of one gate or state of ``layer``, as three quantities (``compared_names``), and the predictions.

    The numbers of the first and the third quantity are left out: the browser takes them from the
    values of ``before``, (T, units), which are sent apart, once.

    Args:
        view_id: the browser's store for it.
        before, after: the runs.
        layer: the layer.
        quantity: the gate or state.
        array: the id under which the values of ``before`` were sent.
        origin: the step of ``before`` that each step of ``after`` was; None if they are the same.
    """
    traced, own = after.trace.layers[layer], layer_origins(before, after, layer, origin)
    arrays: dict[str, np.ndarray] = {}
    names = compared_names(quantity)
    marks = [mark for mark in fixed_spans(after, layer) if mark["quantity"] == quantity]
    options: dict[str, object] = {
        "reverse": traced.reverse,
        "generates": after.decodes(layer),
        "compared": {"array": array, "names": names, "origin": own},
        "fixed": [mark | {"quantity": name} for mark in marks for name in names[1:]],
        "alike": names[:2],
        "inserted": {
            "steps": [step for step, was in enumerate(own or ()) if was is None],
            "quantities": [names[0], names[2]],
        },
        "zero_one_gates": names[:2] if quantity in traced.weights.cell.zero_one_gates else [],
    }
    predicts, vocabulary = None, None
    first, second = before.prediction_of(layer), after.prediction_of(layer)
    if isinstance(first, SymbolPrediction) and isinstance(second, SymbolPrediction):
        predicts, vocabulary = "symbols", second.vocabulary
        arrays = _pairs(first, second, own, second.target)
    elif isinstance(first, TagPrediction) and isinstance(second, TagPrediction):
        predicts, options = "tags", options | {"classes": second.classes}
        arrays = _pairs(first, second, own, classes_before(first, own))
    elif isinstance(first, ValuePrediction) and isinstance(second, ValuePrediction):
        predicts = "values"
        arrays = {"value_before": _aligned(first.value, own), "value_after": second.value}
        if second.target is not None:
            arrays["truth"] = second.target
    elif isinstance(first, ClassPrediction) and isinstance(second, ClassPrediction):
        predicts = "class"
        sides = (finite_list(first.probability), finite_list(second.probability))
        options |= {"classes": second.classes, "class_before": sides[0], "class_after": sides[1]}
    return pack(
        view_id,
        layer=layer,
        kind=traced.kind,
        gates={},
        states=dict(zip(names, (None, _values(after, layer, quantity), None), strict=True)),
        tokens=after.labels_of(layer),
        arrays=arrays,
        predicts=predicts,  # type: ignore[arg-type]
        vocabulary=vocabulary,
        options=options,
    )


def _pairs(
    before: SymbolPrediction | TagPrediction,
    after: SymbolPrediction | TagPrediction,
    origin: StepOrigins,
    target: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return at each step the most probable symbols or classes of both, -1 for none, with their probabilities.

    Also the probability of a ``target`` (T) at each step, -1 for none: the actual next symbol, or a tagger's class before.
    """
    past = _aligned(before.probability, origin)
    count = min(TOP, past.shape[1])
    known = np.where(np.isnan(past), -1, past)
    new, old = after.top(count), np.argsort(-known, axis=1, kind="stable")[:, :count]
    listed = (old[:, :, None] == new[:, None, :]).any(axis=2) | np.isnan(past[:, :1])
    old = np.where(listed, -1, old)
    last = np.argsort(listed, axis=1, kind="stable")[:, : ROWS - TOP]
    tokens = np.concatenate([new, np.take_along_axis(old, last, axis=1)], axis=1)
    arrays = {"pair_token": tokens}
    following = target[:, None]
    for name, values in (("before", past), ("after", after.probability)):
        arrays[f"pair_{name}"] = _chosen(values, tokens)
        arrays[f"next_{name}"] = _chosen(values, following)[:, 0]
    return arrays | {"next_token": target}


def _chosen(values: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return (T, K) of ``values`` (T, V), NaN where the id is -1."""
    return np.where(ids < 0, np.nan, np.take_along_axis(values, np.maximum(ids, 0), axis=1))


def _values(run: ForwardRun, layer: str, quantity: str) -> np.ndarray:
    traced = run.trace.layers[layer]
    return traced[quantity][run.row, : int(traced.lengths[run.row])]


def _aligned(old: np.ndarray, origin: StepOrigins) -> np.ndarray:
    """Return the values before the edit at each step of the edited sequence; NaN at inserted steps."""
    if origin is None:
        return old
    result = np.full((len(origin), *old.shape[1:]), np.nan, old.dtype)
    kept = [step for step, was in enumerate(origin) if was is not None]
    result[kept] = old[[was for was in origin if was is not None]]
    return result
